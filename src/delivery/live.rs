//! Live delivery of what has been stored, in the order in which it was.

use std::sync::Arc;

use actix::prelude::*;

use crate::auth::SharedPayload;
use crate::db::{Committed, MessagesStored};
use crate::events::{LiveMessage, ServerEvent};
use crate::ids::RoomId;
use crate::rooms::RoomRegistry;

impl Handler<MessagesStored> for RoomRegistry {
    type Result = ();

    fn handle(&mut self, MessagesStored(messages): MessagesStored, _ctx: &mut Self::Context) {
        for committed in messages {
            let room = committed.message.live_room();
            self.publish(&room, || Arc::new(encode(&room, &committed)));
        }
    }
}

fn encode(room: &RoomId, committed: &Committed) -> SharedPayload {
    let message = &committed.message;
    let event = LiveMessage {
        sender: &message.sender.to_hex(),
        message_id: &message.message_id,
        body: message.body.live(),
        recipient: &message.recipient.to_hex(),
        message_box: &message.message_box,
        created_at: &committed.created_at,
        updated_at: &committed.created_at,
        created_at_camel: &committed.created_at,
        updated_at_camel: &committed.created_at,
    };
    SharedPayload::new(ServerEvent::Message(room, event).encode())
}
