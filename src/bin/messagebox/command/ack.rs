//! `ack`: has messages deleted.

use messagebox::client::{PageStart, has_payment};
use serde_json::json;

use crate::error::CommandError;
use crate::options::{Ack, General};
use crate::output::{Output, note, printable};
use crate::party::Party;

/// Acknowledges messages by their ids, or all of a box.
pub(crate) async fn run(general: &General, ack: &Ack, output: Output) -> Result<(), CommandError> {
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
struct Waiting {
    /// What may be deleted.
    ids: Vec<String>,
    /// Ids of those with a payment.
    paid: Vec<String>,
    /// Ids of those that no list can hold. They may have a payment.
    oversized: Vec<String>,
}

impl Waiting {
    /// Reads page by page, and keeps no body.
    async fn read(party: &Party, message_box: &str) -> Result<Self, CommandError> {
        let mut waiting = Self::default();
        let mut start = Some(PageStart::default());
        while let Some(from) = start {
            let page = party.boxes.list_page(message_box, &from, None).await?;
            for message in page.messages {
                let is_paid = has_payment(&message.body);
                let ids = if is_paid {
                    &mut waiting.paid
                } else {
                    &mut waiting.ids
                };
                ids.push(message.message_id);
            }
            let oversized = page.oversized.into_iter().map(|message| message.message_id);
            waiting.oversized.extend(oversized);
            start = page.next;
        }
        Ok(waiting)
    }
}

async fn all(party: &Party, message_box: &str, output: Output) -> Result<(), CommandError> {
    let waiting = Waiting::read(party, message_box).await?;
    party.acknowledge(&waiting.ids).await?;
    for (ids, what) in [
        (&waiting.paid, "with a payment, which would be lost"),
        (
            &waiting.oversized,
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
    let Waiting {
        ids,
        paid,
        oversized,
    } = waiting;
    let left = [paid, oversized].concat();
    let result = json!({ "messageBox": message_box, "acknowledged": ids, "left": left });
    output.print(&result, || match ids.len() {
        0 => printable(&format!("nothing to acknowledge in {message_box}")),
        1 => String::from("1 message acknowledged"),
        count => format!("{count} messages acknowledged"),
    })
}
