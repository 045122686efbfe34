//! `quote`: the price of a message.

use serde_json::json;

use crate::error::CommandError;
use crate::local::output::Printer;
use crate::local::party::Party;
use crate::options::{General, QuoteOptions};

pub(crate) async fn run(
    general: &General,
    quote: &QuoteOptions,
    output: Printer,
) -> Result<(), CommandError> {
    let recipient = quote.recipient.key()?;
    let party = Party::open(general)?;
    let message_box = &quote.to.message_box;
    let quoted = party.boxes.quote(recipient, message_box).await?;
    let result = json!({
        "recipient": recipient.to_hex(),
        "messageBox": message_box,
        "deliveryFee": quoted.delivery_fee,
        "recipientFee": quoted.recipient_fee,
        "blocked": quoted.is_blocked(),
        "total": quoted.total(),
    });
    output.print(&result, || {
        if quoted.is_blocked() {
            return String::from("the recipient blocks you");
        }
        let (total, delivery, recipient) =
            (quoted.total(), quoted.delivery_fee, quoted.recipient_fee);
        format!("{total} satoshis: {delivery} for the server, {recipient} for the recipient")
    })
}
