//! `environment/name` on the command line, and waiting for what was accepted.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use registry_api::Name;
use registry_api::platform::{Kind, Operation, OperationState};
use serde::Serialize;

use super::Context;
use super::client::{Client, patiently};

/// A resource or a secret, as people write it. A resource without a kind is a service; `database/staging/orders` says
/// its own.
#[derive(Debug, Clone)]
pub(super) struct Reference {
    kind: Kind,
    environment: Name,
    name: Name,
}

impl Reference {
    /// Its path in the API.
    pub(super) fn path(&self) -> String {
        format!("/api/v1/resources/{}/{}/{}", self.kind, self.environment, self.name)
    }

    /// The path in the API of the secret of that name.
    pub(super) fn secret_path(&self) -> String {
        format!("/api/v1/secrets/{}/{}", self.environment, self.name)
    }
}

impl FromStr for Reference {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) = match text.split_once('/') {
            Some(("service", rest)) if rest.contains('/') => (Kind::Service, rest),
            Some(("database", rest)) if rest.contains('/') => (Kind::Database, rest),
            _ => (Kind::Service, text),
        };
        let Some((environment, name)) = rest.split_once('/') else {
            return Err("write environment/name, such as staging/checkout".to_owned());
        };
        let name_of = |text: &str| text.parse::<Name>().map_err(|error| error.to_string());
        Ok(Self { kind, environment: name_of(environment)?, name: name_of(name)? })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind != Kind::Service {
            write!(f, "{}/", self.kind)?;
        }
        write!(f, "{}/{}", self.environment, self.name)
    }
}

/// The word that the API has for a fieldless enumeration.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned()
}

/// Waits until the operation ended; a failed one is an error that says all the server says.
pub(super) async fn wait(
    client: &Client,
    context: &Context<'_>,
    mut operation: Operation,
) -> anyhow::Result<Operation> {
    let mut told = String::new();
    while !operation.state.is_final() {
        let doing = progress(&operation);
        if doing != told {
            context.output.progress(&doing);
            told = doing;
        }
        let path = format!("/api/v1/operations/{}?wait=20s", operation.id);
        operation =
            patiently(context, async || client.get(&path).await).await.with_context(|| {
                format!(
                    "operation {} goes on, but how it ends cannot be seen from here",
                    operation.id
                )
            })?;
    }
    match &operation.error {
        Some(error) if operation.state == OperationState::Failed => bail!(
            "operation {} failed in step {}: {} ({})\n  {}",
            operation.id,
            error.step,
            error.message,
            error.code,
            error.remaining
        ),
        _ => Ok(operation),
    }
}

fn progress(operation: &Operation) -> String {
    let begun = operation.steps.iter().rev().find(|step| step.attempts > 0);
    match begun {
        None => format!("operation {}: waiting for its turn", operation.id),
        Some(step) => {
            let detail = step.detail.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            format!("operation {}: {} ({}){detail}", operation.id, step.name, word(&step.state))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_an_environment_and_a_name() {
        assert_eq!(
            "staging/checkout".parse::<Reference>().unwrap().to_string(),
            "staging/checkout"
        );
        for text in ["database/staging/orders", "service/checkout"] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        for (text, part) in
            [("checkout", "environment/name"), ("a/B", "lower-case"), ("a/b/c", "lower-case")]
        {
            assert!(text.parse::<Reference>().unwrap_err().contains(part), "{text}");
        }
    }
}
