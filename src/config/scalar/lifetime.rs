//! A duration within a table of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// A duration in the usual form: `"25s"`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(#[serde(with = "units")] pub Duration);
