//! What golden paths may know about the environment and the owner they render for.
//!
//! Pure facts, filled from the server's configuration. They serialize because their field names are the
//! vocabulary of templates and policies: `environment.gateway.name`. Knows nothing of the configuration file.

use std::collections::BTreeMap;

use registry_api::Name;
use serde::{Deserialize, Serialize};

/// Folder of a GitOps repository in which Argo CD finds its own objects; no environment's.
pub const ARGOCD_FOLDER: &str = "argocd";

/// How much depends on an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nobody but its developers.
    Development,
    /// Rehearsals.
    Staging,
    /// Users.
    Production,
}

impl Tier {
    /// Every tier, least first.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// The word used in configuration, templates and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// The tier of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == word)
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Everything about an environment that can change what is rendered for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentFacts {
    /// Its name.
    pub name: Name,
    /// How much depends on it.
    pub tier: Tier,
    /// DNS domain under which its services are reached; without one they have no route.
    #[serde(default)]
    pub domain: Option<String>,
    /// The cluster and namespace its objects live in.
    pub destination: DestinationFacts,
    /// The repository its files are committed to.
    pub gitops: GitOpsFacts,
    /// Where Argo CD looks for Applications.
    #[serde(default)]
    pub argocd: ArgoCdFacts,
    /// The Gateway that services attach routes to.
    #[serde(default)]
    pub gateway: Option<GatewayFacts>,
    /// The Prometheus that watches it.
    #[serde(default)]
    pub prometheus: Option<PrometheusFacts>,
    /// The OpenTelemetry collector that takes its traces.
    #[serde(default)]
    pub otel: Option<OtelFacts>,
    /// Where its databases live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresFacts>,
    /// How its cluster reads secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<SecretsFacts>,
    /// Labels that every object of the environment carries besides the platform's own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The cluster and namespace that objects live in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationFacts {
    /// Name of the cluster in Argo CD; one of `name` and `server` is set.
    #[serde(default)]
    pub name: Option<String>,
    /// Address of the cluster's API server.
    #[serde(default)]
    pub server: Option<String>,
    /// The namespace.
    pub namespace: String,
}

/// The repository that files are committed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GitOpsFacts {
    /// Its name in the server's configuration.
    pub repository: String,
    /// Where Argo CD reads it; never with credentials.
    pub url: String,
    /// The branch.
    pub branch: String,
}

/// Where Argo CD looks for Applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgoCdFacts {
    /// Namespace of its own objects.
    pub namespace: String,
    /// The `AppProject` of the environment's Applications.
    pub project: String,
}

impl Default for ArgoCdFacts {
    fn default() -> Self {
        Self { namespace: "argocd".to_owned(), project: "default".to_owned() }
    }
}

/// The Gateway that routes attach to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayFacts {
    /// Its name.
    pub name: String,
    /// Its namespace, which is also where its proxies run.
    pub namespace: String,
}

/// The Prometheus that watches an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrometheusFacts {
    /// Namespace its pods run in.
    pub namespace: String,
    /// How long it keeps samples.
    pub retention_days: u32,
    /// Labels by which the operator selects monitors and rules.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// The OpenTelemetry collector of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtelFacts {
    /// OTLP endpoint, such as `http://collector.observability:4318`.
    pub endpoint: String,
    /// `http/protobuf` or `grpc`.
    pub protocol: String,
    /// Namespace its pods run in.
    pub namespace: String,
    /// Port of the endpoint.
    pub port: u16,
}

/// Where the databases of an environment live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresFacts {
    /// Name of the server in the server's configuration.
    pub server: String,
    /// Host as applications reach it.
    pub host: String,
    /// Port as applications reach it.
    pub port: u16,
    /// What names of databases and roles begin with.
    #[serde(default)]
    pub prefix: String,
    /// Address ranges of the server; unknown where there are none.
    #[serde(default)]
    pub cidrs: Vec<String>,
    /// Extensions that databases may have.
    #[serde(default)]
    pub extensions: Vec<String>,
}

/// How External Secrets Operator reads the secrets of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsFacts {
    /// Root of this server as the cluster reaches it.
    pub url: String,
    /// Kubernetes Secret whose key `token` holds the token.
    pub token_secret: String,
    /// How often it looks.
    pub refresh_seconds: u64,
}

/// Who owns a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerFacts {
    /// The name used in resources and labels.
    pub name: Name,
    /// The name for people.
    pub title: String,
    /// Where to reach them: an address, a channel or a URL.
    #[serde(default)]
    pub contact: Option<String>,
    /// Where their costs are booked.
    #[serde(default)]
    pub cost_center: Option<String>,
}

/// What is the same for every environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformFacts {
    /// The registry's public hostname.
    pub hostname: String,
    /// Prefix of the platform's own labels and annotations, a DNS name such as `idp.example.com`.
    pub label_domain: String,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A production environment with everything a path can use.
    pub(crate) fn production() -> EnvironmentFacts {
        EnvironmentFacts {
            name: "production".parse().unwrap(),
            tier: Tier::Production,
            domain: Some("apps.example.com".to_owned()),
            destination: DestinationFacts {
                name: Some("prod-1".to_owned()),
                server: None,
                namespace: "shop".to_owned(),
            },
            gitops: GitOpsFacts {
                repository: "fleet".to_owned(),
                url: "https://git.example.com/fleet.git".to_owned(),
                branch: "main".to_owned(),
            },
            argocd: ArgoCdFacts::default(),
            gateway: Some(GatewayFacts {
                name: "public".to_owned(),
                namespace: "gateway-system".to_owned(),
            }),
            prometheus: Some(PrometheusFacts {
                namespace: "monitoring".to_owned(),
                retention_days: 30,
                labels: BTreeMap::from([("release".to_owned(), "prometheus".to_owned())]),
            }),
            otel: Some(OtelFacts {
                endpoint: "http://collector.observability:4318".to_owned(),
                protocol: "http/protobuf".to_owned(),
                namespace: "observability".to_owned(),
                port: 4318,
            }),
            postgres: None,
            secrets: None,
            labels: BTreeMap::new(),
        }
    }
}
