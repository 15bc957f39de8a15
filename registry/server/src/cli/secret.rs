//! `idp secret`.

mod keys;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use registry_api::Name;
use registry_api::platform::{Rotate as RotateCredentials, Secret as Known, SecretList, SecretRef};

use super::Context;
use super::client::Remote;
use super::reference::{Reference, word};

/// List, show, rotate and delete secrets; never prints a value.
///
/// Teams write secrets with `idp_secret` in Terraform: either they give the value, or the server makes one that nobody
/// ever sees. Services that use a database have credentials, which the platform makes. Values leave the server only through /api/v1/secret-values, which needs the right secrets:ENVIRONMENT:OWNER;
/// External Secrets Operator reads there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp secret list --environment staging      what the token may see
  idp secret show staging/stripe-key         owner, version, when it was last read
  idp secret rotate staging/session-key      another value, for one that the server made
  idp secret rotate service/staging/checkout/orders
                                             another login for a service's database, without downtime
  idp secret delete staging/stripe-key       unless it has deletion protection
  idp token create --name eso --right secrets:staging:payments
                                             a token with which External Secrets reads")]
pub(super) struct Secret {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List secrets
    List(List),
    /// Show what is known of one
    Show(One),
    /// Make the value anew of one that the server made, or someone's credentials of a database
    Rotate(Rotate),
    /// Delete one with every version of its value
    Delete(One),
    Keys(keys::Keys),
}

#[derive(Debug, Args)]
struct List {
    /// Only this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Only this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<Name>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
struct One {
    /// Which one
    #[arg(value_name = "ENVIRONMENT/NAME")]
    secret: Reference,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
struct Rotate {
    /// Which secret; credentials as `secret_ref` has them: database/staging/orders, service/staging/checkout/orders
    #[arg(value_name = "ENVIRONMENT/NAME|REFERENCE", value_parser = rotatable)]
    secret: SecretRef,
    #[command(flatten)]
    remote: Remote,
}

/// A reference; without a kind, that of a team's secret.
fn rotatable(text: &str) -> Result<SecretRef, String> {
    let team = format!("secret/{text}").parse::<SecretRef>();
    team.or_else(|_| text.parse()).map_err(|error| error.to_string())
}

impl Secret {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::List(list) => list.run(context).await,
            Command::Show(one) => one.show(context).await,
            Command::Rotate(rotate) => rotate.run(context).await,
            Command::Delete(one) => one.delete(context).await,
            Command::Keys(keys) => keys.run(context).await,
        }
    }
}

impl List {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        // Names need no escaping in a query.
        let filters: Vec<String> = [("environment", &self.environment), ("owner", &self.owner)]
            .iter()
            .filter_map(|(key, name)| Some(format!("{key}={}", name.as_ref()?)))
            .collect();
        let path = format!("/api/v1/secrets?{}", filters.join("&"));
        let list: SecretList = self.remote.client(context)?.get(&path).await?;
        let lines: Vec<String> = list.secrets.iter().map(line).collect();
        let text = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
        context.output.answer(&list, text)
    }
}

impl One {
    async fn show(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let secret: Known = self.remote.client(context)?.get(&self.secret.secret_path()).await?;
        let text = describe(&secret);
        context.output.answer(&secret, text)
    }

    async fn delete(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let path = self.secret.secret_path();
        let secret: Known = client.get(&path).await?;
        let gone: Known = client
            .delete_at(&path, secret.generation)
            .await
            .with_context(|| format!("{} is still there", secret.secret_ref))?;
        context.output.answer(&gone, format_args!("{} is deleted", gone.secret_ref))
    }
}

impl Rotate {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let SecretRef::Secret { environment, name } = &self.secret else {
            let body = RotateCredentials { secret_ref: self.secret.clone() };
            let secret: Known = client.post("/api/v1/rotations", &body).await?;
            let text = format!(
                "{} has new credentials, version {}; those before go on working for a while",
                secret.secret_ref, secret.version
            );
            return context.output.answer(&secret, text);
        };
        let path = format!("/api/v1/secrets/{environment}/{name}/rotate");
        let secret: Known = client.post_once(context, &path, &()).await?;
        context.output.answer(
            &secret,
            format_args!("{} has a new value, version {}", secret.secret_ref, secret.version),
        )
    }
}

fn line(secret: &Known) -> String {
    format!(
        "{}  owner {}  {}  version {}  changed {}",
        secret.secret_ref,
        secret.owner,
        word(&secret.origin),
        secret.version,
        secret.updated_at
    )
}

fn describe(secret: &Known) -> String {
    let mut lines = vec![line(secret), format!("created    {}", secret.created_at)];
    lines.push(format!("last read  {}", secret.last_read_at.as_deref().unwrap_or("never")));
    lines.extend(
        secret.value_version.map(|version| format!("its owner calls the value version {version}")),
    );
    lines.extend(secret.generate.map(|generate| {
        let symbols = if generate.symbols { ", digits and symbols" } else { " and digits" };
        format!("made by the server: {} letters{symbols}", generate.length)
    }));
    lines.extend(
        secret.rotation.iter().map(|rotation| format!("rotation trigger {:?}", rotation.trigger)),
    );
    lines.extend(secret.deletion_protection.then(|| "deletion protection is on".to_owned()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rotated_is_a_teams_secret_or_someones_credentials() {
        for (text, expected) in [
            ("staging/session-key", "secret/staging/session-key"),
            ("secret/staging/session-key", "secret/staging/session-key"),
            ("database/staging/orders", "database/staging/orders"),
            ("service/staging/checkout/orders", "service/staging/checkout/orders"),
        ] {
            assert_eq!(rotatable(text).unwrap().to_string(), expected);
        }
        for text in ["session-key", "cache/staging/x", "staging/Session"] {
            assert!(rotatable(text).unwrap_err().contains("secret/ENVIRONMENT/NAME"), "{text}");
        }
    }
}
