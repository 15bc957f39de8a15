//! Running the git executable: a closed environment, a time limit, bounded output, no secrets out.
//!
//! Knows how to run git and how to read its complaints; knows nothing of changes or mirrors.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    error::GitOpsError,
    repository::{Credentials, Repository},
};

/// First version that honours `GIT_CONFIG_GLOBAL`; everything else used here is older.
pub(super) const MINIMUM: &str = "2.32";
const MINIMUM_NUMBERS: (u32, u32) = (2, 32);

/// Largest answer that is read; the rest is drained and dropped.
const MAX_STDOUT: usize = 64 << 20;
const MAX_STDERR: usize = 32 << 10;
/// How much of the remote's own words an error repeats.
const MAX_WORDS: usize = 2000;

const DUBIOUS: &str = "detected dubious ownership";

/// Settings that hold for every call, over whatever a repository's own file says.
const SETTINGS: [(&str, &str); 8] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsync", "none"), // the mirror can be fetched again
    ("core.fsmonitor", "false"),
    ("credential.helper", ""),
    ("gc.autoDetach", "false"),
    ("http.followRedirects", "false"), // the token is for the configured host only
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "30"),
];

/// git with its git directory set.
#[derive(Debug, Clone)]
pub(super) struct Git {
    repository: Arc<Repository>,
    git_dir: PathBuf,
}

/// What to run.
pub(super) struct Call<'a> {
    pub(super) arguments: Vec<&'a str>,
    pub(super) stdin: Vec<u8>,
    pub(super) reach: Reach,
    /// Names the call in messages: "did not finish the {doing}".
    pub(super) doing: &'static str,
}

/// Whether a call leaves the machine; only those get credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Local,
    Network(Duration),
}

pub(super) struct Output {
    pub(super) success: bool,
    pub(super) stdout: Vec<u8>,
    /// Scrubbed of credentials and control characters.
    pub(super) stderr: String,
}

impl Git {
    pub(super) fn new(repository: Arc<Repository>, git_dir: PathBuf) -> Self {
        Self { repository, git_dir }
    }

    pub(super) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    pub(super) fn at(&self, git_dir: PathBuf) -> Self {
        Self { repository: Arc::clone(&self.repository), git_dir }
    }

    /// Runs git to its end and gives its output whether or not it succeeded.
    pub(super) async fn run(&self, call: Call<'_>) -> Result<Output, GitOpsError> {
        let limit = match call.reach {
            Reach::Local => self.limit(),
            Reach::Network(limit) => limit,
        };
        let mut running = Running::start(self.command(&call.arguments, call.reach))
            .map_err(|error| self.not_started(&error))?;
        match tokio::time::timeout(limit, running.finish(call.stdin)).await {
            Ok(Ok((success, stdout, stderr))) => {
                let stderr = self.scrub(&String::from_utf8_lossy(&stderr));
                Ok(Output { success, stdout, stderr })
            }
            Ok(Err(error)) => Err(self.broken(call.doing, &error.to_string())),
            Err(_) => Err(self.timed_out(call.doing, limit)),
        }
    }

    /// How long a command may take that stays on this machine.
    pub(super) fn limit(&self) -> Duration {
        self.repository.limits.local
    }

    pub(super) fn timed_out(&self, doing: &'static str, limit: Duration) -> GitOpsError {
        GitOpsError::TimedOut {
            repository: self.repository.name.clone(),
            doing,
            limit: format!("{limit:?}"),
        }
    }

    /// Runs a local command that has no reason to fail unless the mirror is broken.
    pub(super) async fn local(
        &self,
        doing: &'static str,
        arguments: &[&str],
        stdin: Vec<u8>,
    ) -> Result<Vec<u8>, GitOpsError> {
        let call = Call { arguments: arguments.to_vec(), stdin, reach: Reach::Local, doing };
        let output = self.run(call).await?;
        if output.success { Ok(output.stdout) } else { Err(self.broken(doing, &output.stderr)) }
    }

    /// Starts a process to talk with. Its complaints go nowhere: nobody would read the pipe.
    pub(super) fn start(&self, arguments: &[&str]) -> Result<Running, GitOpsError> {
        let mut command = self.command(arguments, Reach::Local);
        command.stderr(Stdio::null());
        Running::start(command).map_err(|error| self.not_started(&error))
    }

    /// Refuses a git that would ignore the closed environment.
    pub(super) async fn check_version(&self) -> Result<(), GitOpsError> {
        let text = self.local("version check", &["version"], Vec::new()).await?;
        let text = String::from_utf8_lossy(&text);
        let found = text.trim().strip_prefix("git version ").unwrap_or(text.trim()).to_owned();
        let mut numbers = found.split(['.', ' ', '-']).map_while(|part| part.parse::<u32>().ok());
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if version < MINIMUM_NUMBERS {
            return Err(GitOpsError::GitTooOld { found, needed: MINIMUM });
        }
        Ok(())
    }

    fn command(&self, arguments: &[&str], reach: Reach) -> Command {
        let program = &self.repository.git;
        let mut command = Command::new(&program.git);
        command
            .args(arguments)
            .env_clear()
            .envs(program.environment().iter().map(|(name, value)| (name, value)))
            .env("GIT_DIR", &self.git_dir)
            .env("HOME", self.git_dir.parent().unwrap_or(&self.git_dir))
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", self.repository.remote.transport.protocol())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut settings: Vec<(String, String)> = SETTINGS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if reach != Reach::Local {
            match &self.repository.credentials {
                Credentials::None => {}
                Credentials::HttpsToken { .. } => settings.extend(self.token_header()),
                Credentials::SshKey { key, known_hosts } => {
                    command
                        .env("GIT_SSH_COMMAND", ssh_command(&program.ssh, key, known_hosts))
                        .env("GIT_SSH_VARIANT", "ssh");
                }
            }
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (index, (name, value)) in settings.into_iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{index}"), name)
                .env(format!("GIT_CONFIG_VALUE_{index}"), value);
        }
        command
    }

    /// A header for this one URL. Neither a command line nor a file ever holds the token.
    fn token_header(&self) -> Option<(String, String)> {
        let encoded = self.basic_credentials()?;
        let name = format!("http.{}.extraHeader", self.repository.remote.url);
        Some((name, format!("Authorization: Basic {encoded}")))
    }

    fn basic_credentials(&self) -> Option<String> {
        let Credentials::HttpsToken { username, token } = &self.repository.credentials else {
            return None;
        };
        let plain = format!("{username}:{}", token.reveal());
        Some(base64::engine::general_purpose::STANDARD.encode(plain))
    }

    /// Removes what must not be shown: our token in both spellings, and anything that a terminal
    /// would act on.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Credentials::HttpsToken { token, .. } = &self.repository.credentials {
            text = text.replace(token.reveal(), "***");
        }
        if let Some(encoded) = self.basic_credentials() {
            text = text.replace(&encoded, "***");
        }
        text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect()
    }

    fn not_started(&self, error: &std::io::Error) -> GitOpsError {
        GitOpsError::GitMissing {
            program: self.repository.git.git.display().to_string(),
            needed: MINIMUM,
            reason: error.to_string(),
        }
    }

    /// An error of the mirror itself, unless the words say that it is the disk.
    pub(super) fn broken(&self, doing: &'static str, words: &str) -> GitOpsError {
        let repository = self.repository.name.clone();
        let words = shown(words);
        if is_disk_full(&words) {
            return GitOpsError::DiskFull { repository, words };
        }
        GitOpsError::Mirror { repository, doing, words }
    }

    /// What a failed call over the network means.
    pub(super) fn remote_error(&self, doing: &'static str, stderr: &str) -> GitOpsError {
        let repository = self.repository.name.clone();
        let words = if stderr.contains(DUBIOUS) {
            // git's own advice is a setting that this server deliberately does not read.
            "its folder belongs to another user than the one that runs this server; chown it".into()
        } else {
            shown(stderr)
        };
        match complaint(stderr) {
            Complaint::Credentials => GitOpsError::Unauthorised { repository, words },
            Complaint::Connection => GitOpsError::Unreachable { repository, words },
            Complaint::Disk | Complaint::Other => self.broken(doing, stderr),
        }
    }
}

fn ssh_command(program: &Path, key: &Path, known_hosts: &Path) -> String {
    let quote = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let hosts = format!("UserKnownHostsFile=\"{}\"", known_hosts.display());
    let options = [
        "IdentitiesOnly=yes",
        &hosts,
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "ConnectTimeout=15",
        "ServerAliveInterval=10",
        "ServerAliveCountMax=3",
    ];
    let mut command = format!(
        "{} -F /dev/null -i {}",
        quote(&program.to_string_lossy()),
        quote(&key.to_string_lossy())
    );
    for option in options {
        command.push_str(" -o ");
        command.push_str(&quote(option));
    }
    command
}

#[derive(Debug, PartialEq, Eq)]
enum Complaint {
    Credentials,
    Connection,
    Disk,
    Other,
}

/// Reads git's English (`LC_ALL=C`). What is not recognised is treated as a fault of the mirror,
/// which is then fetched anew: the safe direction.
fn complaint(stderr: &str) -> Complaint {
    const CREDENTIALS: [&str; 12] = [
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "Permission denied (",
        "Host key verification failed",
        "No ED25519 host key is known",
        "The requested URL returned error: 401",
        "The requested URL returned error: 403",
        "Load key ",
        "Permission to ",
        "not allowed to push",
        "marked as read only",
    ];
    const CONNECTION: [&str; 12] = [
        "Could not resolve host",
        "Connection refused",
        "Connection timed out",
        "Could not read from remote repository",
        "does not appear to be a git repository",
        "unable to access",
        "unable to connect",
        DUBIOUS,
        "repository not found",
        "the remote end hung up",
        "early EOF",
        "RPC failed",
    ];
    let has = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    let not_found =
        stderr.lines().any(|line| line.contains("repository '") && line.ends_with("not found"));
    if has(&CREDENTIALS) {
        Complaint::Credentials
    } else if has(&CONNECTION) || not_found {
        Complaint::Connection
    } else if is_disk_full(stderr) {
        Complaint::Disk
    } else {
        Complaint::Other
    }
}

/// Whether *this* machine's disk is full; lines of the remote tell of its own.
fn is_disk_full(stderr: &str) -> bool {
    stderr.lines().filter(|line| !line.starts_with("remote:")).any(|line| {
        line.contains("No space left on device") || line.contains("Disk quota exceeded")
    })
}

/// Words for a message: without empty lines, on one line, bounded.
pub(super) fn shown(text: &str) -> String {
    let words: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if words.is_empty() {
        return "git gave no reason".to_owned();
    }
    words.join(" / ").chars().take(MAX_WORDS).collect()
}

/// A started git. Dropping it kills git with every helper that it started.
pub(super) struct Running {
    pub(super) child: Child,
    group: Option<Pid>,
}

impl Running {
    fn start(mut command: Command) -> std::io::Result<Self> {
        let child = command.spawn()?;
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, group })
    }

    /// Feeds and reads all pipes at once, so that none can fill up and block the others.
    async fn finish(&mut self, stdin: Vec<u8>) -> std::io::Result<(bool, Vec<u8>, Vec<u8>)> {
        let mut input = self.child.stdin.take();
        let output = self.child.stdout.take();
        let errors = self.child.stderr.take();
        let feed = async {
            if let Some(pipe) = &mut input {
                // git may close its end early; its exit code and words tell why.
                let _ = pipe.write_all(&stdin).await;
            }
            drop(input.take());
        };
        let ((), stdout, stderr) =
            tokio::join!(feed, drain(output, MAX_STDOUT), drain(errors, MAX_STDERR));
        let status = self.child.wait().await?;
        self.group = None;
        Ok((status.success(), stdout?, stderr?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself; nothing is left to kill then.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads to the end, but keeps only the first `most` bytes.
async fn drain(pipe: Option<impl AsyncRead + Unpin>, most: usize) -> std::io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    (&mut pipe).take(most as u64).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::gitops::repository::{Identity, Secret};

    fn git(credentials: Credentials, url: &str) -> Git {
        let identity = Identity::new("idp", "idp@example.com");
        let repository = Repository::new("main", url, "main", credentials, identity).unwrap();
        Git::new(Arc::new(repository), "/nowhere/mirror.git".into())
    }

    #[test]
    fn no_spelling_of_the_token_is_shown() {
        let token = Secret::new("t0ps3cret");
        let credentials = Credentials::HttpsToken { username: "git".into(), token };
        let git = git(credentials, "https://example.com/x.git");

        let text = git.scrub("bad t0ps3cret \u{1b}[31m Z2l0OnQwcHMzY3JldA==\n");

        assert_eq!(text, "bad *** [31m ***\n");
    }

    #[test]
    fn ssh_takes_no_word_of_a_path_for_an_option() {
        let command =
            ssh_command(Path::new("/usr/bin/ssh"), Path::new("/a b/it's"), Path::new("/k h"));

        assert!(command.starts_with(r"'/usr/bin/ssh' -F /dev/null -i '/a b/it'\''s' -o "));
        assert!(command.contains("-o 'UserKnownHostsFile=\"/k h\"'"), "{command}");
    }

    #[test]
    fn a_folder_of_another_user_is_told_in_words_that_help() {
        let words = "fatal: detected dubious ownership in repository at '/srv/x.git'\n\
                     git config --global --add safe.directory /srv/x.git";

        let error = git(Credentials::None, "/srv/x.git").remote_error("fetch", words);

        assert!(error.to_string().contains("chown it"), "{error}");
        assert!(!error.to_string().contains("safe.directory"), "{error}");
    }

    #[test]
    fn complaints_are_told_apart() {
        let cases = [
            ("fatal: Authentication failed for 'https://x/'", Complaint::Credentials),
            ("git@x: Permission denied (publickey).", Complaint::Credentials),
            ("ERROR: Permission to x.git denied to deploy key", Complaint::Credentials),
            ("fatal: repository 'https://x/y/' not found", Complaint::Connection),
            (
                "fatal: unable to access 'https://x/': Could not resolve host: x",
                Complaint::Connection,
            ),
            ("error: write error: No space left on device", Complaint::Disk),
            ("remote: fatal: No space left on device", Complaint::Other),
            ("fatal: not a git repository: '/x'", Complaint::Other),
        ];
        for (words, expected) in cases {
            assert_eq!(complaint(words), expected, "{words}");
        }
    }
}
