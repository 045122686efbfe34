//! `send`: one message to one recipient.

use std::io::{self, IsTerminal as _, Read as _};
use std::time::Duration;

use messagebox::client::{ClientError, OutgoingMessage, SendOutcome, encrypt_body, message_id};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{CommandError, Exit};
use crate::local::output::{Printer, doubtful, good, note, printable};
use crate::local::party::Party;
use crate::options::{General, Send};

/// Maximum wait for an ack on a socket, as in the published client.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends the message and prints its id.
pub(crate) async fn run(
    general: &General,
    send: &Send,
    output: Printer,
) -> Result<(), CommandError> {
    let recipient = send.recipient.key()?;
    let now = OffsetDateTime::now_utc();
    let expires_at = send.expires.map(|expiry| expiry.date(now)).transpose()?;
    let text = body(send.body.as_deref())?;
    let party = Party::open(general)?;
    let id = match &send.id {
        Some(id) => id.clone(),
        None if send.new_id => hex::encode(rand::random::<[u8; 32]>()),
        None => message_id(&party.identity, recipient, &text)?,
    };
    let body = if send.plain {
        text
    } else {
        encrypt_body(&party.identity, recipient, &text)?
    };
    let message = OutgoingMessage {
        recipient,
        message_box: &send.to.message_box,
        message_id: &id,
        body: &body,
        expires_at,
    };
    let mut live = None;
    if send.live {
        match over_socket(general, &party, &message).await {
            Ok(outcome) => live = Some(outcome),
            Err(error) => note(&format!(
                "sending over HTTP, because the socket failed: {error}"
            )),
        }
    }
    let outcome = match live {
        Some(outcome) => outcome,
        None => match party.boxes.send_message(&message).await {
            Ok(outcome) => outcome,
            Err(error) => return Err(refused(&party, &message, error).await),
        },
    };
    let again = outcome == SendOutcome::Already;
    if again {
        note(
            "this recipient already has a message with this id, in some box: nothing new was stored (--new-id sends the same text again)",
        );
    }
    // Over a socket, not every server tells that a message was sent before.
    let already_sent = (again || live.is_none()).then_some(again);
    let mut result = json!({
        "messageId": id,
        "recipient": recipient.to_hex(),
        "messageBox": send.to.message_box,
        "encrypted": !send.plain,
        "over": if live.is_some() { "socket" } else { "http" },
        "alreadySent": already_sent,
    });
    let date = expires_at.and_then(|date| date.format(&Rfc3339).ok());
    if let (Some(date), Some(fields)) = (date, result.as_object_mut()) {
        fields.insert("expiresAt".to_owned(), date.into());
    }
    output.print(&result, || {
        let id = printable(&id);
        if again {
            format!("{}  {id}", doubtful("sent before"))
        } else {
            format!("{}  {id}", good("sent"))
        }
    })
}

fn body(argument: Option<&str>) -> Result<String, CommandError> {
    let text = match argument {
        Some(text) if text != "-" => text.to_owned(),
        _ => {
            let mut stdin = io::stdin();
            if stdin.is_terminal() {
                note("type the message, then press Ctrl-D");
            }
            let mut text = String::new();
            let read = stdin.read_to_string(&mut text);
            read.map_err(|error| {
                CommandError::new(Exit::Usage, format!("standard input: {error}"))
                    .advise("A body is UTF-8 text; encode other data, for example with base64.")
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
    message: &OutgoingMessage<'_>,
) -> Result<SendOutcome, ClientError> {
    let mut socket = party.socket(&party.connector, general).await?;
    let acked = tokio::time::timeout(ACK_TIMEOUT, socket.send_message(message)).await;
    socket.close().await;
    acked.unwrap_or(Err(ClientError::Timeout("an acknowledgement")))
}

/// The error of a refused message; with the price, if it has one.
async fn refused(party: &Party, message: &OutgoingMessage<'_>, error: ClientError) -> CommandError {
    let is_refused =
        |known: &str| matches!(&error, ClientError::Refused { code, .. } if code == known);
    let is_fee = is_refused("ERR_MISSING_PAYMENT_TX");
    if is_refused("ERR_DUPLICATE_MESSAGE") {
        return CommandError::from(error)
            .advise("To send the same text into another box, use --new-id.");
    }
    let quoted = || party.boxes.quote(message.recipient, message.message_box);
    if is_fee && let Ok(quote) = quoted().await {
        let (total, delivery, recipient) = (quote.total(), quote.delivery_fee, quote.recipient_fee);
        return CommandError::new(
            Exit::Failed,
            format!(
                "not sent: {total} satoshis are due, {delivery} for the server and {recipient} for the recipient"
            ),
        )
        .advise("This command never pays: use a client with a wallet, such as @bsv/message-box-client with checkPermissions.");
    }
    error.into()
}
