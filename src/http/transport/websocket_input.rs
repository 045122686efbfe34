//! Limits the unfinished messages of a websocket: each by the largest size, all of an address by its share of memory.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::error::PayloadError;
use actix_http::ws::CloseCode;
use actix_web::web;
use bytes::Bytes;
use futures_util::Stream;

use crate::limits::{Owner, Permit};

use super::frame_lengths::{FrameLengths, TooLong};

/// The request's body, for the codec.
pub(super) struct WebsocketInput {
    body: web::Payload,
    lengths: FrameLengths,
    /// Counts the bytes of the unfinished message, which the codec or the fragments hold.
    holding: Permit<Owner>,
    end: EndCell,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The websocket is to be closed with this code.
    Refused(CloseCode),
    /// The connection broke off.
    Broken,
}

/// Set once nothing more comes: the codec has errors of its own only.
pub(super) type EndCell = Rc<Cell<Option<Ended>>>;

impl WebsocketInput {
    pub(super) fn new(
        body: web::Payload,
        max_payload: usize,
        holding: Permit<Owner>,
    ) -> (Self, EndCell) {
        let end = EndCell::default();
        let input = Self {
            body,
            lengths: FrameLengths::new(max_payload),
            holding,
            end: Rc::clone(&end),
        };
        (input, end)
    }

    fn check(&mut self, chunk: &[u8]) -> Result<(), CloseCode> {
        self.lengths
            .take(chunk)
            .map_err(|TooLong| CloseCode::Size)?;
        let held = self.lengths.held();
        self.holding.resize(held).map_err(|_| CloseCode::Again)
    }
}

impl Stream for WebsocketInput {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.body).poll_next(cx));
        let ended = match &next {
            None => return Poll::Ready(None),
            Some(Ok(chunk)) => match self.check(chunk) {
                Ok(()) => return Poll::Ready(next),
                Err(code) => Ended::Refused(code),
            },
            Some(Err(_)) => Ended::Broken,
        };
        self.end.set(Some(ended));
        Poll::Ready(Some(Err(PayloadError::Overflow)))
    }
}
