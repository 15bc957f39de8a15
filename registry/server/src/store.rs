//! The database: the only place with SQL.
//!
//! One SQLite file, one writing connection, several that only read. Statements are plain enough for PostgreSQL:
//! ids are made by us, times are milliseconds, nothing relies on row ids.
//!
//! A commit is on the disk when it returns (write-ahead log, synced fully), so neither a killed process nor a power
//! cut loses one.

pub mod audit;
pub mod copy;
mod document;
pub mod downloads;
pub mod environments;
pub mod golden_paths;
pub mod leases;
pub mod log;
pub mod logins;
pub mod modules;
pub mod oidc;
pub mod operations;
pub mod providers;
pub mod resources;
pub mod secret_keys;
pub mod secrets;
pub mod tokens;

use std::path::Path;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, SqliteConnection, Transaction};

/// A transaction that may write; dropped without [`Transaction::commit`] it never happened.
pub type Tx = Transaction<'static, Sqlite>;

/// The schema, step by step.
static MIGRATOR: Migrator = sqlx::migrate!("./migrations");

/// How many connections read at once.
const READERS: u32 = 8;

/// The database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// What the database could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the database has no room left on its disk")]
    Full(#[source] sqlx::Error),
    /// A row that our own rules exclude.
    #[error("the database holds a {what} that does not parse: {value:?}")]
    Corrupt {
        /// What the value should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// The schema could not be brought up to date.
    #[error("the database's schema cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Anything else.
    #[error("the database failed")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL (13) and SQLITE_IOERR_WRITE (778): a full disk shows as either.
        let full = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .is_some_and(|code| matches!(code.as_ref(), "13" | "778"));
        if full { Self::Full(error) } else { Self::Failed(error) }
    }
}

impl Store {
    /// Opens the database at `path`, makes it where there is none, and brings its schema up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(30))
            .connect_with(options.clone())
            .await?;
        MIGRATOR.run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.pragma("query_only", "ON"))
            .await?;
        Ok(Self { readers, writer })
    }

    /// Starts the one transaction that may write; others wait here until it ends.
    pub async fn write(&self) -> Result<Tx, StoreError> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A connection that only reads.
    pub async fn read(&self) -> Result<sqlx::pool::PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
    }

    /// A connection that sees the database as it is at its first read, whatever is written meanwhile.
    pub async fn snapshot(&self) -> Result<Tx, StoreError> {
        Ok(self.readers.begin().await?)
    }

    /// Proves that the database answers and takes writes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut tx = self.write().await?;
        sqlx::query("INSERT INTO probe (id, seen) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET seen = probe.seen + 1")
            .execute(&mut *tx)
            .await?;
        Ok(tx.rollback().await?)
    }

    /// Closes every connection, so that the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// What store functions that write take: the caller owns the transaction.
pub type Connection = SqliteConnection;
