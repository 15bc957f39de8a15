//! `idp log monitor`.

mod kept;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use registry_trust::audit::Finding;
use registry_trust::policy::Policy;
use serde_json::json;

use self::kept::{Kept, Round};
use super::read_policy;
use super::source::Source;
use super::text::{counts, findings, line, value};
use crate::cli::client::Remote;
use crate::cli::token::parse_time;
use crate::cli::{Context, serve};
use crate::config::LogFormat;
use crate::ops::log_copy::LogCopy;

/// Keep a copy of the log, and say what is new and what is wrong.
///
/// Each round asks for the head, requires that it continues the last one, audits what is new and appends it to the copy.
/// The copy is the log's own files: any web server can serve it as a mirror, `idp log verify --from` reads it, and `idp
/// log recover` brings a server back with it. A head that does not continue the one before (two histories, or an older
/// one) is kept beside the copy with the one that it contradicts, in a folder conflict-…, as the proof.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp log monitor --dir /srv/idp-log --policy idp.policy              until it is stopped
  idp log monitor --dir /srv/idp-log --policy idp.policy --once       one round, from cron

Exit codes:
  0  nothing was found
  1  with --once: something was, or the log cannot be read
  2  the command itself is wrong")]
pub(super) struct Monitor {
    /// Folder of the copy; made where there is none
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Which roots are believed [default: idp.policy, if it is there]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// How long to wait between two rounds
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    interval: Duration,
    /// Only one round
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    #[command(flatten)]
    remote: Remote,
}

impl Monitor {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let policy = read_policy(self.policy.as_deref(), context)?;
        let source = Source::Server(self.remote.client(context)?);
        let copy = LogCopy::new(&self.dir);
        if self.once {
            let (round, _) = round(&source, &copy, policy, None, context).await?;
            tell(&round, context)?;
            return match round.audit.findings.len() {
                0 => Ok(()),
                count => Err(anyhow!("{count} findings")),
            };
        }
        serve::start_log(LogFormat::Text, context.variable("IDP_LOG"));
        let mut stop = std::pin::pin!(serve::stop_signal()?);
        let (mut kept, mut told) = (None, BTreeSet::new());
        loop {
            let again = tokio::select! {
                again = round(&source, &copy, policy.clone(), kept.take(), context) => again,
                () = &mut stop => return Ok(()),
            };
            match again {
                Ok((round, next)) => {
                    kept = next;
                    if round.has_news() {
                        tell(&round, context)?;
                    }
                    alarm(&round.audit.findings, &mut told);
                }
                Err(error) => tracing::error!(error = format!("{error:#}"), "this round failed"),
            }
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                () = &mut stop => return Ok(()),
            }
        }
    }
}

/// One round. What it says that is kept is what the next may begin with.
async fn round(
    source: &Source,
    copy: &LogCopy,
    policy: Option<Policy>,
    kept: Option<Kept>,
    context: &Context<'_>,
) -> anyhow::Result<(Round, Option<Kept>)> {
    let meter = context.output.count("reading the log", "entries");
    let begin = |policy| Kept::open(copy, policy);
    let first = match kept {
        Some(kept) => kept,
        None => begin(policy.clone())?,
    };
    let (round, kept) = first.advance(source, copy, &meter, true).await?;
    if !round.used_leftovers || round.audit.findings.is_empty() {
        return Ok((round, kept));
    }
    // An interrupted round may have left what does not belong to the log: once more without it.
    begin(policy)?.advance(source, copy, &meter, false).await
}

/// Each finding once; a monitor runs for months.
fn alarm(findings: &[Finding], told: &mut BTreeSet<String>) {
    for finding in findings {
        if told.insert(finding.to_string()) {
            tracing::error!(
                finding.code,
                finding.index,
                "THE LOG IS NOT RIGHT: {}",
                finding.problem
            );
        }
    }
}

fn tell(round: &Round, context: &Context<'_>) -> anyhow::Result<()> {
    let audit = &round.audit;
    let mut lines: Vec<String> = round.new.iter().map(|(index, leaf)| line(*index, leaf)).collect();
    if round.before == 0 && round.is_kept {
        lines.push(format!("copied {} entries: {}", audit.size, counts(&audit.counts)));
    }
    lines.extend(findings(audit));
    if lines.is_empty() {
        lines.push(format!("nothing new: {} entries", audit.size));
    }
    let new: Vec<_> = round.new.iter().map(|(index, leaf)| value(*index, leaf)).collect();
    let value = json!({
        "before": round.before,
        "size": audit.size,
        "root": audit.root,
        "kept": round.is_kept,
        "new": new,
        "findings": audit.findings,
        "fallen": audit.fallen,
    });
    context.output.answer(&value, lines.join("\n"))
}
