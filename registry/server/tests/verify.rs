//! `idp verify`, `idp trust` and `idp lock` against a registry that only answers what these ask.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Arc, Mutex};

use axum::extract::{Path as Parts, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use registry_server::clock::Clock;
use registry_trust::archive::Summary;
use registry_trust::bundle::Bundle;
use registry_trust::digest::Sha256;
use registry_trust::dsse::Envelope;
use registry_trust::evidence::{Evidence, ProvenEntry};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::lock::{Lock, LockedModule};
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::log::merkle::{
    NodeId, complete_root, consistency_proof, inclusion_proof, leaf_hash, root,
};
use registry_trust::log::note::NoteKey;
use registry_trust::release::ReleaseId;
use registry_trust::statement::{
    Claim, KeyChange, ModulePublish, ModuleStatus, NamespaceKeys, Snapshot, SnapshotDocument,
    State as Stands, TrustRoot, sign,
};
use registry_trust::time::Moment;
use registry_trust::tree::FileList;
use serde_json::{Value, json};

use crate::cli::{idp, text};

const HOST: &str = "registry.example.com";

/// A registry's log in memory.
struct Registry {
    keys: [SigningKey; 4],
    leaves: Vec<Envelope>,
    published: Vec<(ReleaseId, Summary)>,
    statuses: BTreeMap<String, u64>,
}

type Shared = Arc<Mutex<Registry>>;

fn release(version: &str) -> ReleaseId {
    ReleaseId::new(HOST, "acme", "vpc", "aws", version.parse().unwrap()).unwrap()
}

fn content(version: &str) -> String {
    format!("# version {version}\n")
}

fn list(version: &str) -> FileList {
    let main = ("main.tf".to_owned(), Sha256::of(content(version).as_bytes()));
    [main].into_iter().collect()
}

fn summary(version: &str) -> Summary {
    let dir_hash1 = list(version).hash();
    let sha256 = Sha256::of(version.as_bytes());
    Summary { sha256, dir_hash1, size: 1, unpacked_size: 1, files: 1 }
}

impl Registry {
    fn new() -> Self {
        let key = || SigningKey::generate(Algorithm::Ed25519).unwrap();
        let mut registry = Self {
            keys: [key(), key(), key(), key()],
            leaves: Vec::new(),
            published: Vec::new(),
            statuses: BTreeMap::new(),
        };
        registry.begin();
        registry
    }

    fn begin(&mut self) {
        let [above, own, log, publisher] = &self.keys;
        let root = TrustRoot {
            registry: HOST.to_owned(),
            version: 1,
            previous: None,
            threshold: 1,
            keys: vec![above.verifying_key()],
            registry_keys: vec![own.verifying_key()],
            log: NoteKey::new(&format!("{HOST}/log"), log.verifying_key()).unwrap(),
        };
        let keys = NamespaceKeys {
            registry: HOST.to_owned(),
            namespace: "acme".to_owned(),
            sequence: 1,
            change: KeyChange::Add(Box::new(publisher.verifying_key())),
        };
        self.leaves = vec![sign(&root, above).unwrap(), sign(&keys, above).unwrap()];
    }

    fn append(&mut self, claim: &impl Claim) {
        self.leaves.push(sign(claim, &self.keys[3]).unwrap());
    }

    fn publish(&mut self, version: &str) {
        let (release, archive) = (release(version), summary(version));
        self.append(&ModulePublish { release: release.clone(), archive, source: None });
        self.published.insert(0, (release, archive));
    }

    fn say(&mut self, version: &str, state: Stands) {
        let module = release(version).module().clone();
        let sequence = self.statuses.entry(module.path()).or_default();
        *sequence += 1;
        let status = ModuleStatus {
            module,
            version: Some((version.parse().unwrap(), summary(version).sha256)),
            sequence: *sequence,
            state,
            reason: Some("it loses packets".to_owned()),
            replacement: None,
            contact: None,
            sunset: None,
        };
        self.append(&status);
    }

    fn policy(&self) -> String {
        format!("registry {HOST}\nroot 1 {}\n", self.keys[0].verifying_key().id())
    }

    fn evidence(&self, since: u64) -> Evidence {
        let leaves: Vec<String> = self.leaves.iter().map(Envelope::to_canonical_json).collect();
        let hashes: Vec<Sha256> = leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
        let read = |NodeId { level, index }| -> Result<Sha256, Infallible> {
            let (size, at) = (1_usize << level, usize::try_from(index).unwrap());
            Ok(complete_root(&hashes[at * size..(at + 1) * size]).unwrap())
        };
        let size = hashes.len() as u64;
        let origin = format!("{HOST}/log");
        let checkpoint = Checkpoint { origin, size, root: root(size, read).unwrap() };
        let document = SnapshotDocument {
            root: 1,
            modules: self.statuses.clone(),
            namespaces: BTreeMap::from([("acme".to_owned(), 1)]),
        };
        let now = Clock::system().now();
        let snapshot = Snapshot {
            registry: HOST.to_owned(),
            checkpoint: checkpoint.clone(),
            document: document.digest(),
            issued_at: Moment::of(now - 3_600_000),
            expires_at: Moment::of(now + 3_600_000),
        };
        let entries = leaves.into_iter().zip(0..).map(|(leaf, index)| ProvenEntry {
            index,
            leaf,
            proof: inclusion_proof(index, size, read).unwrap(),
        });
        Evidence {
            checkpoint: checkpoint.sign(&self.keys[2]).unwrap(),
            consistency: match since {
                0 => Vec::new(),
                since => consistency_proof(since.min(size), size, read).unwrap(),
            },
            snapshot: Bundle::new(sign(&snapshot, &self.keys[1]).unwrap()).unwrap().to_json(),
            document,
            entries: entries.collect(),
        }
    }

    fn detail(&self) -> Value {
        let publisher = self.keys[3].verifying_key().id();
        let version = |(release, archive): &(ReleaseId, Summary)| {
            json!({
                "version": release.version(), "sha256": archive.sha256,
                "h1": archive.dir_hash1.to_h1(), "publisher": publisher, "published_at": "",
                "status": { "state": "active" },
            })
        };
        let versions: Vec<_> = self.published.iter().map(version).collect();
        json!({ "address": "acme/vpc/aws", "versions": versions })
    }

    fn locked(&self, version: &str) -> LockedModule {
        let Summary { sha256, dir_hash1: h1, .. } = summary(version);
        LockedModule { sha256, h1, publisher: self.keys[3].verifying_key().id() }
    }
}

/// A registry that listens, and a configuration that calls its module.
struct Scene {
    registry: Shared,
    url: String,
    folder: tempfile::TempDir,
}

async fn answer_evidence(State(registry): State<Shared>, Json(body): Json<Value>) -> Json<Value> {
    let since = body["since"].as_u64().unwrap();
    Json(json!(registry.lock().unwrap().evidence(since)))
}

async fn answer_files(
    State(registry): State<Shared>,
    Parts(version): Parts<String>,
) -> Result<String, StatusCode> {
    let is_published =
        |(release, _): &(ReleaseId, Summary)| release.version().to_string() == version;
    let known = registry.lock().unwrap().published.iter().any(is_published);
    known.then(|| list(&version).to_text()).ok_or(StatusCode::NOT_FOUND)
}

fn serve(registry: Shared) -> String {
    let module = "/api/v1/modules/acme/vpc/aws";
    let detail = async |State(registry): State<Shared>| Json(registry.lock().unwrap().detail());
    let trust = async |State(registry): State<Shared>| {
        Json(json!({ "hostname": HOST, "policy": registry.lock().unwrap().policy() }))
    };
    let changes = async || {
        Json(json!({
            "from": "1.0.0", "to": "1.1.0", "changelog": "## 1.1.0\n\n- faster\n",
            "interface": [{"kind": "output_added", "subject": "/outputs/id", "summary": "output id is new", "breaking": false}],
        }))
    };
    let router = Router::new()
        .route("/api/v1/evidence", post(answer_evidence))
        .route("/api/v1/trust", get(trust))
        .route(module, get(detail))
        .route(&format!("{module}/changes"), get(changes))
        .route(&format!("{module}/{{version}}/files"), get(answer_files))
        .with_state(registry);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    url
}

impl Scene {
    /// With version 1.0.0 published and installed, and the policy pinned.
    fn new() -> Self {
        let mut registry = Registry::new();
        registry.publish("1.0.0");
        let registry = Arc::new(Mutex::new(registry));
        let url = serve(registry.clone());
        let scene = Self { registry, url, folder: tempfile::tempdir().unwrap() };
        scene.write("idp.policy", &scene.registry.lock().unwrap().policy());
        scene.write("main.tf", &format!("module \"vpc\" {{\n  source  = \"{HOST}/acme/vpc/aws\"\n  version = \"~> 1.0\"\n}}\n"));
        scene.install("1.0.0");
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn install(&self, version: &str) {
        let records = json!({ "Modules": [
            { "Key": "", "Source": "", "Dir": "." },
            { "Key": "vpc", "Source": format!("{HOST}/acme/vpc/aws"), "Version": version,
              "Dir": ".terraform/modules/vpc" },
        ]});
        self.write(".terraform/modules/modules.json", &records.to_string());
        self.write(".terraform/modules/vpc/main.tf", &content(version));
    }

    fn idp(&self, arguments: &[&str]) -> Output {
        idp(self.folder.path()).env("IDP_SERVER", &self.url).args(arguments).output().unwrap()
    }

    fn lock(&self) -> Lock {
        Lock::parse(&std::fs::read(self.path(".idp.lock.json")).unwrap()).unwrap()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.registry.lock().unwrap())
    }
}

#[track_caller]
fn says(output: &Output, code: i32, words: &[&str]) {
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is missing in:\n{said}");
    }
}

fn verdict(output: &Output) -> String {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finding = &report["findings"][0];
    format!("{} {}", finding["verdict"].as_str().unwrap(), finding["code"].as_str().unwrap_or("-"))
}

#[test]
fn what_was_published_is_verified_and_the_log_remembered() {
    let scene = Scene::new();
    says(&scene.idp(&["lock"]), 0, &["acme/vpc/aws: 1.0.0", "wrote"]);
    assert_eq!(scene.lock().log().unwrap().checkpoint.size, 3);
    scene.with(|registry| registry.publish("1.1.0"));

    let locked = scene.idp(&["verify", "--locked"]);
    let verified = scene.idp(&["--json", "verify"]);

    says(&locked, 1, &["would remember a later head"]);
    says(&verified, 0, &["\"lock_moved\":true", "\"evidence\":\"registry\""]);
    assert_eq!(verdict(&verified), "verified -");
    assert_eq!(scene.lock().log().unwrap().checkpoint.size, 4);
    says(&scene.idp(&["verify", "--locked"]), 0, &["1 module: 1 verified"]);
}

#[test]
fn the_last_proofs_do_without_the_registry() {
    let scene = Scene::new();
    scene.idp(&["lock"]);
    says(&scene.idp(&["verify", "--offline"]), 1, &["there are no proofs"]);
    scene.with(|registry| registry.publish("1.1.0"));
    scene.idp(&["verify"]);
    let offline = |arguments: &[&str]| {
        let mut command = idp(scene.folder.path());
        command.args([&["verify", "--server", "http://127.0.0.1:1"][..], arguments].concat());
        command.output().unwrap()
    };

    says(&offline(&["--offline"]), 0, &["1 verified", "60 min ago"]);
    says(&offline(&["--offline", "--max-age", "2h"]), 0, &["1 verified"]);
    says(&offline(&["--offline", "--max-age", "1h"]), 1, &["FAILED", "[snapshot_stale]"]);
    says(&offline(&["--evidence", ".terraform/idp/evidence.json"]), 0, &["1 verified"]);
    says(&offline(&[]), 1, &["cannot reach"]);
}

#[test]
fn changed_files_are_refused_by_name() {
    let scene = Scene::new();
    scene.write(".terraform/modules/vpc/m\u{430}in.tf", "evil");
    scene.write(".terraform/modules/vpc/main.tf", "changed");

    let output = scene.idp(&["verify"]);

    says(
        &output,
        1,
        &[
            "TAMPERED",
            "looks like main.tf: m\\u{430}in.tf (U+0430)",
            "changed: main.tf",
            "1 module is refused",
        ],
    );
    assert_eq!(verdict(&scene.idp(&["verify", "--json"])), "tampered tree_hash_differs");
}

#[test]
fn statuses_proofs_and_other_sources_are_told_apart() {
    let scene = Scene::new();
    scene.with(|registry| registry.say("1.0.0", Stands::Deprecated));
    says(&scene.idp(&["verify"]), 0, &["deprecated", "it loses packets"]);
    says(&scene.idp(&["verify", "--deny", "unsigned,deprecated"]), 1, &["DEPRECATED"]);
    says(&scene.idp(&["verify", "--deny", "old"]), 2, &["past_sunset"]);
    scene.with(|registry| registry.say("1.0.0", Stands::Revoked));
    says(&scene.idp(&["verify"]), 1, &["REVOKED", "it loses packets"]);
    scene.install("1.0.1");
    says(&scene.idp(&["verify"]), 1, &["FAILED", "[proof_missing]"]);
}

#[test]
fn without_a_policy_it_is_said_how_to_make_one() {
    let scene = Scene::new();
    std::fs::remove_file(scene.path("idp.policy")).unwrap();
    says(&scene.idp(&["verify"]), 1, &["idp trust > ", "compare the root key id"]);

    let trust = scene.idp(&["trust"]);

    says(&trust, 0, &["# Compare the root key id", "registry registry.example.com"]);
    scene.write("idp.policy", &text(&trust.stdout));
    says(&scene.idp(&["verify"]), 0, &["1 verified"]);
    says(&scene.idp(&["trust", "show"]), 0, &["root 1 "]);
}

#[test]
fn a_registry_with_another_history_is_found_out() {
    let scene = Scene::new();
    scene.idp(&["lock"]);
    scene.with(|registry| {
        registry.begin();
        registry.publish("1.1.0");
        registry.publish("1.0.0");
    });

    says(&scene.idp(&["verify"]), 1, &["FAILED", "[two_histories]"]);
    says(&scene.idp(&["lock", "--upgrade"]), 1, &["two_histories"]);
    assert_eq!(scene.lock().log().unwrap().checkpoint.size, 3);
}

#[test]
fn the_installed_version_is_locked_until_an_upgrade_says_what_it_brings() {
    let scene = Scene::new();
    scene.with(|registry| {
        registry.publish("1.1.0");
        registry.publish("1.2.0");
        registry.say("1.2.0", Stands::Yanked);
    });
    says(&scene.idp(&["lock"]), 0, &["acme/vpc/aws: 1.0.0"]);

    let upgraded = scene.idp(&["lock", "--upgrade"]);

    says(
        &upgraded,
        0,
        &[
            "acme/vpc/aws: 1.0.0 -> 1.1.0",
            "output id is new",
            "| - faster",
            "dropped, nothing uses it: registry.example.com/acme/vpc/aws@1.0.0",
            "main.tf:1 module.vpc has 1.0.0 installed, 1.1.0 is locked: write version = \"1.1.0\"",
        ],
    );
    let lock = scene.lock();
    let locked: Vec<_> = lock.modules().collect();
    let entry = scene.with(|registry| registry.locked("1.1.0"));
    assert_eq!(locked, [(&release("1.1.0"), &entry)]);
    says(
        &scene.idp(&["verify", "--deny", "not_locked"]),
        1,
        &["VERIFIED", "write version = \"1.1.0\""],
    );
}

#[test]
fn a_merge_conflict_is_resolved_and_both_heads_of_the_log_checked() {
    let scene = Scene::new();
    scene.idp(&["lock"]);
    let ours = std::fs::read_to_string(scene.path(".idp.lock.json")).unwrap();
    scene.with(|registry| registry.publish("1.1.0"));
    scene.idp(&["lock"]);
    let theirs = std::fs::read_to_string(scene.path(".idp.lock.json")).unwrap();
    let line = |text: &str| text.lines().find(|line| line.contains("\"log\"")).unwrap().to_owned();
    let conflict = |other: &str| {
        let both = format!("<<<<<<< HEAD\n{}\n=======\n{other}\n>>>>>>> b\n", line(&theirs));
        theirs.replace(&format!("{}\n", line(&theirs)), &both)
    };

    scene.write(".idp.lock.json", &conflict(&line(&ours)));
    says(&scene.idp(&["verify"]), 1, &["run `idp lock`"]);
    says(&scene.idp(&["lock"]), 0, &["wrote"]);
    assert_eq!(scene.lock().log().unwrap().checkpoint.size, 4);
    let digest = line(&ours).split('"').find(|part| part.len() == 64).unwrap().to_owned();
    let forged = line(&ours).replace(&digest, &"0".repeat(64));
    scene.write(".idp.lock.json", &conflict(&forged));
    says(&scene.idp(&["lock"]), 1, &["two_histories"]);
}

#[test]
fn a_moved_data_folder_is_found() {
    let scene = Scene::new();
    std::fs::rename(scene.path(".terraform"), scene.path("data")).unwrap();
    let modules = Path::new("data/modules/modules.json");
    let text_of = std::fs::read_to_string(scene.path("data/modules/modules.json")).unwrap();
    scene.write(&modules.to_string_lossy(), &text_of.replace(".terraform/", "data/"));

    let mut command = idp(scene.folder.path());
    command.env("IDP_SERVER", &scene.url).env("TF_DATA_DIR", "data").arg("verify");

    says(&command.output().unwrap(), 0, &["1 module: 1 verified"]);
    assert!(scene.path("data/idp/evidence.json").is_file());
    says(&scene.idp(&["verify"]), 0, &["no modules are installed"]);
}
