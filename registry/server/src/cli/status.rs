//! `idp status`: how modules stand.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use registry_api::ModuleAddress;
use registry_api::modules::LogProof;
use registry_api::trust::{
    ModuleConsumers, ModuleState, ModuleStatus, ModuleStatusList, NewModuleStatus, SignedStatement,
};
use registry_trust::bundle::Bundle;
use registry_trust::key::SigningKey;
use registry_trust::release::ModuleId;
use registry_trust::statement::{self, State, sign};
use registry_trust::time::Day;
use semver::Version;
use serde_json::Value;

use super::Context;
use super::client::{Client, Remote};

/// Show how a module or a version stands, or say so: deprecated, yanked, revoked, or active again.
///
/// Every status is a signed statement in the registry's log. Without --key the registry signs it, for tokens with the
/// right publish:NAMESPACE; with --key you do. deprecated: works, and every plan says until when and what to use instead;
/// after its sunset nothing new may use it. yanked: nobody new gets it, tokens that downloaded it before still do.
/// revoked: nobody gets it, and verification refuses it.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  idp status golden/api/nodejs                     how it and its versions stand
  idp status golden/api/nodejs@1.0.0 --who         who still uses that version
  idp status deprecate golden/api/nodejs@1.0.0 --reason 'Node 18 is out of support' \\
      --replacement 'golden/api/nodejs 1.1.0' --sunset 2027-01-31 --contact '#platform'
  idp status deprecate acme/vpc/aws --reason …     the whole module
  idp status yank acme/vpc/aws@1.2.0 --reason 'wrong subnets'
  idp status revoke acme/vpc/aws@1.2.0 --reason 'opens port 22 to the world' --key acme.pem
  idp status restore acme/vpc/aws@1.2.0"
)]
pub(super) struct Status {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which module, or which version of it
    #[arg(value_name = "NAMESPACE/NAME/SYSTEM[@VERSION]", required = true)]
    target: Option<Target>,
    /// Show who downloaded it and which resources run on it; needs the right publish:NAMESPACE
    #[arg(long)]
    who: bool,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// It works; move on, by the sunset at the latest
    Deprecate(Deprecate),
    /// Nobody new gets it
    Yank(Worsen),
    /// Nobody gets it
    Revoke(Worsen),
    /// Active again
    Restore(Restore),
}

#[derive(Debug, Args)]
struct Deprecate {
    #[command(flatten)]
    worsen: Worsen,
    /// The day from which on nothing new may use it
    #[arg(long, value_name = "YYYY-MM-DD")]
    sunset: Option<Day>,
}

#[derive(Debug, Args)]
struct Worsen {
    /// Which module, or which version of it
    #[arg(value_name = "NAMESPACE/NAME/SYSTEM[@VERSION]")]
    target: Target,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What to use instead
    #[arg(long, value_name = "TEXT")]
    replacement: Option<String>,
    /// Who to ask
    #[arg(long, value_name = "TEXT")]
    contact: Option<String>,
    #[command(flatten)]
    signer: Signer,
}

#[derive(Debug, Args)]
struct Restore {
    /// Which module, or which version of it
    #[arg(value_name = "NAMESPACE/NAME/SYSTEM[@VERSION]")]
    target: Target,
    /// Why, for people
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    signer: Signer,
}

#[derive(Debug, Args)]
struct Signer {
    /// Private key of the namespace that signs, PEM [default: the registry signs]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

/// A module, or one version of it.
#[derive(Debug, Clone)]
struct Target {
    address: ModuleAddress,
    version: Option<Version>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, version) = match text.split_once('@') {
            Some((address, version)) => (address, Some(version)),
            None => (text, None),
        };
        let version: Option<Version> = version
            .map(|version| version.parse().map_err(|error| format!("{version:?}: {error}")))
            .transpose()?;
        let address = address.parse().map_err(|error| format!("{address:?}: {error}"))?;
        Ok(Self { address, version })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(f, "@{version}"))
    }
}

impl Status {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match (self.command, self.target) {
            (Some(Command::Deprecate(deprecate)), _) => {
                let Deprecate { worsen, sunset } = deprecate;
                worsen.run(ModuleState::Deprecated, sunset, context).await
            }
            (Some(Command::Yank(worsen)), _) => {
                worsen.run(ModuleState::Yanked, None, context).await
            }
            (Some(Command::Revoke(worsen)), _) => {
                worsen.run(ModuleState::Revoked, None, context).await
            }
            (Some(Command::Restore(restore)), _) => restore.run(context).await,
            (None, Some(target)) if self.who => {
                who(&self.remote.client(context)?, &target, context).await
            }
            (None, Some(target)) => show(&self.remote.client(context)?, &target, context).await,
            (None, None) => bail!("which module? write NAMESPACE/NAME/SYSTEM"),
        }
    }
}

impl Worsen {
    async fn run(
        self,
        state: ModuleState,
        sunset: Option<Day>,
        context: &Context<'_>,
    ) -> anyhow::Result<()> {
        let status = NewModuleStatus {
            state,
            reason: Some(self.reason),
            replacement: self.replacement,
            contact: self.contact,
            sunset: sunset.map(|day| day.to_string()),
        };
        set(&self.target, status, sunset, &self.signer, context).await
    }
}

impl Restore {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let status = NewModuleStatus {
            state: ModuleState::Active,
            reason: self.reason,
            replacement: None,
            contact: None,
            sunset: None,
        };
        set(&self.target, status, None, &self.signer, context).await
    }
}

async fn set(
    target: &Target,
    status: NewModuleStatus,
    sunset: Option<Day>,
    signer: &Signer,
    context: &Context<'_>,
) -> anyhow::Result<()> {
    let client = signer.remote.client(context)?;
    let state = word(status.state);
    let Some(key) = &signer.key else {
        let version = target.version.as_ref().map(|version| format!("/{version}"));
        let path =
            format!("/api/v1/modules/{}{}/status", target.address, version.unwrap_or_default());
        let set: ModuleStatus = client.put(&path, &status).await?;
        let entry =
            set.index.map(|index| format!("; entry {index} of the log")).unwrap_or_default();
        return context.output.answer(&set, format_args!("{target} is {state}{entry}"));
    };
    let pem =
        std::fs::read_to_string(key).with_context(|| format!("cannot read {}", key.display()))?;
    let key = SigningKey::from_pem(&pem)?;
    let statement = signed(&client, target, status, sunset, &key).await?;
    let proof: LogProof = client.post("/api/v1/statements", &SignedStatement { statement }).await?;
    context.output.answer(
        &proof,
        format_args!(
            "{target} is {state}; entry {} of the log, signed by {}",
            proof.index,
            key.verifying_key().id()
        ),
    )
}

/// The status as a statement of one's own.
async fn signed(
    client: &Client,
    target: &Target,
    status: NewModuleStatus,
    sunset: Option<Day>,
    key: &SigningKey,
) -> anyhow::Result<String> {
    let Target { address, version } = target;
    let before: ModuleStatusList = client.get(&format!("/api/v1/modules/{address}/status")).await?;
    let version = match version {
        None => None,
        Some(version) => {
            // What is said is said of these very bytes.
            let bundle: Value =
                client.get(&format!("/api/v1/modules/{address}/{version}/bundle")).await?;
            let bundle = Bundle::parse(bundle.to_string().as_bytes())?;
            let release: statement::ModulePublish = statement::parse(&bundle.envelope().payload)?;
            Some((version.clone(), release.archive.sha256))
        }
    };
    let hostname = client.info().await?.hostname;
    let claim = statement::ModuleStatus {
        module: ModuleId::new(&hostname, address.namespace(), address.name(), address.system())?,
        version,
        sequence: before.sequence + 1,
        state: match status.state {
            ModuleState::Active => State::Active,
            ModuleState::Deprecated => State::Deprecated,
            ModuleState::Yanked => State::Yanked,
            ModuleState::Revoked => State::Revoked,
        },
        reason: status.reason,
        replacement: status.replacement,
        contact: status.contact,
        sunset,
    };
    Ok(Bundle::new(sign(&claim, key)?)?.to_json())
}

fn word(state: ModuleState) -> &'static str {
    match state {
        ModuleState::Active => "active",
        ModuleState::Deprecated => "deprecated",
        ModuleState::Yanked => "yanked",
        ModuleState::Revoked => "revoked",
    }
}

async fn show(client: &Client, target: &Target, context: &Context<'_>) -> anyhow::Result<()> {
    let mut list: ModuleStatusList =
        client.get(&format!("/api/v1/modules/{}/status", target.address)).await?;
    if target.version.is_some() {
        list.statuses.retain(|one| one.version.is_none() || one.version == target.version);
    }
    let mut text = String::new();
    for one in &list.statuses {
        let what = one.version.as_ref().map_or("every version".to_owned(), ToString::to_string);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{what}  {}", sentence(&one.status));
    }
    if text.is_empty() {
        text.push_str("active; nothing was said of it");
    }
    context.output.answer(&list, text.trim_end())
}

fn sentence(status: &NewModuleStatus) -> String {
    let mut text = word(status.state).to_owned();
    let parts = [
        ("", &status.reason),
        ("use ", &status.replacement),
        ("ask ", &status.contact),
        ("sunset ", &status.sunset),
    ];
    for (before, part) in parts {
        if let Some(part) = part {
            text.push_str(if text.contains(':') { "; " } else { ": " });
            text.push_str(before);
            text.push_str(part);
        }
    }
    text
}

async fn who(client: &Client, target: &Target, context: &Context<'_>) -> anyhow::Result<()> {
    let path = format!("/api/v1/modules/{}/consumers", target.address);
    let mut found: ModuleConsumers = client.get(&path).await?;
    if let Some(version) = &target.version {
        found.downloads.retain(|one| one.version == *version);
        found.resources.retain(|one| one.version == *version);
    }
    let mut text = String::new();
    for one in &found.resources {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{}  {}/{}/{}, owner {}",
            one.version, one.kind, one.environment, one.name, one.owner
        );
    }
    for one in &found.downloads {
        let _ =
            writeln!(text, "{}  downloaded by {}, last at {}", one.version, one.token, one.last_at);
    }
    if text.is_empty() {
        text.push_str("nobody that this server knows of");
    }
    context.output.answer(&found, text.trim_end())
}
