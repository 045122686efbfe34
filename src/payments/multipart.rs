//! A request's payment in its body: the `multipart/form-data` envelope of BRC-118, for payments too large for a header.
//!
//! The parser borrows from the body, and its allocations do not grow with it. It accepts one form only, so that no two
//! parsers can disagree. Call it after the signature over the raw body was verified.

use memchr::memmem;
use thiserror::Error;

/// The ways to send a payment, as listed in `x-bsv-payment-transports`.
pub const PAYMENT_TRANSPORTS: &str = "header,multipart";
/// Maximum bytes of a payment's JSON in a body.
pub const MAX_PAYMENT_BYTES: usize = 4 * 1024 * 1024;
/// Maximum parts of one body.
pub const MAX_PARTS: usize = 128;
/// Maximum bytes of a part's header block, without the empty line that ends it.
pub const MAX_PART_HEADER_BYTES: usize = 2_048;

/// Maximum characters of a boundary.
const MAX_BOUNDARY: usize = 70;
/// Maximum characters of a part's name.
const MAX_NAME: usize = 128;
/// Maximum characters of the body part's content type.
const MAX_CONTENT_TYPE: usize = 1_024;

const MEDIA_TYPE: &str = "multipart/form-data";
const PAYMENT_PART: &str = "x-bsv-payment";
const BODY_PART: &str = "body";
const CRLF: &[u8] = b"\r\n";

/// Why a multipart body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// The request's content type has another form.
    #[error("its content-type needs exactly one boundary, of 1 to 70 token characters")]
    ContentType,
    /// A delimiter is missing or malformed, or has other text around it.
    #[error("its delimiters are broken")]
    Delimiter,
    /// There are more than [`MAX_PARTS`] parts.
    #[error("it has more than 128 parts")]
    TooManyParts,
    /// A part's header block is too long or malformed.
    #[error("the headers of a part are not valid")]
    PartHeaders,
    /// A body with a payment has a part other than payment and body, or repeats one of the two.
    #[error("a payment takes one x-bsv-payment part and at most one body part")]
    UnexpectedPart,
    /// The payment part has another content type.
    #[error("the payment part is not application/json")]
    PaymentType,
    /// The payment is larger than [`MAX_PAYMENT_BYTES`].
    #[error("the payment is larger than 4194304 bytes")]
    PaymentTooLarge,
    /// The body part's content type is malformed.
    #[error("the body part has no valid content-type")]
    BodyType,
}

/// The content of a multipart body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipartBody<'a> {
    /// No payment: an ordinary body of its content type.
    Ordinary,
    /// A payment, and the body of the request that it pays for.
    Paid {
        /// JSON, as in the header `x-bsv-payment`.
        payment: &'a [u8],
        /// Empty if the request has none.
        body: &'a [u8],
        /// The body's own content type.
        content_type: Option<&'a str>,
    },
}

impl<'a> MultipartBody<'a> {
    /// Parses a body whose content type passed [`is_multipart`].
    ///
    /// # Errors
    /// [`MultipartError`].
    pub fn parse(content_type: &str, body: &'a [u8]) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type).ok_or(MultipartError::ContentType)?;
        let (mut payment, mut inner, mut unexpected) = (None, None, false);
        for (count, part) in Parts::of(boundary, body)?.enumerate() {
            if count == MAX_PARTS {
                return Err(MultipartError::TooManyParts);
            }
            let part = part?;
            let slot = match part.name {
                PAYMENT_PART => &mut payment,
                BODY_PART => &mut inner,
                _ => {
                    unexpected = true;
                    continue;
                }
            };
            unexpected |= slot.replace(part).is_some();
        }
        match payment {
            None => Ok(Self::Ordinary),
            Some(_) if unexpected => Err(MultipartError::UnexpectedPart),
            Some(payment) => paid(&payment, inner),
        }
    }
}

fn paid<'a>(
    payment: &Part<'a>,
    inner: Option<Part<'a>>,
) -> Result<MultipartBody<'a>, MultipartError> {
    if !payment.content_type.is_some_and(is_json) {
        return Err(MultipartError::PaymentType);
    }
    if payment.content.len() > MAX_PAYMENT_BYTES {
        return Err(MultipartError::PaymentTooLarge);
    }
    let content_type = inner.and_then(|part| part.content_type);
    if content_type.is_some_and(|value| !is_content_type(value)) {
        return Err(MultipartError::BodyType);
    }
    Ok(MultipartBody::Paid {
        payment: payment.content,
        body: inner.map_or(&[], |part| part.content),
        content_type,
    })
}

/// Whether a content type is `multipart/form-data`, with any parameters.
#[must_use]
pub fn is_multipart(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    name: &'a str,
    content_type: Option<&'a str>,
    content: &'a [u8],
}

/// Iterates over the parts of a body in linear time.
struct Parts<'a> {
    delimiter: memmem::Finder<'static>,
    /// The bytes after a delimiter; none after the last part.
    rest: Option<&'a [u8]>,
}

impl<'a> Parts<'a> {
    fn of(boundary: &str, body: &'a [u8]) -> Result<Self, MultipartError> {
        let delimiter = format!("\r\n--{boundary}");
        let first = delimiter.as_bytes().strip_prefix(CRLF).unwrap_or_default();
        let rest = body.strip_prefix(first);
        Ok(Self {
            delimiter: memmem::Finder::new(&delimiter).into_owned(),
            rest: Some(rest.ok_or(MultipartError::Delimiter)?),
        })
    }

    /// The part after a delimiter; none after the last one.
    fn part(&mut self, rest: &'a [u8]) -> Result<Option<Part<'a>>, MultipartError> {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            let is_end = epilogue.is_empty() || epilogue == CRLF;
            return is_end.then_some(None).ok_or(MultipartError::Delimiter);
        }
        let part = rest.strip_prefix(CRLF).ok_or(MultipartError::Delimiter)?;
        let end = self.delimiter.find(part);
        let (part, rest) = end
            .and_then(|end| part.split_at_checked(end))
            .ok_or(MultipartError::Delimiter)?;
        self.rest = rest.get(self.delimiter.needle().len()..);
        read_part(part).map(Some)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, MultipartError>;

    fn next(&mut self) -> Option<Self::Item> {
        // After a failure the iterator ends.
        let rest = self.rest.take()?;
        self.part(rest).transpose()
    }
}

fn read_part(part: &[u8]) -> Result<Part<'_>, MultipartError> {
    const EMPTY_LINE: &[u8] = b"\r\n\r\n";
    let searched = MAX_PART_HEADER_BYTES + EMPTY_LINE.len();
    let block = part.get(..searched).unwrap_or(part);
    let (head, content) = memmem::find(block, EMPTY_LINE)
        .and_then(|end| part.split_at_checked(end))
        .ok_or(MultipartError::PartHeaders)?;
    let (name, content_type) = part_headers(head).ok_or(MultipartError::PartHeaders)?;
    Ok(Part {
        name,
        content_type,
        content: content.get(EMPTY_LINE.len()..).unwrap_or_default(),
    })
}

/// A part's name and content type.
fn part_headers(head: &[u8]) -> Option<(&str, Option<&str>)> {
    let head = std::str::from_utf8(head).ok()?;
    let (mut name, mut content_type) = (None, None);
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':')?;
        let value = value.trim_matches([' ', '\t']);
        if !is_printable(value) {
            return None;
        }
        let known = if header.eq_ignore_ascii_case("content-disposition") {
            name.replace(form_data_name(value)?)
        } else if header.eq_ignore_ascii_case("content-type") {
            content_type.replace(value)
        } else {
            return None;
        };
        if known.is_some() {
            return None;
        }
    }
    Some((name?, content_type))
}

/// The name in a content disposition. A filename is allowed beside it.
fn form_data_name(value: &str) -> Option<&str> {
    let (kind, mut rest) = value.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    let (mut name, mut filename) = (None, None);
    loop {
        let (parameter, value, behind) = parameter(rest)?;
        let slot = if parameter.eq_ignore_ascii_case("name") {
            &mut name
        } else if parameter.eq_ignore_ascii_case("filename") {
            &mut filename
        } else {
            return None;
        };
        if slot.replace(value).is_some() {
            return None;
        }
        match behind {
            Some(behind) => rest = behind,
            None => break,
        }
    }
    name.filter(|name| (1..=MAX_NAME).contains(&name.len()))
}

/// The boundary in a content type without other parameters.
fn boundary(content_type: &str) -> Option<&str> {
    let (media_type, parameters) = content_type.split_once(';')?;
    let (name, value, behind) = parameter(parameters)?;
    let fits = (1..=MAX_BOUNDARY).contains(&value.len()) && value.bytes().all(is_token);
    let is_boundary = name.eq_ignore_ascii_case("boundary") && behind.is_none() && fits;
    (is_multipart(media_type) && is_boundary).then_some(value)
}

/// `application/json`, with UTF-8 as its only allowed charset.
fn is_json(content_type: &str) -> bool {
    let (media_type, parameters) = match content_type.split_once(';') {
        Some((media_type, parameters)) => (media_type, Some(parameters)),
        None => (content_type, None),
    };
    let is_utf8 = parameters.is_none_or(|parameters| {
        parameter(parameters).is_some_and(|(name, value, behind)| {
            let is_utf8 = value.eq_ignore_ascii_case("utf-8");
            name.eq_ignore_ascii_case("charset") && is_utf8 && behind.is_none()
        })
    });
    media_type.trim().eq_ignore_ascii_case("application/json") && is_utf8
}

/// `type/subtype`, with any parameters.
fn is_content_type(value: &str) -> bool {
    let media_type = value.split(';').next().unwrap_or_default().trim_end();
    let is_typed = media_type.split_once('/').is_some_and(|(kind, subtype)| {
        let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token);
        is_token(kind) && is_token(subtype)
    });
    (1..=MAX_CONTENT_TYPE).contains(&value.len()) && is_printable(value) && is_typed
}

/// Parses the first parameter of `name=value; …`. Returns its name, its unquoted value, and the text after the
/// semicolon.
fn parameter(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim_matches([' ', '\t']);
    let (value, behind) = if let Some(quoted) = value.strip_prefix('"') {
        let end = end_of_quoted(quoted)?;
        (quoted.get(..end)?, quoted.get(end + 1..)?)
    } else {
        let end = value.bytes().position(|byte| !is_token(byte));
        value.split_at_checked(end.unwrap_or(value.len()))?
    };
    if name.is_empty() || !name.bytes().all(is_token) {
        return None;
    }
    let behind = behind.trim_matches([' ', '\t']);
    match behind.strip_prefix(';') {
        Some(behind) => Some((name, value, Some(behind))),
        None if behind.is_empty() => Some((name, value, None)),
        None => None,
    }
}

/// The position of the quote that ends a quoted text. A backslash escapes the next character.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A token character (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
