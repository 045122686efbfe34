//! What a verified event leads to.

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
use crate::rooms::{Join, LeaveRoom, RoomAccess};
use crate::socket::{Link, Socket};
use crate::telemetry::{self, TraceId};

use super::counts;
use super::session::AuthSocket;
use super::state::reply_queue::{Reply, Ticket};

/// The box of a message to an open room whose id names none.
const DEFAULT_BOX: &str = "default";

/// To the socket, from the store: what became of a message that it handed in.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Submitted {
    pub(super) ticket: Ticket,
    pub(super) answer: Reply,
    /// When the message came.
    pub(super) since: Instant,
    /// What its log lines bear.
    pub(super) trace: Option<TraceId>,
}

impl AuthSocket {
    /// Does what the event asks for. `identity` signed it.
    pub(super) fn dispatch(
        &mut self,
        event: ClientEvent,
        identity: IdentityKey,
        link: &mut Link<'_>,
        ctx: &mut Context<Socket<Self>>,
    ) {
        self.service.counters.events.add_one(counts::name(&event));
        match event {
            ClientEvent::Authenticated(claimed) => self.confirm(claimed, identity, link),
            ClientEvent::JoinRoom(room) => self.join(room, identity, link),
            ClientEvent::LeaveRoom(room) => self.leave(room, identity, link),
            ClientEvent::SendMessage(Ok(message)) => self.submit(message, identity, link, ctx),
            ClientEvent::SendMessage(Err(refused)) => self.refuse_message(refused, link),
            ClientEvent::Unknown(name) => {
                log::debug!("socket {}: unknown event {name:?}", self.sid);
            }
            ClientEvent::Undecodable => log::debug!("socket {}: a payload is no event", self.sid),
        }
    }

    /// `authenticated` only asks to confirm who signed it.
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
            // The first event after the handshake has said so.
            Ok(_) if self.upkeep.has_confirmed => {}
            Ok(_) => self.send_event(&ServerEvent::AuthenticationSuccess, link),
            Err(refusal) => self.send_event(&ServerEvent::AuthenticationFailed(refusal), link),
        }
    }

    fn join(&mut self, room: Result<RoomId, Refusal>, identity: IdentityKey, link: &mut Link<'_>) {
        let settings = self.service.rooms.settings();
        let admitted = room.map(RoomId::canonical).and_then(|room| {
            if settings.access.is_malformed(&room) {
                Err(Refusal::RoomId)
            } else if !settings.access.admits(&identity, &room) {
                Err(Refusal::ForeignRoom)
            } else if self.joined.len() >= settings.max_rooms_per_socket
                && !self.joined.contains(&room)
            {
                Err(Refusal::TooManyRooms)
            } else {
                Ok(room)
            }
        });
        match admitted {
            Ok(room) => {
                self.left.remove(&room);
                self.joined.insert(room.clone());
                self.service.rooms.join(Join {
                    sid: self.sid,
                    room: room.clone(),
                });
                self.send_event(&ServerEvent::JoinedRoom(&room), link);
            }
            Err(refusal) => self.send_event(&ServerEvent::JoinFailed(refusal), link),
        }
    }

    /// A room of its own that a socket leaves must be remembered, and so many may be.
    fn leave(&mut self, room: Result<RoomId, Refusal>, identity: IdentityKey, link: &mut Link<'_>) {
        let max = self.service.rooms.settings().max_rooms_per_socket;
        let left = room.map(RoomId::canonical).and_then(|room| {
            let owns = room.owner_hex() == Some(&*identity.to_hex());
            if owns && self.left.len() >= max && !self.left.contains(&room) {
                Err(Refusal::TooManyRooms)
            } else {
                Ok((room, owns))
            }
        });
        match left {
            Ok((room, owns)) => {
                if owns {
                    self.left.insert(room.clone());
                }
                self.joined.remove(&room);
                self.service.rooms.leave(LeaveRoom {
                    sid: self.sid,
                    room: room.clone(),
                });
                self.send_event(&ServerEvent::LeftRoom(&room), link);
            }
            Err(refusal) => self.send_event(&ServerEvent::LeaveFailed(refusal), link),
        }
    }

    /// Hands a message in. Its ack leaves when it is durable, by way of [`Submitted`].
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
        if self.replies.len() >= self.service.settings.max_pending_messages {
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
        // In the mailbox, acks keep the order of commits and come before the deliveries that follow them.
        self.delivery.submit(new, move |result| {
            let answer = match result {
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
                answer,
                since,
                trace,
            });
        });
    }

    /// Refuses a message; its answer waits for those of the messages before it.
    fn refuse_message(&mut self, refused: SendRefused, link: &mut Link<'_>) {
        if self.replies.len() >= self.service.settings.max_pending_messages {
            // Nothing more is kept for a client that has so much under way.
            return self.tell_refusal(&refused, link);
        }
        let ticket = self.replies.expect();
        self.answer(ticket, Reply::Refused(refused), link);
    }

    /// Keeps an answer, and sends those whose turn it is.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Reply, link: &mut Link<'_>) {
        log::debug!("socket {}: a message is answered", self.sid);
        self.replies.resolve(ticket, answer);
        while let Some(answer) = self.replies.next() {
            match answer {
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
                Reply::Refused(refused) => self.tell_refusal(&refused, link),
            }
        }
    }

    /// Tells the sender twice: the published client waits for the ack and ignores the rest. No ack goes out whose name
    /// would make that client disconnect.
    fn tell_refusal(&mut self, refused: &SendRefused, link: &mut Link<'_>) {
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

/// Where a message goes.
struct Address {
    recipient: IdentityKey,
    message_box: String,
    /// The room as it was written, where that is not the one of recipient and box.
    room: Option<RoomId>,
}

fn address(message: &SendMessage, access: RoomAccess) -> Result<Address, Refusal> {
    let parts = message.room.parts();
    let owner = parts.map(|(owner, _)| owner);
    let named = match message.recipient.as_deref().map(js_trim) {
        // Nearly always; reading a key takes some arithmetic on the curve.
        Some(key) if owner.is_some() && message.room.owner_hex() == Some(key) => owner,
        Some(key) => Some(key.parse::<IdentityKey>().map_err(|_| Refusal::Recipient)?),
        None => None,
    };
    match (parts, named) {
        (Some((owner, message_box)), named) => {
            // As over HTTP: fees and blocks are for the name without them.
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
