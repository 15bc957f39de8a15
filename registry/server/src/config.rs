//! `idp.toml` and the environment, read once; nothing else in the process asks for either.
//!
//! A configuration that loads is a configuration that works as far as can be known without using it: every name
//! refers to something, every file is there. What is wrong is reported all at once, with key, rule and fix.
//! A change takes effect at the next start.

mod environment;
mod facts;
mod load;
mod namespace;
mod oidc;
mod postgres;
mod secret;
mod server;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

pub use environment::{
    ArgoCd, Author, Destination, Environment, Gateway, GitCredentials, GitOpsRepository, Otel,
    Owner, Prometheus, Tier,
};
pub(crate) use load::is_inline_key;
pub use load::{ConfigError, Problem};
pub use namespace::Namespace;
pub(crate) use oidc::is_safe_to_ask;
pub use oidc::{JwtAlgorithm, OidcIssuer};
pub use postgres::{Postgres, PostgresServer, PostgresTls, Secrets};
pub use secret::Secret;
pub use server::{Limits, LogFormat, Server, Tls};
pub use trust::Trust;

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What programs that the server runs may know of the environment of this process; never from the file.
    #[serde(skip)]
    pub process_environment: BTreeMap<String, String>,
    /// `[server]`: where it listens and who it is.
    pub server: Server,
    /// `[limits]`: what one request may cost.
    pub limits: Limits,
    /// `[trust]`: the registry's own keys.
    pub trust: Trust,
    /// `[organisation]`: who runs the platform.
    pub organisation: Organisation,
    /// `[policy]`: the organisation's own rules.
    pub policy: Policy,
    /// `[[namespace]]`: who may publish where, and who may install.
    #[serde(rename = "namespace")]
    pub namespaces: Vec<Namespace>,
    /// `[[environment]]`: where resources may live.
    #[serde(rename = "environment")]
    pub environments: Vec<Environment>,
    /// `[[owner]]`: who resources may belong to.
    #[serde(rename = "owner")]
    pub owners: Vec<Owner>,
    /// `[[gitops_repository]]`: where rendered files go.
    #[serde(rename = "gitops_repository")]
    pub gitops_repositories: Vec<GitOpsRepository>,
    /// `[[postgres_server]]`: where databases live.
    #[serde(rename = "postgres_server")]
    pub postgres_servers: Vec<PostgresServer>,
    /// `[[oidc_issuer]]`: CI systems whose ID tokens are believed.
    #[serde(rename = "oidc_issuer")]
    pub oidc_issuers: Vec<OidcIssuer>,
    /// `[[trusted_publisher]]`: refused with words, so that nobody takes jobs for trusted that are not.
    #[serde(rename = "trusted_publisher")]
    trusted_publishers: oidc::Moved,
}

/// `[organisation]`: names that appear in what is rendered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Organisation {
    /// For people.
    pub name: String,
    /// Prefix of the labels on rendered objects: `idp.<domain>/owner`.
    pub domain: String,
}

impl Default for Organisation {
    fn default() -> Self {
        Self { name: "Example".to_owned(), domain: "example.com".to_owned() }
    }
}

/// `[policy]`: the organisation's rules, evaluated for every plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Folder of Rego files; the built-in rules where unset.
    pub directory: Option<PathBuf>,
}

impl Config {
    /// The environment of that name.
    pub fn environment(&self, name: &str) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name.as_str() == name)
    }

    /// The owner of that name.
    pub fn owner(&self, name: &str) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.name.as_str() == name)
    }

    /// The repository of that name.
    pub fn gitops_repository(&self, name: &str) -> Option<&GitOpsRepository> {
        self.gitops_repositories.iter().find(|repository| repository.name.as_str() == name)
    }

    /// The PostgreSQL server of that name.
    pub fn postgres_server(&self, name: &str) -> Option<&PostgresServer> {
        self.postgres_servers.iter().find(|server| server.name.as_str() == name)
    }

    /// The namespace of that name.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.iter().find(|namespace| namespace.name == name)
    }
}

/// The process's environment variables, for `main`: the one place that reads them.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn process_variables() -> BTreeMap<String, String> {
    std::env::vars().collect()
}
