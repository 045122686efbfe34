//! From verified events to commands, and back to answers.

use std::time::Instant;

use actix::prelude::*;

use crate::delivery::{SendStatus, fits_live};
use crate::events::{
    Authenticated, ClientEvent, Refusal, SendMessage, SendRefused, ServerEvent, is_live_room,
    is_message_box,
};
use crate::ids::{IdentityKey, RoomId};
use crate::js_trim::js_trim;
use crate::limits::{LimitExceeded, refusals};
use crate::model::{MessageBody, NewMessage};
use crate::rooms::{Member, RoomAccess};
use crate::socket::{Link, Socket};
use crate::telemetry::{self, TraceId};

use super::session::AuthSocketSession;
use super::state::reply_queue::{Reply, Ticket};

/// Unanswered messages that one socket may have.
const MAX_PENDING_MESSAGES: usize = 1_000;

/// The box of a message to an open room whose id names no box.
const DEFAULT_BOX: &str = "default";

/// To the socket: the reply to a message that it submitted.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Submitted {
    pub(super) ticket: Ticket,
    pub(super) reply: Reply,
    /// When the message arrived.
    pub(super) since: Instant,
    /// The trace id for its log lines.
    pub(super) trace: Option<TraceId>,
}

impl Handler<Submitted> for Socket<AuthSocketSession> {
    type Result = ();

    fn handle(&mut self, submitted: Submitted, ctx: &mut Self::Context) {
        self.with_application(ctx, |session, link, _| {
            let counters = &session.service.counters;
            counters.answer_time.record_time(submitted.since.elapsed());
            telemetry::within(submitted.trace, || {
                session.reply(submitted.ticket, submitted.reply, link);
            });
        });
    }
}

impl AuthSocketSession {
    /// Does what an event asks for. `identity` signed the event.
    pub(super) fn dispatch(
        &mut self,
        event: ClientEvent,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.service.counters.events.add_one(event.name());
        match event {
            ClientEvent::Authenticated(claimed) => self.confirm(claimed, identity, link),
            ClientEvent::JoinRoom(room) => self.join(room, link),
            ClientEvent::LeaveRoom(room) => self.leave(room, link),
            ClientEvent::SendMessage(Ok(message)) => self.submit(message, identity, link, ctx),
            ClientEvent::SendMessage(Err(refused)) => self.refuse_message(refused, link),
            ClientEvent::Unknown(name) => {
                log::debug!("socket {}: unknown event {name:?}", self.sid);
            }
            ClientEvent::Undecodable => log::debug!("socket {}: a payload is no event", self.sid),
        }
    }

    /// `authenticated` only asks to confirm the identity that signed it.
    fn confirm(
        &mut self,
        claimed: Result<Authenticated, Refusal>,
        identity: IdentityKey,
        link: &mut Link<'_>,
    ) {
        let confirmed = claimed.and_then(|claim| match claim.identity_key.parse::<IdentityKey>() {
            Ok(key) if key == identity => Ok(claim.pace),
            Ok(_) => Err(Refusal::IdentityMismatch),
            Err(_) => Err(Refusal::IdentityKeyFormat),
        });
        if let Ok(Some(pace)) = confirmed {
            self.queue.set_pace(pace.for_client());
            self.send_due(link);
        }
        match confirmed {
            // The first event after the handshake was the confirmation.
            Ok(_) if self.upkeep.has_confirmed => {}
            Ok(_) => self.send_event(&ServerEvent::AuthenticationSuccess, link),
            Err(refusal) => self.send_event(&ServerEvent::AuthenticationFailed(refusal), link),
        }
    }

    fn join(&mut self, room: Result<RoomId, Refusal>, link: &mut Link<'_>) {
        match self.change_room(room, Member::join) {
            Ok(room) => self.send_event(&ServerEvent::JoinedRoom(&room), link),
            Err(refusal) => self.send_event(&ServerEvent::JoinFailed(refusal), link),
        }
    }

    fn leave(&mut self, room: Result<RoomId, Refusal>, link: &mut Link<'_>) {
        match self.change_room(room, Member::leave) {
            Ok(room) => self.send_event(&ServerEvent::LeftRoom(&room), link),
            Err(refusal) => self.send_event(&ServerEvent::LeaveFailed(refusal), link),
        }
    }

    fn change_room(
        &mut self,
        room: Result<RoomId, Refusal>,
        change: impl FnOnce(&mut Member, &RoomId) -> Result<(), Refusal>,
    ) -> Result<RoomId, Refusal> {
        let room = room?.canonical();
        // Events are dispatched for admitted sessions only.
        self.phase
            .member()
            .map_or(Ok(()), |member| change(member, &room))?;
        Ok(room)
    }

    /// Submits a message. Its ack leaves once the message is durable, by way of [`Submitted`].
    fn submit(
        &mut self,
        message: SendMessage,
        sender: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        let refused = |refusal, message: &SendMessage| SendRefused {
            refusal,
            room: Some(message.room.clone()),
            message_id: Some(message.message_id.clone()),
        };
        if self.replies.len() >= MAX_PENDING_MESSAGES {
            refusals().count("pending_messages", LimitExceeded::PerKey, Some(&sender));
            return self.refuse_message(refused(Refusal::Overloaded, &message), link);
        }
        let Address {
            recipient,
            message_box,
            room: live_room,
        } = match address(&message, self.service.rooms.settings().access) {
            Ok(address) => address,
            Err(refusal) => return self.refuse_message(refused(refusal, &message), link),
        };
        let (ticket, since) = (self.replies.expect(), link.now());
        let (socket, trace) = (ctx.address(), telemetry::current());
        let SendMessage {
            room,
            message_id,
            body,
            expires_at,
            ..
        } = message;
        let new = NewMessage {
            recipient,
            sender,
            message_box,
            message_id: message_id.clone(),
            body: MessageBody::Text(body.into()),
            payment: None,
            expires_at,
            room: live_room,
        };
        let is_live = fits_live(&new, self.service.rooms.settings().max_event_bytes);
        // The mailbox keeps acks in the order of commits, each before the deliveries of its commit.
        self.delivery.submit(new, move |result| {
            let reply = match result {
                Ok(sent) => Reply::Acked {
                    room,
                    message_id,
                    is_live,
                    sent,
                },
                Err(error) => {
                    log::debug!("a message was not stored: {error}");
                    Reply::Refused(SendRefused {
                        refusal: Refusal::from(&error),
                        room: Some(room),
                        message_id: Some(message_id),
                    })
                }
            };
            socket.do_send(Submitted {
                ticket,
                reply,
                since,
                trace,
            });
        });
    }

    /// Refuses a message. The refusal waits for the replies to earlier messages.
    fn refuse_message(&mut self, refused: SendRefused, link: &mut Link<'_>) {
        if self.replies.len() >= MAX_PENDING_MESSAGES {
            // A full queue keeps no more replies.
            return self.send_refusal(&refused, link);
        }
        let ticket = self.replies.expect();
        self.reply(ticket, Reply::Refused(refused), link);
    }

    /// Queues a reply, and sends those whose turn has come.
    fn reply(&mut self, ticket: Ticket, reply: Reply, link: &mut Link<'_>) {
        log::debug!("socket {}: a message is answered", self.sid);
        self.replies.resolve(ticket, reply);
        while let Some(reply) = self.replies.next() {
            match reply {
                Reply::Acked {
                    room,
                    message_id,
                    is_live,
                    sent,
                } => {
                    self.service.counters.acks.add_one();
                    let acked = ServerEvent::Acked {
                        room: &room,
                        message_id: &message_id,
                        is_live,
                        is_already_sent: sent == SendStatus::Duplicate,
                    };
                    self.send_event(&acked, link);
                }
                Reply::Refused(refused) => self.send_refusal(&refused, link),
            }
        }
    }

    /// Sends two events, because the published client waits for the ack and ignores the other one. No ack is sent whose
    /// name would make that client disconnect.
    fn send_refusal(&mut self, refused: &SendRefused, link: &mut Link<'_>) {
        let refusal = refused.refusal;
        self.service.counters.failures.add_one(refusal.code());
        let event = if refusal.is_about_payment() {
            ServerEvent::PaymentFailed(refusal)
        } else {
            ServerEvent::MessageFailed(refusal)
        };
        self.send_event(&event, link);
        if let Some(room) = refused
            .room
            .as_ref()
            .filter(|room| is_live_room(room.as_str()))
        {
            let message_id = refused.message_id.as_deref();
            self.send_event(
                &ServerEvent::NotAcked(room, message_id, refused.refusal),
                link,
            );
        }
    }
}

/// The recipient and the box of a message.
struct Address {
    recipient: IdentityKey,
    message_box: String,
    /// The room as the sender wrote it, if it is not that of recipient and box.
    room: Option<RoomId>,
}

fn address(message: &SendMessage, access: RoomAccess) -> Result<Address, Refusal> {
    let parts = message.room.parts();
    let owner = parts.map(|(owner, _)| owner);
    let named = match message.recipient.as_deref().map(js_trim) {
        // The usual case. Parsing a key takes arithmetic on the curve.
        Some(key) if owner.is_some() && message.room.owner_hex() == Some(key) => owner,
        Some(key) => Some(key.parse::<IdentityKey>().map_err(|_| Refusal::Recipient)?),
        None => None,
    };
    match (parts, named) {
        (Some((owner, message_box)), named) => {
            // As over HTTP: fees and blocks apply to the trimmed name.
            let message_box = js_trim(message_box);
            if message_box.is_empty() {
                Err(Refusal::RoomId)
            } else if !is_message_box(message_box) {
                Err(Refusal::MessageBox)
            } else if named.is_some_and(|named| named != owner) {
                Err(Refusal::Recipient)
            } else {
                Ok(Address {
                    recipient: owner,
                    message_box: message_box.to_owned(),
                    room: None,
                })
            }
        }
        (None, Some(_)) if !is_live_room(message.room.as_str()) => Err(Refusal::RoomId),
        (None, Some(recipient)) if access == RoomAccess::Open => Ok(Address {
            recipient,
            message_box: DEFAULT_BOX.to_owned(),
            room: Some(message.room.clone()),
        }),
        (None, None) if access == RoomAccess::Open => Err(Refusal::Recipient),
        (None, _) => Err(Refusal::RoomId),
    }
}
