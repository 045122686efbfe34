//! What asking a service whether it works has found.

use super::clock_offset::ClockOffset;
use super::failure::RemoteFailure;
use super::service::Answer;

/// Whether a service works, and what its answer tells of this machine's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Why it does not work; may be logged.
    pub failure: Option<String>,
    /// None where it did not answer, or told no time.
    pub clock: Option<ClockOffset>,
}

impl Probed {
    /// Of a service that did not answer as it should.
    #[must_use]
    pub fn failed(why: &(impl ToString + ?Sized)) -> Self {
        Self {
            failure: Some(why.to_string()),
            clock: None,
        }
    }

    /// Judges an answer, if there is one. `read` finds out what is wrong with it.
    #[must_use]
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
