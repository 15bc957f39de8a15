//! `idp log verify`.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use registry_trust::audit::{Audit, Auditor, Finding};
use registry_trust::evidence::Now;
use registry_trust::log::edge::{Edge, TileFile};
use registry_trust::log::tile::{TileKind, WIDTH};
use serde_json::json;

use super::source::{Head, Source};
use super::text::{counts, findings};
use super::{From, read_policy};
use crate::cli::Context;
use crate::cli::output::Meter;
use crate::clock::Clock;
use crate::ops::backup::Watch as _;

/// Audit the whole log.
///
/// Reads every entry and judges it by those before it: signed by who may, numbered without a gap, one release for a
/// version. Then compares the tree with the signed head, the served tiles with the entries, and what the registry says is
/// newest with what follows from the log, so that a registry that holds a revocation back is seen.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp log verify --policy idp.policy
  idp log verify --from /srv/idp-log               a copy: there is no snapshot to compare

Exit codes:
  0  nothing was found
  1  something was, or the log cannot be read
  2  the command itself is wrong")]
pub(super) struct Verify {
    /// Which roots are believed [default: idp.policy, if it is there]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    from: From,
}

impl Verify {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let source = self.from.source(context)?;
        let policy = read_policy(self.policy.as_deref(), context)?;
        // First what the registry says of its log, then the log, which may have grown since, and may not have shrunk.
        let evidence = source.evidence().await?;
        let head = source.head().await?;
        let meter = context.output.count("reading the log", "entries");
        let mut reading = Reading::new(&source, Auditor::new(policy), &meter);
        if let Some(evidence) = &evidence {
            let said = Head::read(evidence.checkpoint.clone().into_bytes())?;
            reading.read_to(said.size().min(head.size()), head.size()).await?;
            let findings = reading.auditor.check_snapshot(evidence, now());
            reading.findings.extend(findings);
        }
        reading.read_to(head.size(), head.size()).await?;
        reading.check_partial().await?;
        let Reading { auditor, findings, .. } = reading;
        drop(meter);
        let mut audit = auditor.audit();
        audit.findings.extend(findings);
        audit.findings.extend(auditor.check_head(&head.note));
        answer(context, &audit, evidence.is_some())
    }
}

pub(super) fn now() -> Now {
    Now { millis: Clock::system().now(), refuses_old: true }
}

fn answer(context: &Context<'_>, audit: &Audit, with_snapshot: bool) -> anyhow::Result<()> {
    let mut lines = vec![format!("{} entries: {}", audit.size, counts(&audit.counts))];
    lines.push(format!("root {}", audit.root));
    lines.extend(findings(audit));
    if !with_snapshot {
        lines.push(
            "a copy has no snapshot: what the registry says is newest was not compared".to_owned(),
        );
    }
    if audit.findings.is_empty() {
        lines.push(
            "every entry is valid where it stands, and the tree is the signed one".to_owned(),
        );
    }
    let value = json!({
        "verified": audit.findings.is_empty(),
        "snapshot_compared": with_snapshot,
        "audit": audit,
    });
    context.output.answer(&value, lines.join("\n"))?;
    match audit.findings.len() {
        0 => Ok(()),
        count => Err(anyhow!("the log does not verify: {count} findings")),
    }
}

/// Reading a log from its beginning.
struct Reading<'a> {
    source: &'a Source,
    auditor: Auditor,
    edge: Edge,
    meter: &'a Meter,
    /// What is wrong beside the entries.
    findings: Vec<Finding>,
}

impl<'a> Reading<'a> {
    fn new(source: &'a Source, auditor: Auditor, meter: &'a Meter) -> Self {
        Self { source, auditor, edge: Edge::new(), meter, findings: Vec::new() }
    }

    /// Goes on until so many of `size` entries were read.
    async fn read_to(&mut self, until: u64, size: u64) -> anyhow::Result<()> {
        let width = u64::from(WIDTH);
        while self.auditor.size() < until {
            let at = self.auditor.size();
            let mut leaves = self.source.leaves(at / width, size).await?;
            let begin = usize::try_from(at % width)?.min(leaves.len());
            leaves.drain(..begin);
            leaves.truncate(usize::try_from(until - at).unwrap_or(usize::MAX));
            self.auditor.read(&leaves);
            for leaf in &leaves {
                for file in self.edge.append(leaf)? {
                    self.compare(&file).await?;
                }
            }
            self.meter.at(self.auditor.size(), size);
        }
        Ok(())
    }

    async fn check_partial(&mut self) -> anyhow::Result<()> {
        for file in self.edge.partial() {
            self.compare(&file).await?;
        }
        Ok(())
    }

    /// The served hashes must be those of the entries: who fetches proofs gets them from there.
    async fn compare(&mut self, file: &TileFile) -> anyhow::Result<()> {
        if file.path.kind() == TileKind::Entries {
            return Ok(());
        }
        let (code, problem) = match self.source.tile(&file.path).await? {
            Some(served) if served == file.bytes => return Ok(()),
            Some(_) => ("tile_differs", "its hashes are not those of the entries"),
            None => ("tile_missing", "it is not there, although the head covers it"),
        };
        self.findings.push(Finding::new(None, code, format!("{}: {problem}", file.path)));
        Ok(())
    }
}
