//! `idp gitops`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, serve};
use crate::clock::Clock;
use crate::ops::bootstrap::{Bootstrapped, bootstrap};
use crate::platform::Platform;

/// Prepare the GitOps repositories.
#[derive(Debug, Args)]
pub(super) struct GitOps {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(Init),
}

/// Commit Argo CD's root Application and one AppProject per project to every configured repository.
///
/// Runs on the server's machine with its configuration; the server may be running. Repeating it changes nothing. Hand
/// the root Application to Argo CD once; it finds everything that the platform commits from then on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp gitops init --config /etc/idp/idp.toml
  kubectl apply -f argocd/root.yaml          in a checkout, once")]
struct Init {
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl GitOps {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let Command::Init(init) = self.command;
        init.run(context).await
    }
}

impl Init {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let mut config = serve::load_config(self.config.as_deref(), context)?;
        // A running server has its mirrors to itself; this needs its own for a moment.
        let mirrors = tempfile::tempdir().context("cannot make a temporary folder")?;
        config.server.data_dir = mirrors.path().to_owned();
        let platform = Platform::new(&config)?;
        let now = Clock::system().now().div_euclid(1000);
        let done = bootstrap(&platform, now).await.map_err(explained)?;
        let machine: Vec<_> = done
            .iter()
            .map(|one| json!({ "repository": one.repository, "commit": one.committed.commit, "written": one.committed.written, "root": one.root }))
            .collect();
        let lines: Vec<String> = done.iter().map(line).collect();
        context.output.answer(&machine, lines.join("\n"))
    }
}

/// A driver's error says everything itself.
fn explained(error: crate::ops::refusal::PlatformError) -> anyhow::Error {
    match error {
        crate::ops::refusal::PlatformError::GitOps(error) => error.into(),
        other => other.into(),
    }
}

fn line(one: &Bootstrapped) -> String {
    let commit = one.committed.commit.as_deref().unwrap_or("nothing");
    if one.committed.already {
        return format!("{}: is prepared already, in commit {commit}", one.repository);
    }
    let written = one.committed.written.join(", ");
    format!(
        "{}: commit {commit} wrote {written}\n  next, in a checkout: kubectl apply -f {}",
        one.repository, one.root
    )
}
