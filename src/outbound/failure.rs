//! What became of a failed request to a service. Addresses may hold passwords and answers may hold payments, so the texts
//! hold neither and may be logged.

use thiserror::Error;

/// Why a service gave no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RemoteFailure {
    /// The service answered with a status that is a failure, or a redirect that is not followed.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The answer ended early or has another form.
    #[error("its answer could not be read")]
    Unreadable,
    /// The answer has more bytes than any honest one.
    #[error("its answer is too long")]
    TooLong,
    /// The answer did not come in time.
    #[error("it did not answer in time")]
    Late,
    /// The service says that it cannot tell.
    #[error("it cannot tell")]
    Undecided,
    /// The address is not `https:`.
    #[error("its address does not begin with https:")]
    Insecure,
    /// No connection, or no answer on it.
    #[error("it could not be reached")]
    Unreachable,
}
