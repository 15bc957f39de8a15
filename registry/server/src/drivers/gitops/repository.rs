//! Where a repository is, how to reach it and what it may cost: parsed and checked once.
//!
//! Pure: nothing here runs git or reads the environment.

use std::{
    ffi::{OsStr, OsString},
    fmt,
    path::PathBuf,
    time::Duration,
};

use super::{error::GitOpsError, path::is_branch_name};

/// One GitOps repository and branch, with everything that is needed to read and write it.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) name: String,
    pub(super) remote: Remote,
    pub(super) branch: String,
    pub(super) credentials: Credentials,
    /// Who commits; also the author of changes that name none.
    pub(super) committer: Identity,
    pub(super) limits: Limits,
    pub(super) git: GitProgram,
}

impl Repository {
    /// `name` is the repository's name in the configuration: every message uses it.
    /// `url` is an absolute path, `file://`, `https://`, `ssh://` or `user@host:path`.
    pub fn new(
        name: &str,
        url: &str,
        branch: &str,
        credentials: Credentials,
        committer: Identity,
    ) -> Result<Self, GitOpsError> {
        let wrong = |problem: String| GitOpsError::InvalidRepository {
            repository: name.to_owned(),
            problem,
        };
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(wrong("its name is empty or holds control characters".into()));
        }
        if !is_branch_name(branch) {
            return Err(wrong(format!(
                "{branch:?} is not a branch name; write it as in `main`, without refs/heads/"
            )));
        }
        let remote = Remote::parse(url).map_err(&wrong)?;
        credentials.check(&remote).map_err(&wrong)?;
        Ok(Self {
            name: name.to_owned(),
            remote,
            branch: branch.to_owned(),
            credentials,
            committer,
            limits: Limits::default(),
            git: GitProgram::default(),
        })
    }

    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[must_use]
    pub fn with_git(mut self, git: GitProgram) -> Self {
        self.git = git;
        self
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address as it may be shown: it never holds a secret.
    pub fn url(&self) -> &str {
        &self.remote.url
    }

    pub fn branch(&self) -> &str {
        &self.branch
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    File,
    /// Loopback only: a token must not cross a network in the clear.
    Http,
    Https,
    Ssh,
}

impl Transport {
    /// What `GIT_ALLOW_PROTOCOL` calls it.
    pub(super) fn protocol(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Http => "http",
            Self::Https => "https",
            Self::Ssh => "ssh",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) url: String,
    pub(super) transport: Transport,
}

impl Remote {
    fn parse(url: &str) -> Result<Self, String> {
        if url.is_empty() || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("its URL is empty or holds spaces or control characters".into());
        }
        let transport = if let Some(rest) = url.strip_prefix("https://") {
            web_host(rest)?;
            Transport::Https
        } else if let Some(rest) = url.strip_prefix("http://") {
            if !is_loopback(web_host(rest)?) {
                return Err(format!("{url} is not encrypted; use https://"));
            }
            Transport::Http
        } else if let Some(rest) = url.strip_prefix("ssh://") {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            check_ssh(authority, path, url)?;
            Transport::Ssh
        } else if url.starts_with('/') || url.starts_with("file:///") {
            Transport::File
        } else if let Some((authority, path)) = url.split_once(':')
            && authority.contains('@')
            && !authority.contains('/')
            && !path.starts_with("//")
        {
            check_ssh(authority, path, url)?;
            Transport::Ssh
        } else {
            return Err(format!(
                "{url:?} is not a usable URL; write an absolute path, https://host/path, \
                 ssh://user@host/path or user@host:path"
            ));
        };
        Ok(Self { url: url.to_owned(), transport })
    }
}

fn web_host(rest: &str) -> Result<&str, String> {
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('@') {
        // Not repeated in the message: it is probably a token.
        return Err("its URL holds a user name or token; move them to the credentials".into());
    }
    if rest.contains(['?', '#']) {
        return Err("its URL holds a query or fragment; leave only host and path".into());
    }
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    if host.is_empty() || host.starts_with('-') {
        return Err("its URL names no host".into());
    }
    Ok(host)
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// ssh takes an address that begins with a dash for an option.
fn check_ssh(authority: &str, path: &str, url: &str) -> Result<(), String> {
    let (user, host) = authority.split_once('@').unwrap_or(("git", authority));
    let plain = |text: &str| {
        !text.is_empty()
            && !text.starts_with('-')
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:[]".contains(&b))
    };
    if user.contains(':') {
        return Err("its URL holds a password; use a key in the credentials".into());
    }
    if !plain(user) || !plain(host) || path.is_empty() || path.starts_with('-') {
        return Err(format!("{url:?} is not of the form ssh://user@host/path or user@host:path"));
    }
    Ok(())
}

/// How this server proves to the remote who it is.
#[derive(Debug, Clone)]
pub enum Credentials {
    None,
    HttpsToken { username: String, token: Secret },
    SshKey { key: PathBuf, known_hosts: PathBuf },
}

impl Credentials {
    fn check(&self, remote: &Remote) -> Result<(), String> {
        match (self, remote.transport) {
            (Self::None, Transport::Ssh) => {
                Err("ssh needs a key and a known_hosts file in the credentials".into())
            }
            (Self::None, _) => Ok(()),
            (Self::HttpsToken { username, token }, Transport::Https | Transport::Http) => {
                let clean = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
                if !clean(username) || username.contains(':') || !clean(token.reveal()) {
                    return Err("its user name or token is empty or holds a character that \
                                HTTP does not allow"
                        .into());
                }
                Ok(())
            }
            (Self::HttpsToken { .. }, _) => Err("a token only works with an https:// URL".into()),
            (Self::SshKey { key, known_hosts }, Transport::Ssh) => {
                for path in [key, known_hosts] {
                    // ssh would expand or split these in an option's value.
                    let text = path.to_str().unwrap_or_default();
                    if !text.starts_with('/') || text.contains(['"', '%', '$', '\\', '\n']) {
                        return Err(format!(
                            "{} is not an absolute path that ssh can take",
                            path.display()
                        ));
                    }
                }
                Ok(())
            }
            (Self::SshKey { .. }, _) => Err("an ssh key only works with an ssh URL".into()),
        }
    }
}

/// A value that must not appear in logs or messages.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A name and an address as git writes them; nothing that could break out of a commit header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    email: String,
}

impl Identity {
    /// Drops what a commit header cannot hold; an empty part gets a neutral word.
    pub fn new(name: &str, email: &str) -> Self {
        let clean = |text: &str, otherwise: &str| {
            let kept: String =
                text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).take(200).collect();
            // git itself strips such edges, and refuses a name made of nothing else.
            let kept = kept.trim_matches(|c: char| c.is_whitespace() || ".,:;\"'\\".contains(c));
            if kept.is_empty() { otherwise.to_owned() } else { kept.to_owned() }
        };
        Self { name: clean(name, "platform"), email: clean(email, "platform@localhost") }
    }

    pub(super) fn header(&self) -> String {
        format!("{} <{}>", self.name, self.email)
    }
}

/// What one repository may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest fetch or push.
    pub network: Duration,
    /// Longest first fetch, which may have to bring years of history.
    pub first_fetch: Duration,
    /// Longest command that stays on this machine.
    pub local: Duration,
    /// How long the first change of a batch waits for company.
    pub linger: Duration,
    /// Most changes in one push.
    pub batch_changes: usize,
    /// Most bytes of files in one push.
    pub batch_bytes: usize,
    /// How many commits back an operation is looked for.
    pub history: usize,
    /// How often a push is tried again after somebody else was faster.
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            network: Duration::from_mins(1),
            first_fetch: Duration::from_mins(10),
            local: Duration::from_mins(1),
            linger: Duration::from_millis(20),
            batch_changes: 1000,
            batch_bytes: 64 << 20,
            history: 5000,
            attempts: 10,
        }
    }
}

/// The programs that are run, and the whole environment they get: nothing is inherited.
#[derive(Debug, Clone)]
pub struct GitProgram {
    pub(super) git: PathBuf,
    pub(super) ssh: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

impl Default for GitProgram {
    fn default() -> Self {
        let path = ("PATH".into(), "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin".into());
        Self { git: "git".into(), ssh: "ssh".into(), environment: vec![path] }
    }
}

impl GitProgram {
    /// What git and its helpers honour of a process environment; the rest would let the
    /// environment choose other repositories, keys, hooks or configuration.
    const PASSED: [&str; 11] = [
        "PATH",
        "TMPDIR",
        "HTTPS_PROXY",
        "https_proxy",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];

    /// Another git than the first in the search path.
    #[must_use]
    pub fn with_git(self, git: impl Into<PathBuf>) -> Self {
        Self { git: git.into(), ..self }
    }

    /// Another ssh than the first in the search path.
    #[must_use]
    pub fn with_ssh(self, ssh: impl Into<PathBuf>) -> Self {
        Self { ssh: ssh.into(), ..self }
    }

    /// Takes over search path, proxies and certificate authorities, which the caller read.
    #[must_use]
    pub fn with_environment(
        mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        for (name, value) in variables {
            if !Self::PASSED.iter().any(|passed| OsStr::new(passed) == name) {
                continue;
            }
            // git reads its own names for the two files that every other program shares.
            let name = match name.to_str() {
                Some("SSL_CERT_FILE") => "GIT_SSL_CAINFO".into(),
                Some("SSL_CERT_DIR") => "GIT_SSL_CAPATH".into(),
                _ => name,
            };
            self.environment.retain(|(known, _)| *known != name);
            self.environment.push((name, value));
        }
        self
    }

    pub(super) fn environment(&self) -> &[(OsString, OsString)] {
        &self.environment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str, credentials: Credentials) -> String {
        Repository::new("main", url, "main", credentials, Identity::new("idp", "idp@example.com"))
            .expect_err(url)
            .to_string()
    }

    fn token() -> Credentials {
        Credentials::HttpsToken { username: "git".into(), token: Secret::new("t0ps3cret") }
    }

    #[test]
    fn addresses_that_git_or_ssh_would_misread_are_refused() {
        let key =
            || Credentials::SshKey { key: "/keys/id".into(), known_hosts: "/keys/hosts".into() };
        for url in ["", "relative/path", "--upload-pack=x", "ext::sh -c x", "git://host/x", "a b"] {
            problem(url, Credentials::None);
        }
        for url in ["ssh://-oProxyCommand=x/y", "-x@host:y", "git@-host:y", "ssh://u:p@host/x"] {
            problem(url, key());
        }
        problem("http://example.com/x.git", Credentials::None);
        problem("ssh://git@host/x", Credentials::None);
        problem("/srv/x.git", token());
    }

    #[test]
    fn a_token_in_the_url_is_refused_without_being_repeated() {
        let text = problem("https://me:t0ps3cret@example.com/x.git", Credentials::None);

        assert!(!text.contains("t0ps3cret"), "{text}");
        assert!(!format!("{:?}", token()).contains("t0ps3cret"));
    }

    #[test]
    fn an_identity_cannot_break_out_of_its_header() {
        let identity = Identity::new("Eve\nparent 0000", "eve@x> 0 +0000\ncommitter <root");

        assert_eq!(identity.header(), "Eveparent 0000 <eve@x 0 +0000committer root>");
        assert_eq!(Identity::new(" \n", "<>").header(), "platform <platform@localhost>");
    }

    #[test]
    fn only_harmless_variables_reach_git() {
        let given = [("GIT_DIR", "/x"), ("LD_PRELOAD", "/x"), ("PATH", "/bin"), ("HOME", "/root")];
        let program = GitProgram::default()
            .with_environment(given.map(|(name, value)| (name.into(), value.into())));

        assert_eq!(program.environment(), [("PATH".into(), "/bin".into())]);
    }
}
