//! `permissions`: fees and blocks for senders to the user's boxes.

use messagebox::client::BoxPermission;
use serde_json::{Value, json};

use crate::error::CommandError;
use crate::local::names::{KeyOrName, Names};
use crate::local::output::{Printer, printable};
use crate::local::party::Party;
use crate::options::{General, Permissions};

pub(crate) async fn run(
    general: &General,
    command: &Permissions,
    output: Printer,
) -> Result<(), CommandError> {
    let sender = match command {
        Permissions::Set { sender, .. } | Permissions::Get { sender, .. } => sender.as_ref(),
        Permissions::List { .. } => None,
    };
    let sender = sender.map(KeyOrName::key).transpose()?;
    let boxes = Party::open(general)?.boxes;
    let names = Names::to_show();
    match command {
        Permissions::Set {
            message_box, fee, ..
        } => {
            boxes.set_permission(message_box, sender, *fee).await?;
            let set = BoxPermission {
                sender: sender.map(|key| key.to_hex()),
                message_box: message_box.clone(),
                recipient_fee: *fee,
            };
            output.print(&document(&set), || line(&names, &set))
        }
        Permissions::Get { message_box, .. } => {
            let found = boxes.permission(message_box, sender).await?;
            let json = json!({ "permission": found.as_ref().map(document) });
            output.print(&json, || {
                found
                    .as_ref()
                    .map_or_else(|| String::from("no permissions"), |it| line(&names, it))
            })
        }
        Permissions::List { message_box } => {
            let listed = boxes.permissions(message_box.as_deref()).await?;
            let documents: Vec<Value> = listed.iter().map(document).collect();
            output.print(&json!({ "permissions": documents }), || {
                if listed.is_empty() {
                    return String::from("no permissions");
                }
                listed
                    .iter()
                    .map(|permission| line(&names, permission) + "\n")
                    .collect()
            })
        }
    }
}

fn document(permission: &BoxPermission) -> Value {
    json!({
        "messageBox": permission.message_box,
        "sender": permission.sender,
        "recipientFee": permission.recipient_fee,
    })
}

fn line(names: &Names, permission: &BoxPermission) -> String {
    let asked = match permission.recipient_fee {
        ..0 => String::from("blocked"),
        0 => String::from("allowed"),
        fee => format!("{fee} satoshis"),
    };
    let sender = permission.sender.as_deref();
    let sender = sender.map_or_else(|| String::from("everybody"), |key| names.shown(key));
    let message_box = printable(&permission.message_box);
    format!("{message_box}  {sender}: {asked}")
}
