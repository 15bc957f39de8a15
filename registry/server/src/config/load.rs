//! Reading and checking: all that is wrong at once, each with key, rule and fix.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use registry_api::address::ModuleAddress;

use super::{Config, Destination, Environment, GitOpsRepository, LogFormat, Namespace, Tls};
use crate::model::environment::ARGOCD_FOLDER;

/// A configuration that cannot be used; its display lists everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `environment[0].domain`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub fix: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used", self.file.display())?;
        for Problem { key, what, fix } in &self.problems {
            write!(f, "\n  {key}: {what}")?;
            if !fix.is_empty() {
                write!(f, "\n    {fix}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads `file`, lays the `IDP_*` variables over its server section, makes paths absolute, and checks.
    pub fn load(file: &Path, variables: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            ConfigError::one(
                file,
                "file",
                format!("cannot be read: {error}"),
                "make one with `idp init`, or name it with --config",
            )
        })?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        // Paths become absolute: git runs in folders of its own.
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self::parse(&text, file, &folder, variables)
    }

    /// As [`Config::load`], from text; relative paths start at `folder`.
    pub fn parse(
        text: &str,
        file: &Path,
        folder: &Path,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            ConfigError::one(
                file,
                &place(text, &error),
                error.message().trim().to_owned(),
                "see the comments in the file that `idp init` writes",
            )
        })?;
        config.overlay(variables).map_err(|problem| ConfigError::new(file, vec![problem]))?;
        config.process_environment.clone_from(variables);
        // Later changes of the working directory must not move what the file names.
        let folder = std::path::absolute(folder).map_err(|error| {
            ConfigError::one(
                file,
                "file",
                format!("has no folder: {error}"),
                "name it by its full path",
            )
        })?;
        config.resolve(&folder);
        let problems = config.check();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::new(file, problems)) }
    }

    /// Lays the `IDP_*` variables over the server section.
    fn overlay(&mut self, variables: &BTreeMap<String, String>) -> Result<(), Problem> {
        let get = |name: &str| variables.get(name).cloned().filter(|value| !value.is_empty());
        let server = &mut self.server;
        server.listen = get("IDP_LISTEN").unwrap_or(std::mem::take(&mut server.listen));
        server.public_url = get("IDP_PUBLIC_URL").unwrap_or(std::mem::take(&mut server.public_url));
        server.hostname = get("IDP_HOSTNAME").unwrap_or(std::mem::take(&mut server.hostname));
        if let Some(folder) = get("IDP_DATA_DIR") {
            server.data_dir = PathBuf::from(folder);
        }
        if let Some(file) = get("IDP_SECRET_KEY_FILE") {
            server.secret_key_file = PathBuf::from(file);
        }
        match (get("IDP_TLS_CERT"), get("IDP_TLS_KEY")) {
            (Some(cert), Some(key)) => {
                server.tls = Some(Tls { cert: cert.into(), key: key.into() });
            }
            (None, None) => {}
            _ => {
                return Err(problem(
                    "IDP_TLS_CERT, IDP_TLS_KEY",
                    "one is set without the other",
                    "set both or neither",
                ));
            }
        }
        match get("IDP_LOG_FORMAT").as_deref() {
            None => {}
            Some("text") => server.log_format = LogFormat::Text,
            Some("json") => server.log_format = LogFormat::Json,
            Some(other) => {
                return Err(problem(
                    "IDP_LOG_FORMAT",
                    format!("is {other:?}"),
                    "write text or json",
                ));
            }
        }
        Ok(())
    }

    /// Makes every path absolute or relative to the process instead of the file.
    fn resolve(&mut self, folder: &Path) {
        let join = |path: &mut PathBuf| *path = folder.join(&*path);
        join(&mut self.server.data_dir);
        join(&mut self.server.secret_key_file);
        join(&mut self.trust.directory);
        if let Some(tls) = &mut self.server.tls {
            join(&mut tls.cert);
            join(&mut tls.key);
        }
        if let Some(directory) = &mut self.policy.directory {
            join(directory);
        }
        for repository in &mut self.gitops_repositories {
            let credentials = &mut repository.credentials;
            for path in [
                &mut credentials.token_file,
                &mut credentials.ssh_key_file,
                &mut credentials.known_hosts_file,
            ] {
                path.iter_mut().for_each(join);
            }
            if is_local_path(&repository.url) {
                repository.url = folder.join(&repository.url).display().to_string();
            }
        }
        for server in &mut self.postgres_servers {
            join(&mut server.admin_password_file);
            server.ca_file.iter_mut().for_each(join);
        }
        for namespace in &mut self.namespaces {
            for key in &mut namespace.provider_keys {
                if !is_inline_key(key) {
                    *key = folder.join(&*key).display().to_string();
                }
            }
        }
        if self.server.public_url.ends_with('/') {
            self.server.public_url.truncate(self.server.public_url.trim_end_matches('/').len());
        }
        if self.server.hostname.is_empty() {
            self.server.hostname = host_of(&self.server.public_url).unwrap_or_default().to_owned();
        }
        for issuer in &mut self.oidc_issuers {
            issuer.jwks_file.iter_mut().for_each(join);
            if issuer.audience.is_empty() {
                issuer.audience.clone_from(&self.server.hostname);
            }
        }
    }

    /// Everything that is wrong; empty for a configuration that can be used.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = self.check_server();
        for (index, namespace) in self.namespaces.iter().enumerate() {
            problems.extend(check_namespace(index, namespace));
        }
        for (index, repository) in self.gitops_repositories.iter().enumerate() {
            problems.extend(check_repository(index, repository));
        }
        problems.extend(self.check_environments());
        problems.extend(self.check_shared_clusters());
        problems.extend(super::postgres::check(self));
        problems.extend(super::oidc::check(self));
        problems.extend(duplicates("namespace", self.namespaces.iter().map(|n| n.name.as_str())));
        problems.extend(duplicates("owner", self.owners.iter().map(|o| o.name.as_str())));
        problems
            .extend(duplicates("environment", self.environments.iter().map(|e| e.name.as_str())));
        problems.extend(duplicates(
            "gitops_repository",
            self.gitops_repositories.iter().map(|r| r.name.as_str()),
        ));
        problems.extend(duplicates(
            "postgres_server",
            self.postgres_servers.iter().map(|server| server.name.as_str()),
        ));
        problems
            .extend(duplicates("oidc_issuer", self.oidc_issuers.iter().map(|i| i.url.as_str())));
        if let Some(directory) = self.policy.directory.as_ref().filter(|path| !path.is_dir()) {
            problems.push(problem(
                "policy.directory",
                format!("{} is not a folder", directory.display()),
                "name a folder of .rego files, or leave it out for the built-in rules",
            ));
        }
        problems
    }

    fn check_server(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let server = &self.server;
        if server.listen.parse::<SocketAddr>().is_err() {
            problems.push(problem(
                "server.listen",
                format!("{:?} is not an address and port", server.listen),
                "write one such as 127.0.0.1:8080 or [::]:8443",
            ));
        }
        if host_of(&server.public_url).is_none() {
            problems.push(problem(
                "server.public_url",
                format!("{:?} is not the root of a site", server.public_url),
                "write http:// or https://, a host and perhaps a port, and nothing after it",
            ));
        }
        if !is_hostname(&server.hostname) {
            problems.push(problem(
                "server.hostname",
                format!("{:?} cannot be the hostname of a module source", server.hostname),
                "Terraform wants lower-case labels with at least one dot between them, such as \
                 registry.example.com, and perhaps a port",
            ));
        }
        if !is_hostname(&self.organisation.domain) || self.organisation.domain.contains(':') {
            problems.push(problem(
                "organisation.domain",
                format!("{:?} is not a domain", self.organisation.domain),
                "write your domain, such as example.com; it becomes part of label names",
            ));
        }
        if let Some(tls) = &server.tls {
            for (key, path) in [("server.tls.cert", &tls.cert), ("server.tls.key", &tls.key)] {
                problems.extend(check_file(key, path));
            }
        }
        let limits = &self.limits;
        for (key, zero) in [
            ("limits.request_seconds", limits.request_seconds == 0),
            ("limits.upload_seconds", limits.upload_seconds == 0),
            ("limits.header_seconds", limits.header_seconds == 0),
            ("limits.connections", limits.connections == 0),
            ("limits.link_seconds", limits.link_seconds == 0),
        ] {
            if zero {
                problems.push(problem(key, "is 0", "write at least 1"));
            }
        }
        problems
    }

    fn check_environments(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, environment) in self.environments.iter().enumerate() {
            let key = |name: &str| format!("environment[{index}].{name}");
            if environment.name.as_str() == ARGOCD_FOLDER {
                problems.push(problem(
                    key("name"),
                    format!(
                        "{:?} is the folder of the root Application",
                        environment.name.as_str()
                    ),
                    "choose another name: the folder of an environment has its name",
                ));
            }
            let repository = environment.gitops_repository.as_str();
            if self.gitops_repository(repository).is_none() {
                problems.push(problem(
                    key("gitops_repository"),
                    format!("there is no [[gitops_repository]] named {repository:?}"),
                    "add one, or name one of those that are there",
                ));
            }
            if !is_hostname(&environment.domain) || environment.domain.contains(':') {
                problems.push(problem(
                    key("domain"),
                    format!("{:?} is not a domain", environment.domain),
                    "write the domain under which services get their names, such as staging.example.com",
                ));
            }
            if let Destination { name: Some(_), server: Some(_), .. }
            | Destination { name: None, server: None, .. } = environment.destination
            {
                problems.push(problem(
                    key("destination"),
                    "needs exactly one of name and server",
                    "write name for a cluster that Argo CD knows by name, else server",
                ));
            }
            if environment.prometheus.retention_days == 0 {
                problems.push(problem(
                    key("prometheus.retention_days"),
                    "is 0",
                    "write at least 1",
                ));
            }
            if environment.branch.as_deref().is_some_and(|branch| !is_branch(branch)) {
                problems.push(problem(key("branch"), "is not a branch name", BRANCH_RULE));
            }
        }
        problems
    }

    /// In one cluster, environments of one namespace overwrite each other's services of the same name, and those of
    /// one domain fight over its hosts.
    fn check_shared_clusters(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, environment) in self.environments.iter().enumerate() {
            let key = |name: &str| format!("environment[{index}].{name}");
            let neighbours = self.environments[..index]
                .iter()
                .filter(|other| self.cluster(other) == self.cluster(environment));
            for other in neighbours {
                if environment.destination.namespace == other.destination.namespace {
                    problems.push(problem(
                        key("destination"),
                        format!("{:?} deploys to the same namespace", other.name.as_str()),
                        "give each environment a namespace or a cluster of its own",
                    ));
                }
                if environment.domain == other.domain {
                    problems.push(problem(
                        key("domain"),
                        format!(
                            "{:?} has the same domain in the same cluster",
                            other.name.as_str()
                        ),
                        "give each environment a domain of its own, such as staging.example.com",
                    ));
                }
            }
        }
        problems
    }

    /// What tells clusters apart. Every Argo CD calls its own cluster the same, so what it reads is part of it.
    fn cluster<'a>(&'a self, environment: &'a Environment) -> impl PartialEq + 'a {
        let Destination { name, server, .. } = &environment.destination;
        (name, server, &environment.gitops_repository, environment.branch(self))
    }
}

impl ConfigError {
    fn new(file: &Path, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), problems }
    }

    fn one(file: &Path, key: &str, what: String, fix: &str) -> Self {
        Self::new(file, vec![problem(key, what, fix)])
    }
}

pub(super) fn problem(
    key: impl Into<String>,
    what: impl Into<String>,
    fix: impl Into<String>,
) -> Problem {
    Problem { key: key.into(), what: what.into(), fix: fix.into() }
}

const BRANCH_RULE: &str =
    "write letters, digits, \"-\", \"_\", \".\" and \"/\", starting with a letter or digit";

fn check_namespace(index: usize, namespace: &Namespace) -> Vec<Problem> {
    let mut problems = Vec::new();
    let lower = !namespace.name.bytes().any(|b| b.is_ascii_uppercase());
    if !lower || ModuleAddress::new(&namespace.name, "name", "system").is_err() {
        problems.push(problem(
            format!("namespace[{index}].name"),
            format!("{:?} cannot be the first part of an address", namespace.name),
            "write lower-case letters, digits, \"-\" and \"_\", 64 characters at most",
        ));
    }
    let given = namespace.provider_keys.iter().enumerate();
    for (place, key) in given.filter(|(_, key)| !is_inline_key(key)) {
        let name = format!("namespace[{index}].provider_keys[{place}]");
        problems.extend(check_file(&name, Path::new(key)));
    }
    problems
}

fn check_repository(index: usize, repository: &GitOpsRepository) -> Vec<Problem> {
    let mut problems = Vec::new();
    let key = |name: &str| format!("gitops_repository[{index}].{name}");
    let credentials = &repository.credentials;
    if repository.url.is_empty() || repository.url.starts_with('-') {
        problems.push(problem(key("url"), "is not a repository", "write a URL or a path"));
    }
    if repository.url.contains('@') && repository.url.starts_with("http") {
        problems.push(problem(
            key("url"),
            "holds a user or password",
            "move it into credentials.username and credentials.token_file",
        ));
    }
    if !is_branch(&repository.branch) {
        problems.push(problem(key("branch"), "is not a branch name", BRANCH_RULE));
    }
    if credentials.ssh_key_file.is_some() && credentials.known_hosts_file.is_none() {
        problems.push(problem(
            key("credentials.known_hosts_file"),
            "is missing beside ssh_key_file",
            "write the output of ssh-keyscan, checked against the server's own page, into a file",
        ));
    }
    for (name, path) in [
        ("credentials.token_file", &credentials.token_file),
        ("credentials.ssh_key_file", &credentials.ssh_key_file),
        ("credentials.known_hosts_file", &credentials.known_hosts_file),
    ] {
        if let Some(path) = path {
            problems.extend(check_file(&key(name), path));
        }
    }
    problems
}

pub(super) fn check_file(key: &str, path: &Path) -> Option<Problem> {
    match std::fs::File::open(path) {
        Ok(_) if path.is_file() => None,
        Ok(_) => Some(problem(key, format!("{} is not a file", path.display()), "")),
        Err(error) => Some(problem(
            key,
            format!("{} cannot be read: {error}", path.display()),
            "mend the path or the permissions; relative paths start at the configuration's folder",
        )),
    }
}

fn duplicates<'a>(section: &str, names: impl Iterator<Item = &'a str>) -> Vec<Problem> {
    let mut seen = BTreeSet::new();
    names
        .filter(|name| !seen.insert(*name))
        .map(|name| {
            problem(section, format!("there are two named {name:?}"), "rename or remove one")
        })
        .collect()
}

/// A key written into the configuration itself instead of a path to it.
pub(crate) fn is_inline_key(text: &str) -> bool {
    text.trim_start().starts_with("-----BEGIN ")
}

fn is_local_path(url: &str) -> bool {
    let scp_like = url.split_once(':').is_some_and(|(host, _)| !host.contains('/'));
    !url.is_empty() && !url.contains("://") && !scp_like && !Path::new(url).is_absolute()
}

fn is_branch(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b))
        && !text.contains("..")
        && !text.contains("//")
        && !text.ends_with(['/', '.'])
        && text.rsplit_once('.').is_none_or(|(_, extension)| extension != "lock")
}

/// Host and port of a URL that is only scheme, host and port.
pub(super) fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let ok = !rest.is_empty() && !rest.contains(['/', '?', '#', '@', ' ', '"', '\\']);
    ok.then_some(rest)
}

/// What Terraform accepts as the hostname of a module source: labels, at least one dot, perhaps a port.
fn is_hostname(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label_ok = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253
        && host.contains('.')
        && host.split('.').all(label_ok)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Line and column of a TOML error.
fn place(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else { return "file".to_owned() };
    let before = &text[..text.floor_char_boundary(span.start)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}")
}
