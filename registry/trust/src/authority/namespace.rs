//! The keys of one namespace.

use std::collections::BTreeMap;

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
    keys: BTreeMap<KeyId, Member>,
    ci: Vec<CiSpan>,
}

#[derive(Debug, Clone)]
struct Member {
    key: VerifyingKey,
    added: u64,
    revoked: Option<Revocation>,
}

impl Member {
    fn is_valid_at(&self, index: u64) -> bool {
        self.added < index && self.revoked.is_none_or(|revoked| index < revoked.from)
    }
}

#[derive(Debug, Clone)]
struct CiSpan {
    jobs: TrustedCi,
    from: u64,
    until: Option<u64>,
}

impl Namespace {
    pub(super) fn valid_at(&self, index: u64) -> Vec<VerifyingKey> {
        let valid = self.keys.values().filter(|key| key.is_valid_at(index));
        valid.map(|key| key.key.clone()).collect()
    }

    pub(super) fn held(&self) -> Held<'_> {
        let mut keys: Vec<_> =
            self.keys.values().map(|key| (&key.key, key.added, key.revoked)).collect();
        keys.sort_by_key(|(_, added, _)| *added);
        let ci =
            self.ci.iter().filter(|span| span.until.is_none()).map(|span| &span.jobs).collect();
        Held { keys, ci }
    }

    pub(super) fn publisher(&self, signer: KeyId, index: u64) -> Result<&VerifyingKey, Distrust> {
        let Some(key) = self.keys.get(&signer) else {
            let known = self.valid_at(index).iter().map(VerifyingKey::id).collect();
            return Err(Distrust::Unknown { known });
        };
        match key.revoked {
            _ if key.is_valid_at(index) => Ok(&key.key),
            Some(revoked) if key.added < index => Err(Distrust::Revoked(revoked)),
            _ => Err(Distrust::NotYet { added: key.added }),
        }
    }

    pub(super) fn trusts_ci(&self, index: u64, grant: &CiKey) -> bool {
        self.ci.iter().any(|span| {
            span.from < index
                && span.until.is_none_or(|until| index < until)
                && span.jobs.covers(&grant.issuer, &grant.claims)
        })
    }

    /// Whether a change makes sense as entry `index`.
    pub(super) fn check(&self, change: &KeyChange, index: u64) -> Result<(), String> {
        match change {
            KeyChange::Add(key) => match self.keys.get(&key.id()) {
                None => Ok(()),
                Some(Member { revoked: Some(_), .. }) => Err(format!(
                    "key {} was revoked, and a revoked key does not come back: make a new one",
                    key.id()
                )),
                Some(_) => Err(format!("key {} is a key of the namespace already", key.id())),
            },
            KeyChange::Revoke { key, from, .. } => self.check_revocation(*key, *from, index),
            KeyChange::TrustCi(ci) if self.trusted(ci) => {
                Err("such CI jobs are trusted already".to_owned())
            }
            KeyChange::DistrustCi(ci) if !self.trusted(ci) => {
                Err("no CI jobs with exactly this issuer and these claims are trusted".to_owned())
            }
            KeyChange::TrustCi(_) | KeyChange::DistrustCi(_) => Ok(()),
        }
    }

    fn check_revocation(&self, key: KeyId, from: u64, index: u64) -> Result<(), String> {
        let Some(held) = self.keys.get(&key) else {
            return Err(format!("key {key} is not a key of the namespace"));
        };
        if from > index {
            return Err(format!("a revocation cannot begin after its own entry, {index}"));
        }
        match held.revoked {
            Some(revoked) if revoked.from <= from => {
                Err(format!("key {key} is revoked already, from entry {} on", revoked.from))
            }
            _ => Ok(()),
        }
    }

    fn trusted(&self, ci: &TrustedCi) -> bool {
        self.ci.iter().any(|span| span.until.is_none() && span.jobs == *ci)
    }

    /// Carries out a change that was logged; `revocations` are those known to count, wherever they stand.
    pub(super) fn apply(
        &mut self,
        index: u64,
        change: &KeyChange,
        revocations: Option<&BTreeMap<KeyId, Revocation>>,
    ) {
        let known = |key: &KeyId| revocations.and_then(|all| all.get(key)).copied();
        match change {
            KeyChange::Add(key) => {
                let id = key.id();
                let new = Member { key: (**key).clone(), added: index, revoked: known(&id) };
                self.keys.entry(id).or_insert(new);
            }
            KeyChange::Revoke { key, .. } => {
                if let Some(held) = self.keys.get_mut(key) {
                    held.revoked = known(key);
                }
            }
            KeyChange::TrustCi(ci) => {
                self.ci.push(CiSpan { jobs: ci.clone(), from: index, until: None });
            }
            KeyChange::DistrustCi(ci) => {
                for span in self.ci.iter_mut().filter(|span| span.jobs == *ci) {
                    span.until.get_or_insert(index);
                }
            }
        }
    }
}
