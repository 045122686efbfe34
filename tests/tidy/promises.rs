//! SECURITY.md names the test that holds each promise: files and tests that exist.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use crate::assert_none;
use crate::sources::sources;

/// Tables of the database, which the page names in the same way as tests.
const NO_TESTS: [&str; 2] = ["auth_message_nonces", "auth_sessions"];

/// Whether a word is the name of a test: several words, so that no setting or column of one word is taken for one.
fn is_test_name(word: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.len() >= 12
        && word.contains('_')
        && word.chars().all(is_plain)
        && !NO_TESTS.contains(&word)
}

#[test]
fn promises_name_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut functions: HashMap<String, HashSet<String>> = HashMap::new();
    for source in sources(&["src", "tests", "fuzz/src", "fuzz/fuzz_targets"]) {
        for after in source.text.split("fn ").skip(1) {
            let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let name: String = after.chars().take_while(|c| is_in_name(*c)).collect();
            functions
                .entry(name)
                .or_default()
                .insert(source.path.clone());
        }
    }
    let mut breaks = Vec::new();
    let mut file = String::new();
    let mut count = 0;
    for word in page.split('`').skip(1).step_by(2) {
        if ["src/", "tests/", "fuzz/"]
            .iter()
            .any(|folder| word.starts_with(folder))
        {
            if !root.join(word).exists() {
                breaks.push(format!("SECURITY.md: there is no {word}"));
            }
            word.clone_into(&mut file);
        } else if is_test_name(word) {
            count += 1;
            // A file that was split has its parts in the folder of its name.
            let folder = format!("{}/", file.trim_end_matches(".rs"));
            let is_there = |path: &String| *path == file || path.starts_with(&folder);
            if !functions
                .get(word)
                .is_some_and(|paths| paths.iter().any(is_there))
            {
                breaks.push(format!("SECURITY.md: {file} has no {word}"));
            }
        }
    }
    assert!(count > 150, "{count} tests are named");
    assert_none(&breaks);
}
