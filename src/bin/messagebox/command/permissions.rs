//! `permissions`: what is asked of those who send to one's boxes.

use messagebox::client::Permission;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::options::{General, Permissions};
use crate::output::{Output, printable};
use crate::party::Party;

/// Sets, gets or lists.
pub(crate) async fn run(
    general: &General,
    command: &Permissions,
    output: Output,
) -> Result<(), CommandError> {
    let boxes = Party::open(general)?.boxes;
    match command {
        Permissions::Set {
            message_box,
            fee,
            sender,
        } => {
            boxes.set_permission(message_box, *sender, *fee).await?;
            let set = Permission {
                sender: sender.map(|key| key.to_hex()),
                message_box: message_box.clone(),
                recipient_fee: *fee,
            };
            output.print(&document(&set), || line(&set))
        }
        Permissions::Get {
            message_box,
            sender,
        } => {
            let found = boxes.permission(message_box, *sender).await?;
            let json = json!({ "permission": found.as_ref().map(document) });
            output.print(&json, || {
                found
                    .as_ref()
                    .map_or_else(|| String::from("nothing was set"), line)
            })
        }
        Permissions::List { message_box } => {
            let listed = boxes.permissions(message_box.as_deref()).await?;
            let documents: Vec<Value> = listed.iter().map(document).collect();
            output.print(&json!({ "permissions": documents }), || {
                if listed.is_empty() {
                    return String::from("nothing was set");
                }
                listed
                    .iter()
                    .map(|permission| line(permission) + "\n")
                    .collect()
            })
        }
    }
}

fn document(permission: &Permission) -> Value {
    json!({
        "messageBox": permission.message_box,
        "sender": permission.sender,
        "recipientFee": permission.recipient_fee,
    })
}

fn line(permission: &Permission) -> String {
    let asked = match permission.recipient_fee {
        ..0 => String::from("blocked"),
        0 => String::from("allowed"),
        fee => format!("{fee} satoshis"),
    };
    let sender = permission.sender.as_deref().unwrap_or("everybody");
    printable(&format!("{}  {sender}: {asked}", permission.message_box))
}
