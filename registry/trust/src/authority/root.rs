//! The chain of root statements.

use std::collections::BTreeSet;

use super::{AuthorityError, Entry};
use crate::{
    digest::Sha256,
    dsse::Envelope,
    key::{KeyId, VerifyingKey},
    statement::{Statement, TrustRoot},
};

/// The root keys that somebody accepts, and how many of them must have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// How many.
    pub threshold: usize,
    /// Of which.
    pub keys: BTreeSet<KeyId>,
}

impl Pin {
    /// Whether enough of the pinned keys signed a root that names them.
    pub(crate) fn accepts(&self, envelope: &Envelope, root: &TrustRoot) -> bool {
        let signers = envelope.verified_signers(&root.keys);
        signers.intersection(&self.keys).count() >= self.threshold.max(1)
    }
}

/// Root statements with their positions, from version 1 without a gap. Never empty.
#[derive(Debug, Clone)]
pub(super) struct Roots {
    first: Rooted,
    later: Vec<(u64, Rooted)>,
}

#[derive(Debug, Clone)]
struct Rooted {
    root: TrustRoot,
    /// Of its signed bytes: what the next one names.
    digest: Sha256,
}

impl Rooted {
    fn new(envelope: &Envelope, root: &TrustRoot) -> Self {
        Self { root: root.clone(), digest: Sha256::of(&envelope.signed_bytes()) }
    }
}

impl Roots {
    /// Reads the chain; without a pin the first root is taken at its word.
    pub(super) fn chain<'a>(
        pin: Option<&Pin>,
        entries: impl IntoIterator<Item = &'a Entry>,
    ) -> Result<Self, AuthorityError> {
        let mut chain: Option<Self> = None;
        let mut is_pinned = pin.is_none();
        for entry in entries {
            let Statement::Root(root) = &entry.statement else { continue };
            let checked = match &mut chain {
                None => check_first(&entry.envelope, root),
                Some(chain) => chain.check_next(&entry.envelope, root),
            };
            checked.map_err(|reason| AuthorityError::Root {
                version: root.version,
                index: entry.index,
                reason,
            })?;
            is_pinned |= pin.is_some_and(|pin| pin.accepts(&entry.envelope, root));
            match &mut chain {
                None => chain = Some(Self::begin(&entry.envelope, root)),
                Some(chain) => chain.push(entry.index, &entry.envelope, root),
            }
        }
        let pinned = || pin.map(|pin| pin.keys.iter().copied().collect()).unwrap_or_default();
        let Some(chain) = chain else {
            return Err(AuthorityError::RootNotPinned { pinned: pinned(), found: Vec::new() });
        };
        if !is_pinned {
            let found = chain.newest().keys.iter().map(VerifyingKey::id).collect();
            return Err(AuthorityError::RootNotPinned { pinned: pinned(), found });
        }
        Ok(chain)
    }

    fn begin(envelope: &Envelope, root: &TrustRoot) -> Self {
        Self { first: Rooted::new(envelope, root), later: Vec::new() }
    }

    fn push(&mut self, index: u64, envelope: &Envelope, root: &TrustRoot) {
        self.later.push((index, Rooted::new(envelope, root)));
    }

    /// The chain of one root, if it can be the first.
    pub(super) fn first(envelope: &Envelope, root: &TrustRoot) -> Result<Self, String> {
        check_first(envelope, root)?;
        Ok(Self::begin(envelope, root))
    }

    /// Continues the chain, if the root follows.
    pub(super) fn extend(
        &mut self,
        index: u64,
        envelope: &Envelope,
        root: &TrustRoot,
    ) -> Result<(), String> {
        self.check_next(envelope, root)?;
        self.push(index, envelope, root);
        Ok(())
    }

    fn last(&self) -> &Rooted {
        self.later.last().map_or(&self.first, |(_, root)| root)
    }

    pub(super) fn newest(&self) -> &TrustRoot {
        &self.last().root
    }

    pub(super) fn newest_digest(&self) -> Sha256 {
        self.last().digest
    }

    /// The root in force for what is at `index`: the newest that stands before it.
    pub(super) fn at(&self, index: u64) -> &TrustRoot {
        let before = self.later.iter().rev().find(|(position, _)| *position < index);
        &before.map_or(&self.first, |(_, root)| root).root
    }

    /// A root is made by those who made the one before, and those who will make the next. It names the one before, so
    /// that whoever accepts it accepts what led to it: signatures can be added to an envelope by anybody.
    pub(super) fn check_next(&self, envelope: &Envelope, next: &TrustRoot) -> Result<(), String> {
        let newest = self.newest();
        if newest.version.checked_add(1) != Some(next.version) {
            return Err(format!("it does not follow version {}", newest.version));
        }
        if next.registry != newest.registry {
            return Err(format!("it is for {}, not {}", next.registry, newest.registry));
        }
        if next.previous != Some(self.newest_digest()) {
            return Err(format!(
                "it follows another root than this version {}, whose digest is {}",
                newest.version,
                self.newest_digest()
            ));
        }
        for root in [newest, next] {
            check_threshold(envelope, root)?;
        }
        Ok(())
    }
}

fn check_first(envelope: &Envelope, root: &TrustRoot) -> Result<(), String> {
    if root.version != 1 {
        return Err("version 1 is missing".to_owned());
    }
    check_threshold(envelope, root)
}

fn check_threshold(envelope: &Envelope, root: &TrustRoot) -> Result<(), String> {
    // A set: two signatures by one key are one.
    let signers = envelope.verified_signers(&root.keys).len();
    if signers >= root.threshold {
        return Ok(());
    }
    Err(format!(
        "{signers} of the keys of version {} signed it, {} must",
        root.version, root.threshold
    ))
}

/// Whether enough of the root's keys signed.
pub(super) fn is_signed_by_root(envelope: &Envelope, root: &TrustRoot) -> bool {
    check_threshold(envelope, root).is_ok()
}
