//! The keys of one namespace.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::Change;
use crate::{
    key::{KeyId, VerifyingKey},
    statement::{CiKey, KeyChange, RevocationReason, TrustedCi},
};

/// Why a key's signature does not count at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Not a key of the namespace.
    #[error("is not a key of the namespace ({})", super::list(known))]
    Unknown {
        /// The keys that it has.
        known: Vec<KeyId>,
    },
    /// A key that was added later.
    #[error("became a key of the namespace only with entry {added} of the log")]
    NotYet {
        /// The position of the addition.
        added: u64,
    },
    /// A key that does not count any more.
    #[error("is revoked from entry {} of the log on", .0.from)]
    Revoked(Revocation),
}

/// From where on a key does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// The first position at which it does not.
    pub from: u64,
    /// Why.
    pub reason: RevocationReason,
    /// The position of the revocation.
    pub by: u64,
}

/// What a namespace has.
#[derive(Debug, Clone, Default)]
pub struct Held<'a> {
    /// Keys, with the position of their addition and of their end.
    pub keys: Vec<(&'a VerifyingKey, u64, Option<Revocation>)>,
    /// Kinds of CI jobs that are trusted now.
    pub ci: Vec<&'a TrustedCi>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Namespace {
    pub(super) sequence: u64,
    /// Keys whose addition counts.
    keys: BTreeMap<KeyId, Member>,
    /// Every key that was ever added, also by a key that later turned out to be stolen.
    named: BTreeMap<KeyId, VerifyingKey>,
    ci: Vec<CiSpan>,
    taken: Taken,
}

#[derive(Debug, Clone)]
struct Member {
    key: VerifyingKey,
    added: u64,
}

#[derive(Debug, Clone)]
struct CiSpan {
    jobs: TrustedCi,
    from: u64,
    until: Option<u64>,
}

/// What was taken away by whoever could at that time. It stays taken away, whatever turns out later of the key that
/// signed: were it not so, a stolen key could bring a revoked one back by revoking the one that revoked it.
#[derive(Debug, Clone, Default)]
struct Taken {
    /// Of each key the revocation that reaches back furthest.
    keys: BTreeMap<KeyId, Revocation>,
    /// The positions of the changes that end the trust in CI jobs.
    ci: BTreeSet<u64>,
}

impl Taken {
    /// Notes a revocation; true where it may take away what was counted already.
    fn note(&mut self, change: &Change) -> bool {
        let KeyChange::Revoke { key, reason, from } = change.keys.change else { return false };
        let is_news = self.keys.get(&key).is_none_or(|known| from < known.from);
        if is_news {
            self.keys.insert(key, Revocation { from, reason, by: change.index });
        }
        is_news && from < change.index
    }
}

impl Namespace {
    /// Works out what follows from all changes of a namespace, in the log's order.
    ///
    /// What the root revokes is revoked from the outset, whatever anybody else says, and before them. Each other change
    /// is judged by what precedes it. Where that is a revocation that reaches back, everything is judged anew with it;
    /// which can only make fewer additions count, so each revocation is judged once and this ends.
    pub(super) fn fold(changes: &[Change]) -> Self {
        let mut taken = Taken::default();
        for change in changes.iter().filter(|change| change.is_by_root) {
            taken.note(change);
        }
        loop {
            let mut namespace = Self { taken, ..Self::default() };
            let reaches_back = changes.iter().any(|change| namespace.apply(change));
            if !reaches_back {
                return namespace;
            }
            taken = namespace.taken;
        }
    }

    /// Carries out a change if it counts; true where it reaches back.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        let index = change.index;
        self.sequence = change.keys.sequence;
        if let KeyChange::Add(key) = &change.keys.change {
            self.named.insert(key.id(), (**key).clone());
        }
        let counts = change.is_by_root
            || self.taken.ci.contains(&index)
            || change.signers.iter().any(|signer| self.is_valid(*signer, index));
        // What was logged and does not count was signed by a key that a later revocation reaches.
        if !counts {
            return false;
        }
        match &change.keys.change {
            KeyChange::Add(key) => {
                let new = Member { key: (**key).clone(), added: index };
                self.keys.entry(key.id()).or_insert(new);
            }
            KeyChange::Revoke { .. } => return self.taken.note(change),
            KeyChange::TrustCi(ci) => {
                self.ci.push(CiSpan { jobs: ci.clone(), from: index, until: None });
            }
            KeyChange::DistrustCi(ci) => {
                self.taken.ci.insert(index);
                for span in self.ci.iter_mut().filter(|span| span.jobs == *ci) {
                    span.until.get_or_insert(index);
                }
            }
        }
        false
    }

    fn revoked_at(&self, key: KeyId, index: u64) -> Option<Revocation> {
        self.taken.keys.get(&key).copied().filter(|revoked| revoked.from <= index)
    }

    pub(super) fn is_valid(&self, key: KeyId, index: u64) -> bool {
        self.keys.get(&key).is_some_and(|member| member.added < index)
            && self.revoked_at(key, index).is_none()
    }

    pub(super) fn valid_at(&self, index: u64) -> impl Iterator<Item = &VerifyingKey> {
        let valid = self.keys.iter().filter(move |(id, _)| self.is_valid(**id, index));
        valid.map(|(_, member)| &member.key)
    }

    pub(super) fn named(&self, key: KeyId) -> Option<&VerifyingKey> {
        self.named.get(&key)
    }

    pub(super) fn held(&self) -> Held<'_> {
        let revoked = |id: &KeyId| self.taken.keys.get(id).copied();
        let held = self.keys.iter().map(|(id, member)| (&member.key, member.added, revoked(id)));
        let mut keys: Vec<_> = held.collect();
        keys.sort_by_key(|(_, added, _)| *added);
        let ci =
            self.ci.iter().filter(|span| span.until.is_none()).map(|span| &span.jobs).collect();
        Held { keys, ci }
    }

    pub(super) fn publisher(&self, signer: KeyId, index: u64) -> Result<&VerifyingKey, Distrust> {
        if let Some(revoked) = self.revoked_at(signer, index) {
            return Err(Distrust::Revoked(revoked));
        }
        match self.keys.get(&signer) {
            Some(member) if member.added < index => Ok(&member.key),
            Some(member) => Err(Distrust::NotYet { added: member.added }),
            None => Err(Distrust::Unknown {
                known: self.valid_at(index).map(VerifyingKey::id).collect(),
            }),
        }
    }

    /// Whether a grant made by entry `granted` counts for entry `used`: such jobs were trusted at both and in between.
    pub(super) fn trusts_ci(&self, granted: u64, used: u64, grant: &CiKey) -> bool {
        // A key that was revoked does not come back as that of a CI job.
        self.revoked_at(grant.key.id(), used).is_none()
            && self.ci.iter().any(|span| {
                span.from < granted
                    && span.until.is_none_or(|until| used < until)
                    && span.jobs.covers(&grant.issuer, &grant.claims)
            })
    }

    /// Whether a change that is entry `index` still has its effect: what was taken away stays taken away, what was given
    /// may have fallen since.
    pub(super) fn has_effect(&self, change: &KeyChange, index: u64) -> bool {
        match change {
            KeyChange::Add(key) => {
                self.keys.get(&key.id()).is_some_and(|member| member.added <= index)
            }
            KeyChange::TrustCi(_) => self.ci.iter().any(|span| span.from == index),
            KeyChange::Revoke { .. } | KeyChange::DistrustCi(_) => true,
        }
    }

    /// Whether a change makes sense as entry `index`.
    pub(super) fn check(&self, change: &KeyChange, index: u64) -> Result<(), String> {
        match change {
            KeyChange::Add(key) if self.taken.keys.contains_key(&key.id()) => Err(format!(
                "key {} was revoked, and a revoked key does not come back: make a new one",
                key.id()
            )),
            KeyChange::Add(key) if self.keys.contains_key(&key.id()) => {
                Err(format!("key {} is a key of the namespace already", key.id()))
            }
            KeyChange::Revoke { key, from, .. } => self.check_revocation(*key, *from, index),
            KeyChange::TrustCi(ci) if self.trusted(ci) => {
                Err("such CI jobs are trusted already".to_owned())
            }
            KeyChange::DistrustCi(ci) if !self.trusted(ci) => {
                Err("no CI jobs with exactly this issuer and these claims are trusted".to_owned())
            }
            KeyChange::Add(_) | KeyChange::TrustCi(_) | KeyChange::DistrustCi(_) => Ok(()),
        }
    }

    fn check_revocation(&self, key: KeyId, from: u64, index: u64) -> Result<(), String> {
        if !self.keys.contains_key(&key) {
            return Err(format!("key {key} is not a key of the namespace"));
        }
        if from > index {
            return Err(format!("a revocation cannot begin after its own entry, {index}"));
        }
        match self.taken.keys.get(&key) {
            Some(revoked) if revoked.from <= from => {
                Err(format!("key {key} is revoked already, from entry {} on", revoked.from))
            }
            _ => Ok(()),
        }
    }

    fn trusted(&self, ci: &TrustedCi) -> bool {
        self.ci.iter().any(|span| span.until.is_none() && span.jobs == *ci)
    }
}
