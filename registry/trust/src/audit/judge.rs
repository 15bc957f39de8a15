//! Judging one entry by what stands before it, and all of them by what was revoked since.

use std::collections::BTreeSet;

use super::{Auditor, Claimed, Fallen, Finding, Granted};
use crate::{
    authority::{Authority, Entry, Growing, Refusal},
    digest::Sha256,
    key::{KeyId, VerifyingKey},
    release::{ModuleId, ReleaseId},
    statement::{
        CiKey, KeyChange, ModulePublish, ModuleStatus, NamespaceKeys, Statement, TrustRoot,
    },
};

/// A release that was read.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    index: u64,
    archive: Sha256,
    signer: KeyId,
}

/// A status that was read.
#[derive(Debug, Clone)]
pub(super) struct Stated {
    index: u64,
    module: ModuleId,
    what: String,
    signers: Vec<KeyId>,
}

/// What is left of judging an entry: its signatures, or that it should not be there.
type Judged = Result<Option<Claimed>, (&'static str, String)>;

impl Auditor {
    /// Judges an entry and goes on as those will who read the log later.
    pub(super) fn judge(&mut self, entry: Entry) -> Option<Claimed> {
        let index = entry.index;
        let judged = match &entry.statement {
            Statement::Root(root) => self.root_entry(&entry, root).map(|()| None),
            _ => self.other(&entry),
        };
        self.document.note(&entry.statement);
        self.count(&entry.statement);
        if let Statement::CiKey(grant) = entry.statement {
            let granted = Granted { index, envelope: entry.envelope, grant };
            self.grants.entry(granted.grant.key.id()).or_insert(granted);
        }
        judged.unwrap_or_else(|(code, problem)| {
            self.findings.push(Finding::new(Some(index), code, problem));
            None
        })
    }

    fn count(&mut self, statement: &Statement) {
        let counts = &mut self.counts;
        *match statement {
            Statement::Root(_) => &mut counts.roots,
            Statement::Keys(_) => &mut counts.key_changes,
            Statement::Publish(_) => &mut counts.releases,
            Statement::Status(_) => &mut counts.statuses,
            Statement::CiKey(_) => &mut counts.ci_keys,
        } += 1;
    }

    fn root_entry(
        &mut self,
        entry: &Entry,
        root: &TrustRoot,
    ) -> Result<(), (&'static str, String)> {
        let accepted = match &mut self.growing {
            Some(growing) => growing.root(entry, root),
            None => Growing::begin(entry, root).map(|growing| self.growing = Some(growing)),
        };
        accepted.map_err(|reason| {
            ("root_invalid", format!("root version {} is not accepted: {reason}", root.version))
        })?;
        let Some(policy) = &self.policy else { return Ok(()) };
        self.is_pinned |= policy.root.accepts(&entry.envelope, root);
        same_registry(&root.registry, &policy.registry)
    }

    fn other(&mut self, entry: &Entry) -> Judged {
        let Some(growing) = &mut self.growing else {
            return Err(("root_missing", "it stands before the registry's first root".to_owned()));
        };
        match &entry.statement {
            Statement::Keys(keys) => {
                let judged = key_change(growing.authority(), entry, keys);
                growing.keys(entry, keys);
                judged.map(|()| None)
            }
            Statement::Publish(publish) => self.release(entry, publish),
            Statement::Status(status) => self.status(entry, status),
            Statement::CiKey(grant) => self.ci_key(entry, grant),
            Statement::Root(_) => Ok(None),
        }
    }

    fn release(&mut self, entry: &Entry, publish: &ModulePublish) -> Judged {
        let Some(authority) = self.authority() else { return Ok(None) };
        let (release, sha256) = (&publish.release, publish.archive.sha256);
        let what = named(release);
        same_registry(release.registry(), &authority.root().registry)?;
        if let Some(first) = self.releases.get(release) {
            let problem = format!(
                "{what} is there twice: entry {} says SHA-256 {}, this one {sha256}",
                first.index, first.archive
            );
            return Err(("release_rewritten", problem));
        }
        let [signature] = entry.envelope.signatures.as_slice() else {
            let count = entry.envelope.signatures.len();
            return Err(("signatures", format!("{what} has {count} signatures, it must have one")));
        };
        let signer = signature.key_id;
        let key = self.publisher(authority, release, signer, entry.index);
        self.modules.insert(release.module().clone());
        self.releases
            .insert(release.clone(), Signed { index: entry.index, archive: sha256, signer });
        let key = key
            .map_err(|problem| ("signer_not_allowed", format!("{what}: key {signer} {problem}")))?;
        Ok(Some(claimed(entry, vec![key], what)))
    }

    /// The key with which entry `index` may be signed as a release.
    fn publisher(
        &self,
        authority: &Authority,
        release: &ReleaseId,
        signer: KeyId,
        index: u64,
    ) -> Result<VerifyingKey, String> {
        let namespace = release.namespace();
        match authority.publisher(namespace, signer, index) {
            Ok(key) => Ok(key.clone()),
            Err(problem) => self
                .granted(authority, namespace, signer, index)
                .map(|grant| grant.key.clone())
                .ok_or_else(|| problem.to_string()),
        }
    }

    fn status(&mut self, entry: &Entry, status: &ModuleStatus) -> Judged {
        let Some(authority) = self.authority() else { return Ok(None) };
        let (module, what) = (&status.module, stated(status));
        same_registry(module.registry(), &authority.root().registry)?;
        let before = self.document.modules.get(&module.path()).copied().unwrap_or(0);
        let keys = authority.status_keys(module, entry.index);
        let signers: Vec<KeyId> = entry.envelope.signatures.iter().map(|one| one.key_id).collect();
        let new = Stated {
            index: entry.index,
            module: module.clone(),
            what: what.clone(),
            signers: signers.clone(),
        };
        self.statuses.push(new);
        if before.checked_add(1) != Some(status.sequence) {
            let problem = format!(
                "{what} is number {} of its module, and follows number {before}",
                status.sequence
            );
            return Err(("sequence", problem));
        }
        self.published(status).map_err(|(code, problem)| (code, format!("{what}: {problem}")))?;
        let stranger = signers.iter().find(|id| !keys.iter().any(|key| key.id() == **id));
        if let Some(stranger) = stranger {
            let problem = format!(
                "{what}: key {stranger} is neither one of the namespace's nor the registry's there"
            );
            return Err(("signer_not_allowed", problem));
        }
        Ok(Some(claimed(entry, keys, what)))
    }

    /// What a status is about must be there, and be these very bytes.
    fn published(&self, status: &ModuleStatus) -> Result<(), (&'static str, String)> {
        let missing = || ("release_missing", "nothing of the kind was published before".to_owned());
        let Some((version, sha256)) = &status.version else {
            let is_there = self.modules.contains(&status.module);
            return if is_there { Ok(()) } else { Err(missing()) };
        };
        let release =
            ReleaseId::of(status.module.clone(), version.clone()).map_err(|_| missing())?;
        match self.releases.get(&release) {
            None => Err(missing()),
            Some(signed) if signed.archive == *sha256 => Ok(()),
            Some(signed) => Err((
                "status_digest",
                format!("it is about SHA-256 {sha256}, published is {}", signed.archive),
            )),
        }
    }

    fn ci_key(&self, entry: &Entry, grant: &CiKey) -> Judged {
        let Some(authority) = self.authority() else { return Ok(None) };
        same_registry(&grant.registry, &authority.root().registry)?;
        let (id, namespace) = (grant.key.id(), &grant.namespace);
        let what = format!("the grant of key {id} to a CI job of {namespace}");
        if let Some(first) = self.grants.get(&id) {
            return Err((
                "grant_repeated",
                format!("{what} was made by entry {} before", first.index),
            ));
        }
        if !authority.trusts_jobs(entry.index, grant) {
            return Err((
                "grant_untrusted",
                format!(
                    "{what}, from {}: the namespace does not trust such jobs there",
                    grant.issuer
                ),
            ));
        }
        let keys = authority.root_at(entry.index).registry_keys.clone();
        let is_by_registry = |id: KeyId| keys.iter().any(|key| key.id() == id);
        if !entry.envelope.signatures.iter().all(|one| is_by_registry(one.key_id)) {
            return Err(("signer_not_allowed", format!("{what} is not signed by the registry")));
        }
        Ok(Some(claimed(entry, keys, what)))
    }

    /// What was right where it stands and lost its force since.
    pub(super) fn fallen(&self) -> Vec<Fallen> {
        let Some(growing) = &self.growing else { return Vec::new() };
        let authority = growing.authority();
        let found: BTreeSet<u64> = self.findings.iter().filter_map(|one| one.index).collect();
        let releases = self.releases.iter().filter_map(|(release, signed)| {
            let Signed { index, signer, .. } = *signed;
            let problem = self.publisher(authority, release, signer, index).err()?;
            Some(Fallen { index, what: format!("{}: key {signer} {problem}", named(release)) })
        });
        let statuses = self.statuses.iter().filter(|stated| {
            let keys = authority.status_keys(&stated.module, stated.index);
            !keys.iter().any(|key| stated.signers.contains(&key.id()))
        });
        let statuses = statuses.map(|stated| Fallen {
            index: stated.index,
            what: format!("{}: its key was revoked from before it", stated.what),
        });
        let changes = growing.fallen().map(|(index, namespace, change)| Fallen {
            index,
            what: format!(
                "{}: the key that signed it was revoked from before it",
                changed(namespace, change)
            ),
        });
        let mut fallen: Vec<Fallen> = releases
            .chain(statuses)
            .chain(changes)
            .filter(|one| !found.contains(&one.index))
            .collect();
        fallen.sort_by_key(|one| one.index);
        fallen
    }
}

fn key_change(
    authority: &Authority,
    entry: &Entry,
    keys: &NamespaceKeys,
) -> Result<(), (&'static str, String)> {
    authority.admit(&entry.envelope, keys, entry.index).map_err(|refusal| {
        let what = changed(&keys.namespace, &keys.change);
        let problem = match &refusal {
            Refusal::Sequence { found, expected, .. } => {
                format!("it is number {found} of the namespace, where number {expected} belongs")
            }
            refusal => refusal.to_string(),
        };
        (refusal.code(), format!("{what}: {problem}"))
    })
}

fn same_registry(found: &str, expected: &str) -> Result<(), (&'static str, String)> {
    if found == expected {
        return Ok(());
    }
    Err(("other_registry", format!("it is for registry {found}, the log is of {expected}")))
}

fn claimed(entry: &Entry, keys: Vec<VerifyingKey>, what: String) -> Claimed {
    Claimed { index: entry.index, envelope: entry.envelope.clone(), keys, what }
}

fn named(release: &ReleaseId) -> String {
    format!("release {}@{}", release.module().path(), release.version())
}

fn stated(status: &ModuleStatus) -> String {
    let version = status.version.as_ref().map(|(version, _)| format!("@{version}"));
    format!("status {} of {}{}", status.state, status.module.path(), version.unwrap_or_default())
}

fn changed(namespace: &str, change: &KeyChange) -> String {
    match change {
        KeyChange::Add(key) => format!("key {} added to {namespace}", key.id()),
        KeyChange::Revoke { key, .. } => format!("key {key} of {namespace} revoked"),
        KeyChange::TrustCi(ci) => format!("CI jobs of {} trusted by {namespace}", ci.issuer),
        KeyChange::DistrustCi(ci) => {
            format!("CI jobs of {} not trusted by {namespace} any more", ci.issuer)
        }
    }
}
