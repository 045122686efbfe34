//! The connection pool, and the state of each connection: writable, read-only or lost.
//!
//! Taking a connection costs no round trip. The pool judges a connection by its last use: after failed work it checks
//! the connection. A lost or read-only connection casts doubt on all older ones: each is checked once before its next
//! use.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::r2d2::{ManageConnection, Pool, PooledConnection, R2D2Connection as _};

use super::connector::connect;
use super::settings::DbSettings;
use crate::db::engine::any_connection::AnyConnection;
use crate::db::engine::error::DbError;

/// Idle server connections close after this time, before a server or proxy closes them.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Server connections are replaced after this time, so that DNS changes take effect.
const MAX_AGE: Duration = Duration::from_secs(600);

/// A read-only connection serves reads for this time. Then a new connection checks whether the database accepts writes.
const MAX_READ_ONLY: Duration = Duration::from_secs(1);

/// The error text when no connection of a server can write.
const READ_ONLY: &str = "it is read-only, or a replica";

/// What a connection can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionState {
    Writable,
    ReadOnly,
    /// The connection does not answer.
    Lost,
}

/// A connection of the pool.
pub(crate) struct TrackedConnection {
    connection: AnyConnection,
    opened: Instant,
    condition: ConnectionState,
    /// The value of [`Connections::doubts`] at its last check.
    checked_at: u64,
}

impl TrackedConnection {
    fn must_be_replaced(&self) -> bool {
        match self.condition {
            ConnectionState::Writable => false,
            ConnectionState::ReadOnly => self.opened.elapsed() > MAX_READ_ONLY,
            ConnectionState::Lost => true,
        }
    }
}

impl Deref for TrackedConnection {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for TrackedConnection {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// Opens and checks connections for r2d2.
#[derive(Debug)]
pub(crate) struct Connections {
    settings: DbSettings,
    /// Counts how often a connection turned out worse than before.
    doubts: Arc<AtomicU64>,
}

impl ManageConnection for Connections {
    type Connection = TrackedConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<TrackedConnection, Self::Error> {
        let checked_at = self.doubts.load(Ordering::Acquire);
        let opened = connect(&self.settings).and_then(|mut connection| {
            let condition = connection.condition()?;
            Ok((connection, condition))
        });
        let (connection, condition) = opened.map_err(|error| {
            let error = diesel::ConnectionError::BadConnection(error.to_string());
            diesel::r2d2::Error::ConnectionError(error)
        })?;
        Ok(TrackedConnection {
            connection,
            opened: Instant::now(),
            condition,
            checked_at,
        })
    }

    /// Not called: taking a connection costs no round trip.
    fn is_valid(&self, tracked: &mut TrackedConnection) -> Result<(), Self::Error> {
        tracked.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, tracked: &mut TrackedConnection) -> bool {
        std::thread::panicking() || tracked.must_be_replaced() || tracked.is_broken()
    }
}

pub(crate) type Pooled = PooledConnection<Connections>;

/// The connection pool; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DbPool {
    pool: Pool<Connections>,
    doubts: Arc<AtomicU64>,
}

impl DbPool {
    /// Opens a connection for each reader and each writer. Server connections are replaced regularly.
    pub(crate) fn new(settings: &DbSettings) -> Result<Self, diesel::r2d2::PoolError> {
        let doubts = Arc::<AtomicU64>::default();
        // One connection writes messages; on a database server, another one writes sessions.
        let is_server = settings.has_session_writer();
        let writers = if is_server { 2 } else { 1 };
        let size = settings.read_threads.get() + writers;
        let mut pool = Pool::builder()
            .max_size(u32::try_from(size).unwrap_or(u32::MAX))
            .test_on_check_out(false)
            .connection_timeout(settings.busy_timeout)
            // File connections are opened at once and kept: after a move of the file, a new one would create another
            // file.
            .idle_timeout(None)
            .max_lifetime(None);
        if is_server {
            pool = pool
                .min_idle(Some(1))
                .idle_timeout(Some(MAX_IDLE))
                .max_lifetime(Some(MAX_AGE));
        }
        let connections = Connections {
            settings: settings.clone(),
            doubts: Arc::clone(&doubts),
        };
        let pool = pool.build(connections)?;
        Ok(Self { pool, doubts })
    }

    /// Total and idle connections.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let state = self.pool.state();
        (state.connections, state.idle_connections)
    }

    /// Takes a connection that was not lost at its last check.
    pub(crate) fn get(&self) -> Result<Pooled, DbError> {
        // Each round drops one lost connection, and the pool has no more than this.
        for _ in 0..=self.pool.max_size() {
            let taken = self.pool.get();
            let mut tracked = taken.map_err(DbError::unavailable)?;
            if tracked.checked_at < self.doubts.load(Ordering::Acquire) {
                self.check(&mut tracked);
            }
            if tracked.condition != ConnectionState::Lost {
                return Ok(tracked);
            }
        }
        Err(DbError::unavailable("its connections are lost"))
    }

    fn get_for_writing(&self) -> Result<Pooled, DbError> {
        for _ in 0..=self.pool.max_size() {
            let mut tracked = self.get()?;
            if tracked.condition == ConnectionState::Writable {
                return Ok(tracked);
            }
            if !tracked.must_be_replaced() {
                // It was opened a moment ago.
                break;
            }
            // Mark it lost, so that this loop never takes it twice.
            tracked.condition = ConnectionState::Lost;
        }
        Err(DbError::unavailable(READ_ONLY))
    }

    /// Runs `work` with a connection that was writable at its last check.
    ///
    /// # Errors
    /// Errors of `work`, or [`DbError`] if no connection can write.
    pub(crate) fn write<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut tracked = self.get_for_writing()?;
        let done = work(&mut tracked);
        if done.is_err() {
            self.check(&mut tracked);
        }
        done
    }

    /// Runs `read`, and retries once on another connection if the first one was lost: a server may close idle
    /// connections.
    ///
    /// # Errors
    /// Errors of `read`, or [`DbError`] if there is no connection.
    pub(crate) fn read<T>(
        &self,
        mut read: impl FnMut(&mut AnyConnection) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        let mut tracked = self.get()?;
        let done = read(&mut tracked);
        let Err(error) = &done else {
            return done;
        };
        let was_lost = self.check(&mut tracked) == ConnectionState::Lost;
        if !was_lost || *error == DbError::Panicked {
            return done;
        }
        drop(tracked);
        let mut tracked = self.get()?;
        let done = read(&mut tracked);
        if done.is_err() {
            self.check(&mut tracked);
        }
        done
    }

    /// Checks what a connection can do now.
    fn check(&self, tracked: &mut TrackedConnection) -> ConnectionState {
        let checked_at = self.doubts.load(Ordering::Acquire);
        let condition = if tracked.is_broken() {
            ConnectionState::Lost
        } else {
            tracked
                .connection
                .condition()
                .unwrap_or(ConnectionState::Lost)
        };
        if condition != tracked.condition && condition != ConnectionState::Writable {
            self.doubts.fetch_add(1, Ordering::AcqRel);
        }
        tracked.checked_at = checked_at;
        tracked.condition = condition;
        condition
    }
}

impl AnyConnection {
    /// Asks the database. An error means that the connection is lost.
    fn condition(&mut self) -> diesel::QueryResult<ConnectionState> {
        let writes = match self {
            // A file has one path to it, and each statement reports whether it is allowed.
            Self::Sqlite(_) => true,
            #[cfg(feature = "mysql")]
            Self::Mysql(connection) => crate::db::engine::mysql::can_write(connection)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(connection) => crate::db::engine::postgres::can_write(connection)?,
        };
        Ok(if writes {
            ConnectionState::Writable
        } else {
            ConnectionState::ReadOnly
        })
    }
}
