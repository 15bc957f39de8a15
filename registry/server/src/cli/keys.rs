//! `idp keys`: whose signatures count.

mod change;
mod root;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use registry_api::trust::{NamespaceKeys, PublisherKey};
use registry_trust::key::{Algorithm, KeyId, SigningKey, VerifyingKey};
use registry_trust::statement::RevocationReason;
use serde_json::json;

use super::Context;
use super::client::{Client, Remote};
use super::init::write_new;

/// Make publisher keys, and say whose signatures count in a namespace.
///
/// Every change is a statement in the registry's log, signed by a key that the namespace has, or by the root that `idp
/// init` made. A revocation says from which entry of the log on a key is not believed, so what it signed before stands.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp keys new acme.pem                            a key of one's own; acme.pub is its public half
  idp keys add acme acme.pub --key root.pem        the first key of a namespace: by the root
  idp keys add acme build.pub --key acme.pem       more keys: by one that is there
  idp keys list acme
  idp keys rotate acme --key acme.pem --new acme-2027.pem
  idp keys revoke acme KEY --compromised --from 120 --key root.pem
                                                   somebody has it since entry 120 of the log
  idp keys trust-ci acme --issuer https://ci.example.com --claim repository_id=74 --key acme.pem
  idp keys root show")]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(New),
    List(List),
    Add(Add),
    Rotate(Rotate),
    Revoke(Revoke),
    TrustCi(Ci),
    DistrustCi(Ci),
    Root(root::Root),
}

/// Make a publisher key.
#[derive(Debug, Args)]
struct New {
    /// File of the private key; the public half goes beside it, as .pub
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// ecdsa-p256, which every Sigstore client verifies, or ed25519
    #[arg(long, default_value = "ecdsa-p256", value_parser = algorithm)]
    algorithm: Algorithm,
}

/// Show the keys that a namespace has or had.
#[derive(Debug, Args)]
struct List {
    /// Which namespace
    namespace: String,
    #[command(flatten)]
    remote: Remote,
}

/// Let a key publish.
#[derive(Debug, Args)]
struct Add {
    /// Into which namespace
    namespace: String,
    /// The public key, PEM
    #[arg(value_name = "PUBLIC_KEY")]
    public_key: PathBuf,
    #[command(flatten)]
    signer: Signer,
}

/// Put a new key in the place of one: adds the new, then revokes the old as superseded.
#[derive(Debug, Args)]
struct Rotate {
    /// In which namespace
    namespace: String,
    /// The new private key, PEM; made where there is none
    #[arg(long, value_name = "FILE")]
    new: PathBuf,
    #[command(flatten)]
    signer: Signer,
}

/// Do not believe a key any more.
#[derive(Debug, Args)]
struct Revoke {
    /// In which namespace
    namespace: String,
    /// Id of the key, as `idp keys list` shows it
    key_id: KeyId,
    /// Somebody else may have it; without this, another takes its place
    #[arg(long)]
    compromised: bool,
    /// From which entry of the log on it does not count [default: from now on]
    #[arg(long, value_name = "ENTRY", requires = "compromised")]
    from: Option<u64>,
    #[command(flatten)]
    signer: Signer,
}

/// Let CI jobs publish with keys of their own, or do not any more.
#[derive(Debug, Args)]
struct Ci {
    /// Into which namespace
    namespace: String,
    /// Who vouches for the jobs: the `iss` of their tokens, an oidc_issuer of the server's configuration
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// A claim that their tokens must have; repeat for more. Take ids that are never given out again, such as repository_id
    #[arg(long = "claim", value_name = "NAME=VALUE", required = true, value_parser = claim)]
    claims: Vec<(String, String)>,
    #[command(flatten)]
    signer: Signer,
}

/// Who signs a change.
#[derive(Debug, Args)]
struct Signer {
    /// Private key that signs, PEM: one of the namespace's, or the root's [default: IDP_PUBLISHER_KEY, or publisher.pem
    /// beside the configuration]. Repeat it where the root needs several
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

impl Signer {
    fn keys(&self, context: &Context<'_>) -> anyhow::Result<Vec<SigningKey>> {
        if self.keys.is_empty() {
            return Ok(vec![super::publish::read_key(None, context)?]);
        }
        self.keys.iter().map(|path| read_private(path)).collect()
    }
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(|error: registry_trust::key::KeyError| error.to_string())
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn read_private(path: &Path) -> anyhow::Result<SigningKey> {
    let cannot = || format!("{} is not a private key that can sign", path.display());
    let pem =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    SigningKey::from_pem(&pem).with_context(cannot)
}

fn read_public(path: &Path) -> anyhow::Result<VerifyingKey> {
    let cannot = || format!("{} is not a public key that can publish", path.display());
    let pem =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    VerifyingKey::from_pem(&pem).with_context(cannot)
}

/// Makes a key in a new file, with its public half beside it.
fn make_key(file: &Path, algorithm: Algorithm) -> anyhow::Result<(SigningKey, PathBuf)> {
    let key = SigningKey::generate(algorithm)?;
    let public = file.with_extension("pub");
    write_new(file, key.to_pem()?.as_bytes(), 0o600)?;
    write_new(&public, key.verifying_key().to_pem().as_bytes(), 0o644)?;
    Ok((key, public))
}

impl Keys {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::New(new) => new.run(context),
            Command::List(list) => list.run(context).await,
            Command::Add(add) => add.run(context).await,
            Command::Rotate(rotate) => rotate.run(context).await,
            Command::Revoke(revoke) => revoke.run(context).await,
            Command::TrustCi(ci) => ci.run(context, true).await,
            Command::DistrustCi(ci) => ci.run(context, false).await,
            Command::Root(root) => root.run(context).await,
        }
    }
}

impl New {
    fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let (key, public) = make_key(&self.file, self.algorithm)?;
        let id = key.verifying_key().id();
        context.output.answer(
            &json!({ "id": id, "private_key": self.file, "public_key": public }),
            format_args!(
                "wrote {} (keep it secret) and {}\nkey {id}\nnext: idp keys add NAMESPACE {}",
                self.file.display(),
                public.display(),
                public.display()
            ),
        )
    }
}

impl List {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let keys = known(&self.remote.client(context)?, &self.namespace).await?;
        context.output.answer(&keys, describe(&keys))
    }
}

async fn known(client: &Client, namespace: &str) -> anyhow::Result<NamespaceKeys> {
    client.get(&format!("/api/v1/namespaces/{namespace}/keys")).await
}

fn describe(keys: &NamespaceKeys) -> String {
    let mut text = String::new();
    for PublisherKey { id, algorithm, added, revoked_from, reason, .. } in &keys.keys {
        // Writing to a string cannot fail.
        let _ = match revoked_from {
            None => writeln!(text, "{id}  {algorithm}  since entry {added}"),
            Some(from) => writeln!(
                text,
                "{id}  {algorithm}  from entry {added}, revoked from entry {from} on ({})",
                reason.as_deref().unwrap_or("no reason")
            ),
        };
    }
    for ci in &keys.ci {
        let claims: Vec<String> =
            ci.claims.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let _ = writeln!(text, "CI jobs of {} with {}", ci.issuer, claims.join(", "));
    }
    if text.is_empty() {
        let namespace = &keys.namespace;
        return format!(
            "nobody can publish into {namespace}; its first key is added by the root:\n  \
             idp keys add {namespace} PUBLIC_KEY --key root.pem"
        );
    }
    text.truncate(text.trim_end().len());
    text
}

impl Add {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let key = read_public(&self.public_key)?;
        let change = change::add(key);
        change::submit(&self.namespace, change, &self.signer, context).await
    }
}

impl Revoke {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let reason = if self.compromised {
            RevocationReason::Compromised
        } else {
            RevocationReason::Superseded
        };
        let client = self.signer.remote.client(context)?;
        let from = match self.from {
            Some(from) => from,
            None => known(&client, &self.namespace).await?.log_size,
        };
        let change = change::revoke(self.key_id, reason, from);
        change::submit(&self.namespace, change, &self.signer, context).await
    }
}

impl Ci {
    async fn run(self, context: &Context<'_>, trust: bool) -> anyhow::Result<()> {
        let claims = self.claims.into_iter().collect();
        let change = change::ci(self.issuer, claims, trust);
        change::submit(&self.namespace, change, &self.signer, context).await
    }
}

impl Rotate {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let mut old = self.signer.keys(context)?;
        anyhow::ensure!(old.len() == 1, "a rotation is signed by the one key that goes");
        let old = old.remove(0);
        let client = self.signer.remote.client(context)?;
        let gone = old.verifying_key().id();
        let keys = known(&client, &self.namespace).await?;
        // The root could add the new key, and would then find nothing to revoke.
        anyhow::ensure!(
            keys.keys.iter().any(|key| key.id == gone.to_string()),
            "key {gone} is not one of {}; sign with the key that goes",
            self.namespace
        );
        let new = if self.new.exists() {
            read_private(&self.new)?
        } else {
            make_key(&self.new, old.verifying_key().algorithm())?.0
        };
        let new_id = new.verifying_key().id().to_string();
        // Interrupted after the first half, it goes on with the second.
        if !keys.keys.iter().any(|key| key.id == new_id) {
            let add = change::add(new.verifying_key());
            change::send(&client, &self.namespace, add, &[&old]).await?;
        }
        let from = known(&client, &self.namespace).await?.log_size;
        let revoke = change::revoke(gone, RevocationReason::Superseded, from);
        let proof = change::send(&client, &self.namespace, revoke, &[&new]).await?;
        context.output.answer(
            &json!({ "namespace": self.namespace, "new": new_id, "revoked": gone, "index": proof.index }),
            format_args!(
                "key {new_id} signs for {} now; key {gone} does not from entry {} of the log on",
                self.namespace, proof.index
            ),
        )
    }
}
