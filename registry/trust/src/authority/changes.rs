//! The key changes of a registry, with who verifiably signed them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AuthorityError, Entry,
    root::{Roots, is_signed_by_root},
};
use crate::{
    key::{KeyId, VerifyingKey},
    statement::{KeyChange, NamespaceKeys, Statement},
};

/// A key change that somebody signed who may, or who once might.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) index: u64,
    pub(super) keys: NamespaceKeys,
    pub(super) is_by_root: bool,
    /// Of the keys that were added before, those that signed; each signature is verified here, once.
    pub(super) signers: BTreeSet<KeyId>,
}

/// The key changes of one namespace, in the log's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    named: BTreeMap<KeyId, VerifyingKey>,
    pub(super) changes: Vec<Change>,
}

impl Seen {
    /// The next change, if it is one: what a stranger signed neither counts nor has a number, else it could stand in for
    /// one that is held back.
    pub(super) fn read(
        &self,
        roots: &Roots,
        entry: &Entry,
        keys: &NamespaceKeys,
    ) -> Option<Change> {
        let is_by_root = is_signed_by_root(&entry.envelope, roots.at(entry.index));
        let signers = entry.envelope.signers_among(|id| self.named.get(&id));
        let is_one = is_by_root || !signers.is_empty();
        is_one.then(|| Change { index: entry.index, keys: keys.clone(), is_by_root, signers })
    }

    pub(super) fn push(&mut self, change: Change) {
        if let KeyChange::Add(key) = &change.keys.change {
            self.named.insert(key.id(), (**key).clone());
        }
        self.changes.push(change);
    }
}

/// The key changes of each namespace; what is for another registry is none.
pub(super) fn by_namespace<'a>(
    roots: &Roots,
    entries: &[&'a Entry],
) -> Result<BTreeMap<&'a str, Vec<Change>>, AuthorityError> {
    let mut seen: BTreeMap<&str, Seen> = BTreeMap::new();
    for entry in entries {
        let Statement::Keys(keys) = &entry.statement else { continue };
        if keys.registry != roots.newest().registry {
            continue;
        }
        let namespace = seen.entry(&keys.namespace).or_default();
        if let Some(change) = namespace.read(roots, entry, keys) {
            check_sequence(namespace.changes.last(), entry.index, keys)?;
            namespace.push(change);
        }
    }
    let changed = seen.into_iter().filter(|(_, seen)| !seen.changes.is_empty());
    Ok(changed.map(|(namespace, seen)| (namespace, seen.changes)).collect())
}

/// A change that is left out would leave a revoked key in place.
fn check_sequence(
    before: Option<&Change>,
    index: u64,
    keys: &NamespaceKeys,
) -> Result<(), AuthorityError> {
    let before = before.map_or(0, |change| change.keys.sequence);
    if before.checked_add(1) == Some(keys.sequence) {
        return Ok(());
    }
    let (namespace, found) = (keys.namespace.clone(), keys.sequence);
    Err(AuthorityError::Sequence { namespace, index, before, found })
}
