//! Reading a whole log, as somebody does who does not take the registry's word: what is in it that should not be, and
//! what follows from it.
//!
//! Each entry is judged by what stands before it, as the registry had to when it accepted it. What was right then and
//! lost its force by a revocation that reaches back is no fault; it is [fallen](Audit::fallen).
//!
//! The log is read from its beginning, in pieces of any size, so that a monitor goes on where it stopped. Memory grows
//! with the releases, statuses and key changes, not with the bytes of their statements.

mod finding;
mod judge;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use self::finding::{Fallen, Finding};
use self::judge::{Signed, Stated};
use crate::{
    authority::{Authority, Entry, Growing},
    digest::Sha256,
    dsse::Envelope,
    evidence::{Evidence, Now},
    key::{KeyId, VerifyingKey},
    log::{
        checkpoint::Checkpoint,
        merkle::{Frontier, leaf_hash},
    },
    parallel::in_parallel,
    policy::Policy,
    release::{ModuleId, ReleaseId},
    statement::{CiKey, SnapshotDocument},
};

/// How many entries of each kind a log has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Roots.
    pub roots: u64,
    /// Key changes.
    pub key_changes: u64,
    /// Releases.
    pub releases: u64,
    /// Statuses.
    pub statuses: u64,
    /// Grants to CI jobs.
    pub ci_keys: u64,
}

/// What came of reading a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// How many entries were read.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Sha256,
    /// How many there are of each kind.
    pub counts: Counts,
    /// What is newest.
    pub document: SnapshotDocument,
    /// What should not be in it, in the log's order.
    pub findings: Vec<Finding>,
    /// What was right when it was logged and does not count any more.
    pub fallen: Vec<Fallen>,
}

/// Reads a log from its beginning.
#[derive(Debug, Clone)]
pub struct Auditor {
    policy: Option<Policy>,
    is_pinned: bool,
    tree: Frontier,
    growing: Option<Growing>,
    counts: Counts,
    document: SnapshotDocument,
    releases: BTreeMap<ReleaseId, Signed>,
    /// Those of which there is a release.
    modules: BTreeSet<ModuleId>,
    statuses: Vec<Stated>,
    grants: BTreeMap<KeyId, Granted>,
    findings: Vec<Finding>,
}

/// A grant to a CI job, where it stands.
#[derive(Debug, Clone)]
struct Granted {
    index: u64,
    envelope: Envelope,
    grant: CiKey,
}

impl Auditor {
    /// With a policy, the registry's roots must be those that it pins; without one, the first is taken at its word.
    pub fn new(policy: Option<Policy>) -> Self {
        Self {
            policy,
            is_pinned: false,
            tree: Frontier::new(),
            growing: None,
            counts: Counts::default(),
            document: SnapshotDocument::default(),
            releases: BTreeMap::new(),
            modules: BTreeSet::new(),
            statuses: Vec::new(),
            grants: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// How many entries were read.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The root of the tree over them.
    pub fn root(&self) -> Sha256 {
        self.tree.root()
    }

    /// Whose signatures count by now; none before the first root.
    pub fn authority(&self) -> Option<&Authority> {
        self.growing.as_ref().map(Growing::authority)
    }

    /// Reads the next leaves.
    pub fn read<L: AsRef<[u8]> + Sync>(&mut self, leaves: &[L]) {
        let numbered: Vec<(u64, &[u8])> =
            (self.size()..).zip(leaves.iter().map(AsRef::as_ref)).collect();
        let entries = in_parallel(&numbered, |(index, leaf)| Entry::parse(*index, leaf));
        let mut claims = Vec::new();
        for ((_, leaf), entry) in numbered.iter().zip(entries) {
            self.tree.append(leaf_hash(leaf));
            match entry {
                Ok(entry) => claims.extend(self.judge(entry)),
                Err(error) => self.findings.push(Finding::of_entry(&error)),
            }
        }
        // What takes time comes last, on every thread.
        self.findings.extend(in_parallel(&claims, Claimed::finding).into_iter().flatten());
    }

    /// Compares what was read with the log's signed head, which must be over exactly that.
    pub fn check_head(&self, note: &[u8]) -> Vec<Finding> {
        let Some(authority) = self.authority() else { return vec![rootless()] };
        match Checkpoint::open(note, &authority.root().log) {
            Ok(head) => self.check_tree(&head).into_iter().collect(),
            Err(error) => vec![Finding::new(None, error.code(), error.to_string())],
        }
    }

    /// Compares the tree with what somebody says that it is.
    pub fn check_tree(&self, head: &Checkpoint) -> Option<Finding> {
        let (size, root) = (self.size(), self.root());
        if head.size != size {
            let problem = format!("{size} entries were read, the head is over {}", head.size);
            return Some(Finding::new(None, "tree_size", problem));
        }
        (head.root != root).then(|| {
            let problem = format!(
                "the entries are not those under the head: their tree has the root {root}, the head says {}",
                head.root
            );
            Finding::new(None, "tree_root", problem)
        })
    }

    /// Compares the registry's word on what is newest with what follows from the log; evidence at exactly what was read.
    ///
    /// A registry that keeps a revocation from those who ask, but has it in its log, is seen here.
    pub fn check_snapshot(&self, evidence: &Evidence, now: Now) -> Vec<Finding> {
        let Some(authority) = self.authority() else { return vec![rootless()] };
        let policy = self.policy.clone().unwrap_or_else(|| Policy::of(authority.root()));
        let of_tree = match evidence.verify(&policy, None, now) {
            Ok(trusted) => self.check_tree(&trusted.seen.checkpoint),
            Err(error) => Some(Finding::new(None, error.code(), error.to_string())),
        };
        let differences = finding::differences(&self.document, &evidence.document);
        of_tree.into_iter().chain(differences).collect()
    }

    /// What came of it so far.
    pub fn audit(&self) -> Audit {
        let mut findings = self.findings.clone();
        findings.sort_by_key(|finding| finding.index.unwrap_or(u64::MAX));
        findings.extend(self.pin_finding());
        Audit {
            size: self.size(),
            root: self.root(),
            counts: self.counts,
            document: self.document.clone(),
            findings,
            fallen: self.fallen(),
        }
    }

    fn pin_finding(&self) -> Option<Finding> {
        let pin = &self.policy.as_ref().filter(|_| !self.is_pinned)?.root;
        let pinned: Vec<String> = pin.keys.iter().map(ToString::to_string).collect();
        let problem = format!(
            "none of the registry's roots is signed by the keys that the policy pins ({})",
            pinned.join(", ")
        );
        Some(Finding::new(None, "root_not_pinned", problem))
    }

    /// The grant by which a key may sign entry `index`.
    fn granted(
        &self,
        authority: &Authority,
        namespace: &str,
        key: KeyId,
        index: u64,
    ) -> Option<&CiKey> {
        let Granted { index: granted, envelope, grant } = self.grants.get(&key)?;
        let counts = grant.namespace == namespace
            && authority.trusts_grant(*granted, index, envelope, grant);
        counts.then_some(grant)
    }
}

fn rootless() -> Finding {
    let problem = "the log has no root, so nobody's signature counts".to_owned();
    Finding::new(None, "root_missing", problem)
}

/// A signature to be verified.
struct Claimed {
    index: u64,
    envelope: Envelope,
    /// Whose it may be.
    keys: Vec<VerifyingKey>,
    /// What was signed, for people.
    what: String,
}

impl Claimed {
    fn finding(&self) -> Option<Finding> {
        let verified = self.envelope.verified_signers(&self.keys).len();
        // All of them: what is read later goes by the name of the key alone.
        (verified != self.envelope.signatures.len()).then(|| {
            let problem = format!("{}: its signature does not verify", self.what);
            Finding::new(Some(self.index), "signature_invalid", problem)
        })
    }
}
