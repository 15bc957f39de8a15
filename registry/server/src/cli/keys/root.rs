//! `idp keys root`: the keys above all others.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use registry_api::trust::TrustInfo;
use registry_trust::digest::Sha256;
use registry_trust::dsse::Envelope;
use registry_trust::key::{Algorithm, SigningKey, VerifyingKey};
use registry_trust::statement::{TrustRoot, parse};
use serde_json::json;

use super::change::{post, sign_by_all};
use super::{make_key, read_private, read_public};
use crate::app::{Alone, open_store};
use crate::cli::client::Remote;
use crate::cli::{Context, serve};
use crate::clock::Clock;
use crate::trust::{Enrolment, establish};

/// Show, make or change the root keys, which stand above the registry's own.
///
/// Whoever installs from the registry pins root keys (`idp trust`). They sign which keys the registry itself has, and
/// the first keys of namespaces. Keep them away from the server; have several, of which more than one must sign.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp keys root show
  idp keys root rotate --key root.pem --add second.pub --add third.pub --threshold 2 --key second.pem
                                    from one key to two of three: signed by the old threshold and by the new
  idp keys root init --publisher golden=publisher.pub
                                    for a server that was set up before there was a log")]
pub(super) struct Root {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
    Init(Init),
    Rotate(Rotate),
}

/// Show the root as it stands.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    remote: Remote,
}

/// Make the root, the registry's own keys, and the first entries of its log; on the server's machine, while it does not run.
#[derive(Debug, Args)]
struct Init {
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// File of the root key; made where there is none
    #[arg(long, value_name = "FILE", default_value = "root.pem")]
    root_key: PathBuf,
    /// A key that may publish from the beginning; repeat for more
    #[arg(long = "publisher", value_name = "NAMESPACE=PUBLIC_KEY", value_parser = super::claim)]
    publishers: Vec<(String, String)>,
}

/// Change the root keys, or how many of them must sign.
#[derive(Debug, Args)]
struct Rotate {
    /// Private root keys that sign, PEM: as many as the old threshold needs, and as many as the new
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// Public key to add
    #[arg(long, value_name = "PUBLIC_KEY")]
    add: Vec<PathBuf>,
    /// Id of a key to take out
    #[arg(long, value_name = "KEY_ID")]
    remove: Vec<registry_trust::key::KeyId>,
    /// How many must sign [default: as before]
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<usize>,
    #[command(flatten)]
    remote: Remote,
}

impl Root {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Show(show) => show.run(context).await,
            Command::Init(init) => init.run(context).await,
            Command::Rotate(rotate) => rotate.run(context).await,
        }
    }
}

impl Show {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let info: TrustInfo = self.remote.client(context)?.get("/api/v1/trust").await?;
        let keys = info.root_keys.join("\n  ");
        let nag = if info.threshold < 2 {
            "\none key decides alone; `idp keys root rotate --threshold 2` makes it two"
        } else {
            ""
        };
        let text = format!(
            "root of {}, version {}: {} of\n  {keys}\nlog  {}{nag}",
            info.hostname, info.root_version, info.threshold, info.log_key
        );
        context.output.answer(&info, text)
    }
}

impl Init {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let config = serve::load_config(self.config.as_deref(), context)?;
        let enrolments = self
            .publishers
            .iter()
            .map(|(namespace, file)| {
                let key = read_public(Path::new(file))?;
                Ok(Enrolment { namespace: namespace.clone(), key })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let root = if self.root_key.exists() {
            read_private(&self.root_key)?
        } else {
            make_key(&self.root_key, Algorithm::EcdsaP256)?.0
        };
        let _alone = Alone::hold(&config.server.data_dir)?;
        let store = open_store(&config).await?;
        let done = establish(&config, &store, &root, &enrolments, Clock::system().now()).await;
        store.close().await;
        done?;
        let id = root.verifying_key().id();
        context.output.answer(
            &json!({ "root_key": self.root_key, "id": id, "trust": config.trust.directory }),
            format_args!(
                "the root is {} ({id}); put it away, off the server, with a copy\nthe registry's own keys are in {}",
                self.root_key.display(),
                config.trust.directory.display()
            ),
        )
    }
}

impl Rotate {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let info: TrustInfo = client.get("/api/v1/trust").await?;
        let before = Envelope::parse_canonical(info.root.as_bytes())
            .context("the server's root cannot be read")?;
        let digest = Sha256::of(&before.signed_bytes());
        let before: TrustRoot =
            parse(&before.payload).context("the server's root cannot be read")?;
        let signers: Vec<SigningKey> =
            self.keys.iter().map(|path| read_private(path)).collect::<anyhow::Result<_>>()?;
        let next = self.next(before, digest)?;
        let envelope = sign_by_all(&next, &signers.iter().collect::<Vec<_>>())?;
        let proof = post(&client, &envelope).await?;
        context.output.answer(
            &json!({ "version": next.version, "threshold": next.threshold, "index": proof.index }),
            format_args!(
                "root version {}: {} of {} keys must sign; entry {} of the log\n\
                 policies that pin the old keys go on working; give out the new one with `idp trust`",
                next.version,
                next.threshold,
                next.keys.len(),
                proof.index
            ),
        )
    }

    fn next(&self, before: TrustRoot, digest: Sha256) -> anyhow::Result<TrustRoot> {
        let mut keys: BTreeMap<_, VerifyingKey> =
            before.keys.into_iter().map(|key| (key.id(), key)).collect();
        for path in &self.add {
            let key = read_public(path)?;
            keys.insert(key.id(), key);
        }
        for id in &self.remove {
            ensure!(keys.remove(id).is_some(), "{id} is not a root key");
        }
        Ok(TrustRoot {
            version: before.version + 1,
            previous: Some(digest),
            threshold: self.threshold.unwrap_or(before.threshold),
            keys: keys.into_values().collect(),
            ..TrustRoot { keys: Vec::new(), ..before }
        })
    }
}
