//! The bytes that BRC-104 requests and responses sign (BRC-104 §6, as the SDKs in use write them).

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Where canonical bytes go: a buffer, or a hash that spares a copy of the body.
pub trait Sink {
    /// Appends bytes.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for Sha256 {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// A request cannot be put into canonical form without doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// A signed header came twice with different values: which one was signed is anybody's guess.
    #[error("a signed header is repeated with different values")]
    RepeatedHeader,
}

/// What a request signs.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The 32 bytes of `x-bsv-auth-request-id`.
    pub request_id: &'a [u8; 32],
    /// In capitals.
    pub method: &'a str,
    /// The path as it stands in the request line.
    pub path: &'a str,
    /// The query as it stands there, without `?`.
    pub query: &'a str,
    /// From [`signed_headers`].
    pub headers: &'a [(String, String)],
    /// The body as received.
    pub body: &'a [u8],
}

/// What a response signs.
#[derive(Debug, Clone, Copy)]
pub struct SignedResponse<'a> {
    /// The request's.
    pub request_id: &'a [u8; 32],
    /// HTTP status code.
    pub status: u16,
    /// From [`signed_headers`].
    pub headers: &'a [(String, String)],
    /// The body as sent.
    pub body: &'a [u8],
}

/// Whose headers are selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `content-type` is signed: its media type, or the whole of `multipart/form-data`.
    Request,
    /// `content-type` is not.
    Response,
}

/// Selects and sorts the headers that are signed: `x-bsv-*` other than `x-bsv-auth*`, `authorization`, and
/// in requests the signed part of `content-type`. Names must be lower-case already.
///
/// # Errors
/// [`CanonicalError`].
pub fn signed_headers<'a>(
    headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    direction: Direction,
) -> Result<Vec<(String, String)>, CanonicalError> {
    let mut signed: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let is_media_type = name == "content-type" && direction == Direction::Request;
        let is_extension = name.starts_with("x-bsv-") && !name.starts_with("x-bsv-auth");
        if !is_media_type && !is_extension && name != "authorization" {
            continue;
        }
        let text = text_of(value);
        let value = if is_media_type {
            signed_content_type(&text)
        } else {
            &text
        };
        match signed.iter().find(|(known, _)| known == name) {
            Some((_, first)) if first == value => {}
            Some(_) => return Err(CanonicalError::RepeatedHeader),
            None => signed.push((name.to_owned(), value.to_owned())),
        }
    }
    // Names that differ only where the locale sees no difference must not keep the order in which they came.
    signed
        .sort_by(|(one, _), (other, _)| order(one).cmp(order(other)).then_with(|| one.cmp(other)));
    Ok(signed)
}

/// The part of a content-type that a request signs: its media type without parameters. `multipart/form-data` is signed whole,
/// because its boundary decides how the body is read (BRC-118).
fn signed_content_type(value: &str) -> &str {
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("multipart/form-data") {
        value.trim()
    } else {
        media_type
    }
}

/// Header values travel as Latin-1 where they come from a browser or Node.js, and as UTF-8 where they do not.
fn text_of(value: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(value) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => value
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .into(),
    }
}

/// The SDKs sort by locale, where `_` comes before `-`; all else in a header's name has the order of its bytes.
fn order(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes()
        .map(|byte| if byte == b'_' { b',' } else { byte })
}

impl SignedRequest<'_> {
    /// Writes the canonical bytes.
    pub fn write(&self, sink: &mut impl Sink) {
        sink.put(self.request_id);
        put_bytes(sink, self.method.as_bytes());
        put_optional(sink, self.path.as_bytes());
        if self.query.is_empty() {
            put_absent(sink);
        } else {
            put_length(sink, self.query.len() + 1);
            sink.put(b"?");
            sink.put(self.query.as_bytes());
        }
        put_headers(sink, self.headers);
        put_optional(sink, self.body);
    }

    /// SHA-256 of the canonical bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.write(&mut hash);
        hash.finalize().into()
    }
}

impl SignedResponse<'_> {
    /// Writes the canonical bytes. An empty body has length 0 here, where a request has none: the clients in
    /// use wait for ever otherwise.
    pub fn write(&self, sink: &mut impl Sink) {
        sink.put(self.request_id);
        put_length(sink, usize::from(self.status));
        put_headers(sink, self.headers);
        put_bytes(sink, self.body);
    }

    /// SHA-256 of the canonical bytes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.write(&mut hash);
        hash.finalize().into()
    }
}

fn put_headers(sink: &mut impl Sink, headers: &[(String, String)]) {
    put_length(sink, headers.len());
    for (name, value) in headers {
        put_bytes(sink, name.as_bytes());
        put_bytes(sink, value.as_bytes());
    }
}

fn put_bytes(sink: &mut impl Sink, bytes: &[u8]) {
    put_length(sink, bytes.len());
    sink.put(bytes);
}

fn put_optional(sink: &mut impl Sink, bytes: &[u8]) {
    if bytes.is_empty() {
        put_absent(sink);
    } else {
        put_bytes(sink, bytes);
    }
}

/// Bitcoin's `CompactSize` of -1.
fn put_absent(sink: &mut impl Sink) {
    sink.put(&[0xff; 9]);
}

/// Bitcoin's `CompactSize`.
fn put_length(sink: &mut impl Sink, length: usize) {
    if let Ok(byte @ 0..=0xfc) = u8::try_from(length) {
        sink.put(&[byte]);
    } else if let Ok(short) = u16::try_from(length) {
        sink.put(&[0xfd]);
        sink.put(&short.to_le_bytes());
    } else if let Ok(long) = u32::try_from(length) {
        sink.put(&[0xfe]);
        sink.put(&long.to_le_bytes());
    } else {
        sink.put(&[0xff]);
        sink.put(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
