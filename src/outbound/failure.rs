//! Why a request to a service failed. The texts may be logged: they show no address, which may hold a password, and no
//! answer, which may hold a payment.

use thiserror::Error;

/// Why a service gave no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RemoteFailure {
    /// The service answered with an error status, or a redirect that is not followed.
    #[error("it answered with status {0}")]
    Status(u16),
    /// The answer ended early or has another form.
    #[error("its answer could not be read")]
    Unreadable,
    /// The answer exceeds the bound of its length.
    #[error("its answer is too long")]
    TooLong,
    /// The answer did not arrive in time.
    #[error("it did not answer in time")]
    Late,
    /// The service answered that it cannot decide.
    #[error("it cannot tell")]
    Undecided,
    /// The address is not `https:`.
    #[error("its address does not begin with https:")]
    Insecure,
    /// No connection, or no answer on it.
    #[error("it could not be reached")]
    Unreachable,
}
