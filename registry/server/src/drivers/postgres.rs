//! The PostgreSQL driver: keeps databases and logins on one server as the platform wants them.
//!
//! Give it the [`Settings`] of a server, and it makes a [`Database`] with its roles, grants, settings
//! and extensions true, opens and closes [`Login`]s, dumps and drops. It knows nothing of resources,
//! operations or where passwords are kept: callers map theirs to plain structs.
//!
//! - `identifier`, `mark`, `password`: names, ownership and verifiers, checked before SQL hears of them
//! - `database`, `login`, `role`: how things shall be, pure; `catalog`: how they are, in one question each
//! - `converge`, `removal`, `logins`: the statements between the two, one step at a time
//! - `settings`, `connection`: TLS, limits, turns; `dump`: running `pg_dump`
//!
//! What callers may rely on:
//! - [`Database::facts`] and [`PostgresServer::observe`] use the same words: drift is where they differ
//! - work on a database may end between any two statements; the next call goes on from there
//! - what does not carry the platform's mark is refused and never touched
//! - a password is sent as a SCRAM verifier, so no log of the server ever holds one
//! - no setting and no object that a database's owner can make changes what an administrator's
//!   statement means: sessions name their own settings, and act as the database's owner inside it

mod catalog;
mod connection;
mod converge;
mod database;
mod dump;
mod error;
mod identifier;
mod login;
mod logins;
mod mark;
mod password;
mod removal;
mod role;
mod settings;
mod steps;
mod unmanaged;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::connection::Connections;
pub use self::{
    converge::Options,
    database::{Database, Facts, MANAGED_SCHEMA},
    dump::{Dump, Dumped},
    error::PostgresError,
    identifier::Identifier,
    login::Login,
    logins::LoginSeen,
    mark::Mark,
    password::new_password,
    settings::{Settings, Tls},
    steps::{Action, Change, Watch, unwatched},
    unmanaged::Unmanaged,
};

/// One server. Clones share its connections.
#[derive(Clone)]
pub struct PostgresServer {
    connections: Arc<Connections>,
}

impl PostgresServer {
    /// Nothing is connected to yet.
    pub fn new(settings: Settings) -> Result<Self, PostgresError> {
        // Every mark will hold it.
        Mark::new(&settings.platform, "server")?;
        Ok(Self { connections: Arc::new(Connections::new(settings)?) })
    }

    pub fn settings(&self) -> &Settings {
        &self.connections.settings
    }

    /// The server's version, such as 15.18; also tells whether it can be reached.
    pub async fn version(&self) -> Result<String, PostgresError> {
        let number = self.version_number().await?;
        Ok(format!("{}.{}", number / 10_000, number % 10_000))
    }

    async fn version_number(&self) -> Result<u32, PostgresError> {
        let _permit = self.connections.permits(1).await?;
        let session = self.connections.maintenance().await?;
        let version = session.outside_of("", &[]).await?.version;
        self.connections.keep(session);
        Ok(version)
    }

    fn platform(&self) -> &str {
        &self.connections.settings.platform
    }

    fn mark(&self, resource: &str) -> Result<Mark, PostgresError> {
        Mark::new(self.platform(), resource)
    }
}
