//! `idp restore`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::backup::{summary, warn};
use super::{Context, serve};
use crate::clock::Clock;
use crate::ops::restore::{self, Allowed, Restored};

/// Make a backup the data of this server, which must not run.
///
/// Needs the configuration in its place, and room for the backup beside the data folder. Everything is checked before
/// anything is changed; interrupted at any moment, it leaves the data folder as it was or wholly restored. What happened
/// after the backup is not in it: tokens and versions that were revoked since work again. Run it as the user that the
/// server runs as.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp restore --config /etc/idp/idp.toml /backups/idp-2026-11-22.tar
  idp restore --replace /backups/idp-2026-11-22.tar    keeps what is there in data.before-TIME

An interrupted restore leaves a folder data.restoring, which the next one sweeps.")]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Move the data that is there aside; nothing is removed
    #[arg(long)]
    replace: bool,
    /// Take over the backup of a server with another server.hostname
    #[arg(long)]
    allow_other_hostname: bool,
    /// Restore an audit log that does not verify
    #[arg(long)]
    allow_broken_audit_log: bool,
}

impl Restore {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let config = serve::load_config(self.config.as_deref(), context)?;
        let allowed = Allowed {
            replace: self.replace,
            other_hostname: self.allow_other_hostname,
            broken_audit_log: self.allow_broken_audit_log,
        };
        let meter = context.output.meter("reading");
        let now = Clock::system().now();
        let restored = restore::restore(&config, &self.file, allowed, now, &meter).await;
        drop(meter);
        let restored = restored?;
        let text = told(&restored, &config.server.secret_key_file.display().to_string());
        context.output.answer(
            &json!({
                "folder": restored.folder,
                "moved_aside": restored.moved_aside,
                "made_at": restored.manifest.made_at,
                "blobs": restored.manifest.blobs.len(),
                "skipped": restored.manifest.skipped,
                "contents": restored.manifest.contents,
                "audit_problem": restored.audit_problem,
                "log_problem": restored.log_problem,
                "key_problem": restored.key_problem,
                "guard_problem": restored.guard_problem,
            }),
            text,
        )
    }
}

fn told(restored: &Restored, key_file: &str) -> String {
    let manifest = &restored.manifest;
    let mut text = format!("restored {}: {}", restored.folder.display(), summary(manifest));
    warn(&mut text, manifest, restored.audit_problem.as_deref());
    if let Some(problem) = &restored.log_problem {
        // Writing to a String cannot fail.
        let _ = write!(text, "\nthe LOG of statements does not verify: {problem}");
    }
    if let Some(aside) = &restored.moved_aside {
        let _ = write!(text, "\nwhat was there is in {}", aside.display());
    }
    match &restored.key_problem {
        None => {
            let _ = write!(text, "\nthe keys in {key_file} fit");
        }
        Some(problem) => {
            let _ = write!(text, "\nthe KEYS do not fit, and the server will not start: {problem}");
        }
    }
    if let Some(problem) = &restored.guard_problem {
        let _ = write!(text, "\nthe server will NOT START yet: {problem}");
    }
    let _ = write!(
        text,
        "\n\nwhat happened after {} is not in it: revoke again the tokens and versions that were revoked since\n\n\
         next:\n  idp keys list          each key that seals values must be in the file\n  idp serve\n  \
         idp audit verify       with --head, if you kept one",
        manifest.made_at
    );
    text
}
