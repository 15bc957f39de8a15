//! A platform with a PostgreSQL server of its own.

use std::fs;
use std::ops::{Deref, DerefMut};

use serde_json::Value;
use test_postgres::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, Version};

use crate::platform::Platform;
use crate::run::Run;
use crate::server::Start;

/// The administrator that the platform usually has: no superuser, only `CREATEDB` and `CREATEROLE`.
pub const REGISTRAR: &str = "registrar";
/// Its password.
pub const REGISTRAR_PASSWORD: &str = "registrar-of-a-throwaway-cluster";

/// A platform whose environments have databases, and their server.
pub struct Databases {
    // Dropped before the server that it works on.
    platform: Platform,
    cluster: Cluster,
}

impl Deref for Databases {
    type Target = Platform;

    fn deref(&self) -> &Platform {
        &self.platform
    }
}

impl DerefMut for Databases {
    fn deref_mut(&mut self) -> &mut Platform {
        &mut self.platform
    }
}

impl Databases {
    /// A running one.
    pub fn start() -> Self {
        let mut databases = Self::prepare(REGISTRAR, REGISTRAR_PASSWORD);
        databases.run();
        databases
    }

    /// A running one that works as the superuser, as taking over what others own wants it.
    pub fn start_as_superuser() -> Self {
        let mut databases = Self::prepare(SUPERUSER, SUPERUSER_PASSWORD);
        databases.run();
        databases
    }

    /// A running one whose server is started so.
    pub fn start_with(start: &Start) -> Self {
        let mut databases = Self::prepare(REGISTRAR, REGISTRAR_PASSWORD);
        databases.run_with(start);
        databases
    }

    /// One whose PostgreSQL runs, while the platform's server does not yet.
    fn prepare(admin: &str, password: &str) -> Self {
        let cluster = Cluster::start(Version::Default);
        make_registrar(&cluster);
        let platform = Platform::prepare();
        fs::write(platform.server_folder().join("postgres.password"), password)
            .expect("the password is written");
        platform.edit_config(|text| with_server(&text, cluster.port(), admin));
        Self { platform, cluster }
    }

    /// The PostgreSQL server.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The PostgreSQL server, to be stopped or started.
    pub fn cluster_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// What a reader of secrets finds at `reference`.
    pub fn values(&self, reference: &str) -> Value {
        self.api("GET", &format!("/api/v1/secret-values/{reference}")).is(200).json()
    }

    /// Asks a database with credentials as they are read.
    pub fn query_with(&self, credentials: &Value, sql: &str) -> Result<String, String> {
        let text = |field: &str| credentials[field].as_str().unwrap_or_default();
        self.cluster.query(text("username"), text("password"), text("database"), sql)
    }

    /// Asks a database with the credentials at `reference`.
    pub fn query_as(&self, reference: &str, sql: &str) -> Result<String, String> {
        self.query_with(&self.values(reference)["data"], sql)
    }

    /// The databases and roles whose names begin so, sorted.
    pub fn objects(&self, beginning: &str) -> Vec<String> {
        let listed = self.cluster.psql(&format!(
            "SELECT 'database ' || datname FROM pg_database WHERE starts_with(datname, '{beginning}')
             UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname, '{beginning}') ORDER BY 1"
        ));
        listed.lines().map(str::to_owned).collect()
    }

    /// Makes the table `bill` with one row, as a migration would.
    pub fn fill(&self, database: &str) {
        let migrate = format!("SET ROLE {database}_migrate");
        let table = "CREATE TABLE app.bill (id int); INSERT INTO app.bill VALUES (7)";
        self.cluster.psql_in(database, &format!("{migrate}; {table}"));
    }

    /// Restores a dump into a new database of that name.
    pub fn restore(&self, dump: &std::path::Path, database: &str) -> Run {
        self.cluster.psql(&format!("CREATE DATABASE {database}"));
        let mut restore = self.cluster.client("pg_restore", SUPERUSER, SUPERUSER_PASSWORD);
        Run::of(
            restore.args(["--no-owner", "--no-acl", "--exit-on-error", "-d", database]).arg(dump),
        )
    }
}

/// Makes the platform's administrator, without a trace of its password in the server's log.
fn make_registrar(cluster: &Cluster) {
    let role = format!(
        "CREATE ROLE {REGISTRAR} LOGIN CREATEDB CREATEROLE PASSWORD '{REGISTRAR_PASSWORD}'"
    );
    let mut psql = cluster.psql_command(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
    Run::of(psql.args(["-c", "SET log_statement = 'none'", "-c", &role])).ok();
}

/// The configuration of tests, in which each environment has a server. Both are the test's one cluster, so that names in
/// staging need no prefix: on what the configuration calls one server no prefix may be the beginning of another.
fn with_server(text: &str, port: u16, admin: &str) -> String {
    let mut text = text.to_owned();
    for (environment, prefix) in [("staging", ""), ("production", "prod_")] {
        let name = format!("[[environment]]\nname = \"{environment}\"\n");
        let settings = format!(
            "{name}postgres = {{ server = \"{environment}\", prefix = \"{prefix}\", extensions = [\"pgcrypto\", \"hstore\", \
             \"nowhere\"], drain_seconds = 2 }}\n\
             secrets = {{ url = \"https://registry.example.com\", refresh_seconds = 1 }}\n"
        );
        assert!(text.contains(&name), "the configuration of the tests has another form now");
        text = text.replacen(&name, &settings, 1);
        let server = format!(
            "\n[[postgres_server]]\nname = \"{environment}\"\nhost = \"127.0.0.1\"\nport = {port}\n\
             admin_user = \"{admin}\"\nadmin_password_file = \"postgres.password\"\ntls = \"disable\"\n"
        );
        text.push_str(&server);
    }
    text
}
