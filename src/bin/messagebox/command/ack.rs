//! `ack`: has messages deleted.

use serde_json::json;

use crate::error::CommandError;
use crate::options::{Ack, General};
use crate::output::Output;
use crate::party::Party;

/// Acknowledges messages by their ids.
pub(crate) async fn run(general: &General, ack: &Ack, output: Output) -> Result<(), CommandError> {
    let party = Party::open(general)?;
    party.boxes.acknowledge(&ack.ids).await?;
    output.print(&json!({ "acknowledged": ack.ids }), || {
        String::from("acknowledged")
    })
}
