//! Binary attachments: placeholders in a packet's JSON, and the bytes that follow it.

use bytes::Bytes;
use serde_json::Value;

use super::error::{DecodeError, ProtocolError};
use super::packet::{Body, Packet};

/// Checks that every placeholder stands for an attachment that follows.
pub(super) fn check_placeholders(data: &str, attachments: usize) -> Result<(), DecodeError> {
    if attachments == 0 {
        // Without attachments a placeholder is an object like any other.
        return Ok(());
    }
    let value: Value = serde_json::from_str(data).map_err(|_| DecodeError::Data)?;
    if fits(&value, attachments) {
        Ok(())
    } else {
        Err(DecodeError::Data)
    }
}

fn fits(value: &Value, attachments: usize) -> bool {
    match value {
        Value::Array(elements) => elements.iter().all(|element| fits(element, attachments)),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => fields
            .get("num")
            .and_then(Value::as_u64)
            .and_then(|number| usize::try_from(number).ok())
            .is_some_and(|number| number < attachments),
        Value::Object(fields) => fields.values().all(|field| fits(field, attachments)),
        _ => true,
    }
}

/// A packet whose attachments are still coming.
#[derive(Debug)]
pub(super) struct Partial {
    packet: Packet,
    outstanding: usize,
    bytes: usize,
}

impl Partial {
    pub(super) const fn new(packet: Packet, outstanding: usize) -> Self {
        Self {
            packet,
            outstanding,
            bytes: 0,
        }
    }

    /// Adds an attachment; gives the packet back when it was the last.
    pub(super) fn add(
        mut self,
        bytes: Bytes,
        max_bytes: usize,
    ) -> Result<Result<Packet, Self>, ProtocolError> {
        self.bytes += bytes.len();
        if self.bytes > max_bytes {
            return Err(ProtocolError::AttachmentsTooLarge);
        }
        match &mut self.packet.body {
            Body::Event(event) => event.attachments.push(bytes),
            Body::Ack(ack) => ack.attachments.push(bytes),
            Body::Connect(_) | Body::Disconnect | Body::ConnectError(_) => {
                return Err(ProtocolError::UnexpectedAttachment);
            }
        }
        self.outstanding -= 1;
        Ok(if self.outstanding == 0 {
            Ok(self.packet)
        } else {
            Err(self)
        })
    }
}
