//! `list`: what waits in a box.

use messagebox::client::OversizedMessage;
use serde::Serialize;

use crate::error::CommandError;
use crate::message::PrintedMessage;
use crate::options::{General, InBox};
use crate::output::{Output, note, printable};
use crate::party::Party;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    message_box: &'a str,
    messages: Vec<PrintedMessage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    oversized: Vec<Oversized>,
}

/// A message that the server cannot list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oversized {
    message_id: String,
    sender: String,
    body_bytes: u64,
}

impl From<OversizedMessage> for Oversized {
    fn from(message: OversizedMessage) -> Self {
        Self {
            message_id: message.message_id,
            sender: message.sender,
            body_bytes: message.body_bytes,
        }
    }
}

/// Prints everything in a box.
pub(crate) async fn run(
    general: &General,
    list: &InBox,
    output: Output,
) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    let message_box = list.message_box.as_str();
    let stored = party.boxes.list_whole(message_box).await?;
    for message in &stored.oversized {
        let (id, bytes, sender) = (&message.message_id, message.body_bytes, &message.sender);
        note(&format!(
            "message {id} of {sender} is too large to be listed ({bytes} bytes); `messagebox ack` deletes it"
        ));
    }
    let messages = stored.messages.into_iter();
    let messages =
        messages.map(|message| PrintedMessage::stored(&party.identity, message_box, message));
    let listed = Listed {
        message_box,
        messages: messages.collect(),
        oversized: stored.oversized.into_iter().map(Oversized::from).collect(),
    };
    output.print(&listed, || {
        if listed.messages.is_empty() {
            return printable(&format!("nothing in {message_box}"));
        }
        listed.messages.iter().map(PrintedMessage::human).collect()
    })
}
