//! What a registry gives to judge some modules by, and judging it: offline, in one order, failing closed.
//!
//! The root chain against the pinned keys → the checkpoint's signature → that the history seen before is part of it →
//! the inclusion of every entry → whose keys count where → the snapshot, that it is recent, and that nothing is held
//! back → each release: its signature, and how it stands.

mod error;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::error::{EvidenceError, ReleaseError};
use crate::{
    archive::Summary,
    authority::{Authority, Entry},
    bundle::Bundle,
    digest::Sha256,
    key::KeyId,
    log::{
        checkpoint::Checkpoint,
        merkle::{leaf_hash, verify_consistency, verify_inclusion},
    },
    policy::Policy,
    release::{ModuleId, ReleaseId},
    standing::Standing,
    statement::{
        CiKey, ModulePublish, ModuleStatus, Snapshot, SnapshotDocument, Source, Statement, parse,
    },
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

/// The reader's time, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970 in UTC.
    pub millis: i64,
    /// Whether old evidence is refused; where not, its age is only told.
    pub refuses_old: bool,
}

/// What can be said of modules once the evidence was verified.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// The log's head, to be remembered.
    pub checkpoint: Checkpoint,
    /// When the registry said that this is the newest.
    pub issued_at: Moment,
    releases: BTreeMap<ReleaseId, Result<SignedRelease, ReleaseError>>,
    statuses: BTreeMap<ModuleId, Said>,
    document: SnapshotDocument,
}

/// A release that a key of its namespace signed, and that the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    /// Its digests and sizes.
    pub archive: Summary,
    /// Who signed.
    pub publisher: KeyId,
    /// The CI job whose key it is, where it is not the namespace's own: who vouched for it, and its claims.
    pub ci: Option<(String, BTreeMap<String, String>)>,
    /// Where the publisher says that it came from.
    pub source: Option<Source>,
    /// Its position in the log.
    pub index: u64,
}

impl Evidence {
    /// Reads evidence as it travels.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_BYTES {
            return Err(EvidenceError::TooLarge { size: bytes.len() });
        }
        serde_json::from_slice(bytes).map_err(|error| EvidenceError::malformed(&error))
    }

    /// Judges it. `seen` is the head of the log that the reader saw before.
    pub fn verify(
        &self,
        policy: &Policy,
        seen: Option<&Checkpoint>,
        now: Now,
    ) -> Result<Trusted, EvidenceError> {
        let entries = self.read_entries()?;
        let authority = Authority::fold(Some(&policy.root), &entries)?;
        let registry = &authority.root().registry;
        if *registry != policy.registry {
            let (found, expected) = (registry.clone(), policy.registry.clone());
            return Err(EvidenceError::Registry { found, expected });
        }
        let checkpoint = Checkpoint::open(&self.checkpoint, &authority.root().log)?;
        self.check_history(&checkpoint, seen)?;
        self.check_inclusion(&checkpoint)?;
        let snapshot = self.check_snapshot(&authority, &checkpoint)?;
        check_age(&snapshot, policy, now)?;
        let trusted = Trusted {
            releases: releases(&authority, &entries),
            statuses: statuses(&authority, &entries),
            document: self.document.clone(),
            issued_at: snapshot.issued_at,
            checkpoint,
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

fn releases(
    authority: &Authority,
    entries: &[Entry],
) -> BTreeMap<ReleaseId, Result<SignedRelease, ReleaseError>> {
    let mut releases = BTreeMap::new();
    for entry in entries {
        let Statement::Publish(publish) = &entry.statement else { continue };
        let judged = match releases.get(&publish.release) {
            None => judge(authority, entries, entry, publish),
            Some(_) => Err(ReleaseError::Rewritten { second: entry.index }),
        };
        releases.insert(publish.release.clone(), judged);
    }
    releases
}

fn judge(
    authority: &Authority,
    entries: &[Entry],
    entry: &Entry,
    publish: &ModulePublish,
) -> Result<SignedRelease, ReleaseError> {
    let [signature] = entry.envelope.signatures.as_slice() else {
        return Err(ReleaseError::Signatures { count: entry.envelope.signatures.len() });
    };
    let signer = signature.key_id;
    let namespace = publish.release.namespace();
    let (key, ci) = match authority.publisher(namespace, signer, entry.index) {
        Ok(key) => (key, None),
        Err(problem) => match grant(authority, entries, entry.index, namespace, signer) {
            Some(grant) => (&grant.key, Some((grant.issuer.clone(), grant.claims.clone()))),
            None => return Err(ReleaseError::Publisher { signer, problem }),
        },
    };
    if entry.envelope.verified_signers(std::slice::from_ref(key)).is_empty() {
        return Err(ReleaseError::Signature { signer });
    }
    Ok(SignedRelease {
        archive: publish.archive,
        publisher: signer,
        ci,
        source: publish.source.clone(),
        index: entry.index,
    })
}

/// The grant of a key to a CI job that the namespace trusts, made before entry `index`.
fn grant<'a>(
    authority: &Authority,
    entries: &'a [Entry],
    index: u64,
    namespace: &str,
    key: KeyId,
) -> Option<&'a CiKey> {
    entries.iter().take_while(|entry| entry.index < index).find_map(|entry| {
        let Statement::CiKey(grant) = &entry.statement else { return None };
        let is_it = grant.namespace == namespace
            && grant.key.id() == key
            && authority.trusts_grant(entry.index, &entry.envelope, grant);
        is_it.then_some(grant)
    })
}

/// What was said of a module.
#[derive(Debug, Clone, Default)]
struct Said {
    /// By whoever may.
    statuses: Vec<ModuleStatus>,
    /// The numbers of all, whoever said them.
    sequences: Vec<u64>,
}

impl Said {
    /// Whether the numbers are 1 to `newest`, each once.
    fn is_complete(&self, newest: u64) -> bool {
        self.sequences.iter().copied().eq(1..=newest)
    }
}

fn statuses(authority: &Authority, entries: &[Entry]) -> BTreeMap<ModuleId, Said> {
    let mut statuses: BTreeMap<ModuleId, Said> = BTreeMap::new();
    for entry in entries {
        let Statement::Status(status) = &entry.statement else { continue };
        let said = statuses.entry(status.module.clone()).or_default();
        said.sequences.push(status.sequence);
        let keys = authority.status_keys(&status.module, entry.index);
        if !entry.envelope.verified_signers(&keys).is_empty() {
            said.statuses.push(status.clone());
        }
    }
    statuses
}

impl Trusted {
    /// A release, if a key of its namespace signed it and the log has it.
    pub fn release(&self, release: &ReleaseId) -> Result<&SignedRelease, ReleaseError> {
        match self.releases.get(release) {
            Some(Ok(signed)) => Ok(signed),
            Some(Err(error)) => Err(error.clone()),
            None => Err(ReleaseError::Missing),
        }
    }

    /// How a release stands, if nothing that was said of its module is held back.
    pub fn standing(&self, release: &ReleaseId) -> Result<Standing, ReleaseError> {
        let newest = self.document.modules.get(&release.module().path()).copied().unwrap_or(0);
        let said = self.statuses.get(release.module()).cloned().unwrap_or_default();
        if !said.is_complete(newest) {
            return Err(ReleaseError::StatusHidden { shown: said.sequences.len() as u64, newest });
        }
        Ok(Standing::of(&said.statuses, release.version()))
    }

    /// Every namespace of a release that is shown must come with all of its key changes.
    fn check_keys(&self, authority: &Authority) -> Result<(), EvidenceError> {
        for release in self.releases.keys() {
            let namespace = release.namespace();
            let newest = self.document.namespaces.get(namespace).copied().unwrap_or(0);
            let shown = authority.sequence(namespace);
            if shown != newest {
                let namespace = namespace.to_owned();
                return Err(EvidenceError::KeysHidden { namespace, shown, newest });
            }
        }
        Ok(())
    }
}
