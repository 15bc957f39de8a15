//! The driver against real servers, of the system's version and of the newest, as a superuser and as
//! an administrator who has CREATEDB and CREATEROLE only.

mod attacks;
mod converging;
mod drift;
mod dumps;
mod failures;
mod logging_in;
mod ownership;
mod removing;
mod stopping;

use std::collections::BTreeMap;

use registry_api::platform::Access;
use test_postgres::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, Version};

use super::*;
use crate::model::secret::SecretText;

const PLATFORM: &str = "idp.example.com";
const RESOURCE: &str = "database/staging/orders";
const LIMITED: &str = "registrar";
const LIMITED_PASSWORD: &str = "registrar-of-a-throwaway-cluster";

/// A server and the driver for it.
struct Bench {
    cluster: Cluster,
    server: PostgresServer,
    /// For messages: which of the four kinds this is.
    kind: String,
    superuser: bool,
}

impl Bench {
    fn new(version: Version, superuser: bool) -> Self {
        let cluster = Cluster::start(version);
        cluster.psql(&format!(
            "CREATE ROLE {LIMITED} LOGIN CREATEDB CREATEROLE PASSWORD '{LIMITED_PASSWORD}'"
        ));
        let kind = format!("PostgreSQL {}, superuser: {superuser}", cluster.major());
        let server = PostgresServer::new(settings(&cluster, superuser)).unwrap();
        Self { cluster, server, kind, superuser }
    }

    /// On the system's version, as a superuser.
    fn simple() -> Self {
        Self::new(Version::Default, true)
    }

    /// All four kinds, or two where the newest version is not installed.
    fn all() -> impl Iterator<Item = Self> {
        Self::with(true).chain(Self::with(false))
    }

    /// Every version, with one kind of administrator.
    fn with(superuser: bool) -> impl Iterator<Item = Self> {
        Version::installed().into_iter().map(move |version| Self::new(version, superuser))
    }

    async fn converge(&self, database: &Database) -> Vec<Change> {
        let done = self.server.converge(database, Options::default(), &unwatched).await;
        done.unwrap_or_else(|error| panic!("{}: {error}", self.kind))
    }

    async fn facts(&self, database: &Database) -> Facts {
        let facts = self.server.observe(database, Options::default()).await;
        facts.unwrap_or_else(|error| panic!("{}: {error}", self.kind))
    }

    /// Opens a login and gives its password.
    async fn login(&self, login: &Login) -> SecretText {
        let password = new_password();
        let put = self.server.put_login(login, Some(&password)).await;
        put.unwrap_or_else(|error| panic!("{}: {error}", self.kind));
        password
    }

    /// SQL as a login, in the database `orders`.
    fn query(&self, login: &Login, password: &SecretText, sql: &str) -> Result<String, String> {
        self.cluster.query(login.name().as_str(), password.expose(), "orders", sql)
    }
}

fn settings(cluster: &Cluster, superuser: bool) -> Settings {
    let (user, password) =
        if superuser { (SUPERUSER, SUPERUSER_PASSWORD) } else { (LIMITED, LIMITED_PASSWORD) };
    Settings::new(cluster.host(), cluster.port(), user, SecretText::new(password), PLATFORM)
}

fn orders() -> Database {
    Database::new("orders", RESOURCE)
        .unwrap()
        .with_connection_limit(20)
        .with_extensions(["pgcrypto", "uuid-ossp"])
        .with_setting("work_mem", "8MB")
        .unwrap()
}

fn login_for(access: Access) -> Login {
    let name = format!("orders_test_{}", access.as_str());
    let resource = format!("login/staging/orders/{}", access.as_str());
    Login::new(&name, orders().name(), access, &resource).unwrap()
}

/// Where two sets of facts differ: object → (wished, seen).
fn differences(wish: &Facts, seen: &Facts) -> BTreeMap<String, (String, String)> {
    let objects = wish.keys().chain(seen.keys());
    let get = |facts: &Facts, object| facts.get(object).cloned().unwrap_or_default();
    objects
        .map(|object| (object.clone(), (get(wish, object), get(seen, object))))
        .filter(|(_, (wish, seen))| wish != seen)
        .collect()
}

fn nothing() -> BTreeMap<String, (String, String)> {
    BTreeMap::new()
}
