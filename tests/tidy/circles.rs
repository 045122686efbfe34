//! No more than two files use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::imports::imports;

/// A file and its child, or two neighbours, are read together anyway.
const MAX_CIRCLE: usize = 2;

#[test]
fn no_circle_has_more_than_two_files() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for import in imports() {
        if !import.is_reexport {
            uses.entry(import.from).or_default().insert(import.to);
        }
    }
    let reach: BTreeMap<&String, BTreeSet<&String>> = uses
        .keys()
        .map(|file| (file, reachable(file, &uses)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, reached) in &reach {
        let returns =
            |other: &&&String| reach.get(**other).is_some_and(|back| back.contains(*file));
        let circle: BTreeSet<&String> = reached.iter().filter(returns).copied().collect();
        if circle.len() > MAX_CIRCLE {
            circles.insert(circle);
        }
    }
    let breaks: Vec<String> = circles
        .iter()
        .map(|circle| {
            let files: Vec<&str> = circle.iter().map(|file| file.as_str()).collect();
            format!(
                "these {} files use each other in a circle; move what they share into a file that uses none of them: {}",
                files.len(),
                files.join(", ")
            )
        })
        .collect();
    assert_none(&breaks);
}

/// All files that `file` uses, directly or through others.
fn reachable<'a>(file: &str, uses: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = uses.get(file).into_iter().flatten().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(uses.get(file).into_iter().flatten());
        }
    }
    reached
}
