//! Holds the rules of the layers and of the files, which no compiler checks.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    unreachable_pub,
    reason = "tests fail by panicking"
)]

mod build;
mod circles;
mod files;
mod imports;
mod layers;
mod libraries;
mod names;
mod promises;
mod purity;
mod sources;
mod statements;

/// Fails with one line for each break of a rule.
fn assert_none(breaks: &[String]) {
    assert!(breaks.is_empty(), "\n{}", breaks.join("\n"));
}
