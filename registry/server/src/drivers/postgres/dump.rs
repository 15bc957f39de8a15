//! Dumping a database with the real `pg_dump`.
//!
//! It runs as a login of its own that is made for the dump and dropped after it: whatever a tenant has
//! put into the database, the dump cannot lend it an administrator's rights. The password travels in a
//! file that only this process can read. The dump comes through a pipe, so that `pg_dump` ends with
//! this process, and a full disk is our own to tell.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use registry_api::platform::Access;
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::PostgresServer;
use super::connection::Turn;
use super::database::Database;
use super::error::PostgresError;
use super::login::Login;
use super::password::new_password;
use super::settings::Tls;
use crate::model::secret::SecretText;

/// Where programs are looked for, and what they find of the environment.
const SEARCH_PATH: &str =
    "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:/opt/homebrew/opt/libpq/bin";
/// How much of what `pg_dump` complains of is repeated.
const MAX_WORDS: u64 = 2000;
const CHUNK: usize = 64 << 10;

/// A dump to be made.
pub struct Dump<'a> {
    pub database: &'a Database,
    /// The file to be; it appears only when it is whole.
    pub file: &'a Path,
    pub limit: Duration,
    /// Milliseconds since 1970.
    pub now: i64,
    /// Hears how many bytes there are so far.
    pub progress: &'a (dyn Fn(u64) + Send + Sync),
}

/// A dump that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dumped {
    pub bytes: u64,
}

impl PostgresServer {
    /// The major version of this machine's `pg_dump`.
    pub async fn dump_tool_version(&self) -> Result<u32, PostgresError> {
        let output = command(self.pg_dump()).arg("--version").output().await;
        let output = output.map_err(|error| self.missing_tool(&error))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let number = text.split_whitespace().find_map(|word| word.split('.').next()?.parse().ok());
        number.ok_or_else(|| PostgresError::Dump {
            words: format!("its version cannot be read: {text:?}"),
        })
    }

    /// Refuses a `pg_dump` that is older than the server: it would refuse too, but only half-way.
    pub async fn check_dump_tool(&self) -> Result<(), PostgresError> {
        let found = self.dump_tool_version().await?;
        let server = self.version_number().await? / 10_000;
        if found < server { Err(PostgresError::DumpToolTooOld { found, server }) } else { Ok(()) }
    }

    /// Dumps a database of ours in `pg_restore`'s custom format.
    pub async fn dump(&self, dump: Dump<'_>) -> Result<Dumped, PostgresError> {
        self.check_dump_tool().await?;
        let turn = self.connections.turn(dump.database.name().as_str()).await?;
        let outside = turn.session.outside(dump.database).await?;
        outside.check_ours(dump.database, &self.mark(dump.database.resource())?)?;
        let dumped = self.dump_in_turn(&turn, &dump).await;
        let removed = self.remove_login(&turn.session, dump_login(&dump)?.name().as_str()).await;
        // Why there is no dump matters more than what is left of its login.
        let dumped = dumped?;
        removed?;
        self.connections.end(turn).await?;
        Ok(dumped)
    }

    async fn dump_in_turn(&self, turn: &Turn, dump: &Dump<'_>) -> Result<Dumped, PostgresError> {
        let login = dump_login(dump)?;
        let password = new_password();
        self.put_login_by(&turn.session, &login, Some(&password)).await?;
        let password_file =
            password_file(&password).map_err(|error| file_error(dump.file, &error))?;
        let command = self.dump_command(dump, &login, password_file.path());
        match timeout(dump.limit, self.write(command, dump)).await {
            Ok(dumped) => dumped,
            Err(_) => Err(PostgresError::TimedOut {
                server: self.connections.server(),
                doing: format!("the dump of {}", dump.database.name()),
                words: format!("more than {:?}", dump.limit),
            }),
        }
    }

    async fn write(&self, mut command: Command, dump: &Dump<'_>) -> Result<Dumped, PostgresError> {
        let failed = |error: std::io::Error| file_error(dump.file, &error);
        let folder = dump.file.parent().unwrap_or(Path::new("."));
        let partial = NamedTempFile::new_in(folder).map_err(failed)?;
        let mut child = command.spawn().map_err(|error| self.missing_tool(&error))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let file = tokio::fs::File::from_std(partial.as_file().try_clone().map_err(failed)?);
        let (bytes, words) = tokio::join!(copy(stdout, file, dump.progress), words(stderr));
        let bytes = bytes.map_err(failed)?;
        ended_well(child, words).await?;
        let path = dump.file.to_owned();
        let kept = tokio::task::spawn_blocking(move || keep(partial, &path)).await;
        kept.map_err(|error| PostgresError::Dump { words: error.to_string() })?.map_err(failed)?;
        Ok(Dumped { bytes })
    }

    fn dump_command(&self, dump: &Dump<'_>, login: &Login, password_file: &Path) -> Command {
        let settings = self.settings();
        let mut command = command(self.pg_dump());
        command
            .args(["--format=custom", "--no-password"])
            .arg(format!("--lock-wait-timeout={}", settings.lock_timeout.as_millis()))
            .arg(format!("--host={}", settings.host))
            .arg(format!("--port={}", settings.port))
            .arg(format!("--username={}", login.name()))
            .arg(format!("--dbname={}", dump.database.name()))
            .env("PGPASSFILE", password_file)
            .env("PGCONNECT_TIMEOUT", settings.connect_timeout.as_secs().to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match &settings.tls {
            Tls::Disable => command.env("PGSSLMODE", "disable"),
            Tls::Require => command.env("PGSSLMODE", "require"),
            Tls::VerifyFull { authority } => {
                let authority = authority.clone().unwrap_or_else(|| PathBuf::from("system"));
                command.env("PGSSLMODE", "verify-full").env("PGSSLROOTCERT", authority)
            }
        };
        command
    }

    fn pg_dump(&self) -> &Path {
        &self.settings().pg_dump
    }

    fn missing_tool(&self, error: &std::io::Error) -> PostgresError {
        let program = self.pg_dump().display().to_string();
        PostgresError::DumpToolMissing { program, words: error.to_string() }
    }
}

/// A program that knows nothing of this process's environment.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// One for each database: dumps of one database take turns.
fn dump_login(dump: &Dump<'_>) -> Result<Login, PostgresError> {
    let name = dump.database.name().with_suffix("dump")?;
    let resource = format!("dump/{}", dump.database.resource());
    let limit = i64::try_from(dump.limit.as_millis()).unwrap_or(i64::MAX);
    let until = dump.now.saturating_add(limit);
    let login = Login::new(name.as_str(), dump.database.name(), Access::Migrate, &resource)?;
    Ok(login.with_connection_limit(1).with_valid_until(until))
}

fn password_file(password: &SecretText) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    // The password is of an alphabet that this format does not escape.
    writeln!(file, "*:*:*:*:{}", password.expose())?;
    Ok(file)
}

/// What there is to read goes into the file, and out of this process's memory.
async fn copy(
    from: Option<impl AsyncRead + Unpin>,
    mut to: tokio::fs::File,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> std::io::Result<u64> {
    let Some(mut from) = from else { return Ok(0) };
    let mut buffer = vec![0; CHUNK];
    let mut bytes = 0;
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            break;
        }
        to.write_all(&buffer[..count]).await?;
        bytes += count as u64;
        progress(bytes);
    }
    to.flush().await?;
    Ok(bytes)
}

async fn words(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut words = Vec::new();
    // What cannot be read is not worth an error of its own; the exit status tells.
    let _ = (&mut from).take(MAX_WORDS).read_to_end(&mut words).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    let text = String::from_utf8_lossy(&words);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

async fn ended_well(mut child: Child, words: String) -> Result<(), PostgresError> {
    let status =
        child.wait().await.map_err(|error| PostgresError::Dump { words: error.to_string() })?;
    if status.success() {
        return Ok(());
    }
    let words = if words.is_empty() { status.to_string() } else { words };
    Err(PostgresError::Dump { words })
}

/// On the disk first, then under its name.
fn keep(partial: NamedTempFile, path: &Path) -> std::io::Result<()> {
    partial.as_file().sync_all()?;
    partial.persist(path).map_err(|error| error.error)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> PostgresError {
    PostgresError::DumpFile { path: path.display().to_string(), words: error.to_string() }
}
