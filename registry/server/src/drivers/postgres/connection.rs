//! Connections to one server: made only from its settings, bounded in number and time, and deaf to
//! what the owner of a database may have set for those who connect to it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::{
    Client, Config, NoTls,
    config::{ChannelBinding, SslMode},
    types::{ToSql, Type},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::{Context, PostgresError};
use super::settings::{Settings, Tls};

/// What a server may take longer than its own time limits before we stop waiting.
const GRACE: Duration = Duration::from_secs(5);
/// Connections to the maintenance database that are kept for the next piece of work.
const KEPT: usize = 4;

/// A kept connection that a firewall forgot is found out after this.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How others see our connections.
pub(super) const APPLICATION: &str = "idp";

pub(super) struct Connections {
    pub(super) settings: Settings,
    tls: Option<MakeRustlsConnect>,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Client>>,
    turns: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
}

/// A connection that is at work on one database of the server.
pub(super) struct Session {
    pub(super) client: Client,
    server: String,
    limit: Duration,
}

/// The right to work on one database: nobody else does, here or on another replica.
pub(super) struct Turn {
    pub(super) session: Session,
    _permits: OwnedSemaphorePermit,
    _here: OwnedMutexGuard<()>,
}

impl Connections {
    pub(super) fn new(settings: Settings) -> Result<Self, PostgresError> {
        let tls = settings.tls.connector()?;
        if settings.connections < 2 {
            let problem = "a server needs at least two connections".to_owned();
            return Err(PostgresError::InvalidSettings { problem });
        }
        let permits = Arc::new(Semaphore::new(settings.connections));
        Ok(Self { settings, tls, permits, idle: Mutex::default(), turns: Mutex::default() })
    }

    pub(super) fn server(&self) -> String {
        format!("{}:{}", self.settings.host, self.settings.port)
    }

    /// Permits for connections, all at once: who held one and waited for another could wait for ever.
    pub(super) async fn permits(&self, count: u32) -> Result<OwnedSemaphorePermit, PostgresError> {
        let permits = Arc::clone(&self.permits).acquire_many_owned(count).await;
        permits.map_err(|_| PostgresError::Stopped { object: self.server() })
    }

    /// A connection to the maintenance database, a kept one if there is one.
    pub(super) async fn maintenance(&self) -> Result<Session, PostgresError> {
        while let Some(client) = self.idle().pop() {
            if !client.is_closed() {
                return Ok(self.session(client));
            }
        }
        self.open(&self.settings.maintenance_database).await
    }

    /// Keeps a connection to the maintenance database that has nothing left of its work.
    pub(super) fn keep(&self, session: Session) {
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(session.client);
        }
    }

    /// Waits until nobody works on the database, and keeps everybody else from it.
    pub(super) async fn turn(&self, database: &str) -> Result<Turn, PostgresError> {
        let here = self.turn_of(database).lock_owned().await;
        let permits = self.permits(2).await?;
        let session = self.maintenance().await?;
        let lock = "SELECT pg_advisory_lock(hashtextextended('idp database ' || $1, 0))";
        let locked =
            session.execute("waiting for the turn", lock, &[(&database, Type::TEXT)]).await;
        match locked {
            Ok(()) => Ok(Turn { session, _permits: permits, _here: here }),
            Err(PostgresError::TimedOut { .. }) => {
                Err(PostgresError::Busy { object: format!("database {database}") })
            }
            Err(error) => Err(error),
        }
    }

    /// Ends a turn whose work is done. One that is dropped ends with its connection.
    pub(super) async fn end(&self, turn: Turn) -> Result<(), PostgresError> {
        turn.session.run("ending the turn", "SELECT pg_advisory_unlock_all()").await?;
        self.keep(turn.session);
        Ok(())
    }

    fn turn_of(&self, database: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(database).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        turns.insert(database.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// A new connection to a database.
    pub(super) async fn open(&self, database: &str) -> Result<Session, PostgresError> {
        let doing = format!("connecting to database {database}");
        let connecting = async {
            let config = self.config(database);
            match &self.tls {
                None => config.connect(NoTls).await.map(|(client, connection)| {
                    tokio::spawn(connection);
                    client
                }),
                Some(tls) => config.connect(tls.clone()).await.map(|(client, connection)| {
                    tokio::spawn(connection);
                    client
                }),
            }
        };
        let server = self.server();
        match timeout(self.settings.connect_timeout, connecting).await {
            Ok(Ok(client)) => Ok(self.session(client)),
            Ok(Err(error)) => {
                let grant =
                    format!("GRANT CONNECT ON DATABASE {database} TO {}", self.settings.user);
                Err(Context { server: &server, doing: &doing, grant: &grant }.error(&error))
            }
            Err(_) => {
                let words = format!("no answer within {:?}", self.settings.connect_timeout);
                Err(PostgresError::Unreachable { server, words })
            }
        }
    }

    /// Every option is said, so that none comes from elsewhere. What a session asks for when it
    /// starts goes before what `ALTER DATABASE … SET` has for it.
    fn config(&self, database: &str) -> Config {
        let settings = &self.settings;
        let options = format!(
            "-c search_path=pg_catalog,pg_temp -c role=none \
             -c standard_conforming_strings=on -c backslash_quote=safe_encoding \
             -c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed \
             -c row_security=off -c client_min_messages=error -c DateStyle=ISO -c TimeZone=UTC \
             -c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={}",
            settings.statement_timeout.as_millis(),
            settings.lock_timeout.as_millis(),
            settings.statement_timeout.as_millis(),
        );
        let mut config = Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .user(&settings.user)
            .password(settings.password.expose())
            .dbname(database)
            .application_name(APPLICATION)
            .options(options)
            .connect_timeout(settings.connect_timeout)
            .keepalives_idle(KEEPALIVE)
            .tcp_user_timeout(settings.statement_timeout + GRACE)
            .channel_binding(ChannelBinding::Prefer)
            .ssl_mode(if settings.tls == Tls::Disable {
                SslMode::Disable
            } else {
                SslMode::Require
            });
        config
    }

    fn session(&self, client: Client) -> Session {
        Session { client, server: self.server(), limit: self.settings.statement_timeout + GRACE }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Runs statements, all in one transaction where none of them says otherwise.
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<(), PostgresError> {
        self.bounded(doing, "", self.client.batch_execute(sql)).await
    }

    /// As [`Session::run`], for what an administrator may lack a right for; `grant` gives it.
    pub(super) async fn run_with_right(
        &self,
        doing: &str,
        grant: &str,
        sql: &str,
    ) -> Result<(), PostgresError> {
        self.bounded(doing, grant, self.client.batch_execute(sql)).await
    }

    /// One statement with arguments.
    pub(super) async fn execute(
        &self,
        doing: &str,
        sql: &str,
        arguments: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<(), PostgresError> {
        self.bounded(doing, "", self.client.query_typed(sql, arguments)).await.map(drop)
    }

    /// Asks a question whose answer is one JSON text.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        doing: &str,
        sql: &str,
        arguments: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<T, PostgresError> {
        let row = self.bounded(doing, "", self.client.query_typed_one(sql, arguments)).await?;
        let unexpected = |words: String| PostgresError::Server {
            server: self.server.clone(),
            doing: doing.to_owned(),
            words,
        };
        let text: &str = row.try_get(0).map_err(|error| unexpected(error.to_string()))?;
        serde_json::from_str(text).map_err(|error| unexpected(error.to_string()))
    }

    async fn bounded<T>(
        &self,
        doing: &str,
        grant: &str,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, PostgresError> {
        match timeout(self.limit, work).await {
            Ok(done) => {
                done.map_err(|error| Context { server: &self.server, doing, grant }.error(&error))
            }
            Err(_) => Err(PostgresError::TimedOut {
                server: self.server.clone(),
                doing: doing.to_owned(),
                words: format!("no answer within {:?}", self.limit),
            }),
        }
    }
}
