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
mod purity;
mod sources;
mod statements;

/// Fails with one line for each break of a rule.
fn assert_none(breaks: &[String]) {
    assert!(breaks.is_empty(), "\n{}", breaks.join("\n"));
}

/// Fails where a known exception is no longer needed, so that the list shrinks with the code.
fn assert_needed(exceptions: &[&str], needed: impl Fn(&str) -> bool) {
    let stale = exceptions.iter().filter(|known| !needed(known));
    let stale: Vec<String> = stale
        .map(|known| format!("{known} is no exception any more: take it off the list"))
        .collect();
    assert_none(&stale);
}
