//! `[[postgres_server]]` and `[environment.postgres]`: where databases live, and how applications reach them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use registry_api::Name;
use serde::{Deserialize, Serialize};

use super::load::{check_file, host_of, problem};
use super::{Config, Environment, Problem};
use crate::model::names::{DatabaseNames, is_prefix};

/// `[[postgres_server]]`: a PostgreSQL server that the platform makes databases on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresServer {
    /// What environments write as `postgres.server`.
    pub name: Name,
    /// Where the platform reaches it.
    pub host: String,
    /// Its port.
    #[serde(default = "usual_port")]
    pub port: u16,
    /// Role with `CREATEDB` and `CREATEROLE`, or a superuser.
    pub admin_user: String,
    /// File with its password.
    pub admin_password_file: PathBuf,
    /// Database to connect to for what concerns the whole server.
    #[serde(default = "usual_database")]
    pub admin_database: String,
    /// How connections are protected.
    #[serde(default)]
    pub tls: PostgresTls,
    /// Certificates that vouch for the server; the system's where unset.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Most connections that the platform opens at once.
    #[serde(default = "usual_connections")]
    pub connections: u32,
}

/// How connections to a PostgreSQL server are protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostgresTls {
    /// Not at all: for a server on this machine.
    Disable,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the certificate names the host.
    #[default]
    VerifyFull,
}

/// `[environment.postgres]`: the databases of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// Name of a `[[postgres_server]]`.
    pub server: Name,
    /// What names of databases and roles begin with, so that environments can share a server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// Host as applications reach it; the server's own where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Port as applications reach it; the server's own where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Address ranges of the server, which network policies open; every address where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cidrs: Vec<String>,
    /// Extensions that databases may have.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extensions: BTreeSet<String>,
    /// How long the credentials before a rotation go on working.
    #[serde(default = "usual_drain", skip_serializing_if = "is_usual_drain")]
    pub drain_seconds: u64,
}

/// `[environment.secrets]`: how External Secrets Operator reads the platform's secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Root of this server as the cluster reaches it, such as `https://registry.example.com`.
    pub url: String,
    /// Kubernetes Secret in the environment's namespace whose key `token` holds a token with the right
    /// `secrets:ENVIRONMENT:OWNER`.
    #[serde(default = "usual_token_secret")]
    pub token_secret: String,
    /// How often it looks for new values; shorter than `postgres.drain_seconds`.
    #[serde(default = "usual_refresh")]
    pub refresh_seconds: u64,
}

/// Work on a database takes two connections.
const FEWEST_CONNECTIONS: u32 = 2;
/// Longest that credentials go on working after a rotation: 30 days.
const LONGEST_DRAIN: u64 = 30 * 24 * 3600;

const fn usual_port() -> u16 {
    5432
}

fn usual_database() -> String {
    "postgres".to_owned()
}

const fn usual_connections() -> u32 {
    8
}

fn usual_token_secret() -> String {
    "idp-token".to_owned()
}

const fn usual_refresh() -> u64 {
    300
}

const fn usual_drain() -> u64 {
    3600
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
const fn is_usual_drain(seconds: &u64) -> bool {
    *seconds == usual_drain()
}

/// Everything that is wrong with the PostgreSQL servers and their use.
pub(super) fn check(config: &Config) -> Vec<Problem> {
    let servers = config.postgres_servers.iter().enumerate();
    let environments = config.environments.iter().enumerate();
    servers
        .flat_map(|(index, server)| check_server(index, server))
        .chain(environments.flat_map(|(index, environment)| {
            let postgres = environment.postgres.as_ref();
            let wrong = postgres.map(|postgres| check_use(config, index, postgres));
            wrong.into_iter().flatten().chain(check_secrets(index, environment))
        }))
        .collect()
}

fn check_server(index: usize, server: &PostgresServer) -> Vec<Problem> {
    let key = |name: &str| format!("postgres_server[{index}].{name}");
    let mut problems = Vec::new();
    for (name, text) in [
        ("host", &server.host),
        ("admin_user", &server.admin_user),
        ("admin_database", &server.admin_database),
    ] {
        if text.trim().is_empty() || text.contains('\0') {
            problems.push(problem(key(name), "is empty", "write it out"));
        }
    }
    if server.connections < FEWEST_CONNECTIONS {
        problems.push(problem(
            key("connections"),
            format!("is {}", server.connections),
            "write at least 2: one for the server as a whole, one for a database",
        ));
    }
    problems.extend(check_file(&key("admin_password_file"), &server.admin_password_file));
    problems.extend(server.ca_file.as_ref().and_then(|path| check_file(&key("ca_file"), path)));
    problems
}

fn check_use(config: &Config, index: usize, postgres: &Postgres) -> Vec<Problem> {
    let key = |name: &str| format!("environment[{index}].postgres.{name}");
    let mut problems = Vec::new();
    if config.postgres_server(postgres.server.as_str()).is_none() {
        problems.push(problem(
            key("server"),
            format!("there is no [[postgres_server]] named {:?}", postgres.server.as_str()),
            "add one, or name one of those that are there",
        ));
    }
    if !is_prefix(&postgres.prefix) {
        problems.push(problem(
            key("prefix"),
            format!("{:?} cannot begin the name of a database", postgres.prefix),
            format!(
                "write lower-case letters, digits and \"_\", starting with a letter, {} characters at most",
                DatabaseNames::LONGEST_PREFIX
            ),
        ));
    }
    if !(1..=LONGEST_DRAIN).contains(&postgres.drain_seconds) {
        problems.push(problem(
            key("drain_seconds"),
            format!("is {}", postgres.drain_seconds),
            format!("write 1 to {LONGEST_DRAIN}"),
        ));
    }
    for (place, cidr) in postgres.cidrs.iter().enumerate() {
        if !is_cidr(cidr) {
            problems.push(problem(
                key(&format!("cidrs[{place}]")),
                format!("{cidr:?} is not a range of addresses"),
                "write one such as 10.20.0.0/16",
            ));
        }
    }
    let shares = config.environments[..index].iter().filter(|other| {
        other.postgres.as_ref().is_some_and(|other| {
            other.server == postgres.server && overlap(&other.prefix, &postgres.prefix)
        })
    });
    problems.extend(shares.map(|other| {
        problem(
            key("prefix"),
            format!(
                "{:?} uses the same server, and its prefix does not keep the names apart",
                other.name.as_str()
            ),
            "give each environment on a server a prefix of its own, none the beginning of another, such as \"dev_\"",
        )
    }));
    problems
}

/// Whether names under one prefix may be names under the other.
fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn check_secrets(index: usize, environment: &Environment) -> Vec<Problem> {
    let Some(secrets) = &environment.secrets else { return Vec::new() };
    let key = |name: &str| format!("environment[{index}].secrets.{name}");
    let mut problems = Vec::new();
    if host_of(&secrets.url).is_none() {
        problems.push(problem(
            key("url"),
            format!("{:?} is not the root of a site", secrets.url),
            "write http:// or https://, a host and perhaps a port, and nothing after it",
        ));
    }
    if let Err(error) = secrets.token_secret.parse::<Name>() {
        problems.push(problem(
            key("token_secret"),
            error.to_string(),
            "write the name of a Kubernetes Secret, such as idp-token",
        ));
    }
    let drain = environment.postgres.as_ref().map(|postgres| postgres.drain_seconds);
    if secrets.refresh_seconds == 0 || drain.is_some_and(|drain| drain <= secrets.refresh_seconds) {
        problems.push(problem(
            key("refresh_seconds"),
            format!("{} does not bring new credentials in time", secrets.refresh_seconds),
            "write at least 1, and less than postgres.drain_seconds: for that long the old ones go on working",
        ));
    }
    problems
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        address.parse::<std::net::IpAddr>().is_ok_and(|address| {
            let most = if address.is_ipv4() { 32 } else { 128 };
            bits.parse::<u8>().is_ok_and(|bits| bits <= most)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_addresses_has_an_address_and_a_width() {
        for text in ["10.0.0.0/8", "::/0", "fd00::/64", "192.168.1.1/32"] {
            assert!(is_cidr(text), "{text}");
        }
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/", "/8"] {
            assert!(!is_cidr(text), "{text}");
        }
    }
}
