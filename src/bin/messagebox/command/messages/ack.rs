//! `ack`: acknowledges messages, which the server then deletes.

use messagebox::client::{PageStart, has_payment};
use serde_json::json;

use crate::error::CommandError;
use crate::local::output::{Printer, note, printable};
use crate::local::party::Party;
use crate::options::{Ack, General};

/// Acknowledges messages by id, or all messages of a box.
pub(crate) async fn run(general: &General, ack: &Ack, output: Printer) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    if ack.all {
        return all(&party, &ack.message_box, output).await;
    }
    party.boxes.acknowledge(&ack.ids).await?;
    output.print(&json!({ "acknowledged": ack.ids }), || {
        String::from("acknowledged")
    })
}

/// The messages of a box at one moment. Messages that arrive later stay.
#[derive(Default)]
struct BoxContent {
    /// Ids of messages that may be deleted.
    ids: Vec<String>,
    /// Ids of messages with a payment.
    paid: Vec<String>,
    /// Ids of messages too large for a list, which may have a payment.
    oversized: Vec<String>,
}

impl BoxContent {
    /// Reads the box page by page, and keeps no bodies.
    async fn read(party: &Party, message_box: &str) -> Result<Self, CommandError> {
        let mut content = Self::default();
        let mut start = Some(PageStart::default());
        while let Some(from) = start {
            let page = party.boxes.list_page(message_box, &from, None).await?;
            for message in page.messages {
                let is_paid = has_payment(&message.body);
                let ids = if is_paid {
                    &mut content.paid
                } else {
                    &mut content.ids
                };
                ids.push(message.message_id);
            }
            let oversized = page.oversized.into_iter().map(|message| message.message_id);
            content.oversized.extend(oversized);
            start = page.next;
        }
        Ok(content)
    }
}

async fn all(party: &Party, message_box: &str, output: Printer) -> Result<(), CommandError> {
    let content = BoxContent::read(party, message_box).await?;
    party.acknowledge(&content.ids).await?;
    for (ids, what) in [
        (&content.paid, "with a payment, which would be lost"),
        (
            &content.oversized,
            "too large to be listed, which may have a payment",
        ),
    ] {
        if !ids.is_empty() {
            note(&format!(
                "{} left {what}; `messagebox ack ID` deletes one: {}",
                ids.len(),
                ids.join(" ")
            ));
        }
    }
    let BoxContent {
        ids,
        paid,
        oversized,
    } = content;
    let left = [paid, oversized].concat();
    let result = json!({ "messageBox": message_box, "acknowledged": ids, "left": left });
    output.print(&result, || match ids.len() {
        0 => printable(&format!("nothing to acknowledge in {message_box}")),
        1 => String::from("1 message acknowledged"),
        count => format!("{count} messages acknowledged"),
    })
}
