//! `[[environment]]`, `[[owner]]` and `[[gitops_repository]]`: where resources live and whose they are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use registry_api::Name;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Config, Postgres, PostgresServer, Secrets};
pub use crate::model::environment::Tier;

/// `[[environment]]`: a place where resources may live.
///
/// Everything here can change what is rendered, so everything here is part of [`Environment::revision`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// What configurations write as `environment`.
    pub name: Name,
    /// How careful policy is.
    pub tier: Tier,
    /// Name of a `[[gitops_repository]]`.
    pub gitops_repository: Name,
    /// Branch of it; the repository's own where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Domain under which services get their host name.
    pub domain: String,
    /// Cluster and namespace.
    pub destination: Destination,
    /// The Gateway that routes attach to.
    #[serde(default)]
    pub gateway: Gateway,
    /// Argo CD of this environment.
    #[serde(default)]
    pub argocd: ArgoCd,
    /// Prometheus of this environment.
    #[serde(default)]
    pub prometheus: Prometheus,
    /// Where telemetry goes; services get no collector where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otel: Option<Otel>,
    /// Where its databases live; it has none where unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// How its cluster reads secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Secrets>,
    /// Labels on every rendered object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Cluster and namespace; exactly one of `name` and `server`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Name under which Argo CD knows the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of the cluster's API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Kubernetes namespace.
    pub namespace: Name,
}

/// The Gateway that routes attach to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Name of the Gateway.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { name: "platform".to_owned(), namespace: "gateway".to_owned() }
    }
}

/// Argo CD of this environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArgoCd {
    /// Namespace in which Applications live.
    pub namespace: String,
    /// Argo CD project; the environment's name where unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
}

impl Default for ArgoCd {
    fn default() -> Self {
        Self { namespace: "argocd".to_owned(), project: None }
    }
}

/// Prometheus of this environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    /// Namespace that scrapes, let in by network policies.
    pub namespace: String,
    /// Labels by which the operator selects monitors and rules.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How long samples are kept; burn-rate rules need three days, budget panels thirty.
    pub retention_days: u32,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self { namespace: "monitoring".to_owned(), labels: BTreeMap::new(), retention_days: 30 }
    }
}

/// Where telemetry goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otel {
    /// OTLP endpoint, such as `http://collector.observability:4317`.
    pub endpoint: String,
    /// `grpc` or `http/protobuf`.
    #[serde(default = "grpc")]
    pub protocol: String,
    /// Namespace of the collector, opened by network policies.
    pub namespace: Name,
}

fn grpc() -> String {
    "grpc".to_owned()
}

/// `[[owner]]`: a team that resources may belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// What configurations write as `owner`.
    pub name: Name,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// Where to reach them: an address or a channel.
    #[serde(default)]
    pub contact: String,
    /// For the cost report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_center: Option<String>,
}

/// `[[gitops_repository]]`: a git repository that the platform commits to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitOpsRepository {
    /// What environments write as `gitops_repository`.
    pub name: Name,
    /// `https://`, `ssh://`, `file://` or a path, which is relative to the configuration's folder.
    pub url: String,
    /// Branch that commits go to.
    #[serde(default = "main")]
    pub branch: String,
    /// Who commits.
    #[serde(default)]
    pub author: Author,
    /// How to log in; unset for a local repository or one that needs none.
    #[serde(default)]
    pub credentials: GitCredentials,
}

fn main() -> String {
    "main".to_owned()
}

/// Who commits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Author {
    /// Name in the commit.
    pub name: String,
    /// Address in the commit.
    pub email: String,
}

impl Default for Author {
    fn default() -> Self {
        Self { name: "idp".to_owned(), email: "idp@example.com".to_owned() }
    }
}

/// How to log in to a git server: a token over https, or a key over ssh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitCredentials {
    /// User for https; most servers take any.
    pub username: Option<String>,
    /// File with the token for https.
    pub token_file: Option<PathBuf>,
    /// Private key for ssh.
    pub ssh_key_file: Option<PathBuf>,
    /// Host keys for ssh; required with `ssh_key_file`, unknown hosts are refused.
    pub known_hosts_file: Option<PathBuf>,
}

impl Environment {
    /// Every fact that can change what is rendered here.
    pub fn facts(&self, config: &Config) -> serde_json::Value {
        let repository = config.gitops_repository(self.gitops_repository.as_str());
        let mut facts = serde_json::json!({
            "environment": self,
            "branch": self.branch(config),
            "repository": repository.map(|repository| &repository.url),
            "organisation": config.organisation.domain,
            "hostname": config.server.hostname,
        });
        // Only where there is one: the revision of an environment without databases stays what it was.
        if let Some((server, _)) = self.postgres_server(config) {
            facts["postgres_server"] =
                serde_json::json!({ "host": server.host, "port": server.port });
        }
        facts
    }

    /// Hex SHA-256 of [`Environment::facts`]; it moves when one of them does.
    pub fn revision(&self, config: &Config) -> String {
        // serde_json keeps object keys sorted, so equal facts print as equal text.
        hex::encode(Sha256::digest(self.facts(config).to_string()))
    }

    /// The server of its databases, and how it is used.
    pub fn postgres_server<'a>(
        &'a self,
        config: &'a Config,
    ) -> Option<(&'a PostgresServer, &'a Postgres)> {
        let postgres = self.postgres.as_ref()?;
        Some((config.postgres_server(postgres.server.as_str())?, postgres))
    }

    /// The branch that commits go to.
    pub fn branch<'a>(&'a self, config: &'a Config) -> &'a str {
        self.branch.as_deref().unwrap_or_else(|| {
            config
                .gitops_repository(self.gitops_repository.as_str())
                .map_or("main", |repository| repository.branch.as_str())
        })
    }
}
