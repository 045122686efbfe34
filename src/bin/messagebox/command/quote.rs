//! `quote`: what a message would cost.

use serde_json::json;

use crate::error::CommandError;
use crate::options::{General, Quote};
use crate::output::Output;
use crate::party::Party;

/// Asks for the fees of a message.
pub(crate) async fn run(
    general: &General,
    quote: &Quote,
    output: Output,
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
