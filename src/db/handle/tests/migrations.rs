//! Migrations, done and undone.

use super::*;
use crate::db::engine::migrations;

#[test]
fn migrations_can_be_undone_and_done_again() {
    let database = TestDatabase::create();
    drop(open(&settings(&database)).unwrap());
    let pool = open(&settings(&database)).unwrap();
    let mut connection = pool.get().unwrap();
    assert_eq!(migrations::migrate(&mut connection), Ok(Vec::new()));
    let undone = migrations::revert_all(&mut connection);
    let pending = migrations::pending(&mut connection).unwrap();
    let names: Vec<String> = pending.into_iter().map(|pending| pending.name).collect();
    assert!(undone == names.len() && undone > 0, "{names:?}");
    assert_eq!(migrations::migrate(&mut connection), Ok(names));
    assert_eq!(migrations::migrate(&mut connection), Ok(Vec::new()));
}
