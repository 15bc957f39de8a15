//! Judging releases and statuses: whether whoever signed them may.

use std::collections::BTreeMap;

use super::{error::ReleaseError, trusted::SignedRelease};
use crate::{
    authority::{Authority, Entry, Word},
    key::KeyId,
    parallel::in_parallel,
    release::{ModuleId, ReleaseId},
    statement::{CiKey, ModulePublish, ModuleStatus, Statement},
};

/// What was said of a module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// By whoever may.
    pub(super) statuses: Vec<ModuleStatus>,
    /// The numbers of these, and of what was said with keys that do not count any more.
    pub(super) sequences: Vec<u64>,
}

impl Said {
    /// Whether the numbers are 1 to `newest`, each once.
    pub(super) fn is_complete(&self, newest: u64) -> bool {
        self.sequences.iter().copied().eq(1..=newest)
    }
}

/// Judges every release; those of another registry are none.
pub(super) fn releases<'a>(
    authority: &Authority,
    entries: &'a [Entry],
) -> BTreeMap<ReleaseId, Result<SignedRelease, ReleaseError>> {
    let published = |entry: &'a Entry| match &entry.statement {
        Statement::Publish(publish) => Some((entry, publish)),
        _ => None,
    };
    let ours = |release: &ReleaseId| release.registry() == authority.root().registry;
    let published: Vec<(&Entry, &ModulePublish)> =
        entries.iter().filter_map(published).filter(|(_, one)| ours(&one.release)).collect();
    let grants = Grants::of(entries);
    let judged = in_parallel(&published, |(entry, publish)| {
        judge_release(authority, &grants, entry, publish)
    });
    let mut releases = BTreeMap::new();
    for ((entry, publish), judged) in published.into_iter().zip(judged) {
        let judged = match releases.get(&publish.release) {
            None => judged,
            Some(_) => Err(ReleaseError::Rewritten { second: entry.index }),
        };
        releases.insert(publish.release.clone(), judged);
    }
    releases
}

/// Judges every status; those of another registry are none.
pub(super) fn statuses<'a>(
    authority: &Authority,
    entries: &'a [Entry],
) -> BTreeMap<ModuleId, Said> {
    let stated = |entry: &'a Entry| match &entry.statement {
        Statement::Status(status) => Some((entry, status)),
        _ => None,
    };
    let ours = |module: &ModuleId| module.registry() == authority.root().registry;
    let stated: Vec<(&Entry, &ModuleStatus)> =
        entries.iter().filter_map(stated).filter(|(_, one)| ours(&one.module)).collect();
    let words = in_parallel(&stated, |(entry, status)| {
        authority.word(&entry.envelope, &status.module, entry.index)
    });
    let mut statuses: BTreeMap<ModuleId, Said> = BTreeMap::new();
    for ((_, status), word) in stated.into_iter().zip(words) {
        let said = statuses.entry(status.module.clone()).or_default();
        // Were it given a number, it could stand in for one that is held back.
        if word != Word::Strange {
            said.sequences.push(status.sequence);
        }
        if word == Word::Counts {
            said.statuses.push(status.clone());
        }
    }
    statuses
}

fn judge_release(
    authority: &Authority,
    grants: &Grants<'_>,
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
        Err(problem) => match grants.find(authority, entry.index, namespace, signer) {
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

/// The grants to CI jobs, by namespace and key.
struct Grants<'a>(BTreeMap<(&'a str, KeyId), Vec<(&'a Entry, &'a CiKey)>>);

impl<'a> Grants<'a> {
    fn of(entries: &'a [Entry]) -> Self {
        let mut grants: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in entries {
            if let Statement::CiKey(grant) = &entry.statement {
                let key = (grant.namespace.as_str(), grant.key.id());
                grants.entry(key).or_default().push((entry, grant));
            }
        }
        Self(grants)
    }

    /// The grant by which `key` may sign entry `index`.
    fn find(
        &self,
        authority: &Authority,
        index: u64,
        namespace: &str,
        key: KeyId,
    ) -> Option<&'a CiKey> {
        let granted = self.0.get(&(namespace, key))?;
        let counts = |(entry, grant): &&(&Entry, &CiKey)| {
            authority.trusts_grant(entry.index, index, &entry.envelope, grant)
        };
        granted.iter().find(counts).map(|(_, grant)| *grant)
    }
}
