//! Decoding the text of a packet.

use serde::de::IgnoredAny;

use super::attachments::check_placeholders;
use super::error::SocketIoDecodeError;
use super::packet::{AckBody, Body, EventBody, Namespace, SocketIoPacket};

/// Event names that the protocol reserves.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Decodes the text of a packet. Returns the packet and how many attachments must follow it.
///
/// # Errors
/// [`SocketIoDecodeError`].
pub fn decode(
    text: &str,
    max_attachments: usize,
) -> Result<(SocketIoPacket, usize), SocketIoDecodeError> {
    let mut chars = text.chars();
    let kind = chars.next().ok_or(SocketIoDecodeError::Empty)?;
    let mut rest = chars.as_str();
    if !('0'..='6').contains(&kind) {
        return Err(SocketIoDecodeError::UnknownType);
    }
    let mut attachments = 0;
    if matches!(kind, '5' | '6') {
        let (count, after) = rest
            .split_once('-')
            .ok_or(SocketIoDecodeError::AttachmentCount)?;
        attachments = number(count).ok_or(SocketIoDecodeError::AttachmentCount)?;
        rest = after;
    }
    if attachments > max_attachments {
        return Err(SocketIoDecodeError::TooManyAttachments);
    }
    let namespace = if rest.starts_with('/') {
        // The comma may be missing if nothing follows.
        let (name, after) = rest.split_once(',').unwrap_or((rest, ""));
        rest = after;
        Namespace::new(name)
    } else {
        Namespace::main()
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, data) = rest.split_at_checked(digits).unwrap_or((rest, ""));
    let ack: Option<u64> = match id {
        "" => None,
        digits => Some(number(digits).ok_or(SocketIoDecodeError::AckId)?),
    };
    let body = match kind {
        '0' => Body::Connect(connect_payload(data)?),
        '1' if data.is_empty() => Body::Disconnect,
        '2' | '5' => Body::Event(event(ack, data, attachments)?),
        '3' | '6' => {
            check_array(data)?;
            check_placeholders(data, attachments)?;
            Body::Ack(AckBody {
                ack: ack.ok_or(SocketIoDecodeError::AckId)?,
                data: data.to_owned(),
                attachments: Vec::new(),
            })
        }
        '4' => {
            serde_json::from_str::<IgnoredAny>(data).map_err(|_| SocketIoDecodeError::Data)?;
            Body::ConnectError(data.to_owned())
        }
        _ => return Err(SocketIoDecodeError::Data),
    };
    Ok((SocketIoPacket { namespace, body }, attachments))
}

/// Decimal digits only: no sign, no space.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn connect_payload(data: &str) -> Result<Option<String>, SocketIoDecodeError> {
    if data.is_empty() {
        return Ok(None);
    }
    let is_object = data.starts_with('{') && serde_json::from_str::<IgnoredAny>(data).is_ok();
    if is_object {
        Ok(Some(data.to_owned()))
    } else {
        Err(SocketIoDecodeError::Data)
    }
}

fn check_array(data: &str) -> Result<(), SocketIoDecodeError> {
    serde_json::from_str::<Vec<IgnoredAny>>(data)
        .map(drop)
        .map_err(|_| SocketIoDecodeError::Data)
}

fn event(
    ack: Option<u64>,
    data: &str,
    attachments: usize,
) -> Result<EventBody, SocketIoDecodeError> {
    let body = EventBody {
        ack,
        data: data.to_owned(),
        attachments: Vec::new(),
    };
    // Reading the name validates the whole array.
    let (name, _) = body.name_and_first_argument();
    let begins_well = data.strip_prefix('[').is_some_and(|rest| {
        rest.trim_start()
            .starts_with(|first: char| first == '"' || first.is_ascii_digit())
    });
    if !begins_well || (name.is_empty() && serde_json::from_str::<Vec<IgnoredAny>>(data).is_err()) {
        return Err(SocketIoDecodeError::Data);
    }
    if RESERVED.contains(&name.as_str()) {
        return Err(SocketIoDecodeError::ReservedName);
    }
    check_placeholders(data, attachments)?;
    Ok(body)
}

#[cfg(test)]
mod tests;
