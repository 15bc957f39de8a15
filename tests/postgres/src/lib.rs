//! Throwaway PostgreSQL servers for tests.
//!
//! A [`Cluster`] is a real server of its own: a data folder in the system's temporary directory, a
//! free port of 127.0.0.1 and a socket, gone when it is dropped and also when the test is killed. It
//! writes every statement to its log, so that a test can look for secrets there. Passwords are
//! required on every connection.
//!
//! Knows nothing of what is tested; starts and stops servers, and asks them with `psql`.

#![expect(clippy::unwrap_used, reason = "a test that cannot have its server has failed")]

mod files;
mod installation;
mod process;
mod template;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use files::{Account, copy_tree};
use installation::Installation;
use process::Server;
pub use process::Signal;

/// The name of the superuser of every cluster.
pub const SUPERUSER: &str = "postgres";
/// Its password; long enough that a search for it finds nothing else.
pub const SUPERUSER_PASSWORD: &str = "superuser-of-a-throwaway-cluster";

/// Which of the machine's PostgreSQL servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// The one that the system's package manager installed.
    Default,
    /// The newest major version, which `tests/run` installs into `target/tools`.
    Newest,
}

impl Version {
    /// Every version that tests can run on here; says so where the newest one is missing.
    pub fn installed() -> Vec<Self> {
        let newest = Installation::find(Self::Newest).is_some();
        if !newest {
            eprintln!("SKIPPED on the newest PostgreSQL: it is not installed; tests/run does that");
        }
        let newest = newest.then_some(Self::Newest);
        std::iter::once(Self::Default).chain(newest).collect()
    }
}

/// A running server, removed with all it holds when dropped.
pub struct Cluster {
    version: Version,
    installation: Installation,
    account: Account,
    port: u16,
    server: Option<Server>,
    // Dropped last: the server must have ended before.
    folder: TempDir,
}

impl Cluster {
    /// # Panics
    /// When the server is not installed or does not start; its own words are shown.
    pub fn start(version: Version) -> Self {
        let installation = Installation::find(version).unwrap_or_else(|| {
            panic!("PostgreSQL ({version:?}) is not installed; tests/run does that")
        });
        let account = Account::unprivileged();
        let installation = installation.reachable_for(&account);
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        account.own(folder.path());
        copy_tree(
            &template::folder(&installation, &account),
            &folder.path().join("data"),
            &account,
        );
        let mut cluster = Self { version, installation, account, port: 0, server: None, folder };
        cluster.start_on_a_free_port();
        cluster
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.installation.major()
    }

    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the server's socket, for those who connect without the network.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the server wrote so far, with every statement that it was sent.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log_file()).unwrap_or_default()).into_owned()
    }

    /// Runs SQL as the superuser in the database `postgres`.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in("postgres", sql)
    }

    /// Runs SQL as the superuser in a database.
    ///
    /// # Panics
    /// When a statement fails.
    pub fn psql_in(&self, database: &str, sql: &str) -> String {
        self.query(SUPERUSER, SUPERUSER_PASSWORD, database, sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs SQL as anybody: rows as lines with `|` between columns, or what psql complained of.
    pub fn query(
        &self,
        user: &str,
        password: &str,
        database: &str,
        sql: &str,
    ) -> Result<String, String> {
        let output = self.psql_command(user, password, database).args(["-c", sql]).output();
        answer(&output.expect("psql is installed (tests/run does that)"))
    }

    /// `psql`, ready to run as anybody in a database; `-c`, `-f` or standard input are the caller's.
    pub fn psql_command(&self, user: &str, password: &str, database: &str) -> Command {
        let mut command = self.client("psql", user, password);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database]);
        command
    }

    /// A client program of PostgreSQL, such as `pg_restore`, ready to connect to this server.
    pub fn client(&self, program: &str, user: &str, password: &str) -> Command {
        let mut command = Command::new(installation::client_program(program));
        command
            .args(["-h", self.host(), "-p", &self.port.to_string(), "-U", user])
            .env("PGPASSWORD", password)
            .env("PGCONNECT_TIMEOUT", "10");
        command
    }

    /// Adds lines to `postgresql.conf`; they hold after [`Cluster::restart`].
    pub fn configure(&self, lines: &str) {
        let file = self.data_folder().join("postgresql.conf");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{text}\n{lines}\n")).unwrap();
    }

    /// Writes a file into the data folder that only the server may read, such as a TLS key.
    pub fn write(&self, name: &str, content: &str) {
        let file = self.data_folder().join(name);
        fs::write(&file, content).unwrap();
        files::make_private(&file);
        self.account.own(&file);
    }

    /// Ends the server as an administrator would, clients included.
    pub fn stop(&mut self) {
        self.end(Signal::Fast);
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.end(Signal::Kill);
    }

    /// Starts the server again on its port, with its data.
    pub fn restart(&mut self) {
        self.stop();
        self.server = Some(self.launch().unwrap_or_else(|log| panic!("no restart: {log}")));
    }

    fn end(&mut self, signal: Signal) {
        if let Some(server) = self.server.take() {
            server.end(signal);
        }
    }

    /// Another process may take a port between the look for a free one and the start.
    fn start_on_a_free_port(&mut self) {
        let mut log = String::new();
        for _ in 0..5 {
            self.port = free_port();
            match self.launch() {
                Ok(server) => {
                    self.server = Some(server);
                    return;
                }
                Err(error) => log = error,
            }
        }
        panic!("PostgreSQL did not start: {log}");
    }

    fn launch(&self) -> Result<Server, String> {
        let data = self.data_folder();
        let mut arguments = vec!["-D".into(), data.into_os_string()];
        arguments.extend(["-k".into(), self.folder.path().into()]);
        arguments.extend(["-p".into(), self.port.to_string().into()]);
        let program = self.installation.program("postgres");
        Server::start(&program, &arguments, self.folder.path(), &self.log_file(), &self.account)
            .map_err(|error| format!("{error}\n{}", self.log()))
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end(Signal::Immediate);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn answer(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests;
