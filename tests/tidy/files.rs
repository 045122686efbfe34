//! How large files and folders may be, and what they are called.

use std::collections::BTreeMap;
use std::path::Path;

use crate::assert_none;
use crate::sources::sources;

/// Lines before `mod tests` that a file may have.
const MAX_LINES: usize = 400;

/// Files that a folder may have beside its sub-rooms.
const MAX_FILES: usize = 12;

/// Folders with code. `fuzz/` also contains build output.
const PLACES: [&str; 6] = [
    "src",
    "tests",
    "examples",
    "benches",
    "fuzz/src",
    "fuzz/fuzz_targets",
];

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    for source in sources(&PLACES) {
        assert!(
            source.text.starts_with("//! "),
            "{} begins without `//!`",
            source.path
        );
        let own = source.text.split("\n#[cfg(test)]").next();
        let lines = own.unwrap_or_default().lines().count();
        let is_code = source.path.starts_with("src/") && !source.is_test();
        assert!(
            !is_code || lines <= MAX_LINES,
            "{} has {lines} lines",
            source.path
        );
    }
}

/// `src` itself is the list of the rooms.
#[test]
fn no_folder_has_more_than_twelve_files() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources(&["src"]) {
        let folder = Path::new(&source.path).parent().unwrap();
        let is_list = folder == Path::new("src");
        if !is_list && !source.is_test() {
            *counts
                .entry(folder.to_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    let breaks: Vec<String> = counts
        .iter()
        .filter(|(_, count)| **count > MAX_FILES)
        .map(|(folder, count)| format!("{folder} has {count} files: give it sub-rooms"))
        .collect();
    assert_none(&breaks);
}

#[test]
fn files_are_named_for_what_they_hold() {
    for source in sources(&PLACES) {
        for name in [
            "utils", "util", "helpers", "common", "manager", "types", "misc",
        ] {
            let is_file = source.path.ends_with(&format!("/{name}.rs"));
            let is_folder = source.path.contains(&format!("/{name}/"));
            assert!(!is_file && !is_folder, "{}", source.path);
        }
    }
}

/// Tests that run programs of others belong in `tests/needs`, which ignores them where a program is missing.
#[test]
fn what_needs_more_than_a_build_says_so() {
    for source in sources(&["src", "tests/it"]) {
        for word in [
            "\"redis-server\"",
            "\"node\"",
            "\"unshare\"",
            "\"nsenter\"",
            "\"kill\"",
        ] {
            // Only tests of `tests/needs` start the server with a mount of its own.
            let is_start = source.path == "tests/it/support/server.rs" && word == "\"unshare\"";
            let spawns = source.text.contains(&format!("Command::new({word})"));
            assert!(is_start || !spawns, "{} runs {word}", source.path);
        }
    }
    // The attribute compiles to nothing without Rust's own harness.
    for source in sources(&["tests/needs", "tests/database_servers"]) {
        let is_ignored = source.code().contains("test]\n");
        assert!(!is_ignored, "{}: #[test] runs nothing", source.path);
    }
}
