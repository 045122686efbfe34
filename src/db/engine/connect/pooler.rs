//! Detects a pooler between server and database that hands one session to several connections.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::error::BoxError;

/// A busy pooler may return the right session by chance, so the check repeats.
const ROUNDS: u32 = 4;

const REFUSAL: &str = "session settings are lost or shared between connections: a pooler such as PgBouncer \
                       shares sessions by transaction or statement. Set pool_mode=session there, for this database \
                       or user, or set DATABASE_URL to the database server itself";

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Nullable<Text>)]
    answer: Option<String>,
}

/// Fails if two connections share or swap sessions. `open` opens another connection.
pub(crate) fn refuse_shared_sessions(
    mut first: AnyConnection,
    open: impl FnOnce() -> Result<AnyConnection, BoxError>,
) -> Result<AnyConnection, BoxError> {
    if matches!(first, AnyConnection::Sqlite(_)) {
        return Ok(first);
    }
    let mut second = open()?;
    for round in 0..ROUNDS {
        match keeps_session(&mut first, &mut second, round) {
            Ok(true) => {}
            Ok(false) => return Err(REFUSAL.into()),
            Err(error) if is_of_pooler(&error) => return Err(REFUSAL.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(first)
}

/// Sets a value in each session and reads the first one back twice. The second time, the second session is in a
/// transaction, so a pooler cannot give its session to the first.
fn keeps_session(
    first: &mut AnyConnection,
    second: &mut AnyConnection,
    round: u32,
) -> QueryResult<bool> {
    let noted = format!("first {round}");
    note(first, &noted)?;
    note(second, "second")?;
    if read(first)?.as_ref() != Some(&noted) {
        return Ok(false);
    }
    let (seen, of_first) =
        second.transaction(|second| QueryResult::Ok((read(second)?, read(first)?)))?;
    Ok(seen.as_deref() == Some("second") && of_first == Some(noted))
}

fn note(connection: &mut AnyConnection, text: &str) -> QueryResult<()> {
    match connection {
        AnyConnection::Sqlite(_) => {}
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(connection) => {
            let set = diesel::sql_query("SET @messagebox_session = ?");
            set.bind::<Text, _>(text).execute(connection)?;
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(connection) => {
            let set = diesel::sql_query("SELECT set_config('messagebox.session', $1, false)");
            set.bind::<Text, _>(text).execute(connection)?;
        }
    }
    Ok(())
}

fn read(connection: &mut AnyConnection) -> QueryResult<Option<String>> {
    let query = match connection {
        AnyConnection::Sqlite(_) => return Ok(None),
        #[cfg(feature = "mysql")]
        AnyConnection::Mysql(_) => {
            diesel::sql_query("SELECT CAST(@messagebox_session AS CHAR) AS answer")
        }
        #[cfg(feature = "postgres")]
        AnyConnection::Postgres(_) => {
            diesel::sql_query("SELECT current_setting('messagebox.session', true) AS answer")
        }
    };
    let answer: Answer = query.get_result(connection)?;
    Ok(answer.answer)
}

/// Whether the error comes from a pooler, or from a statement prepared in another session.
fn is_of_pooler(error: &diesel::result::Error) -> bool {
    let text = error.to_string();
    ["prepared statement", "statement pooling", "pooling mode"]
        .iter()
        .any(|sign| text.contains(sign))
}
