//! What a registry gives to judge some modules by, and judging it: offline, in one order, failing closed.
//!
//! The root chain against the pinned keys → the checkpoint's signature → that the history seen before is part of it →
//! the inclusion of every entry → whose keys count where → the snapshot, that it is recent, and that nothing is held
//! back → each release: its signature, and how it stands.

mod error;
mod judge;
#[cfg(test)]
mod tests;
mod trusted;

use serde::{Deserialize, Serialize};

use self::judge::{releases, statuses};
pub use self::{
    error::{EvidenceError, ReleaseError},
    trusted::{SignedRelease, Trusted},
};
use crate::{
    authority::{Authority, Entry},
    bundle::Bundle,
    digest::Sha256,
    log::{
        checkpoint::Checkpoint,
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
    },
    policy::Policy,
    statement::{Snapshot, SnapshotDocument, check_payload_type, parse},
    time::Moment,
};

/// The largest evidence that is read.
pub const MAX_BYTES: usize = 32 << 20;
/// Clocks differ; a snapshot may be this much ahead of the reader's, in milliseconds.
const CLOCK_SKEW: i64 = 10 * 60 * 1000;

/// What a registry gives to judge some modules by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The log's signed head.
    pub checkpoint: String,
    /// That the log as the reader saw it before is the beginning of this one.
    pub consistency: Vec<Sha256>,
    /// The registry's word on what is newest: a Sigstore bundle.
    pub snapshot: String,
    /// What the snapshot is about.
    pub document: SnapshotDocument,
    /// Entries of the log in its order: every root, every key change of the modules' namespaces, every status of the
    /// modules, the grants to the CI jobs that signed, the releases.
    pub entries: Vec<ProvenEntry>,
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenEntry {
    /// Its position, from 0.
    pub index: u64,
    /// The leaf: an envelope in canonical JSON.
    pub leaf: String,
    /// That it is in the log.
    pub proof: Vec<Sha256>,
}

/// What a reader remembers of a registry, so that it cannot be shown less or something else the next time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The log's head.
    pub checkpoint: Checkpoint,
    /// The version of the newest root: keys that it rotated out cannot continue the log as if nobody had.
    pub root_version: u64,
}

/// The reader's time, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 in UTC.
    pub millis: i64,
    /// Whether old evidence is refused; where not, its age is only told.
    pub refuses_old: bool,
}

impl Evidence {
    /// Reads evidence as it travels.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_BYTES {
            return Err(EvidenceError::TooLarge { size: bytes.len() });
        }
        serde_json::from_slice(bytes).map_err(|error| EvidenceError::malformed(&error))
    }

    /// Judges it. `seen` is what the reader saw before.
    pub fn verify(
        &self,
        policy: &Policy,
        seen: Option<&Seen>,
        now: Now,
    ) -> Result<Trusted, EvidenceError> {
        let entries = self.read_entries()?;
        let authority = Authority::fold(Some(&policy.root), &entries)?;
        let registry = &authority.root().registry;
        if *registry != policy.registry {
            let (found, expected) = (registry.clone(), policy.registry.clone());
            return Err(EvidenceError::Registry { found, expected });
        }
        let shown = authority.root().version;
        if let Some(seen) = seen.map(|seen| seen.root_version).filter(|seen| shown < *seen) {
            return Err(EvidenceError::RootRolledBack { seen, shown });
        }
        let checkpoint = Checkpoint::open(&self.checkpoint, &authority.root().log)?;
        self.check_history(&checkpoint, seen.map(|seen| &seen.checkpoint))?;
        self.check_inclusion(&checkpoint)?;
        let snapshot = self.check_snapshot(&authority, &checkpoint)?;
        check_age(&snapshot, policy, now)?;
        let trusted = Trusted {
            seen: Seen { checkpoint, root_version: shown },
            issued_at: snapshot.issued_at,
            registry: policy.registry.clone(),
            releases: releases(&authority, &entries),
            statuses: statuses(&authority, &entries),
            document: self.document.clone(),
        };
        trusted.check_keys(&authority)?;
        Ok(trusted)
    }

    fn read_entries(&self) -> Result<Vec<Entry>, EvidenceError> {
        let is_sorted = self.entries.windows(2).all(|pair| pair[0].index < pair[1].index);
        if !is_sorted {
            return Err(EvidenceError::malformed("the entries are not in the log's order"));
        }
        let read = |entry: &ProvenEntry| Entry::parse(entry.index, entry.leaf.as_bytes());
        self.entries.iter().map(|entry| read(entry).map_err(EvidenceError::from)).collect()
    }

    /// What the reader saw must be the beginning of what it is shown.
    fn check_history(
        &self,
        checkpoint: &Checkpoint,
        seen: Option<&Checkpoint>,
    ) -> Result<(), EvidenceError> {
        let Some(seen) = seen else { return Ok(()) };
        if seen.origin != checkpoint.origin {
            let (seen, shown) = (seen.origin.clone(), checkpoint.origin.clone());
            return Err(EvidenceError::OtherLog { seen, shown });
        }
        if seen.size > checkpoint.size {
            let (seen, shown) = (seen.size, checkpoint.size);
            return Err(EvidenceError::Rollback { seen, shown });
        }
        verify_consistency(
            seen.size,
            &seen.root,
            checkpoint.size,
            &checkpoint.root,
            &self.consistency,
        )
        .map_err(|problem| EvidenceError::TwoHistories {
            seen: seen.size,
            shown: checkpoint.size,
            problem,
        })
    }

    fn check_inclusion(&self, checkpoint: &Checkpoint) -> Result<(), EvidenceError> {
        self.entries.iter().try_for_each(|entry| {
            let leaf = leaf_hash(entry.leaf.as_bytes());
            verify_inclusion(&leaf, entry.index, checkpoint.size, &entry.proof, &checkpoint.root)
                .map_err(|problem| EvidenceError::NotInLog { index: entry.index, problem })
        })
    }

    fn check_snapshot(
        &self,
        authority: &Authority,
        checkpoint: &Checkpoint,
    ) -> Result<Snapshot, EvidenceError> {
        let wrong = |reason: String| EvidenceError::Snapshot { reason };
        let bundle = Bundle::parse(self.snapshot.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        check_payload_type(bundle.envelope()).map_err(|error| wrong(error.to_string()))?;
        let root = authority.root();
        if bundle.envelope().verified_signers(&root.registry_keys).is_empty() {
            return Err(wrong(format!(
                "it is not signed by the registry's key, but by {}",
                bundle.signer()
            )));
        }
        let snapshot: Snapshot =
            parse(&bundle.envelope().payload).map_err(|error| wrong(error.to_string()))?;
        if snapshot.registry != root.registry {
            return Err(wrong(format!("it is of the registry {}", snapshot.registry)));
        }
        if snapshot.checkpoint != *checkpoint {
            return Err(wrong(format!(
                "it is of the log with {} entries, shown is the log with {}",
                snapshot.checkpoint.size, checkpoint.size
            )));
        }
        if snapshot.document != self.document.digest() {
            return Err(wrong("its document is another than the one that was signed".to_owned()));
        }
        if self.document.root != root.version {
            let (shown, newest) = (root.version, self.document.root);
            return Err(EvidenceError::RootHidden { shown, newest });
        }
        Ok(snapshot)
    }
}

fn check_age(snapshot: &Snapshot, policy: &Policy, now: Now) -> Result<(), EvidenceError> {
    let (issued, expires) = (snapshot.issued_at, snapshot.expires_at);
    if issued.millis() > now.millis.saturating_add(CLOCK_SKEW) {
        return Err(EvidenceError::Future { issued_at: issued, now: Moment::of(now.millis) });
    }
    let by_policy = policy.max_age.map_or(i64::MAX, |age| issued.millis().saturating_add(age));
    let until = expires.millis().min(by_policy);
    if now.refuses_old && until <= now.millis {
        let expired_at = Moment::of(until);
        return Err(EvidenceError::Stale { issued_at: issued, expired_at });
    }
    Ok(())
}
