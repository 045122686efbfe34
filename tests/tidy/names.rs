//! A type's name stands for one type.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_none;
use crate::sources::{Token, sources, tokens};

/// The room of a file: the folder or the file at the top of `src`. The binaries are rooms of others' rules.
fn room(path: &str) -> Option<&str> {
    let path = path
        .strip_prefix("src/")
        .filter(|path| !path.starts_with("bin/"))?;
    path.split(['/', '.']).next()
}

/// The types that other files can see: what follows `pub`, or `pub(...)`, and such a word.
fn types(tokens: &[Token]) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_type = matches!(
            token.text.as_str(),
            "struct" | "enum" | "trait" | "union" | "type"
        );
        let before = at
            .checked_sub(1)
            .map_or("", |before| tokens[before].text.as_str());
        if is_type && matches!(before, "pub" | ")") {
            let name = tokens.get(at + 1).filter(|name| name.is_word());
            found.extend(name.map(|name| name.text.as_str()));
        }
    }
    found
}

#[test]
fn no_type_name_stands_in_two_rooms() {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources(&["src"]).iter().filter(|source| !source.is_test()) {
        if let Some(room) = room(&source.path) {
            for name in types(&tokens(&source.text)) {
                let rooms = rooms.entry(name.to_owned()).or_default();
                rooms.insert(room.to_owned());
            }
        }
    }
    let doubles = rooms.iter().filter(|(_, rooms)| rooms.len() > 1);
    let breaks: Vec<String> = doubles
        .map(|(name, rooms)| {
            let rooms: Vec<&str> = rooms.iter().map(String::as_str).collect();
            format!(
                "`{name}` is a type of {}: put the room's word before one of them",
                rooms.join(" and ")
            )
        })
        .collect();
    assert_none(&breaks);
}
