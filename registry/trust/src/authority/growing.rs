//! Whose signatures count as of each entry of a log, while it is read from its beginning.

use std::collections::BTreeMap;

use super::{Authority, Entry, changes::Seen, namespace::Namespace, root::Roots};
use crate::statement::{KeyChange, NamespaceKeys, TrustRoot};

/// An authority that grows with the log.
///
/// What it follows from is all that was read by then, so it says what the registry could know when it accepted the next
/// entry. Once all was read it is what [`Authority::fold`] makes of all.
#[derive(Debug, Clone)]
pub(crate) struct Growing {
    authority: Authority,
    seen: BTreeMap<String, Seen>,
}

impl Growing {
    /// Begins with the first root, if it can be one.
    pub(crate) fn begin(entry: &Entry, root: &TrustRoot) -> Result<Self, String> {
        let roots = Roots::first(&entry.envelope, root)?;
        let authority = Authority { roots, namespaces: BTreeMap::new() };
        Ok(Self { authority, seen: BTreeMap::new() })
    }

    /// As of now.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Goes on with another root, if it follows.
    pub(crate) fn root(&mut self, entry: &Entry, root: &TrustRoot) -> Result<(), String> {
        self.authority.roots.extend(entry.index, &entry.envelope, root)
    }

    /// Goes on with a key change; one that was not signed by anybody who may, or that comes too late, changes nothing.
    pub(crate) fn keys(&mut self, entry: &Entry, keys: &NamespaceKeys) {
        let Authority { roots, namespaces } = &mut self.authority;
        let seen = self.seen.entry(keys.namespace.clone()).or_default();
        let before = seen.changes.last().map_or(0, |change| change.keys.sequence);
        if keys.registry != roots.newest().registry || keys.sequence <= before {
            return;
        }
        let Some(change) = seen.read(roots, entry, keys) else { return };
        let namespace = namespaces.entry(keys.namespace.clone()).or_default();
        let reaches_back = namespace.apply(&change);
        seen.push(change);
        if reaches_back {
            *namespace = Namespace::fold(&seen.changes);
        }
    }

    /// The changes that gave something which a later revocation took away again from the outset.
    pub(crate) fn fallen(&self) -> impl Iterator<Item = (u64, &str, &KeyChange)> {
        let namespaces = &self.authority.namespaces;
        self.seen.iter().flat_map(|(name, seen)| {
            let fell = |index, change| {
                namespaces.get(name).is_some_and(|space| !space.has_effect(change, index))
            };
            let changes = seen.changes.iter().map(|one| (one.index, &one.keys.change));
            changes
                .filter(move |(index, change)| fell(*index, change))
                .map(|(index, change)| (index, name.as_str(), change))
        })
    }
}
