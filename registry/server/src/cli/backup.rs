//! `idp backup`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use serde_json::json;

use super::output::size;
use super::{Context, serve};
use crate::clock::Clock;
use crate::config::Config;
use crate::ops::backup::{self, Made, Manifest, Unpack, check_database};

/// Copy everything that the server keeps into one file, while it runs.
///
/// The file is a tar: what is in it, the database as it was at one moment, and every module, package and signature that
/// the database names. It has everything that was accepted before, and nothing that was accepted after that moment.
/// Keys and configuration are not in it; the answer says which files to copy apart. Run it on the server's machine, as
/// the user that the server runs as.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  idp backup --config /etc/idp/idp.toml /backups/idp-2026-11-22.tar
  idp backup verify /backups/idp-2026-11-22.tar
  idp restore /backups/idp-2026-11-22.tar

The file is there when it is whole. An interrupted backup leaves FILE.partial, which the next of that name replaces.
Without idp: tar xf FILE && sha256sum -c SHA256SUMS"
)]
pub(super) struct Backup {
    #[command(subcommand)]
    command: Option<Command>,
    /// File to write; must not exist yet
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Go on without modules and packages that are damaged or missing on this server, and say which
    #[arg(long)]
    skip_damaged: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check that a backup is whole and as it was written
    Verify(Verify),
}

/// Check that a backup is whole and as it was written.
///
/// Reads all of it: digests, the database, the chain of the audit log, the tree of the log of statements and each statement
/// in it, and that everything is there that the database names. Needs room for the database in the system's temporary folder (TMPDIR).
#[derive(Debug, Args)]
struct Verify {
    /// The backup
    file: PathBuf,
}

impl Backup {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match (self.command, self.file) {
            (Some(Command::Verify(verify)), _) => verify.run(context).await,
            (None, Some(file)) => {
                let found = self.config.as_deref();
                let config = serve::load_config(found, context)?;
                let apart = Apart::find(&config, &serve::config_path(found, context));
                let meter = context.output.meter("writing");
                let now = Clock::system().now();
                let made = backup::make(&config, &file, self.skip_damaged, now, &meter).await;
                drop(meter);
                tell_made(context, &file, &made?, &apart)
            }
            (None, None) => bail!("name the file to write"),
        }
    }
}

/// What is not in a backup and is needed with it.
struct Apart {
    files: Vec<(PathBuf, &'static str)>,
}

impl Apart {
    fn find(config: &Config, config_file: &Path) -> Self {
        let server = &config.server;
        let mut files = vec![
            (
                server.secret_key_file.clone(),
                "opens the secrets; keep it where the backups are not",
            ),
            (config.trust.directory.clone(), "the server's signing keys, and how far its log was"),
            (config_file.to_owned(), "the configuration, with the files that it names"),
        ];
        if let Some(tls) = &server.tls {
            files.push((tls.cert.clone(), "the TLS certificate"));
            files.push((tls.key.clone(), "the key of the TLS certificate"));
        }
        files.push((server.data_dir.join("dumps"), "last dumps of databases that were removed"));
        files.retain(|(path, _)| path.exists());
        Self { files }
    }
}

fn tell_made(context: &Context<'_>, file: &Path, made: &Made, apart: &Apart) -> anyhow::Result<()> {
    let manifest = &made.manifest;
    let mut text = format!("wrote {}: {}", file.display(), summary(manifest));
    warn(&mut text, manifest, made.audit_problem.as_deref());
    text.push_str("\n\nnot in it, to be copied apart:");
    for (path, why) in &apart.files {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {}  {why}", path.display());
    }
    let _ = write!(text, "\n\nnext:\n  idp backup verify {}", file.display());
    let apart: Vec<_> =
        apart.files.iter().map(|(path, why)| json!({ "path": path, "why": why })).collect();
    context.output.answer(
        &json!({
            "file": file,
            "made_at": manifest.made_at,
            "manifest_sha256": made.manifest_sha256,
            "bytes": manifest.bytes(),
            "blobs": manifest.blobs.len(),
            "skipped": manifest.skipped,
            "contents": manifest.contents,
            "audit_problem": made.audit_problem,
            "copy_apart": apart,
        }),
        text,
    )
}

/// What is in a backup, in one line.
pub(super) fn summary(manifest: &Manifest) -> String {
    format!(
        "{} of {} at {}, {} audit entries, {} statements, {} blobs, {}",
        if manifest.skipped.is_empty() { "all" } else { "most" },
        manifest.hostname,
        manifest.made_at,
        manifest.contents.audit.size,
        manifest.contents.log.as_ref().map_or(0, |log| log.size),
        manifest.blobs.len(),
        size(manifest.bytes())
    )
}

/// What a person should know that is wrong with what is in it.
pub(super) fn warn(text: &mut String, manifest: &Manifest, audit_problem: Option<&str>) {
    for blob in &manifest.skipped {
        let _ = write!(text, "\nWITHOUT the blob of {}: {}", blob.of, blob.problem);
    }
    if let Some(problem) = audit_problem {
        let _ = write!(text, "\nthe AUDIT LOG does not verify: {problem}");
    }
}

impl Verify {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let opened = backup::open(&self.file).await?;
        let database = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
        let meter = context.output.meter("reading");
        let unpack = Unpack { database: database.path(), blobs: None };
        let read = opened.read_through(unpack, &meter).await;
        drop(meter);
        let manifest = read?;
        let checked = check_database(database.path(), &manifest).await?;
        if let Some(problem) = checked.audit_problem {
            return Err(anyhow!(
                "the backup is as it was written, but the audit log in it does not verify: {problem}"
            ));
        }
        if let Some(problem) = checked.log_problem {
            return Err(anyhow!(
                "the backup is as it was written, but the log of statements in it does not verify: {problem}"
            ));
        }
        let mut text = format!("{}: {}", self.file.display(), summary(&manifest));
        warn(&mut text, &manifest, None);
        context.output.answer(&json!({ "verified": true, "manifest": manifest }), text)
    }
}
