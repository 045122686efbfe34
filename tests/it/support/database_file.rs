//! A second hand on the database's file: it looks, and it breaks.

use std::path::Path;

use diesel::Connection as _;
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;

/// Runs this SQL on the database in this data folder.
pub fn run(folder: &Path, sql: &str) {
    let path = folder.join("messagebox.db");
    let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection
        .batch_execute("PRAGMA busy_timeout = 20000")
        .unwrap();
    connection.batch_execute(sql).unwrap();
}

/// Rows of this table, whoever may see them.
pub fn count(folder: &Path, table: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let path = folder.join("messagebox.db");
    let mut connection = diesel::SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let query = diesel::sql_query(format!(r#"SELECT COUNT(*) AS "count" FROM "{table}""#));
    query.get_result::<Count>(&mut connection).unwrap().count
}

/// Takes every table away.
pub fn take_tables(folder: &Path) {
    for table in [
        "messages",
        "messageBox",
        "message_permissions",
        "server_fees",
        "device_registrations",
        "payments",
        "payment_inputs",
    ] {
        run(
            folder,
            &format!(r#"ALTER TABLE "{table}" RENAME TO "gone_{table}""#),
        );
    }
}
