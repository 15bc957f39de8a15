//! `idp trust`: what to pin, so that the registry need not be believed.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use registry_api::platform::BASE_PATH;
use registry_trust::policy::Policy;
use serde_json::Value;

use super::Context;
use super::client::Remote;

/// Print the trust policy of a registry, to be pinned.
///
/// The policy says which root keys are believed about everything else that the registry says. Compare their ids with
/// those that the platform team announced, then commit the file: from then on nothing depends on the registry's word.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  idp trust > idp.policy                     and commit it beside the configuration
  idp verify                                 checks what terraform installed against it"
)]
pub(super) struct Trust {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the policy
    Show(Show),
}

#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    remote: Remote,
}

impl Trust {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let remote = match self.command {
            Some(Command::Show(show)) => show.remote,
            None => self.remote,
        };
        let client = remote.client(context)?;
        let answer: Value = client.get(&format!("{BASE_PATH}/trust")).await?;
        let text = describe(&answer)?;
        context.output.answer(&answer, text)
    }
}

/// The policy with what its reader must do before it is worth anything.
fn describe(answer: &Value) -> anyhow::Result<String> {
    let Some(text) = answer["policy"].as_str() else { bail!("the server has no trust policy") };
    let policy: Policy =
        text.parse().context("the server's trust policy is not one that this idp reads")?;
    let noun = if policy.root.keys.len() == 1 { "id" } else { "ids" };
    Ok(format!(
        "# Compare the root key {noun} below with what the platform team announced: a policy that is only copied\n\
         # from the registry believes whoever answered.\n{}",
        text.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_printed_is_a_policy_with_a_warning() {
        let policy = "registry r.example\nroot 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

        let text = describe(&json!({ "policy": policy })).unwrap();

        assert!(text.starts_with("# Compare the root key id below"), "{text}");
        assert_eq!(text.parse::<Policy>().unwrap(), policy.parse().unwrap());
        assert!(describe(&json!({ "policy": "hello" })).is_err());
        assert!(describe(&json!({})).is_err());
    }
}
