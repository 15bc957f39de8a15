//! A running `idp serve`.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::binaries;
use crate::files::eventually;
use crate::http;
use crate::run::clean;

/// A server process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
}

/// How a server is started.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// Where it dies.
    pub failpoint: Option<String>,
    /// More variables of its environment.
    pub variables: Vec<(String, String)>,
    /// `https` where it has a certificate.
    pub tls: bool,
}

impl Server {
    /// Starts one on `folder/idp.toml` and waits until it is ready; none where it ended instead.
    pub(crate) fn start(folder: &Path, port: u16, start: &Start) -> Option<Self> {
        let log = folder.join("server.log");
        let file = File::options().create(true).append(true).open(&log).expect("a log file");
        let scheme = if start.tls { "https" } else { "http" };
        let mut command = command(folder);
        command
            .arg("serve")
            .env("IDP_LISTEN", format!("127.0.0.1:{port}"))
            .env("IDP_PUBLIC_URL", format!("{scheme}://127.0.0.1:{port}"))
            .envs(start.failpoint.iter().map(|name| ("IDP_FAILPOINT", name)))
            .envs(start.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file);
        let process = command.spawn().expect("the server runs");
        let mut server = Self { process, log };
        let ready = eventually("the server to be ready", || {
            if server.has_ended() {
                return Some(false);
            }
            // Whether the certificate is trusted is not the question here.
            let ready = if start.tls {
                std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            } else {
                // Asking whether it is ready writes to the disk, and may be what a failpoint waits for.
                let path = if start.failpoint.is_some() { "healthz" } else { "readyz" };
                let url = format!("http://127.0.0.1:{port}/{path}");
                http::try_send("GET", &url, &[], Vec::new()).is_some_and(|got| got.status == 200)
            };
            ready.then_some(true)
        });
        ready.then_some(server)
    }

    /// Whether the process is gone.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("a process can be asked").is_some()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        eventually("the server to end", || self.process.try_wait().expect("a process can be asked"))
    }

    /// How it ended, if it does so within two seconds.
    pub(crate) fn end_within_a_moment(&mut self) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            if let Some(status) = self.process.try_wait().expect("a process can be asked") {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// Asks it to end and waits until it did.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "the server was not there to be stopped");
        self.wait_for_end()
    }

    /// Ends it without a chance to clean up.
    pub(crate) fn kill(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.lines().count().saturating_sub(60);
            let tail: Vec<&str> = log.lines().skip(skip).collect();
            eprintln!("--- the server's log\n{}\n---", tail.join("\n"));
        }
    }
}

/// `idp` with the configuration in `folder` and nobody's environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = clean(binaries::idp(), folder);
    command
        .current_dir(folder)
        .env("IDP_CONFIG", folder.join("idp.toml"))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

/// A port that nobody listens on, outside the range from which the system takes ports for connections, so that it
/// is still free after a server was stopped.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id().wrapping_mul(37) % 12_000).unwrap_or(0);
    for _ in 0..12_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port between 20000 and 32000 is free");
}
