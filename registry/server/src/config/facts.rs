//! The configuration in the words of templates and policies.

use super::{Config, Environment, Otel, Owner, Postgres, PostgresServer, Secrets};
use crate::model::environment::{
    ArgoCdFacts, DestinationFacts, EnvironmentFacts, GatewayFacts, GitOpsFacts, OtelFacts,
    OwnerFacts, PlatformFacts, PostgresFacts, PrometheusFacts, SecretsFacts,
};

impl Environment {
    /// What golden paths may know about the environment.
    pub fn for_templates(&self, config: &Config) -> EnvironmentFacts {
        let repository = config.gitops_repository(self.gitops_repository.as_str());
        EnvironmentFacts {
            name: self.name.clone(),
            tier: self.tier,
            domain: Some(self.domain.clone()).filter(|domain| !domain.is_empty()),
            destination: DestinationFacts {
                name: self.destination.name.clone(),
                server: self.destination.server.clone(),
                namespace: self.destination.namespace.to_string(),
            },
            gitops: GitOpsFacts {
                repository: self.gitops_repository.to_string(),
                url: repository.map(|repository| repository.url.clone()).unwrap_or_default(),
                branch: self.branch(config).to_owned(),
            },
            argocd: ArgoCdFacts {
                namespace: self.argocd.namespace.clone(),
                project: self.argocd.project.clone().unwrap_or_else(|| self.name.to_string()),
            },
            gateway: Some(GatewayFacts {
                name: self.gateway.name.clone(),
                namespace: self.gateway.namespace.clone(),
            }),
            prometheus: Some(PrometheusFacts {
                namespace: self.prometheus.namespace.clone(),
                retention_days: self.prometheus.retention_days,
                labels: self.prometheus.labels.clone(),
            }),
            otel: self.otel.as_ref().map(collector),
            postgres: self
                .postgres_server(config)
                .map(|(server, postgres)| databases(server, postgres)),
            secrets: self.secrets.as_ref().map(secrets),
            labels: self.labels.clone(),
        }
    }
}

fn databases(server: &PostgresServer, postgres: &Postgres) -> PostgresFacts {
    PostgresFacts {
        server: server.name.to_string(),
        host: postgres.host.clone().unwrap_or_else(|| server.host.clone()),
        port: postgres.port.unwrap_or(server.port),
        prefix: postgres.prefix.clone(),
        cidrs: postgres.cidrs.clone(),
        extensions: postgres.extensions.iter().cloned().collect(),
    }
}

fn secrets(secrets: &Secrets) -> SecretsFacts {
    SecretsFacts {
        url: secrets.url.clone(),
        token_secret: secrets.token_secret.clone(),
        refresh_seconds: secrets.refresh_seconds,
    }
}

fn collector(otel: &Otel) -> OtelFacts {
    let usual = if otel.protocol == "grpc" { 4317 } else { 4318 };
    let authority = otel.endpoint.split("://").last().unwrap_or_default();
    let authority = authority.split('/').next().unwrap_or_default();
    let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    OtelFacts {
        endpoint: otel.endpoint.clone(),
        protocol: otel.protocol.clone(),
        namespace: otel.namespace.to_string(),
        port: port.unwrap_or(usual),
    }
}

impl Owner {
    /// What golden paths may know about the owner.
    pub fn for_templates(&self) -> OwnerFacts {
        let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.trim().is_empty());
        OwnerFacts {
            name: self.name.clone(),
            title: filled(&self.title).unwrap_or_else(|| self.name.to_string()),
            contact: filled(&self.contact),
            cost_center: self.cost_center.as_deref().and_then(filled),
        }
    }
}

impl Config {
    /// What golden paths may know about the platform.
    pub fn platform_for_templates(&self) -> PlatformFacts {
        PlatformFacts {
            hostname: self.server.hostname.clone(),
            label_domain: format!("idp.{}", self.organisation.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collectors_port_is_the_endpoints_or_the_usual_one() {
        let port = |endpoint: &str, protocol: &str| {
            let otel = Otel {
                endpoint: endpoint.to_owned(),
                protocol: protocol.to_owned(),
                namespace: "observability".parse().unwrap(),
            };
            collector(&otel).port
        };

        assert_eq!(port("http://collector.observability:4000/v1", "grpc"), 4000);
        assert_eq!(port("http://collector.observability", "grpc"), 4317);
        assert_eq!(port("http://collector.observability/x", "http/protobuf"), 4318);
    }
}
