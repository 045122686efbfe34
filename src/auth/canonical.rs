//! The bytes that BRC-104 requests and responses sign (BRC-104 §6, as the SDKs in use write them).

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// A destination of canonical bytes: a buffer, or a hash, which saves a copy of the body.
pub trait Sink {
    /// Appends bytes to the canonical form.
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

/// The request has no unambiguous canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CanonicalError {
    /// A signed header occurs twice with different values, so it is unknown which one was signed.
    #[error("a signed header is repeated with different values")]
    RepeatedHeader,
}

/// The parts of a request that its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// The 32 bytes of `x-bsv-auth-request-id`.
    pub request_id: &'a [u8; 32],
    /// The method in upper case.
    pub method: &'a str,
    /// The path as in the request line.
    pub path: &'a str,
    /// The query as in the request line, without `?`.
    pub query: &'a str,
    /// The signed headers, from [`signed_headers`].
    pub headers: &'a [(String, String)],
    /// The body as received.
    pub body: &'a [u8],
}

/// The parts of a response that its signature covers.
#[derive(Debug, Clone, Copy)]
pub struct SignedResponse<'a> {
    /// The id of the request that this responds to.
    pub request_id: &'a [u8; 32],
    /// The HTTP status code.
    pub status: u16,
    /// The signed headers, from [`signed_headers`].
    pub headers: &'a [(String, String)],
    /// The body as sent.
    pub body: &'a [u8],
}

/// Whether headers belong to a request or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Requests sign `content-type`: its media type, or all of `multipart/form-data`.
    Request,
    /// Responses do not sign `content-type`.
    Response,
}

/// Selects and sorts the signed headers: `x-bsv-*` except `x-bsv-auth*`, `authorization`, and in requests the signed
/// part of `content-type`. Names must be lower-case.
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
    // Names that are equal in the locale need an order of their own.
    signed
        .sort_by(|(one, _), (other, _)| order(one).cmp(order(other)).then_with(|| one.cmp(other)));
    Ok(signed)
}

/// The signed part of a content type: its media type without parameters. The type `multipart/form-data` is signed whole,
/// because its boundary decides how the body is parsed (BRC-118).
fn signed_content_type(value: &str) -> &str {
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("multipart/form-data") {
        value.trim()
    } else {
        media_type
    }
}

/// Browsers and Node.js send header values as Latin-1, other clients as UTF-8.
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

/// The SDKs sort by locale, where `_` precedes `-`. All other characters of header names sort by their bytes.
fn order(name: &str) -> impl Iterator<Item = u8> + '_ {
    name.bytes()
        .map(|byte| if byte == b'_' { b',' } else { byte })
}

impl SignedRequest<'_> {
    /// Writes the canonical bytes of the request.
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

    /// The SHA-256 of the canonical bytes, which the signature covers.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        self.write(&mut hash);
        hash.finalize().into()
    }
}

impl SignedResponse<'_> {
    /// Writes the canonical bytes of the response. An empty body has length 0 here, where a request has none. Otherwise
    /// the clients in use wait forever.
    pub fn write(&self, sink: &mut impl Sink) {
        sink.put(self.request_id);
        put_length(sink, usize::from(self.status));
        put_headers(sink, self.headers);
        put_bytes(sink, self.body);
    }

    /// The SHA-256 of the canonical bytes, which the signature covers.
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
