//! The pool of connections, and what is known of each of them: whether it is there, and whether it can write.
//!
//! Taking a connection out costs no round trip. A connection is judged by its last use: one whose work failed is asked
//! when the work ends. One that was lost, or that cannot write any more, casts doubt on all that were opened before: each
//! of them is asked once before its next use.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection as _};

use super::any_connection::AnyConnection;
use super::connection::Connector;
use super::error::DbError;

/// Idle connections to a server are closed after this time, before the server or something in between closes them.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// A connection to a server is replaced after this time, so that a server that a name no longer leads to is left.
const MAX_AGE: Duration = Duration::from_secs(600);

/// A connection that cannot write serves reads for this time. Then a new one finds out whether the database can.
const MAX_READ_ONLY: Duration = Duration::from_secs(1);

/// What a server says of itself when none of its connections can write.
const READ_ONLY: &str = "it is read-only, or a replica";

/// What a connection can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::db) enum Condition {
    Writes,
    ReadsOnly,
    /// It does not answer.
    Lost,
}

/// A connection of the pool.
pub(in crate::db) struct Held {
    connection: AnyConnection,
    opened: Instant,
    condition: Condition,
    /// [`Connections::doubts`] when the connection was asked.
    asked_at: u64,
}

impl Held {
    fn is_worn_out(&self) -> bool {
        match self.condition {
            Condition::Writes => false,
            Condition::ReadsOnly => self.opened.elapsed() > MAX_READ_ONLY,
            Condition::Lost => true,
        }
    }
}

impl Deref for Held {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// Opens and judges connections, for the library's pool.
#[derive(Debug)]
pub(in crate::db) struct Connections {
    connector: Connector,
    /// How often a connection turned out to be worse than it was.
    doubts: Arc<AtomicU64>,
}

impl ManageConnection for Connections {
    type Connection = Held;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Held, Self::Error> {
        let asked_at = self.doubts.load(Ordering::Acquire);
        let opened = self.connector.open().and_then(|mut connection| {
            let condition = connection.condition()?;
            Ok((connection, condition))
        });
        let (connection, condition) = opened.map_err(|error| {
            let error = diesel::ConnectionError::BadConnection(error.to_string());
            diesel::r2d2::Error::ConnectionError(error)
        })?;
        Ok(Held {
            connection,
            opened: Instant::now(),
            condition,
            asked_at,
        })
    }

    /// Not called: taking a connection out costs no round trip.
    fn is_valid(&self, held: &mut Held) -> Result<(), Self::Error> {
        held.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, held: &mut Held) -> bool {
        std::thread::panicking() || held.is_worn_out() || held.is_broken()
    }
}

pub(in crate::db) type Pooled = PooledConnection<Connections>;

/// The pool; cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::db) struct DbPool {
    pool: Pool<Connections>,
    doubts: Arc<AtomicU64>,
}

impl DbPool {
    /// Opens up to `size` connections. `timeout`: how long to wait for one. Those to a server are replaced with time.
    pub(in crate::db) fn new(
        connector: Connector,
        size: u32,
        timeout: Duration,
        is_server: bool,
    ) -> Result<Self, String> {
        let doubts = Arc::<AtomicU64>::default();
        let mut pool = Pool::builder()
            .max_size(size)
            .test_on_check_out(false)
            .connection_timeout(timeout)
            // All are opened at once and kept: a connection to a file that was moved away would make another.
            .idle_timeout(None)
            .max_lifetime(None);
        if is_server {
            pool = pool
                .min_idle(Some(1))
                .idle_timeout(Some(MAX_IDLE))
                .max_lifetime(Some(MAX_AGE));
        }
        let connections = Connections {
            connector,
            doubts: Arc::clone(&doubts),
        };
        let pool = pool.build(connections).map_err(|error| error.to_string())?;
        Ok(Self { pool, doubts })
    }

    /// Connections, and the idle ones among them.
    pub(in crate::db) fn counts(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }

    /// A connection that answers, as far as is known.
    pub(in crate::db) fn get(&self) -> Result<Pooled, DbError> {
        // Each round drops a connection that was lost, and there are no more than these.
        for _ in 0..=self.pool.max_size() {
            let taken = self.pool.get();
            let mut held = taken.map_err(|error| DbError::Unavailable(error.to_string()))?;
            if held.asked_at < self.doubts.load(Ordering::Acquire) {
                self.ask(&mut held);
            }
            if held.condition != Condition::Lost {
                return Ok(held);
            }
        }
        Err(DbError::Unavailable("its connections are lost".to_owned()))
    }

    fn get_for_writing(&self) -> Result<Pooled, DbError> {
        for _ in 0..=self.pool.max_size() {
            let mut held = self.get()?;
            if held.condition == Condition::Writes {
                return Ok(held);
            }
            if !held.is_worn_out() {
                // It has just been opened.
                break;
            }
            // Another took its place before it could be dropped: never twice.
            held.condition = Condition::Lost;
        }
        Err(DbError::Unavailable(READ_ONLY.to_owned()))
    }

    /// Runs `work` with a connection that can write, as far as is known.
    ///
    /// # Errors
    /// Those of `work`; [`DbError`] where no connection can write.
    pub(in crate::db) fn write<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut held = self.get_for_writing()?;
        let done = work(&mut held);
        if done.is_err() {
            self.ask(&mut held);
        }
        done
    }

    /// Runs `read` with a connection, and once more with another where that one was lost: the server may have closed it
    /// while it was idle.
    ///
    /// # Errors
    /// Those of `read`; [`DbError`] where there is no connection.
    pub(in crate::db) fn read<T>(
        &self,
        mut read: impl FnMut(&mut AnyConnection) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut held = self.get()?;
        let done = read(&mut held);
        let Err(error) = &done else {
            return done;
        };
        let was_lost = self.ask(&mut held) == Condition::Lost;
        if !was_lost || *error == DbError::Panicked {
            return done;
        }
        drop(held);
        let mut held = self.get()?;
        let done = read(&mut held);
        if done.is_err() {
            self.ask(&mut held);
        }
        done
    }

    /// Finds out what a connection can do now.
    fn ask(&self, held: &mut Held) -> Condition {
        let asked_at = self.doubts.load(Ordering::Acquire);
        let condition = if held.is_broken() {
            Condition::Lost
        } else {
            held.connection.condition().unwrap_or(Condition::Lost)
        };
        if condition != held.condition && condition != Condition::Writes {
            self.doubts.fetch_add(1, Ordering::AcqRel);
        }
        held.asked_at = asked_at;
        held.condition = condition;
        condition
    }
}

impl AnyConnection {
    /// What the database says of it. An error is that of a connection that is lost.
    fn condition(&mut self) -> diesel::QueryResult<Condition> {
        let writes = match self {
            // A file has one way to it, and says of each statement whether it can be done.
            Self::Sqlite(_) => true,
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => super::mysql::can_write(connection)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => super::postgres::can_write(connection)?,
        };
        Ok(if writes {
            Condition::Writes
        } else {
            Condition::ReadsOnly
        })
    }
}
