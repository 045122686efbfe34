//! Large auth messages, parsed beside the worker.
//!
//! A payload is a JSON array of numbers. Parsing one of some MiB would block the worker for tens of milliseconds. So only
//! this socket waits.

use actix::prelude::*;

use crate::auth::{AuthError, AuthMessage};
use crate::events;
use crate::heavy::LIGHT;
use crate::socket::{Link, Socket};
use crate::socketio::EventBody;
use crate::telemetry;

use super::session::AuthSocketSession;

/// An auth message whose payload is parsed.
#[derive(Debug)]
pub(super) struct ReadMessage {
    /// The message as it arrived.
    json: String,
    /// The message without its payload.
    rest: String,
    payload: Option<Vec<u8>>,
}

impl ReadMessage {
    fn read(body: &EventBody) -> Result<Self, AuthError> {
        let (_, argument) = body.name_and_first_argument();
        let json = argument.unwrap_or_default();
        let (rest, payload) = AuthMessage::take_payload(json)?;
        Ok(Self {
            json: json.to_owned(),
            rest,
            payload,
        })
    }
}

fn is_auth_message(data: &str) -> bool {
    let name = data
        .strip_prefix("[\"")
        .and_then(|rest| rest.strip_prefix(events::AUTH_MESSAGE));
    name.is_some_and(|rest| rest.starts_with('"'))
}

impl AuthSocketSession {
    /// Starts to parse a large auth message beside the worker. Until that ends, nothing else of this socket is handled.
    ///
    /// Returns the event if it is small, or if there is no memory to hold it meanwhile.
    pub(super) fn read_beside(
        &mut self,
        body: EventBody,
        ctx: &mut Context<Socket<Self>>,
    ) -> Option<EventBody> {
        let bytes = body.data.len();
        let is_large = bytes > LIGHT && is_auth_message(&body.data);
        if !is_large || self.holding.grow(2 * bytes).is_err() {
            return Some(body);
        }
        self.upkeep.client_spoke();
        self.is_reading = true;
        let (heavy, address) = (self.service.heavy.clone(), self.counted_for);
        let read = async move {
            let read = heavy.run(address, bytes, move || ReadMessage::read(&body));
            let panicked = Err(AuthError::Malformed("it could not be read"));
            read.await.unwrap_or(panicked)
        };
        let read = fut::wrap_future::<_, Socket<Self>>(read);
        ctx.wait(read.map(|read, socket, ctx| {
            socket.with_application(ctx, |application, link, ctx| {
                application.message_read(read, link, ctx);
            });
        }));
        None
    }

    fn message_read(
        &mut self,
        read: Result<ReadMessage, AuthError>,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.is_reading = false;
        telemetry::event(|| match read {
            Ok(ReadMessage {
                json,
                rest,
                payload,
            }) => {
                let message = AuthMessage::parse(&rest);
                let message = message.map(|message| AuthMessage { payload, ..message });
                self.handle_auth_message(message, &json, link, ctx);
            }
            Err(error) => self.refuse(&error),
        });
        // Handles what arrived meanwhile.
        self.handle_connection(Ok(()), link, ctx);
        self.count_held(link);
    }
}
