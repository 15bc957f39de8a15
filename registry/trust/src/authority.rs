//! Whose signatures count, and from where to where in the log.
//!
//! Follows from the log alone: root statements say which keys the registry has, key changes say which keys a namespace
//! has. A revocation counts from a position of the log on, also from one before its own; what the key signed before
//! that stands, so no clock is needed to tell an old release from a forged one.
//!
//! What a key did from there on falls with it: keys that it added, CI jobs that it let publish, statuses, releases.
//! Only what it took away stays taken away, so that no stolen key can bring a revoked one back. Thieves may thus revoke
//! everybody else; the root undoes it by revoking their key from before that.

mod changes;
mod error;
mod growing;
mod namespace;
mod root;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use self::growing::Growing;
use self::{
    changes::by_namespace,
    error::list,
    namespace::Namespace,
    root::{Roots, is_signed_by_root},
};
pub use self::{
    error::{AuthorityError, EntryError, EntryProblem, Refusal},
    namespace::{Distrust, Held, Revocation},
    root::Pin,
};
use crate::{
    digest::Sha256,
    dsse::Envelope,
    key::{KeyId, VerifyingKey},
    release::ModuleId,
    statement::{CiKey, NamespaceKeys, Statement, TrustRoot},
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

/// Whose signatures count.
#[derive(Debug, Clone)]
pub struct Authority {
    roots: Roots,
    namespaces: BTreeMap<String, Namespace>,
}

/// What a status is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// Whoever signed it may.
    Counts,
    /// Whoever signed it once could, and a revocation reaches it: it has its number, and says nothing.
    Fallen,
    /// Nobody known signed it.
    Strange,
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
        let namespaces = by_namespace(&roots, &entries)?
            .into_iter()
            .map(|(name, changes)| (name.to_owned(), Namespace::fold(&changes)))
            .collect();
        Ok(Self { roots, namespaces })
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
        let next = self.sequence(&keys.namespace).saturating_add(1);
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

    /// The digest of the newest root's signed bytes, which the next must name ([`TrustRoot::previous`]).
    pub fn root_digest(&self) -> Sha256 {
        self.roots.newest_digest()
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

    /// Whether entry `used` may be signed with the key that a grant to a CI job, entry `granted`, names: both the
    /// namespace's trust in such jobs and the key that signed the grant must last until then.
    pub fn trusts_grant(
        &self,
        granted: u64,
        used: u64,
        envelope: &Envelope,
        grant: &CiKey,
    ) -> bool {
        let namespace = self.namespaces.get(&grant.namespace);
        let [then, still] = [granted, used].map(|index| &self.root_at(index).registry_keys);
        let signer = |id| then.iter().find(|key| key.id() == id && still.contains(key));
        granted < used
            && grant.registry == self.root().registry
            && namespace.is_some_and(|namespace| namespace.trusts_ci(granted, used, grant))
            && !envelope.signers_among(signer).is_empty()
    }

    /// Whether a namespace trusts such jobs where entry `index` grants one of them a key.
    pub(crate) fn trusts_jobs(&self, index: u64, grant: &CiKey) -> bool {
        let namespace = self.namespaces.get(&grant.namespace);
        namespace.is_some_and(|namespace| namespace.trusts_ci(index, index, grant))
    }

    /// The keys of a namespace that may sign entry `index`.
    pub fn valid_keys(&self, namespace: &str, index: u64) -> Vec<VerifyingKey> {
        let namespace = self.namespaces.get(namespace);
        namespace.into_iter().flat_map(|namespace| namespace.valid_at(index)).cloned().collect()
    }

    /// The keys whose word on how `module` stands counts in entry `index`: its namespace's and the registry's.
    pub fn status_keys(&self, module: &ModuleId, index: u64) -> Vec<VerifyingKey> {
        let mut keys = self.valid_keys(module.namespace(), index);
        keys.extend(self.root_at(index).registry_keys.iter().cloned());
        keys
    }

    /// What a status of `module` is worth as entry `index`.
    pub(crate) fn word(&self, envelope: &Envelope, module: &ModuleId, index: u64) -> Word {
        let namespace = self.namespaces.get(module.namespace());
        let registry_keys = &self.root_at(index).registry_keys;
        let own = |id: KeyId| registry_keys.iter().find(|key| key.id() == id);
        let signers = envelope
            .signers_among(|id| own(id).or_else(|| namespace.and_then(|space| space.named(id))));
        let counts = |id: &KeyId| {
            own(*id).is_some() || namespace.is_some_and(|space| space.is_valid(*id, index))
        };
        match signers.len() {
            0 => Word::Strange,
            _ if signers.iter().any(counts) => Word::Counts,
            _ => Word::Fallen,
        }
    }
}
