//! A registry's log in memory, for tests: what anybody signs is appended as it is, whether it may be or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
};

use crate::{
    archive::Summary,
    authority::{Authority, AuthorityError, Entry, Pin},
    bundle::Bundle,
    digest::{DirHash1, Sha256},
    dsse::Envelope,
    evidence::{Evidence, EvidenceError, Now, ProvenEntry, Trusted},
    key::{Algorithm, KeyId, SigningKey},
    log::{
        checkpoint::Checkpoint,
        merkle::{NodeId, consistency_proof, inclusion_proof, leaf_hash, node_hash, root},
        note::NoteKey,
    },
    policy::Policy,
    release::ReleaseId,
    statement::{
        CiKey, Claim, KeyChange, ModulePublish, ModuleStatus, NamespaceKeys, RevocationReason,
        Snapshot, SnapshotDocument, State, Statement, TrustRoot, TrustedCi, sign,
    },
    time::Moment,
};

pub(crate) const HOST: &str = "registry.example.com";
pub(crate) const NAMESPACE: &str = "acme";
/// When snapshots are made.
pub(crate) const ISSUED: i64 = 1_800_000_000_000;
pub(crate) const HOUR: i64 = 60 * 60 * 1000;
/// An hour after that.
pub(crate) const NOW: Now = Now { millis: ISSUED + HOUR, refuses_old: true };

/// A key; Ed25519, which is fast without optimisation.
pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

pub(crate) fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_pem(&key.to_pem().unwrap()).unwrap()
}

pub(crate) fn id(key: &SigningKey) -> KeyId {
    key.verifying_key().id()
}

pub(crate) fn pin(threshold: usize, keys: &[&SigningKey]) -> Pin {
    Pin { threshold, keys: keys.iter().map(|key| id(key)).collect() }
}

/// A version of the module `acme/vpc/aws`.
pub(crate) fn release(version: &str) -> ReleaseId {
    ReleaseId::new(HOST, NAMESPACE, "vpc", "aws", version.parse().unwrap()).unwrap()
}

pub(crate) fn summary(version: &str) -> Summary {
    Summary {
        sha256: Sha256::of(version.as_bytes()),
        dir_hash1: DirHash1::from_sha256(Sha256::of(format!("tree {version}").as_bytes())),
        size: 10,
        unpacked_size: 20,
        files: 1,
    }
}

pub(crate) fn jobs(repository: &str) -> TrustedCi {
    let claims = BTreeMap::from([("repository_id".to_owned(), repository.to_owned())]);
    TrustedCi { issuer: "https://ci.example".to_owned(), claims }
}

pub(crate) fn add(key: &SigningKey) -> KeyChange {
    KeyChange::Add(Box::new(key.verifying_key()))
}

pub(crate) fn revoke(key: &SigningKey, from: u64) -> KeyChange {
    KeyChange::Revoke { key: id(key), reason: RevocationReason::Compromised, from }
}

pub(crate) fn change(namespace: &str, sequence: u64, change: KeyChange) -> NamespaceKeys {
    NamespaceKeys { registry: HOST.to_owned(), namespace: namespace.to_owned(), sequence, change }
}

pub(crate) fn publish(version: &str) -> ModulePublish {
    ModulePublish { release: release(version), archive: summary(version), source: None }
}

pub(crate) fn status(version: Option<&str>, sequence: u64, state: State) -> ModuleStatus {
    ModuleStatus {
        module: release("1.0.0").module().clone(),
        version: version.map(|text| (text.parse().unwrap(), summary(text).sha256)),
        sequence,
        state,
        reason: Some(format!("said as number {sequence}")),
        replacement: None,
        contact: None,
        sunset: None,
    }
}

/// An envelope that several keys signed.
pub(crate) fn sign_all<C: Claim>(claim: &C, keys: &[&SigningKey]) -> Envelope {
    let mut envelope = sign(claim, keys[0]).unwrap();
    for key in &keys[1..] {
        envelope.signatures.extend(sign(claim, key).unwrap().signatures);
    }
    envelope
}

/// A registry with its log.
pub(crate) struct Log {
    pub(crate) root: SigningKey,
    pub(crate) registry: SigningKey,
    pub(crate) head_key: SigningKey,
    /// The digest of the newest root.
    pub(crate) root_digest: Sha256,
    pub(crate) leaves: Vec<String>,
    /// What an honest registry would say.
    pub(crate) document: SnapshotDocument,
}

impl Log {
    /// A log with nothing in it.
    pub(crate) fn empty() -> Self {
        Self {
            root: key(),
            registry: key(),
            head_key: key(),
            root_digest: Sha256::of(b""),
            leaves: Vec::new(),
            document: SnapshotDocument::default(),
        }
    }

    /// A log with the first root as entry 0.
    pub(crate) fn new() -> Self {
        let mut log = Self::empty();
        let root = log.next_root(1, &[&log.root]);
        log.sign(&root, &copy(&log.root));
        log
    }

    /// A log whose entry 1 lets `publisher` publish.
    pub(crate) fn with(publisher: &SigningKey) -> Self {
        let mut log = Self::new();
        log.by_root(add(publisher));
        log
    }

    pub(crate) fn origin() -> String {
        format!("{HOST}/log")
    }

    /// The next root, of these keys; the rest is as it was.
    pub(crate) fn next_root(&self, threshold: usize, keys: &[&SigningKey]) -> TrustRoot {
        TrustRoot {
            registry: HOST.to_owned(),
            version: self.document.root + 1,
            previous: (self.document.root > 0).then_some(self.root_digest),
            threshold,
            keys: keys.iter().map(|key| key.verifying_key()).collect(),
            registry_keys: vec![self.registry.verifying_key()],
            log: NoteKey::new(&Self::origin(), self.head_key.verifying_key()).unwrap(),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// Appends without taking note of what it says, as of what nobody should have logged.
    pub(crate) fn append_silently(&mut self, envelope: &Envelope) -> u64 {
        self.leaves.push(envelope.to_canonical_json());
        self.size() - 1
    }

    pub(crate) fn append(&mut self, envelope: &Envelope) -> u64 {
        let SnapshotDocument { root, modules, namespaces } = &mut self.document;
        match Statement::parse(envelope).unwrap() {
            Statement::Root(next) => {
                *root = next.version;
                self.root_digest = Sha256::of(&envelope.signed_bytes());
            }
            Statement::Keys(keys) => {
                namespaces.insert(keys.namespace, keys.sequence);
            }
            Statement::Status(status) => {
                modules.insert(status.module.path(), status.sequence);
            }
            Statement::Publish(_) | Statement::CiKey(_) => {}
        }
        self.append_silently(envelope)
    }

    pub(crate) fn sign<C: Claim>(&mut self, claim: &C, key: &SigningKey) -> u64 {
        self.append(&sign(claim, key).unwrap())
    }

    fn next_change(&self, what: KeyChange) -> NamespaceKeys {
        let before = self.document.namespaces.get(NAMESPACE).copied().unwrap_or(0);
        change(NAMESPACE, before + 1, what)
    }

    /// Changes the keys of `acme`.
    pub(crate) fn change(&mut self, what: KeyChange, by: &SigningKey) -> u64 {
        self.sign(&self.next_change(what), by)
    }

    pub(crate) fn by_root(&mut self, what: KeyChange) -> u64 {
        self.change(what, &copy(&self.root))
    }

    pub(crate) fn publish(&mut self, version: &str, by: &SigningKey) -> u64 {
        self.sign(&publish(version), by)
    }

    /// States how a version of `acme/vpc/aws` stands.
    pub(crate) fn state(&mut self, version: &str, state: State, by: &SigningKey) -> u64 {
        let before = self.document.modules.get("acme/vpc/aws").copied().unwrap_or(0);
        self.sign(&status(Some(version), before + 1, state), by)
    }

    /// A grant to a CI job of repository 74.
    pub(crate) fn ci_key(job: &SigningKey) -> CiKey {
        let TrustedCi { issuer, mut claims } = jobs("74");
        claims.insert("ref".to_owned(), "refs/heads/main".to_owned());
        CiKey {
            registry: HOST.to_owned(),
            namespace: NAMESPACE.to_owned(),
            key: job.verifying_key(),
            issuer,
            claims,
            expires_at: Moment::of(ISSUED),
        }
    }

    pub(crate) fn grant(&mut self, job: &SigningKey) -> u64 {
        self.sign(&Self::ci_key(job), &copy(&self.registry))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        let read = |(index, leaf): (u64, &String)| Entry::parse(index, leaf.as_bytes()).unwrap();
        (0..).zip(&self.leaves).map(read).collect()
    }

    pub(crate) fn fold(&self, pin: Option<&Pin>) -> Result<Authority, AuthorityError> {
        Authority::fold(pin, &self.entries())
    }

    pub(crate) fn authority(&self) -> Authority {
        self.fold(None).unwrap()
    }

    fn reader(&self) -> impl Fn(NodeId) -> Result<Sha256, Infallible> {
        let leaves = self.leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
        let mut levels: Vec<Vec<Sha256>> = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let above = below.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            levels.push(above);
        }
        move |node| Ok(levels[usize::from(node.level)][usize::try_from(node.index).unwrap()])
    }

    /// The head of the log when it had `size` entries.
    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        let root = root(size, self.reader()).unwrap();
        Checkpoint { origin: Self::origin(), size, root }
    }

    pub(crate) fn head(&self) -> Checkpoint {
        self.checkpoint(self.size())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            registry: HOST.to_owned(),
            checkpoint: self.head(),
            document: self.document.digest(),
            issued_at: Moment::of(ISSUED),
            expires_at: Moment::of(ISSUED + 24 * HOUR),
        }
    }

    /// Evidence with every entry, for somebody who saw the log when it had `since` entries.
    pub(crate) fn evidence_since(&self, since: u64) -> Evidence {
        let size = self.size();
        let reader = self.reader();
        let entry = |(index, leaf): (u64, &String)| ProvenEntry {
            index,
            leaf: leaf.clone(),
            proof: inclusion_proof(index, size, &reader).unwrap(),
        };
        Evidence {
            checkpoint: self.head().sign(&self.head_key).unwrap(),
            consistency: consistency_proof(since, size, &reader).unwrap(),
            snapshot: bundle(&self.snapshot(), &self.registry),
            document: self.document.clone(),
            entries: (0..).zip(&self.leaves).map(entry).collect(),
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        self.evidence_since(0)
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy { registry: HOST.to_owned(), root: pin(1, &[&self.root]), max_age: None }
    }

    pub(crate) fn verify(&self, evidence: &Evidence) -> Result<Trusted, EvidenceError> {
        evidence.verify(&self.policy(), None, NOW)
    }

    /// The whole log as evidence.
    pub(crate) fn trusted(&self) -> Trusted {
        self.verify(&self.evidence()).unwrap()
    }
}

pub(crate) fn bundle<C: Claim>(claim: &C, key: &SigningKey) -> String {
    Bundle::new(sign(claim, key).unwrap()).unwrap().to_json()
}

/// The ids of the keys that a namespace holds and that are not revoked.
pub(crate) fn living(authority: &Authority) -> BTreeSet<KeyId> {
    let keys = authority.held(NAMESPACE).keys;
    keys.into_iter()
        .filter(|(_, _, revoked)| revoked.is_none())
        .map(|(key, _, _)| key.id())
        .collect()
}
