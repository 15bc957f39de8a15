//! What can go wrong with a PostgreSQL server, in words that say what to do next.

use tokio_postgres::error::SqlState;

/// An error of the PostgreSQL driver. None holds a password or a statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostgresError {
    #[error("the name {name:?} cannot be used in PostgreSQL: {problem}")]
    InvalidName { name: String, problem: String },

    #[error("the settings of the PostgreSQL server are wrong: {problem}")]
    InvalidSettings { problem: String },

    #[error(
        "PostgreSQL at {server} could not be reached: {words}; \
         check that it is up and that this server may connect to it, then try again"
    )]
    Unreachable { server: String, words: String },

    #[error(
        "PostgreSQL at {server} did not accept this server's account: {words}; \
         check the administrator's name and password in the configuration"
    )]
    Authentication { server: String, words: String },

    #[error(
        "the administrator of PostgreSQL at {server} lacks a right for {doing}: {words}; grant it with: {grant}"
    )]
    InsufficientRight { server: String, doing: String, words: String, grant: String },

    #[error("{object} exists already and is not ours: {whose}; take another name, or {way_out}")]
    NotOurs { object: String, whose: String, way_out: &'static str },

    #[error("extension {extension:?} cannot be had on PostgreSQL at {server}: {problem}")]
    Extension { server: String, extension: String, problem: String },

    #[error("{object} cannot be removed: {words}; remove what depends on it first")]
    DependedOn { object: String, words: String },

    #[error("database {database:?} is in use, and nothing was dropped: {}; end these connections, then try again", connections.join(", "))]
    InUse { database: String, connections: Vec<String> },

    #[error("another operation works on {object}; try again")]
    Busy { object: String },

    #[error("PostgreSQL at {server} did not finish {doing} in time: {words}; try again")]
    TimedOut { server: String, doing: String, words: String },

    #[error(
        "PostgreSQL at {server} has no space left for {doing}: {words}; free disk space and try again"
    )]
    DiskFull { server: String, doing: String, words: String },

    #[error("the dump could not be written to {path}: {words}")]
    DumpFile { path: String, words: String },

    #[error("pg_dump failed: {words}")]
    Dump { words: String },

    #[error(
        "pg_dump {found} cannot dump PostgreSQL {server}: install pg_dump {server} or newer on this server, \
         or delete without a final dump"
    )]
    DumpToolTooOld { found: u32, server: u32 },

    #[error(
        "pg_dump could not be started as {program:?}: {words}; install PostgreSQL's client programs on this server"
    )]
    DumpToolMissing { program: String, words: String },

    #[error("{doing} failed on PostgreSQL at {server}: {words}")]
    Server { server: String, doing: String, words: String },

    #[error("there is no {object} whose password could stay as it is")]
    NoLogin { object: String },

    #[error("the work on {object} was stopped between two statements; try again, and it goes on")]
    Stopped { object: String },
}

impl PostgresError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::InUse { .. }
            | Self::Busy { .. }
            | Self::TimedOut { .. }
            | Self::DiskFull { .. }
            | Self::Stopped { .. } => true,
            Self::InvalidName { .. }
            | Self::InvalidSettings { .. }
            | Self::Authentication { .. }
            | Self::InsufficientRight { .. }
            | Self::NoLogin { .. }
            | Self::NotOurs { .. }
            | Self::Extension { .. }
            | Self::DependedOn { .. }
            | Self::DumpFile { .. }
            | Self::Dump { .. }
            | Self::DumpToolTooOld { .. }
            | Self::DumpToolMissing { .. }
            | Self::Server { .. } => false,
        }
    }
}

/// What was being done to which server when an error came.
pub(super) struct Context<'a> {
    pub(super) server: &'a str,
    pub(super) doing: &'a str,
    /// The SQL that gives an administrator the right that this needs.
    pub(super) grant: &'a str,
}

impl Context<'_> {
    pub(super) fn error(&self, error: &tokio_postgres::Error) -> PostgresError {
        let (server, doing) = (self.server.to_owned(), self.doing.to_owned());
        let Some(refusal) = error.as_db_error() else {
            return PostgresError::Unreachable { server, words: chain(error) };
        };
        let words = match refusal.detail() {
            Some(detail) => format!("{} ({detail})", refusal.message()),
            None => refusal.message().to_owned(),
        };
        let code = refusal.code();
        match code {
            &SqlState::INSUFFICIENT_PRIVILEGE => PostgresError::InsufficientRight {
                server,
                doing,
                words,
                grant: self.grant.to_owned(),
            },
            &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
                PostgresError::Authentication { server, words }
            }
            &SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED => {
                PostgresError::TimedOut { server, doing, words }
            }
            &SqlState::DISK_FULL => PostgresError::DiskFull { server, doing, words },
            &SqlState::DEPENDENT_OBJECTS_STILL_EXIST => {
                PostgresError::DependedOn { object: doing, words }
            }
            &SqlState::DUPLICATE_OBJECT
            | &SqlState::DUPLICATE_DATABASE
            | &SqlState::DUPLICATE_SCHEMA
            | &SqlState::UNIQUE_VIOLATION
            | &SqlState::OBJECT_IN_USE => {
                PostgresError::Busy { object: format!("{doing} ({words})") }
            }
            code if is_outage(code) => PostgresError::Unreachable { server, words },
            _ => PostgresError::Server { server, doing, words },
        }
    }
}

/// The server ends, starts, or has no place for another connection.
fn is_outage(code: &SqlState) -> bool {
    code.code().starts_with("57P")
        || code.code().starts_with("08")
        || *code == SqlState::TOO_MANY_CONNECTIONS
}

/// An error with its causes; a broken connection tells what happened only there.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words
}
