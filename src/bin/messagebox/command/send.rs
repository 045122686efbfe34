//! `send`: one message to one recipient.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use messagebox::client::{ClientError, Sent, encrypt_body, message_id};
use serde_json::json;

use crate::error::{CommandError, Exit};
use crate::options::{General, Send};
use crate::output::{Output, note};
use crate::party::Party;

/// How long a server may take to acknowledge on a socket; the published client waits as long.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends, and prints the message's id.
pub(crate) async fn run(
    general: &General,
    send: &Send,
    output: Output,
) -> Result<(), CommandError> {
    let text = body(send.body.as_deref())?;
    let party = Party::open(general)?;
    let id = match &send.id {
        Some(id) => id.clone(),
        None if send.new_id => hex::encode(rand::random::<[u8; 32]>()),
        None => message_id(&party.identity, send.recipient, &text)?,
    };
    let body = if send.plain {
        text
    } else {
        encrypt_body(&party.identity, send.recipient, &text)?
    };
    let mut is_live = false;
    if send.live {
        match over_socket(general, &party, send, &id, &body).await {
            Ok(()) => is_live = true,
            Err(error) => note(&format!("over HTTP, because of the socket: {error}")),
        }
    }
    let mut outcome = Sent::Stored;
    if !is_live {
        let message_box = &send.to.message_box;
        let result = party.boxes.send(send.recipient, message_box, &id, &body);
        outcome = match result.await {
            Ok(outcome) => outcome,
            Err(error) => return Err(refused(&party, send, error).await),
        };
    }
    let again = outcome == Sent::Already;
    if again {
        note(
            "a message with this id was sent to this recipient before, to whichever box: nothing new was stored (--new-id sends the same text again)",
        );
    }
    let result = json!({
        "messageId": id,
        "recipient": send.recipient.to_hex(),
        "messageBox": send.to.message_box,
        "encrypted": !send.plain,
        "over": if is_live { "socket" } else { "http" },
        "alreadySent": again,
    });
    output.print(&result, || format!("sent  {id}"))
}

fn body(argument: Option<&str>) -> Result<String, CommandError> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => {
            let mut stdin = io::stdin();
            if stdin.is_terminal() {
                note("type the message, and end it with Ctrl-D");
            }
            let mut text = String::new();
            let read = stdin.read_to_string(&mut text);
            read.map_err(|error| {
                CommandError::new(Exit::Usage, format!("standard input: {error}"))
                    .advise("A body is text (UTF-8); encode other data, as with base64.")
            })?;
            text
        }
    };
    if text.trim().is_empty() {
        return Err(CommandError::new(Exit::Usage, "the message is empty"));
    }
    Ok(text)
}

async fn over_socket(
    general: &General,
    party: &Party,
    send: &Send,
    id: &str,
    body: &str,
) -> Result<(), ClientError> {
    let mut socket = party.socket(&party.connector, general).await?;
    let sending = socket.send_message(send.recipient, &send.to.message_box, id, body);
    let acked = tokio::time::timeout(ACK_TIMEOUT, sending).await;
    socket.close().await;
    acked.unwrap_or(Err(ClientError::Timeout("an acknowledgement")))
}

/// Why a message was refused; where a fee is due, with what is due.
async fn refused(party: &Party, send: &Send, error: ClientError) -> CommandError {
    let is_refused =
        |known: &str| matches!(&error, ClientError::Refused { code, .. } if code == known);
    let is_fee = is_refused("ERR_MISSING_PAYMENT_TX");
    if is_refused("ERR_DUPLICATE_MESSAGE") {
        return CommandError::from(error)
            .advise("To send the same text into another box, use --new-id.");
    }
    let message_box = &send.to.message_box;
    if is_fee && let Ok(quote) = party.boxes.quote(send.recipient, message_box).await {
        let (total, delivery, recipient) = (quote.total(), quote.delivery_fee, quote.recipient_fee);
        return CommandError::new(
            Exit::Failed,
            format!(
                "not sent: {total} satoshis are due, {delivery} for the server and {recipient} for the recipient"
            ),
        )
        .advise("This command pays nothing: use a client with a wallet, such as @bsv/message-box-client with checkPermissions.");
    }
    error.into()
}
