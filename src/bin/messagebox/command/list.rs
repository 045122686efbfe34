//! `list`: what waits in a box.

use serde::Serialize;

use crate::error::CommandError;
use crate::message::PrintedMessage;
use crate::options::{General, InBox};
use crate::output::{Output, printable};
use crate::party::Party;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    message_box: &'a str,
    messages: Vec<PrintedMessage>,
}

/// Prints everything in a box.
pub(crate) async fn run(
    general: &General,
    list: &InBox,
    output: Output,
) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    let message_box = list.message_box.as_str();
    let stored = party.boxes.list(message_box).await?;
    let messages = stored.into_iter();
    let messages =
        messages.map(|message| PrintedMessage::stored(&party.identity, message_box, message));
    let listed = Listed {
        message_box,
        messages: messages.collect(),
    };
    output.print(&listed, || {
        if listed.messages.is_empty() {
            return printable(&format!("nothing in {message_box}"));
        }
        listed.messages.iter().map(PrintedMessage::human).collect()
    })
}
