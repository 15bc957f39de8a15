//! What can be said of modules.

use std::collections::BTreeMap;

use super::{
    Seen,
    error::{EvidenceError, ReleaseError},
    judge::Said,
};
use crate::{
    archive::Summary,
    authority::Authority,
    key::KeyId,
    release::{ModuleId, ReleaseId},
    standing::Standing,
    statement::{SnapshotDocument, Source},
    time::Moment,
};

/// What can be said of modules once the evidence was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// What is to be remembered.
    pub seen: Seen,
    /// When the registry said that this is the newest.
    pub issued_at: Moment,
    pub(super) registry: String,
    pub(super) releases: BTreeMap<ReleaseId, Result<SignedRelease, ReleaseError>>,
    pub(super) statuses: BTreeMap<ModuleId, Said>,
    pub(super) document: SnapshotDocument,
}

/// A release that a key of its namespace signed, and that the log has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRelease {
    /// Its digests and sizes.
    pub archive: Summary,
    /// Who signed.
    pub publisher: KeyId,
    /// The CI job whose key it is, where it is not the namespace's own: who vouched for it, and its claims.
    pub ci: Option<(String, BTreeMap<String, String>)>,
    /// Where the publisher says that it came from.
    pub source: Option<Source>,
    /// Its position in the log.
    pub index: u64,
}

impl Trusted {
    /// A release, if a key of its namespace signed it and the log has it.
    pub fn release(&self, release: &ReleaseId) -> Result<&SignedRelease, ReleaseError> {
        match self.releases.get(release) {
            Some(Ok(signed)) => Ok(signed),
            Some(Err(error)) => Err(error.clone()),
            None => Err(ReleaseError::Missing),
        }
    }

    /// How a release stands, if nothing that was said of its module is held back.
    pub fn standing(&self, release: &ReleaseId) -> Result<Standing, ReleaseError> {
        if release.registry() != self.registry {
            return Err(ReleaseError::Missing);
        }
        let newest = self.document.modules.get(&release.module().path()).copied().unwrap_or(0);
        let nothing = Said::default();
        let said = self.statuses.get(release.module()).unwrap_or(&nothing);
        if !said.is_complete(newest) {
            return Err(ReleaseError::StatusHidden { shown: said.sequences.len() as u64, newest });
        }
        Ok(Standing::of(&said.statuses, release.version()))
    }

    /// Every namespace that anything is shown of must come with all of its key changes.
    pub(super) fn check_keys(&self, authority: &Authority) -> Result<(), EvidenceError> {
        let published = self.releases.keys().map(ReleaseId::namespace);
        let stated = self.statuses.keys().map(ModuleId::namespace);
        for namespace in published.chain(stated).chain(authority.namespaces()) {
            let newest = self.document.namespaces.get(namespace).copied().unwrap_or(0);
            let shown = authority.sequence(namespace);
            if shown != newest {
                let namespace = namespace.to_owned();
                return Err(EvidenceError::KeysHidden { namespace, shown, newest });
            }
        }
        Ok(())
    }
}
