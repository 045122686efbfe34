//! What may be logged of a failed request to a wallet or a block headers service. The SDK's texts hold addresses, which
//! may hold passwords, and what was answered, which may hold payments.

use thiserror::Error;

/// What became of a request, and nothing of what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RemoteFailure {
    /// An answer that says no.
    #[error("it answered with status {0}")]
    Status(u16),
    /// An answer of another form.
    #[error("its answer could not be read")]
    Unreadable,
    /// No answer.
    #[error("it could not be reached")]
    Unreachable,
}

impl RemoteFailure {
    /// What a text of the SDK is about.
    #[must_use]
    pub fn of(error: &impl ToString) -> Self {
        read(&error.to_string())
    }
}

fn read(text: &str) -> RemoteFailure {
    let mut words = text.split(|char: char| !char.is_ascii_alphanumeric());
    while let Some(word) = words.next() {
        if !matches!(word, "HTTP" | "status") {
            continue;
        }
        let status = words.clone().next().and_then(|word| word.parse().ok());
        if let Some(status @ 100_u16..=599) = status {
            return RemoteFailure::Status(status);
        }
    }
    if text.contains("parse") || text.contains("deserialize") || text.contains("read response") {
        RemoteFailure::Unreadable
    } else {
        RemoteFailure::Unreachable
    }
}

#[cfg(test)]
mod tests {
    use super::RemoteFailure;

    #[test]
    fn neither_addresses_nor_answers_are_logged() {
        let cases = [
            (
                "internal: HTTP request failed with status 401 Unauthorized: tx 0101",
                "it answered with status 401",
            ),
            (
                "HTTP 503 Service Unavailable from headers client",
                "it answered with status 503",
            ),
            (
                "HTTP request failed: error sending request for url (http://me:secret@wallet/)",
                "it could not be reached",
            ),
            (
                "network error: http://secret@headers",
                "it could not be reached",
            ),
            (
                "JSON deserialize failed: secret",
                "its answer could not be read",
            ),
            (
                "failed to parse response: secret",
                "its answer could not be read",
            ),
            ("", "it could not be reached"),
        ];
        for (text, expected) in cases {
            assert_eq!(RemoteFailure::of(&text).to_string(), expected, "{text}");
        }
    }
}
