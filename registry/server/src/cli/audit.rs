//! `idp audit`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use registry_api::platform::{AuditEntry, AuditHead, AuditPage};
use serde_json::json;

use super::Context;
use super::client::Remote;
use crate::model::audit::Head;

/// Longest line of an exported log.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Export and verify the audit log.
///
/// Each entry carries the hash of the one before it, so that a changed, removed or moved entry is found. Keep the head
/// that `export` prints somewhere else: with it, a log that was rewritten or cut off is found as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp audit export --output audit.jsonl      one entry a line
  idp audit verify                           the server's log, up to its head
  idp audit verify audit.jsonl --head 128:9f86d0…

Exit codes:
  0  the log is as it was written
  1  it is not, or cannot be read; the message names the entry
  2  the command itself is wrong")]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the whole log, one JSON entry a line
    Export(Export),
    /// Check that no entry was changed, removed or moved
    Verify(Verify),
}

#[derive(Debug, Args)]
struct Export {
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
struct Verify {
    /// An exported log [default: ask the server]
    file: Option<PathBuf>,
    /// Where the log must go through: position and hash, as an earlier export or verify printed them
    #[arg(long, value_name = "SEQUENCE:HASH", value_parser = parse_head)]
    head: Option<Head>,
    #[command(flatten)]
    remote: Remote,
}

impl Audit {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Export(export) => export.run(context).await,
            Command::Verify(verify) => verify.run(context).await,
        }
    }
}

impl Export {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let Some(path) = &self.output else {
            let head = each_page(&self.remote, context, |entries| {
                write_lines(&mut io::stdout().lock(), entries)
            })
            .await?;
            context.output.progress(format_args!("head {}:{}", head.sequence, head.hash));
            return Ok(());
        };
        let mut file = File::create_new(path)
            .with_context(|| format!("cannot make {}; it must not exist yet", path.display()))?;
        let head =
            each_page(&self.remote, context, |entries| write_lines(&mut file, entries)).await?;
        file.sync_all().with_context(|| format!("cannot write {}", path.display()))?;
        context.output.answer(
            &json!({ "file": path, "entries": head.sequence, "head": head_text(&head) }),
            format_args!(
                "wrote {} entries to {}\nhead {}",
                head.sequence,
                path.display(),
                head_text(&head)
            ),
        )
    }
}

impl Verify {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let mut passed = self.head.as_ref().is_none_or(|head| *head == Head::genesis());
        let mut chain = Head::genesis();
        let mut check = |entries: &[AuditEntry]| -> anyhow::Result<()> {
            for entry in entries {
                chain.advance(entry)?;
                passed |= self.head.as_ref() == Some(&chain);
            }
            Ok(())
        };
        if let Some(file) = &self.file {
            each_line(file, &mut check)?;
        } else {
            let written = each_page(&self.remote, context, &mut check).await?;
            chain.ends_at(&written)?;
        }
        if !passed {
            return Err(anyhow!(
                "the log does not go through the head that you kept: it was rewritten or cut off; it ends at {}",
                head_text(&chain)
            ));
        }
        context.output.answer(
            &json!({ "verified": true, "entries": chain.sequence, "head": head_text(&chain) }),
            format_args!(
                "{} entries, none changed, removed or moved\nhead {}",
                chain.sequence,
                head_text(&chain)
            ),
        )
    }
}

/// Hands every page of the server's log to `take`; the head that the server notes at its end.
async fn each_page(
    remote: &Remote,
    context: &Context<'_>,
    mut take: impl FnMut(&[AuditEntry]) -> anyhow::Result<()>,
) -> anyhow::Result<Head> {
    let client = remote.client(context)?;
    let mut after = 0;
    loop {
        let page: AuditPage = client.get(&format!("/api/v1/audit?after={after}")).await?;
        take(&page.entries)?;
        match page.next {
            Some(next) if next > after => after = next,
            _ => {
                let AuditHead { sequence, hash } = page.head;
                return Ok(Head { sequence, hash });
            }
        }
    }
}

/// Hands every line of an exported log to `take`.
fn each_line(
    path: &Path,
    mut take: impl FnMut(&[AuditEntry]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let place = || format!("cannot read {}", path.display());
    let mut reader = BufReader::new(File::open(path).with_context(place)?);
    for number in 1.. {
        let mut line = Vec::new();
        let read = io::Read::take(&mut reader, LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .with_context(place)?;
        if read == 0 {
            break;
        }
        let entry = serde_json::from_slice(&line).with_context(|| {
            format!("{}, line {number}: not an entry of an audit log", path.display())
        })?;
        take(&[entry]).with_context(|| format!("{}, line {number}", path.display()))?;
    }
    Ok(())
}

fn write_lines(into: &mut impl Write, entries: &[AuditEntry]) -> anyhow::Result<()> {
    for entry in entries {
        serde_json::to_writer(&mut *into, entry)?;
        writeln!(into)?;
    }
    Ok(into.flush()?)
}

fn head_text(head: &Head) -> String {
    format!("{}:{}", head.sequence, head.hash)
}

fn parse_head(text: &str) -> Result<Head, String> {
    let wrong = || "write SEQUENCE:HASH, as idp audit export prints it".to_owned();
    let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
    let hash_ok = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match sequence.parse() {
        Ok(sequence) if hash_ok => Ok(Head { sequence, hash: hash.to_ascii_lowercase() }),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_position_and_a_hash() {
        assert_eq!(parse_head(&format!("7:{}", "Ab".repeat(32))).unwrap().sequence, 7);
        for text in ["", "7", "7:ab", "x:0", ":"] {
            assert!(parse_head(text).is_err(), "{text:?}");
        }
    }
}
