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
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) index: u64,
    pub(super) keys: &'a NamespaceKeys,
    pub(super) is_by_root: bool,
    /// Of the keys that were added before, those that signed; each signature is verified here, once.
    pub(super) signers: BTreeSet<KeyId>,
}

#[derive(Default)]
struct Seen<'a> {
    named: BTreeMap<KeyId, &'a VerifyingKey>,
    changes: Vec<Change<'a>>,
}

/// The key changes of each namespace, in the log's order.
///
/// What a stranger signed, or somebody for another registry, is no change: it neither counts nor has a number, else it
/// could stand in for one that is held back.
pub(super) fn by_namespace<'a>(
    roots: &Roots,
    entries: &[&'a Entry],
) -> Result<BTreeMap<&'a str, Vec<Change<'a>>>, AuthorityError> {
    let mut seen: BTreeMap<&str, Seen<'_>> = BTreeMap::new();
    for entry in entries {
        let Statement::Keys(keys) = &entry.statement else { continue };
        if keys.registry != roots.newest().registry {
            continue;
        }
        let namespace = seen.entry(&keys.namespace).or_default();
        let is_by_root = is_signed_by_root(&entry.envelope, roots.at(entry.index));
        let signers = entry.envelope.signers_among(|id| namespace.named.get(&id).copied());
        if !is_by_root && signers.is_empty() {
            continue;
        }
        check_sequence(namespace.changes.last(), entry.index, keys)?;
        if let KeyChange::Add(key) = &keys.change {
            namespace.named.insert(key.id(), key);
        }
        namespace.changes.push(Change { index: entry.index, keys, is_by_root, signers });
    }
    let changed = seen.into_iter().filter(|(_, seen)| !seen.changes.is_empty());
    Ok(changed.map(|(namespace, seen)| (namespace, seen.changes)).collect())
}

/// A change that is left out would leave a revoked key in place.
fn check_sequence(
    before: Option<&Change<'_>>,
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
