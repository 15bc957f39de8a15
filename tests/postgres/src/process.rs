//! The server's process, and a keeper that ends it and removes its folder when the test is gone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::files::Account;

/// Patience with a start; a slow machine needs a second.
const LIMIT: Duration = Duration::from_mins(1);

/// Starts the server and waits for a word on standard input: the signal that shall end it. When the
/// test dies without a word, its end of the pipe closes, and the keeper cleans up.
const KEEPER: &str = r#"
folder=$1; shift
"$@" </dev/null &
server=$!
if read -r signal; then
  kill -"$signal" "$server"
  wait "$server"
else
  kill -QUIT "$server"
  wait "$server"
  rm -rf "$folder"
fi
"#;

/// How a server is ended.
#[derive(Debug, Clone, Copy)]
pub enum Signal {
    /// Clients are disconnected, data is written.
    Fast,
    /// Nothing is written; the next start recovers.
    Immediate,
    /// As a crash of the machine would.
    Kill,
}

pub(crate) struct Server {
    keeper: Child,
}

impl Server {
    /// Starts the server and waits until it takes connections.
    pub(crate) fn start(
        program: &Path,
        arguments: &[OsString],
        folder: &Path,
        log: &Path,
        account: &Account,
    ) -> Result<Self, String> {
        let status = folder.join("data/postmaster.pid");
        // What a killed server left must not be taken for the new one's.
        let _ = fs::remove_file(&status);
        let log = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", KEEPER, "keeper"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .current_dir(folder)
            .process_group(0) // so that what ends the test's group leaves the keeper to its work
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let keeper = account.run_as(&mut command).spawn().unwrap();
        let server = Self { keeper };
        if becomes_ready(&status) {
            Ok(server)
        } else {
            server.end(Signal::Immediate);
            Err("the server did not become ready".to_owned())
        }
    }

    /// Ends the server and waits for its end.
    pub(crate) fn end(mut self, signal: Signal) {
        let word = match signal {
            Signal::Fast => "INT",
            Signal::Immediate => "QUIT",
            Signal::Kill => "KILL",
        };
        // A keeper that is gone has ended the server already.
        if let Some(mut stdin) = self.keeper.stdin.take() {
            let _ = writeln!(stdin, "{word}");
        }
        let _ = self.keeper.wait();
    }
}

/// Whether the server's status file says so before it goes again, or ever.
fn becomes_ready(status: &Path) -> bool {
    let begun = Instant::now();
    let mut seen = false;
    while begun.elapsed() < LIMIT {
        let text = fs::read_to_string(status).unwrap_or_default();
        if text.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return true;
        }
        if seen && text.is_empty() {
            return false;
        }
        seen |= !text.is_empty();
        thread::sleep(Duration::from_millis(5));
    }
    false
}
