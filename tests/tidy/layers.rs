//! Which room may use which: `docs/layers.md` lists it, and everything else fails.

use std::fs;
use std::path::Path;

use crate::assert_none;
use crate::imports::imports;
use crate::sources::sources;

/// Stands for every room further down.
const EVERYTHING: &str = "everything below";

struct Room {
    name: String,
    uses: Vec<String>,
    uses_everything: bool,
}

impl Room {
    /// Whether this row allows a use of `room`. A row that names a room allows its sub-rooms too. A room and its own
    /// sub-rooms may use each other.
    fn allows(&self, room: &str) -> bool {
        let is_own = is_within(&self.name, room) || is_within(room, &self.name);
        is_own
            || self
                .uses
                .iter()
                .any(|used| room == used || is_within(room, used))
    }
}

fn is_within(room: &str, outer: &str) -> bool {
    room.strip_prefix(outer)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The table of `docs/layers.md`, from the top to the bottom.
fn table() -> Vec<Room> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/layers.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("<!-- layers -->").unwrap();
    let (table, _) = table.split_once("<!-- /layers -->").unwrap();
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim().trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    let mut rooms: Vec<Room> = rows
        .map(|line| {
            let cells = cells(line);
            let names = |cell: &str| -> Vec<String> {
                let parts = cell.split('`').skip(1).step_by(2);
                parts.map(str::to_owned).collect()
            };
            Room {
                name: names(&cells[0]).remove(0),
                uses: names(&cells[1]),
                uses_everything: cells[1] == EVERYTHING,
            }
        })
        .collect();
    let all: Vec<String> = rooms.iter().map(|room| room.name.clone()).collect();
    for (index, room) in rooms.iter_mut().enumerate() {
        if room.uses_everything {
            room.uses = all[index + 1..].to_vec();
        }
    }
    rooms
}

/// The room that a file belongs to: of the rows that fit, the one with the longest name.
fn room_of<'a>(table: &'a [Room], path: &str) -> Option<&'a Room> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let fits = |room: &&Room| path == room.name || is_within(path, &room.name);
    table.iter().filter(fits).max_by_key(|room| room.name.len())
}

#[test]
fn rooms_use_what_the_table_allows_and_nothing_else() {
    let table = table();
    let mut breaks = Vec::new();
    for import in imports() {
        let (Some(from), Some(to)) = (room_of(&table, &import.from), room_of(&table, &import.to))
        else {
            continue;
        };
        if from.name != to.name && !from.allows(&to.name) {
            breaks.push(format!(
                "{}:{}: `{}` may not use `{}` (`{}`); docs/layers.md lists what it may use",
                import.from, import.line, from.name, to.name, import.path
            ));
        }
    }
    assert_none(&breaks);
}

#[test]
fn every_room_is_in_the_table() {
    let table = table();
    let sources = sources(&["src"]);
    let homeless = sources.iter().filter(|source| source.path != "src/lib.rs");
    let homeless = homeless.filter(|source| room_of(&table, &source.path).is_none());
    let mut breaks: Vec<String> = homeless
        .map(|source| format!("{}: docs/layers.md has no row for its room", source.path))
        .collect();
    for room in &table {
        let has_files = sources.iter().any(|source| source.is_in(&room.name));
        if !has_files {
            breaks.push(format!("docs/layers.md: `{}` has no files", room.name));
        }
    }
    assert_none(&breaks);
}

/// So the rooms have an order, and no two use each other, except a room and its sub-rooms.
#[test]
fn rooms_use_only_rooms_further_down() {
    let table = table();
    let mut breaks = Vec::new();
    for (index, room) in table.iter().enumerate() {
        for used in &room.uses {
            let is_below = table[index + 1..].iter().any(|below| below.name == *used);
            if !is_below {
                breaks.push(format!(
                    "docs/layers.md: `{}` uses `{used}`, which is not further down",
                    room.name
                ));
            }
        }
    }
    assert_none(&breaks);
}

/// The table is a picture of the code, so an entry without a use must go.
#[test]
fn the_table_allows_nothing_that_no_file_uses() {
    let table = table();
    let mut breaks = Vec::new();
    let imports = imports();
    for room in table.iter().filter(|room| !room.uses_everything) {
        for used in &room.uses {
            let is_used = imports.iter().any(|import| {
                let from = room_of(&table, &import.from).map(|room| &room.name);
                let to = room_of(&table, &import.to).map(|room| &room.name);
                from == Some(&room.name) && to.is_some_and(|to| to == used || is_within(to, used))
            });
            if !is_used {
                breaks.push(format!("docs/layers.md: `{}` uses no `{used}`", room.name));
            }
        }
    }
    assert_none(&breaks);
}
