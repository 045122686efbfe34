//! Round trips of archives, and rejected archives.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde_json::Value;

use super::format::ArchiveReader;
use super::*;
use crate::db::engine::connect::apply_migrations;
use crate::db::engine::connect::settings::DbSettings;
use crate::db::engine::connect::url::DatabaseUrl;

const ROWS: &str = r#"
    INSERT INTO "messageBox" VALUES (4, 't', 't', 'inbox', '02b');
    INSERT INTO "messages" VALUES (7, 'm', 't', 't', 4, '02a', '02b', '{"message":"hello"}', 't');
    INSERT INTO "message_permissions" VALUES (1, 't', 't', '02b', NULL, 'inbox', 5);
    DELETE FROM "server_fees" WHERE "id" > 1;
    INSERT INTO "device_registrations" VALUES (1, 't', 't', '02b', 'token', NULL, 'ios', 't', 1);
    INSERT INTO "payments" VALUES (2, 't', 't', 'aa', 0, 10, '02a', '02b', '02a', 'p', 's', 'x', 'kept', 1, 'QUJD');
    INSERT INTO "payment_inputs" VALUES (3, 't', 'bb', 1, 'aa', 'x', 0);
    INSERT INTO "payment_replays" VALUES ('cc', 't');
    INSERT INTO "identity_lists" VALUES (1, 't', 'block', '02c', 1);
"#;

struct Database {
    settings: DbSettings,
    connection: SqliteConnection,
    _folder: tempfile::TempDir,
}

fn new() -> Database {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let settings = DbSettings::new(DatabaseUrl::Sqlite(path.clone()));
    apply_migrations(&settings).unwrap();
    Database {
        settings,
        connection: SqliteConnection::establish(path.to_str().unwrap()).unwrap(),
        _folder: folder,
    }
}

fn filled() -> Database {
    let mut database = new();
    let rows = ROWS.replace("'t'", "'2026-01-02T03:04:05.678Z'");
    database.connection.batch_execute(&rows).unwrap();
    database
}

impl Database {
    fn export(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        export_archive(&self.settings, &mut archive).unwrap();
        archive
    }

    fn import(&self, mut archive: &[u8]) -> Result<RowCounts, ArchiveError> {
        import_archive(&self.settings, &mut archive)
    }

    fn counts(&mut self, sql: &str) -> Vec<(String, i64)> {
        #[derive(QueryableByName)]
        struct ArchiveRow {
            #[diesel(sql_type = Text)]
            name: String,
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let rows: Vec<ArchiveRow> = diesel::sql_query(sql).load(&mut self.connection).unwrap();
        rows.into_iter().map(|row| (row.name, row.count)).collect()
    }
}

/// Fails when a new table or column is missing from the archive. Sessions are excluded: clients shake hands again.
/// Totals are excluded: the server recounts them.
#[test]
fn every_column_of_every_table_is_in_an_archive() {
    let mut database = filled();
    let mut columns: Vec<i64> = database
        .counts(
            "SELECT m.name, COUNT(*) AS count FROM sqlite_master m, pragma_table_info(m.name) \
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '__diesel_%' \
             AND m.name NOT LIKE 'auth_%' AND m.name <> 'stored_totals' GROUP BY m.name",
        )
        .into_iter()
        .map(|(_, count)| count)
        .collect();
    let archive = String::from_utf8(database.export()).unwrap();
    let lines: Vec<Value> = archive
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let rows = lines[1..lines.len() - 1].iter().map(|line| {
        let (_, row) = line.as_object().unwrap().iter().next().unwrap();
        i64::try_from(row.as_object().unwrap().len()).unwrap()
    });
    let mut written: Vec<i64> = rows.collect();
    columns.sort_unstable();
    written.sort_unstable();
    assert_eq!(written, columns);
}

#[test]
fn what_comes_back_is_what_was_there() {
    let archive = filled().export();
    let other = new();
    let counts = other.import(&archive).unwrap();
    assert_eq!((counts.total(), counts.messages, counts.fees), (9, 1, 1));
    assert_eq!(other.export(), archive);
}

fn read(archive: &[u8]) -> Result<RowCounts, ArchiveError> {
    let (mut reader, _) = ArchiveReader::begin(archive)?;
    while reader.next()?.is_some() {}
    Ok(reader.rows())
}

#[test]
fn an_archive_that_lacks_a_byte_or_has_another_one_is_refused() {
    let archive = filled().export();
    assert_eq!(read(&archive).unwrap().total(), 9);
    for end in 0..archive.len() {
        let refused = read(&archive[..end]);
        assert!(refused.is_err(), "cut off behind byte {end}");
    }
    for at in 0..archive.len() {
        for bit in [1, 32] {
            let mut changed = archive.clone();
            changed[at] ^= bit;
            assert!(read(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_row_that_the_database_refuses_leaves_nothing_behind() {
    let mut source = filled();
    source
        .connection
        .batch_execute("PRAGMA foreign_keys = OFF; UPDATE messages SET messageBoxId = 5")
        .unwrap();
    let archive = source.export();
    let mut other = new();
    let error = other.import(&archive).unwrap_err();
    assert!(matches!(error, ArchiveError::Refused { .. }), "{error}");
    let rows = other.counts(
        "SELECT 'boxes' AS name, COUNT(*) AS count FROM messageBox UNION ALL SELECT 'fees', COUNT(*) FROM server_fees",
    );
    assert_eq!(rows, [("boxes".to_owned(), 0), ("fees".to_owned(), 3)]);
}

#[test]
fn times_that_would_be_compared_wrongly_are_refused() {
    let archive = String::from_utf8(filled().export()).unwrap();
    for time in [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.678+00:00",
        "yesterday",
    ] {
        let changed = archive.replace("2026-01-02T03:04:05.678Z", time);
        let error = read(changed.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ArchiveError::Damaged { line: 2, .. }),
            "{time}: {error}"
        );
        assert!(!error.to_string().contains(time), "{error}");
    }
}

#[test]
fn an_archive_of_the_release_before_is_read() {
    let archive = String::from_utf8(new().export()).unwrap();
    let (head, end) = archive.split_at(archive.rfind(r#"{"end""#).unwrap());
    let head = head.replace(r#""schema":3"#, r#""schema":1"#);
    let (_, sums) = end.split_once(r#""sha256":"#).unwrap();
    let sha256 = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&head));
    let end = end.replace(sums, &format!("\"{sha256}\"}}}}\n"));
    let end = end.replace(r#","payment_replays":0,"identity_lists":0"#, "");
    let counts = read(format!("{head}{end}").as_bytes()).unwrap();
    assert_eq!((counts.fees, counts.payment_replays), (3, 0));
    let newer = head.replace(r#""schema":1"#, r#""schema":4"#);
    assert!(matches!(
        read(newer.as_bytes()),
        Err(ArchiveError::Unknown(_))
    ));
}
