//! `idp log`: reading the registry's log, keeping a copy of it, bringing it back.

mod monitor;
mod recover;
mod show;
mod source;
mod text;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, Subcommand};
use registry_trust::policy::{self, Policy};

use super::client::Remote;
use super::{Context, evidence};
use source::Source;

/// Read and audit the registry's log, keep a copy of it, or recover it from one.
///
/// Every release, status and key change is an entry of the log, signed by whoever made it; the registry signs the head. A
/// monitor on another machine, which keeps a copy and its own policy, is what a stolen registry cannot deceive.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp log verify                                   audit the whole log of IDP_SERVER
  idp log verify --policy idp.policy               and that its roots are the pinned ones
  idp log monitor --dir /srv/idp-log --policy idp.policy
                                                   keep a copy, print what is new, say what is wrong
  idp log monitor --dir /srv/idp-log --once        the same from cron
  idp log show 12 13                               what an entry says
  idp log recover /srv/idp-log --config /etc/idp/idp.toml
                                                   after the restore of an older backup")]
pub(super) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Verify),
    Monitor(monitor::Monitor),
    Show(show::Show),
    Recover(recover::Recover),
}

impl Log {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Verify(verify) => verify.run(context).await,
            Command::Monitor(monitor) => monitor.run(context).await,
            Command::Show(show) => show.run(context).await,
            Command::Recover(recover) => recover.run(context).await,
        }
    }
}

/// Where a log is read.
#[derive(Debug, Args)]
struct From {
    /// Read a copy in this folder instead of a server
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    from: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

impl From {
    fn source(&self, context: &Context<'_>) -> anyhow::Result<Source> {
        match &self.from {
            Some(folder) => Ok(Source::folder(folder)),
            None => Ok(Source::Server(self.remote.client(context)?)),
        }
    }
}

/// The named policy, or the one in the current folder; without either the registry's root is taken at its word.
fn read_policy(given: Option<&Path>, context: &Context<'_>) -> anyhow::Result<Option<Policy>> {
    let found = evidence::read_policy(given.unwrap_or(Path::new(policy::FILE_NAME)))?;
    match (&found, given) {
        (None, Some(path)) => bail!("there is no policy {}", path.display()),
        (None, None) => context.output.progress(
            "no --policy and no idp.policy here: the registry's first root is taken at its word",
        ),
        (Some(_), _) => {}
    }
    Ok(found)
}
