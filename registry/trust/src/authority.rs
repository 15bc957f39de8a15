//! Whose signatures count, and from where to where in the log.
//!
//! Follows from the log alone: root statements say which keys the registry has, key changes say which keys a namespace
//! has. A revocation counts from a position of the log on, also from one before its own; what the key signed before
//! that stands, so no clock is needed to tell an old release from a forged one.

mod namespace;
mod root;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::{
    namespace::Namespace,
    root::{Roots, is_signed_by_root},
};
pub use self::{
    namespace::{Distrust, Held, Revocation},
    root::Pin,
};
use crate::{
    dsse::{Envelope, LeafError},
    key::{KeyId, VerifyingKey},
    release::ModuleId,
    statement::{CiKey, KeyChange, NamespaceKeys, Statement, StatementError, TrustRoot},
};

/// A statement at its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its position, from 0.
    pub index: u64,
    /// As it was signed.
    pub envelope: Envelope,
    /// What it says.
    pub statement: Statement,
}

/// Why a leaf of the log is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the log: {problem}")]
pub struct EntryError {
    /// Its position.
    pub index: u64,
    /// What is wrong.
    pub problem: EntryProblem,
}

/// What is wrong with a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] LeafError),
    /// Not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Entry {
    /// Reads a leaf.
    pub fn parse(index: u64, leaf: &[u8]) -> Result<Self, EntryError> {
        let read = || -> Result<Self, EntryProblem> {
            let envelope = Envelope::parse_canonical(leaf)?;
            let statement = Statement::parse(&envelope)?;
            Ok(Self { index, envelope, statement })
        };
        read().map_err(|problem| EntryError { index, problem })
    }
}

/// Why it does not follow from these entries whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No root statement that the pin accepts.
    #[error(
        "none of the registry's roots is signed by the keys that are pinned ({}); the newest is signed by {}",
        list(pinned),
        list(found)
    )]
    RootNotPinned {
        /// The keys that are pinned.
        pinned: Vec<KeyId>,
        /// The keys of the newest root.
        found: Vec<KeyId>,
    },
    /// The chain of roots is broken.
    #[error("root version {version} (entry {index}) is not accepted: {reason}")]
    Root {
        /// Its version.
        version: u64,
        /// Its position.
        index: u64,
        /// Why.
        reason: String,
    },
    /// Key changes are missing, or there are two of one number.
    #[error(
        "the key changes of namespace {namespace} are not complete: number {found} follows number {before} (entry {index})"
    )]
    Sequence {
        /// Which namespace.
        namespace: String,
        /// The position of the second.
        index: u64,
        /// The number of the first.
        before: u64,
        /// The number of the second.
        found: u64,
    },
}

impl AuthorityError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RootNotPinned { .. } => "root_not_pinned",
            Self::Root { .. } => "root_invalid",
            Self::Sequence { .. } => "keys_incomplete",
        }
    }
}

/// Why a key change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// For another registry.
    #[error("the statement is for registry {found}, this is {expected}")]
    Registry {
        /// As signed.
        found: String,
        /// This one.
        expected: String,
    },
    /// Not the next number.
    #[error(
        "the statement is change {found} of namespace {namespace}, the next is {expected}; \
         somebody else changed the keys meanwhile: look at `idp keys list {namespace}` and sign again"
    )]
    Sequence {
        /// Which namespace.
        namespace: String,
        /// As signed.
        found: u64,
        /// The next.
        expected: u64,
    },
    /// Signed by nobody who may.
    #[error(
        "signed by {}, but the keys of namespace {namespace} are changed by one of its keys ({}) or by the root ({})",
        list(signers),
        list(keys),
        list(roots)
    )]
    Signer {
        /// Which namespace.
        namespace: String,
        /// Who signed, as the statement claims.
        signers: Vec<KeyId>,
        /// Whose signature would do.
        keys: Vec<KeyId>,
        /// Whose would do too.
        roots: Vec<KeyId>,
    },
    /// Nothing that can be done.
    #[error("{0}")]
    Change(String),
}

impl Refusal {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "other_registry",
            Self::Sequence { .. } => "sequence",
            Self::Signer { .. } => "signer_not_allowed",
            Self::Change(_) => "key_change_invalid",
        }
    }
}

/// Whose signatures count.
#[derive(Debug, Clone)]
pub struct Authority {
    roots: Roots,
    namespaces: BTreeMap<String, Namespace>,
}

impl Authority {
    /// Works it out from the root statements and key changes among `entries`, which are in the log's order. Key changes
    /// of a namespace must be all that there are.
    pub fn fold<'a>(
        pin: Option<&Pin>,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, AuthorityError> {
        let entries: Vec<&Entry> = entries.into_iter().collect();
        let roots = Roots::chain(pin, entries.iter().copied())?;
        let changes: Vec<(&Entry, &NamespaceKeys)> = entries
            .iter()
            .filter_map(|entry| match &entry.statement {
                Statement::Keys(keys) => Some((*entry, keys)),
                _ => None,
            })
            .collect();
        check_sequences(&changes)?;
        // What the root revokes is revoked whatever anybody else says.
        let mut accepted = Revocations::default();
        for (entry, keys) in &changes {
            if is_signed_by_root(&entry.envelope, roots.at(entry.index)) {
                accepted.note(entry.index, keys);
            }
        }
        loop {
            let mut authority = Self { roots: roots.clone(), namespaces: BTreeMap::new() };
            let mut known = accepted.clone();
            let reaches_back =
                changes.iter().find(|(entry, keys)| authority.apply(entry, keys, &mut known));
            match reaches_back {
                // It takes away what was counted already: begin anew with it. Each round accepts one more.
                Some((entry, keys)) => accepted.note(entry.index, keys),
                None => return Ok(authority),
            };
        }
    }

    /// Applies a logged change; true where it revokes what may have been counted already.
    fn apply(&mut self, entry: &Entry, keys: &NamespaceKeys, known: &mut Revocations) -> bool {
        let is_valid = self.check_signer(&entry.envelope, keys, entry.index).is_ok();
        let namespace = self.namespaces.entry(keys.namespace.clone()).or_default();
        namespace.sequence = keys.sequence;
        // What was logged and is not valid was signed by a key that a later revocation reaches.
        if !is_valid {
            return false;
        }
        let reaches_back = known.note(entry.index, keys);
        namespace.apply(entry.index, &keys.change, known.of(&keys.namespace));
        reaches_back
    }

    /// Checks a change that is to become entry `index` of the log.
    pub fn admit(
        &self,
        envelope: &Envelope,
        keys: &NamespaceKeys,
        index: u64,
    ) -> Result<(), Refusal> {
        let expected = &self.root().registry;
        if keys.registry != *expected {
            let (found, expected) = (keys.registry.clone(), expected.clone());
            return Err(Refusal::Registry { found, expected });
        }
        let next = self.sequence(&keys.namespace) + 1;
        if keys.sequence != next {
            return Err(Refusal::Sequence {
                namespace: keys.namespace.clone(),
                found: keys.sequence,
                expected: next,
            });
        }
        self.check_signer(envelope, keys, index)?;
        let namespace = self.namespaces.get(&keys.namespace);
        namespace
            .unwrap_or(&Namespace::default())
            .check(&keys.change, index)
            .map_err(Refusal::Change)
    }

    fn check_signer(
        &self,
        envelope: &Envelope,
        keys: &NamespaceKeys,
        index: u64,
    ) -> Result<(), Refusal> {
        let root = self.roots.at(index);
        let held = self.valid_keys(&keys.namespace, index);
        if !envelope.verified_signers(&held).is_empty() || is_signed_by_root(envelope, root) {
            return Ok(());
        }
        Err(Refusal::Signer {
            namespace: keys.namespace.clone(),
            signers: envelope.signatures.iter().map(|signature| signature.key_id).collect(),
            keys: held.iter().map(VerifyingKey::id).collect(),
            roots: root.keys.iter().map(VerifyingKey::id).collect(),
        })
    }

    /// Checks a root that is to follow the newest.
    pub fn admit_root(&self, envelope: &Envelope, root: &TrustRoot) -> Result<(), String> {
        self.roots.check_next(envelope, root)
    }

    /// The newest root.
    pub fn root(&self) -> &TrustRoot {
        self.roots.newest()
    }

    /// The root in force where entry `index` was made.
    pub fn root_at(&self, index: u64) -> &TrustRoot {
        self.roots.at(index)
    }

    /// The number of the newest key change of a namespace; 0 where there is none.
    pub fn sequence(&self, namespace: &str) -> u64 {
        self.namespaces.get(namespace).map_or(0, |namespace| namespace.sequence)
    }

    /// Every key that a namespace has or had, and every kind of CI job that it trusts.
    pub fn held(&self, namespace: &str) -> Held<'_> {
        self.namespaces.get(namespace).map(Namespace::held).unwrap_or_default()
    }

    /// The namespaces that have or had keys.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.namespaces.keys().map(String::as_str)
    }

    /// The key of a namespace by which entry `index` is signed.
    pub fn publisher(
        &self,
        namespace: &str,
        signer: KeyId,
        index: u64,
    ) -> Result<&VerifyingKey, Distrust> {
        let Some(namespace) = self.namespaces.get(namespace) else {
            return Err(Distrust::Unknown { known: Vec::new() });
        };
        namespace.publisher(signer, index)
    }

    /// Whether a grant to a CI job, entry `granted`, counts for its namespace.
    pub fn trusts_grant(&self, granted: u64, envelope: &Envelope, grant: &CiKey) -> bool {
        let registry_keys = &self.root_at(granted).registry_keys;
        let namespace = self.namespaces.get(&grant.namespace);
        !envelope.verified_signers(registry_keys).is_empty()
            && grant.registry == self.root().registry
            && namespace.is_some_and(|namespace| namespace.trusts_ci(granted, grant))
    }

    /// The keys of a namespace that may sign entry `index`.
    pub fn valid_keys(&self, namespace: &str, index: u64) -> Vec<VerifyingKey> {
        let namespace = self.namespaces.get(namespace);
        namespace.map(|namespace| namespace.valid_at(index)).unwrap_or_default()
    }

    /// The keys whose word on how `module` stands counts in entry `index`: its namespace's and the registry's.
    pub fn status_keys(&self, module: &ModuleId, index: u64) -> Vec<VerifyingKey> {
        let mut keys = self.valid_keys(module.namespace(), index);
        keys.extend(self.root_at(index).registry_keys.iter().cloned());
        keys
    }
}

/// Revocations that count, by namespace and key: the earliest position.
#[derive(Debug, Clone, Default)]
struct Revocations(BTreeMap<String, BTreeMap<KeyId, Revocation>>);

impl Revocations {
    /// Notes one; true where it reaches further back than what was known, and behind its own position.
    fn note(&mut self, index: u64, keys: &NamespaceKeys) -> bool {
        let KeyChange::Revoke { key, reason, from } = keys.change else { return false };
        let known = self.0.entry(keys.namespace.clone()).or_default();
        let is_news = known.get(&key).is_none_or(|known| from < known.from);
        if is_news {
            known.insert(key, Revocation { from, reason, by: index });
        }
        is_news && from < index
    }

    fn of(&self, namespace: &str) -> Option<&BTreeMap<KeyId, Revocation>> {
        self.0.get(namespace)
    }
}

/// A change that is left out would leave a revoked key in place.
fn check_sequences(changes: &[(&Entry, &NamespaceKeys)]) -> Result<(), AuthorityError> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (entry, keys) in changes {
        let before = last.insert(&keys.namespace, keys.sequence).unwrap_or(0);
        if before.checked_add(1) != Some(keys.sequence) {
            return Err(AuthorityError::Sequence {
                namespace: keys.namespace.clone(),
                index: entry.index,
                before,
                found: keys.sequence,
            });
        }
    }
    Ok(())
}

fn list(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    let distinct: BTreeSet<String> = keys.iter().map(ToString::to_string).collect();
    distinct.into_iter().collect::<Vec<_>>().join(", ")
}
