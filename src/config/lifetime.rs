//! A duration as the value of a table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units;

/// A duration, written as everywhere: `"25s"`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(#[serde(with = "units")] pub Duration);
