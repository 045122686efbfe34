//! The result of a health check of a service.

use super::clock_offset::ClockOffset;
use super::failure::RemoteFailure;
use super::service::Answer;

/// Whether a service works, and the clock difference that its answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Why the service does not work. The text may be logged.
    pub failure: Option<String>,
    /// `None` if the service did not answer, or gave no time.
    pub clock: Option<ClockOffset>,
}

impl Probed {
    /// The result for a service that failed.
    pub fn failed(why: &(impl ToString + ?Sized)) -> Self {
        Self {
            failure: Some(why.to_string()),
            clock: None,
        }
    }

    /// Evaluates an answer, if there is one. `read` returns its error.
    pub fn judge<E: ToString>(
        answer: Result<Answer, RemoteFailure>,
        read: impl FnOnce(&Answer) -> Result<(), E>,
    ) -> Self {
        match answer {
            Ok(answer) => Self {
                failure: read(&answer).err().map(|error| error.to_string()),
                clock: answer.clock,
            },
            Err(failure) => Self::failed(&failure),
        }
    }
}
