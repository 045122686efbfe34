//! Numbers with an upper bound that no operator can raise.

use serde::{Deserialize, Serialize};

/// A number up to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct AtMost<const MAX: usize>(usize);

impl<const MAX: usize> AtMost<MAX> {
    /// This number, capped at `MAX`.
    #[must_use]
    pub const fn new(number: usize) -> Self {
        Self(if number < MAX { number } else { MAX })
    }

    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

impl<const MAX: usize> TryFrom<usize> for AtMost<MAX> {
    type Error = String;

    fn try_from(number: usize) -> Result<Self, String> {
        if number <= MAX {
            Ok(Self(number))
        } else {
            Err(format!("expected at most {MAX}"))
        }
    }
}

impl<const MAX: usize> From<AtMost<MAX>> for usize {
    fn from(number: AtMost<MAX>) -> Self {
        number.0
    }
}
