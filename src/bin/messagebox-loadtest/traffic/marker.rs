//! The marker in the id and the body of each message: its stream, its number, and when it should have been sent.

use std::fmt;

/// `lt-<run>-<stream>-<sequence>-<intended>`, all in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Identifies the run among all others.
    pub(crate) run: u32,
    /// The stream of the message.
    pub(crate) stream: u32,
    /// Its number in the stream, from 0.
    pub(crate) sequence: u64,
    /// When it should have been sent, in nanoseconds of the run's clock.
    pub(crate) intended: u64,
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            run,
            stream,
            sequence,
            intended,
        } = self;
        write!(f, "lt-{run:08x}-{stream:x}-{sequence:x}-{intended:x}")
    }
}

impl Marker {
    /// The first marker of this run anywhere in a payload.
    pub(crate) fn find(payload: &[u8], run: u32) -> Option<Self> {
        let head = format!("lt-{run:08x}-");
        let at = payload
            .windows(head.len())
            .position(|window| window == head.as_bytes())?;
        let mut rest = payload.get(at + head.len()..)?;
        let stream = u32::try_from(number(&mut rest)?).ok()?;
        let sequence = number(&mut rest)?;
        let intended = number(&mut rest)?;
        Some(Self {
            run,
            stream,
            sequence,
            intended,
        })
    }

    /// The marker, padded to this many bytes.
    pub(crate) fn body(&self, bytes: usize) -> String {
        let mut body = self.to_string();
        // Ends the last number.
        body.push('.');
        body.extend(std::iter::repeat_n('x', bytes.saturating_sub(body.len())));
        body
    }
}

/// Takes a number, and the dash after it if any.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let end = rest
        .iter()
        .position(|character| !character.is_ascii_hexdigit())
        .unwrap_or(rest.len());
    let (digits, after) = rest.split_at_checked(end)?;
    *rest = after.strip_prefix(b"-").unwrap_or(after);
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = Marker {
        run: 0xab,
        stream: 3,
        sequence: 4_095,
        intended: u64::MAX,
    };

    #[test]
    fn a_marker_is_found_anywhere() {
        let payload =
            format!(r#"{{"eventName":"sendMessage-02-x","data":{{"messageId":"{MARKER}"}}}}"#);
        assert_eq!(Marker::find(payload.as_bytes(), 0xab), Some(MARKER));
        assert_eq!(Marker::find(payload.as_bytes(), 0xac), None);
        assert_eq!(
            Marker::find(MARKER.body(100).as_bytes(), 0xab),
            Some(MARKER)
        );
    }

    #[test]
    fn a_body_has_the_given_length_if_the_marker_fits() {
        assert_eq!(MARKER.body(300).len(), 300);
        assert!(MARKER.body(0).starts_with("lt-000000ab-3-fff-"));
    }

    #[test]
    fn a_broken_marker_is_not_found() {
        for text in [
            "",
            "lt-000000ab-",
            "lt-000000ab-3",
            "lt-000000ab-3-4",
            "lt-000000ab-x-4-5",
        ] {
            assert_eq!(Marker::find(text.as_bytes(), 0xab), None, "{text}");
        }
    }
}
