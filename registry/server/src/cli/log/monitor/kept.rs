//! What a monitor knows of a log, and how it learns more.

use anyhow::{Context as _, anyhow};
use registry_trust::audit::{Audit, Auditor, Finding};
use registry_trust::digest::Sha256;
use registry_trust::evidence::Evidence;
use registry_trust::log::edge::Edge;
use registry_trust::log::tile::WIDTH;
use registry_trust::policy::Policy;

use super::super::source::{Head, Source};
use super::super::verify::now;
use crate::cli::output::Meter;
use crate::failpoint;
use crate::ops::backup::Watch as _;
use crate::ops::log_copy::LogCopy;

/// The last head that was seen, and all that is under it.
pub(super) struct Kept {
    head: Option<Head>,
    auditor: Auditor,
    edge: Edge,
}

/// What came of one round.
pub(super) struct Round {
    /// How many entries were known before it.
    pub(super) before: u64,
    /// The entries that are new, where the log was known before.
    pub(super) new: Vec<(u64, Vec<u8>)>,
    /// All that is known now.
    pub(super) audit: Audit,
    /// Whether the copy is up to date.
    pub(super) is_kept: bool,
    /// Whether files of an interrupted round were taken for what they say.
    pub(super) used_leftovers: bool,
    before_fallen: usize,
}

impl Round {
    /// Whether there is anything to tell that was not told before.
    pub(super) fn has_news(&self) -> bool {
        self.audit.size > self.before && self.is_kept
            || self.audit.fallen.len() > self.before_fallen
    }
}

impl Kept {
    /// Reads what a copy has, and refuses one that is not what its own head says.
    pub(super) fn open(copy: &LogCopy, policy: Option<Policy>) -> anyhow::Result<Self> {
        let (mut auditor, mut edge) = (Auditor::new(policy), Edge::new());
        let head = copy.checkpoint()?.map(Head::read).transpose()?;
        let damaged = || {
            format!(
                "the copy in {} is not whole any more; move it aside and begin anew",
                copy.folder().display()
            )
        };
        if let Some(head) = &head {
            for index in 0..head.size().div_ceil(u64::from(WIDTH)) {
                let leaves = copy.leaves(index, head.size()).with_context(damaged)?;
                auditor.read(&leaves);
                for leaf in &leaves {
                    edge.append(leaf)?;
                }
            }
            if let Some(finding) = auditor.check_head(&head.note).first() {
                return Err(anyhow!("{finding}").context(damaged()));
            }
        }
        Ok(Self { head, auditor, edge })
    }

    /// Asks for the newest head and follows it. A head that does not continue the one before is not followed.
    pub(super) async fn advance(
        self,
        source: &Source,
        copy: &LogCopy,
        meter: &Meter,
        with_leftovers: bool,
    ) -> anyhow::Result<(Round, Option<Self>)> {
        // First what the registry says of its log, then the log, which may have grown since, and may not have shrunk.
        let evidence = source.evidence().await?;
        let shown = source.head().await?;
        let before = self.auditor.size();
        let before_fallen = self.auditor.audit().fallen.len();
        let mut reading = Reading {
            source,
            copy,
            meter,
            with_leftovers,
            used_leftovers: false,
            new: Vec::new(),
            kept: self,
        };
        let mut findings = Vec::new();
        let said = match &evidence {
            Some(evidence) => Some(Head::read(evidence.checkpoint.clone().into_bytes())?),
            None => None,
        };
        for head in said.iter().chain([&shown]) {
            findings.extend(reading.conflict(head).await?);
        }
        if findings.is_empty() {
            findings = reading.follow(&shown, evidence.as_ref().zip(said.as_ref())).await?;
        }
        let is_kept = reading.kept.head.as_ref().is_some_and(|head| head.note == shown.note);
        let Reading { used_leftovers, new, kept, .. } = reading;
        let mut audit = kept.auditor.audit();
        audit.findings.extend(findings);
        let round = Round { before, new, audit, is_kept, used_leftovers, before_fallen };
        // Otherwise the next round begins with what the copy has: entries were read that are not in it.
        Ok((round, is_kept.then_some(kept)))
    }
}

/// One round under way.
struct Reading<'a> {
    source: &'a Source,
    copy: &'a LogCopy,
    meter: &'a Meter,
    with_leftovers: bool,
    used_leftovers: bool,
    new: Vec<(u64, Vec<u8>)>,
    kept: Kept,
}

impl Reading<'_> {
    /// What is wrong with a head after the one that was seen; both are kept where something is.
    async fn conflict(&self, shown: &Head) -> anyhow::Result<Option<Finding>> {
        let Some(seen) = &self.kept.head else { return Ok(None) };
        let (old, new) = (&seen.checkpoint, &shown.checkpoint);
        let (code, problem) = if old.origin != new.origin {
            ("other_log", format!("the head is of the log {:?}, not {:?}", new.origin, old.origin))
        } else if new.size < old.size {
            (
                "rollback",
                format!(
                    "the head is over {} entries, one over {} was seen before",
                    new.size, old.size
                ),
            )
        } else if old == new || new.size > old.size && self.source.continues(old, new).await? {
            return Ok(None);
        } else {
            (
                "fork",
                format!(
                    "the head over {} entries does not continue the one over {} that was seen before: the registry \
                     shows two histories",
                    new.size, old.size
                ),
            )
        };
        let folder = format!("conflict-{}", &Sha256::of(&shown.note).to_string()[..12]);
        self.copy.put(&format!("{folder}/seen"), &seen.note)?;
        self.copy.put(&format!("{folder}/shown"), &shown.note)?;
        let folder = self.copy.folder().join(folder);
        let problem = format!("{problem}. Both heads are in {}", folder.display());
        Ok(Some(Finding::new(None, code, problem)))
    }

    /// Reads what is new and keeps it, if the head proves it.
    async fn follow(
        &mut self,
        shown: &Head,
        said: Option<(&Evidence, &Head)>,
    ) -> anyhow::Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if let Some((evidence, said)) = said {
            self.read_to(said.size().min(shown.size()), shown.size()).await?;
            findings.extend(self.kept.auditor.check_snapshot(evidence, now()));
        }
        self.read_to(shown.size(), shown.size()).await?;
        let wrong = self.kept.auditor.check_head(&shown.note);
        if wrong.is_empty() {
            let partial = self.kept.edge.partial();
            self.copy.write(&partial)?;
            failpoint::hit("monitor.files_written");
            self.copy.write_checkpoint(&shown.note, &partial)?;
            failpoint::hit("monitor.checkpoint_written");
            self.kept.head = Some(shown.clone());
        }
        findings.extend(wrong);
        Ok(findings)
    }

    async fn read_to(&mut self, until: u64, size: u64) -> anyhow::Result<()> {
        let width = u64::from(WIDTH);
        let is_known = self.kept.head.is_some();
        while self.kept.auditor.size() < until {
            let at = self.kept.auditor.size();
            let mut leaves = self.leaves(at / width, size).await?;
            let begin = usize::try_from(at % width)?.min(leaves.len());
            leaves.drain(..begin);
            leaves.truncate(usize::try_from(until - at).unwrap_or(usize::MAX));
            self.kept.auditor.read(&leaves);
            for leaf in &leaves {
                // Full files are written as they come, so that an interrupted round goes on with them.
                self.copy.write(&self.kept.edge.append(leaf)?)?;
            }
            if is_known {
                self.new.extend((at..).zip(leaves));
            }
            self.meter.at(self.kept.auditor.size(), size);
        }
        Ok(())
    }

    /// A bundle, from an interrupted round where that left it whole.
    async fn leaves(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        let is_full = (index + 1) * u64::from(WIDTH) <= size;
        if self.with_leftovers
            && is_full
            && let Ok(leaves) = self.copy.leaves(index, size)
        {
            self.used_leftovers = true;
            return Ok(leaves);
        }
        self.source.leaves(index, size).await
    }
}
