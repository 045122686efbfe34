//! `list`: the messages of a box.

use std::num::NonZeroUsize;

use messagebox::client::OversizedBoxMessage;
use serde::Serialize;

use crate::error::CommandError;
use crate::local::message::PrintedMessage;
use crate::local::names::Names;
use crate::local::output::{Printer, note, printable};
use crate::local::party::Party;
use crate::options::{General, ListOptions};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    message_box: &'a str,
    messages: Vec<PrintedMessage>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    oversized: Vec<Oversized>,
    /// The cursor for --after.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A message that is too large for a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Oversized {
    message_id: String,
    sender: String,
    body_bytes: u64,
}

impl From<OversizedBoxMessage> for Oversized {
    fn from(message: OversizedBoxMessage) -> Self {
        Self {
            message_id: message.message_id,
            sender: message.sender,
            body_bytes: message.body_bytes,
        }
    }
}

/// Prints a box, or a page of it.
pub(crate) async fn run(
    general: &General,
    list: &ListOptions,
    output: Printer,
) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    let names = Names::to_show();
    let message_box = list.from.message_box.as_str();
    let start = list.after.clone().unwrap_or_default();
    let limit = list.limit.map(NonZeroUsize::get);
    let stored = party.boxes.list_from(message_box, start, limit).await?;
    for message in &stored.oversized {
        let (id, bytes, sender) = (&message.message_id, message.body_bytes, &message.sender);
        note(&format!(
            "message {id} of {sender} is too large to be listed ({bytes} bytes); `messagebox ack` deletes it"
        ));
    }
    let messages = stored.messages.into_iter();
    let messages = messages
        .map(|message| PrintedMessage::stored(&party.identity, &names, message_box, message));
    let listed = Listed {
        message_box,
        messages: messages.collect(),
        oversized: stored.oversized.into_iter().map(Oversized::from).collect(),
        next: stored.next.map(|next| next.to_string()),
    };
    output.print(&listed, || {
        if listed.messages.is_empty() {
            let more = if list.after.is_some() { "more " } else { "" };
            return printable(&format!("no {more}messages in {message_box}"));
        }
        let messages = listed.messages.iter();
        messages.map(|message| message.human(&names)).collect()
    })?;
    if !output.is_json()
        && let Some(next) = &listed.next
    {
        note(&format!("there are more: --after {next}"));
    }
    Ok(())
}
