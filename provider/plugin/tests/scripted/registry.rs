//! A registry's log in memory, and a configuration's folder with what was installed from it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use provider_framework::testing::{TestProvider, object};
use provider_framework::value::Value;
use provider_framework::{Diagnostics, Timestamp};
use provider_plugin::provider::Idp;
use provider_plugin::settings::ProcessEnvironment;
use registry_trust::archive::Summary;
use registry_trust::authority::Pin;
use registry_trust::bundle::Bundle;
use registry_trust::digest::Sha256;
use registry_trust::dsse::Envelope;
use registry_trust::evidence::{Evidence, ProvenEntry};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::log::merkle::{
    NodeId, complete_root, consistency_proof, inclusion_proof, leaf_hash, root,
};
use registry_trust::log::note::NoteKey;
use registry_trust::policy::Policy;
use registry_trust::release::ReleaseId;
use registry_trust::statement::{
    Claim, KeyChange, ModulePublish, ModuleStatus, NamespaceKeys, Snapshot, SnapshotDocument,
    State, TrustRoot, sign,
};
use registry_trust::time::Moment;
use registry_trust::tree::FileList;
use serde_json::{Value as Json, json};

use super::driven::hasty;
use super::{Reply, Scripted, Seen};

pub(crate) const HOST: &str = "registry.example.com";
/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: i64 = 1_800_000_000_000;
pub(crate) const EVIDENCE: &str = "POST /api/v1/evidence";

/// Both of them.
pub(crate) struct Registry {
    root: SigningKey,
    own: SigningKey,
    log: SigningKey,
    pub(crate) publisher: SigningKey,
    leaves: Vec<Envelope>,
    statuses: BTreeMap<String, u64>,
    records: Vec<Json>,
    pub(crate) folder: tempfile::TempDir,
    /// `TF_DATA_DIR`.
    pub(crate) data_dir: Option<PathBuf>,
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

pub(crate) fn release(name: &str, version: &str) -> ReleaseId {
    ReleaseId::new(HOST, "acme", name, "aws", version.parse().unwrap()).unwrap()
}

/// What every version of a module consists of.
pub(crate) fn files(name: &str) -> FileList {
    let content = format!("# {name}\n");
    [("main.tf".to_owned(), Sha256::of(content.as_bytes()))].into_iter().collect()
}

pub(crate) fn summary(name: &str) -> Summary {
    let dir_hash1 = files(name).hash();
    Summary { sha256: Sha256::of(name.as_bytes()), dir_hash1, size: 1, unpacked_size: 1, files: 1 }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let mut registry = Self {
            root: key(),
            own: key(),
            log: key(),
            publisher: key(),
            leaves: Vec::new(),
            statuses: BTreeMap::new(),
            records: vec![json!({ "Key": "", "Source": "", "Dir": "." })],
            folder: tempfile::tempdir().unwrap(),
            data_dir: None,
        };
        let root = TrustRoot {
            registry: HOST.to_owned(),
            version: 1,
            previous: None,
            threshold: 1,
            keys: vec![registry.root.verifying_key()],
            registry_keys: vec![registry.own.verifying_key()],
            log: NoteKey::new(&format!("{HOST}/log"), registry.log.verifying_key()).unwrap(),
        };
        let keys = NamespaceKeys {
            registry: HOST.to_owned(),
            namespace: "acme".to_owned(),
            sequence: 1,
            change: KeyChange::Add(Box::new(registry.publisher.verifying_key())),
        };
        registry.leaves.push(sign(&root, &registry.root).unwrap());
        registry.leaves.push(sign(&keys, &registry.root).unwrap());
        registry
    }

    fn append(&mut self, claim: &impl Claim) {
        self.leaves.push(sign(claim, &self.publisher).unwrap());
    }

    pub(crate) fn publish(&mut self, name: &str, version: &str) -> &mut Self {
        let (release, archive) = (release(name, version), summary(name));
        self.append(&ModulePublish { release, archive, source: None });
        self
    }

    /// Says how a version stands.
    pub(crate) fn say(
        &mut self,
        name: &str,
        version: &str,
        state: State,
        sunset: Option<&str>,
    ) -> &mut Self {
        let release = release(name, version);
        let sequence = self.statuses.entry(release.module().path()).or_default();
        *sequence += 1;
        let status = ModuleStatus {
            module: release.module().clone(),
            version: Some((release.version().clone(), summary(name).sha256)),
            sequence: *sequence,
            state,
            reason: Some("it is old".to_owned()),
            replacement: Some("acme/new/aws".to_owned()),
            contact: Some("#platform".to_owned()),
            sunset: sunset.map(|day| day.parse().unwrap()),
        };
        self.append(&status);
        self
    }

    fn modules(&self) -> PathBuf {
        let data_dir = self.data_dir.as_deref().unwrap_or(Path::new(".terraform"));
        self.folder.path().join(data_dir).join("modules")
    }

    /// Installs a module as Terraform does; the folder of its files.
    pub(crate) fn install(&mut self, call: &str, name: &str, version: &str) -> PathBuf {
        let folder = self.modules().join(call);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("main.tf"), format!("# {name}\n")).unwrap();
        self.record(json!({
            "Key": call, "Source": format!("{HOST}/acme/{name}/aws"), "Version": version, "Dir": folder,
        }));
        folder
    }

    /// Writes something into `modules.json`.
    pub(crate) fn record(&mut self, record: Json) {
        self.records.push(record);
        fs::create_dir_all(self.modules()).unwrap();
        let manifest = json!({ "Modules": self.records });
        fs::write(self.modules().join("modules.json"), manifest.to_string()).unwrap();
    }

    pub(crate) fn policy(&self) -> String {
        let root = Pin { threshold: 1, keys: [self.root.verifying_key().id()].into() };
        Policy { registry: HOST.to_owned(), root, max_age: None }.to_string()
    }

    pub(crate) fn pin(&self) -> &Self {
        fs::write(self.folder.path().join("idp.policy"), self.policy()).unwrap();
        self
    }

    fn hashes(&self) -> Vec<Sha256> {
        let leaf = |leaf: &Envelope| leaf_hash(leaf.to_canonical_json().as_bytes());
        self.leaves.iter().map(leaf).collect()
    }

    pub(crate) fn head(&self) -> Checkpoint {
        let hashes = self.hashes();
        let size = hashes.len() as u64;
        let root = root(size, reader(&hashes)).unwrap();
        Checkpoint { origin: format!("{HOST}/log"), size, root }
    }

    /// Everything there is, said so many milliseconds before now, to a client that saw the log with `since` entries.
    pub(crate) fn evidence(&self, before: i64, since: u64) -> Json {
        let (hashes, checkpoint) = (self.hashes(), self.head());
        let document = SnapshotDocument {
            root: 1,
            modules: self.statuses.clone(),
            namespaces: BTreeMap::from([("acme".to_owned(), 1)]),
        };
        let snapshot = Snapshot {
            registry: HOST.to_owned(),
            checkpoint: checkpoint.clone(),
            document: document.digest(),
            issued_at: Moment::of(NOW - before),
            expires_at: Moment::of(NOW - before + 86_400_000),
        };
        let entry = |(index, leaf): (u64, &Envelope)| ProvenEntry {
            index,
            leaf: leaf.to_canonical_json(),
            proof: inclusion_proof(index, checkpoint.size, reader(&hashes)).unwrap(),
        };
        let consistency = if since <= checkpoint.size {
            consistency_proof(since, checkpoint.size, reader(&hashes)).unwrap()
        } else {
            Vec::new()
        };
        let evidence = Evidence {
            checkpoint: checkpoint.sign(&self.log).unwrap(),
            consistency,
            snapshot: Bundle::new(sign(&snapshot, &self.own).unwrap()).unwrap().to_json(),
            document,
            entries: (0..).zip(&self.leaves).map(entry).collect(),
        };
        serde_json::to_value(evidence).unwrap()
    }

    /// A platform that proves what it says, `before` milliseconds ago.
    pub(crate) async fn serve_old(&self, before: i64) -> Scripted {
        let since = self.head().size + 1;
        let answers: Vec<Json> = (0..=since).map(|since| self.evidence(before, since)).collect();
        Scripted::start(move |seen: &Seen, _| {
            if seen.what == EVIDENCE {
                let since = usize::try_from(seen.body["since"].as_u64().unwrap()).unwrap();
                return Reply::Json(200, answers[since].clone());
            }
            let name = seen.what.split('/').nth(5).unwrap_or_default().to_owned();
            Reply::Text(200, files(&name).to_text())
        })
        .await
    }

    pub(crate) async fn serve(&self) -> Scripted {
        self.serve_old(1000).await
    }

    /// Configures a provider where this configuration is.
    pub(crate) async fn configure(
        &self,
        endpoint: &str,
        settings: &[(&str, &str)],
    ) -> (TestProvider, Diagnostics) {
        let environment = ProcessEnvironment {
            folder: Some(self.folder.path().to_owned()),
            data_dir: self.data_dir.clone(),
            ..ProcessEnvironment::default()
        };
        let idp = Idp::with_patience(environment, hasty())
            .with_clock(|| Timestamp::from_millisecond(NOW).unwrap());
        let provider = TestProvider::new(idp);
        let own = [("endpoint", endpoint), ("token", "idp_t0ken")];
        let settings = own.iter().chain(settings).map(|(name, text)| (*name, Value::string(*text)));
        let diagnostics = provider.configure(object(settings)).await;
        (provider, diagnostics)
    }
}

fn reader(hashes: &[Sha256]) -> impl Fn(NodeId) -> Result<Sha256, Infallible> + '_ {
    |NodeId { level, index }| {
        let (size, at) = (1_usize << level, usize::try_from(index).unwrap());
        Ok(complete_root(&hashes[at * size..(at + 1) * size]).unwrap())
    }
}

/// Summary and detail of each error, then of each warning.
pub(crate) fn told(diagnostics: &Diagnostics) -> (Vec<String>, Vec<String>) {
    let text = |reports: &[provider_framework::diagnostics::Diagnostic]| {
        reports.iter().map(|report| format!("{}\n{}", report.summary, report.detail)).collect()
    };
    (text(&diagnostics.errors), text(&diagnostics.warnings))
}
