use std::{convert::Infallible, fs, path::Path};

use super::*;
use crate::{
    archive::{Limits, Summary},
    authority::Pin,
    bundle::Bundle,
    digest::DirHash1,
    dsse::Envelope,
    evidence::{Evidence, Now, ProvenEntry, Trusted},
    installed::{ModuleSource, Package, PackageProblem},
    key::{Algorithm, SigningKey},
    lock::{Lock, LockedModule},
    log::{
        checkpoint::Checkpoint,
        merkle::{NodeId, complete_root, inclusion_proof, leaf_hash, root},
        note::NoteKey,
    },
    policy::Policy,
    statement::{
        Claim, KeyChange, ModulePublish, ModuleStatus, NamespaceKeys, Snapshot, SnapshotDocument,
        TrustRoot, sign,
    },
    tree::FileList,
};

const HOST: &str = "registry.example.com";
const NOW: i64 = 1_800_000_000_000;

/// A registry's log in memory, and a folder of packages that were installed from it.
struct Registry {
    root: SigningKey,
    own: SigningKey,
    log: SigningKey,
    publisher: SigningKey,
    leaves: Vec<Envelope>,
    statuses: BTreeMap<String, u64>,
    folder: tempfile::TempDir,
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

fn release(name: &str, version: &str) -> ReleaseId {
    ReleaseId::new(HOST, "acme", name, "aws", version.parse().unwrap()).unwrap()
}

fn files(name: &str) -> FileList {
    let content = format!("# {name}\n");
    [("main.tf".to_owned(), Sha256::of(content.as_bytes()))].into_iter().collect()
}

fn summary(name: &str) -> Summary {
    let dir_hash1 = files(name).hash();
    Summary { sha256: Sha256::of(name.as_bytes()), dir_hash1, size: 1, unpacked_size: 1, files: 1 }
}

impl Registry {
    fn new() -> Self {
        let mut registry = Self {
            root: key(),
            own: key(),
            log: key(),
            publisher: key(),
            leaves: Vec::new(),
            statuses: BTreeMap::new(),
            folder: tempfile::tempdir().unwrap(),
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
        registry.append(&root, true);
        registry.append(&keys, true);
        registry
    }

    fn append(&mut self, claim: &impl Claim, by_root: bool) {
        let key = if by_root { &self.root } else { &self.publisher };
        self.leaves.push(sign(claim, key).unwrap());
    }

    fn publish(&mut self, name: &str, version: &str) -> &mut Self {
        let (release, archive) = (release(name, version), summary(name));
        self.append(&ModulePublish { release, archive, source: None }, false);
        self
    }

    fn status(&mut self, name: &str, state: State, sunset: Option<Day>) -> &mut Self {
        let module = release(name, "1.0.0").module().clone();
        let sequence = self.statuses.entry(module.path()).or_default();
        *sequence += 1;
        let status = ModuleStatus {
            module,
            version: None,
            sequence: *sequence,
            state,
            reason: Some("it is old".to_owned()),
            replacement: Some("acme/new/aws".to_owned()),
            contact: Some("#platform".to_owned()),
            sunset,
        };
        self.append(&status, false);
        self
    }

    fn trusted(&self) -> Trusted {
        let leaves: Vec<String> = self.leaves.iter().map(Envelope::to_canonical_json).collect();
        let hashes: Vec<Sha256> = leaves.iter().map(|leaf| leaf_hash(leaf.as_bytes())).collect();
        let read = |NodeId { level, index }| -> Result<Sha256, Infallible> {
            let (size, at) = (1_usize << level, usize::try_from(index).unwrap());
            Ok(complete_root(&hashes[at * size..(at + 1) * size]).unwrap())
        };
        let size = hashes.len() as u64;
        let checkpoint =
            Checkpoint { origin: format!("{HOST}/log"), size, root: root(size, read).unwrap() };
        let document = SnapshotDocument {
            root: 1,
            modules: self.statuses.clone(),
            namespaces: BTreeMap::from([("acme".to_owned(), 1)]),
        };
        let snapshot = Snapshot {
            registry: HOST.to_owned(),
            checkpoint: checkpoint.clone(),
            document: document.digest(),
            issued_at: Moment::of(NOW - 1000),
            expires_at: Moment::of(NOW + 1000),
        };
        let entries = leaves.into_iter().zip(0..).map(|(leaf, index)| ProvenEntry {
            index,
            leaf,
            proof: inclusion_proof(index, size, read).unwrap(),
        });
        let evidence = Evidence {
            checkpoint: checkpoint.sign(&self.log).unwrap(),
            consistency: Vec::new(),
            snapshot: Bundle::new(sign(&snapshot, &self.own).unwrap()).unwrap().to_json(),
            document,
            entries: entries.collect(),
        };
        let root = Pin { threshold: 1, keys: [self.root.verifying_key().id()].into() };
        let policy = Policy { registry: HOST.to_owned(), root, max_age: None };
        evidence.verify(&policy, None, Now { millis: NOW, refuses_old: true }).unwrap()
    }

    /// A package as Terraform installs it.
    fn install(&self, call: &str, name: &str, version: &str) -> Package {
        let directory = self.folder.path().join(call);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("main.tf"), format!("# {name}\n")).unwrap();
        package(call, &format!("{HOST}/acme/{name}/aws"), version, &directory)
    }

    fn judge(&self, packages: &[Package]) -> Report {
        self.judge_with(packages, None, &[], &BTreeMap::new())
    }

    fn judge_with(
        &self,
        packages: &[Package],
        lock: Option<&Lock>,
        denied: &[&str],
        lists: &BTreeMap<ReleaseId, FileList>,
    ) -> Report {
        let trusted = self.trusted();
        let denied = denied.iter().map(|word| word.parse().unwrap()).collect();
        let basis =
            Basis { registry: HOST, proof: Ok(&trusted), lock, lists, denied: &denied, now: NOW };
        judge(&inspect(packages.to_vec(), HOST, &Limits::default()), &basis)
    }
}

fn package(call: &str, source: &str, version: &str, directory: &Path) -> Package {
    Package {
        call: call.to_owned(),
        source: ModuleSource::read(source),
        version: version.parse().ok(),
        directory: directory.to_owned(),
        problem: None,
    }
}

/// Verdict, source, version and callers of each finding.
fn shown(report: &Report) -> Vec<String> {
    let line = |finding: &Finding| {
        let source = finding.source.rsplit('/').nth(1).unwrap_or(&finding.source);
        format!("{} {source} {}", finding.verdict, finding.calls.join("+"))
    };
    report.findings.iter().map(line).collect()
}

fn only(report: &Report) -> &Finding {
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    finding
}

#[test]
fn everything_is_judged_and_the_worst_comes_first() {
    let mut registry = Registry::new();
    let day = |millis| Some(Day::of(millis));
    for name in ["vpc", "old", "gone", "late", "bad", "changed"] {
        registry.publish(name, "1.0.0");
    }
    registry
        .status("old", State::Deprecated, day(NOW + 90 * 86_400_000))
        .status("late", State::Deprecated, day(NOW))
        .status("gone", State::Yanked, None)
        .status("bad", State::Revoked, None);
    let mut packages: Vec<Package> = ["vpc", "old", "gone", "late", "bad", "changed", "none"]
        .map(|name| registry.install(name, name, "1.0.0"))
        .into();
    packages.push(registry.install("again", "vpc", "1.0.0"));
    packages.push(package("git", "git::https://git.example/x.git", "", Path::new("/")));
    packages.push(package("public", "acme/public/aws", "1.0.0", Path::new("/")));
    packages.push(package("near", "../near", "", Path::new("/")));
    fs::write(registry.folder.path().join("changed/main.tf"), "other").unwrap();

    let report = registry.judge(&packages);

    assert_eq!(
        shown(&report),
        [
            "tampered changed changed",
            "failed none none",
            "revoked bad bad",
            "unsigned .. near",
            "unsigned git.example git",
            "unknown_registry public public",
            "past_sunset late late",
            "yanked gone gone",
            "deprecated old old",
            "verified vpc again+vpc",
        ]
    );
    assert_eq!((report.worst, report.refused, report.packages()), (Verdict::Tampered, 3, 11));
    assert_eq!((report.counts["verified"], report.counts["not_locked"]), (2, 0));
    assert_eq!(report.findings[1].code, Some("proof_missing"));
    let deprecated = &report.findings[8];
    assert!(deprecated.message.ends_with(": it is old"), "{}", deprecated.message);
    assert_eq!(deprecated.fix.as_deref(), Some("use acme/new/aws; ask #platform"));
    let text = report.to_string();
    assert!(
        text.starts_with(
            "TAMPERED          registry.example.com/acme/changed/aws 1.0.0  (changed)\n"
        ),
        "{text}"
    );
    assert!(text.ends_with("11 modules: 1 tampered, 1 failed, 1 revoked, 2 unsigned, 1 unknown registry, 1 past sunset, 1 yanked, 1 deprecated, 2 verified"), "{text}");
}

#[test]
fn what_is_denied_is_refused_and_comes_first() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("old", "1.0.0").status("old", State::Deprecated, None);
    let packages =
        [registry.install("vpc", "vpc", "1.0.0"), registry.install("old", "old", "1.0.0")];
    let denied = |words: &[&str], lock: Option<&Lock>| {
        registry.judge_with(&packages, lock, words, &BTreeMap::new())
    };

    assert_eq!(denied(&[], None).refused, 0);
    assert_eq!(denied(&["unsigned", "yanked"], None).refused, 0);
    assert_eq!(denied(&["not_locked"], None).refused, 0);
    let report = denied(&["deprecated"], None);
    assert!(report.findings[0].refused && !report.findings[1].refused, "{report:?}");
    assert!(report.to_string().starts_with("DEPRECATED "), "{report}");
    assert_eq!(denied(&["not_locked"], Some(&Lock::default())).refused, 2);
    assert!("verified".parse::<Denied>().unwrap_err().contains("past_sunset"));
}

#[test]
fn changed_files_are_named_where_the_list_of_them_is_at_hand() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    let package = [registry.install("vpc", "vpc", "1.0.0")];
    fs::write(package[0].directory.join("m\u{430}in.tf"), "evil").unwrap();

    let without = registry.judge(&package);
    let unexplained: Vec<_> = without.unexplained().cloned().collect();
    let lists = unexplained.iter().map(|release| (release.clone(), files("vpc"))).collect();
    let with = registry.judge_with(&package, None, &[], &lists);

    assert_eq!(unexplained, [release("vpc", "1.0.0")]);
    assert_eq!(only(&without).files, None);
    assert_eq!(only(&with).code, Some("tree_hash_differs"));
    assert!(with.to_string().contains("looks like main.tf: m\\u{430}in.tf (U+0430)"), "{with}");
    assert_eq!(with.unexplained().len(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_among_the_files_is_tampering_and_named() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    let package = [registry.install("vpc", "vpc", "1.0.0")];
    std::os::unix::fs::symlink("/etc", package[0].directory.join("etc")).unwrap();

    let report = registry.judge(&package);

    assert_eq!(
        (only(&report).verdict, only(&report).code),
        (Verdict::Tampered, Some("tree_has_links"))
    );
    assert!(report.to_string().contains("a link: etc"), "{report}");
}

#[test]
fn the_lock_file_must_agree() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").publish("vpc", "1.1.0");
    let package = [registry.install("vpc", "vpc", "1.1.0")];
    let good = LockedModule {
        sha256: summary("vpc").sha256,
        h1: summary("vpc").dir_hash1,
        publisher: registry.publisher.verifying_key().id(),
    };
    let judge = |version: &str, entry: LockedModule| {
        let mut lock = Lock::default();
        lock.insert_module(&release("vpc", version), entry).unwrap();
        registry.judge_with(&package, Some(&lock), &[], &BTreeMap::new())
    };

    assert_eq!(only(&judge("1.1.0", good)).verdict, Verdict::Verified);
    for (entry, code) in [
        (LockedModule { sha256: Sha256::of(b"x"), ..good }, "lock_digest_differs"),
        (
            LockedModule { h1: DirHash1::from_sha256(Sha256::of(b"x")), ..good },
            "lock_digest_differs",
        ),
        (LockedModule { publisher: key().verifying_key().id(), ..good }, "lock_publisher_differs"),
    ] {
        let report = judge("1.1.0", entry);
        assert_eq!((only(&report).verdict, only(&report).code), (Verdict::Failed, Some(code)));
    }
    let other = judge("1.0.0", good);
    assert_eq!((only(&other).verdict, only(&other).not_locked), (Verdict::Verified, true));
    assert!(other.to_string().contains("write version = \"1.0.0\""), "{other}");
    assert!(other.to_string().ends_with("1 module: 1 verified; 1 not locked"), "{other}");
}

#[test]
fn without_proof_a_module_of_the_registry_fails_and_is_never_unsigned() {
    let registry = Registry::new();
    let packages = [
        registry.install("vpc", "vpc", "1.0.0"),
        package("git", "git::https://git.example/x.git", "", Path::new("/")),
    ];
    let unproven = Unproven { code: "two_histories", message: "two histories".to_owned() };
    let basis = Basis {
        registry: HOST,
        proof: Err(&unproven),
        lock: None,
        lists: &BTreeMap::new(),
        denied: &BTreeSet::new(),
        now: NOW,
    };

    let report = judge(&inspect(packages.to_vec(), HOST, &Limits::default()), &basis);

    assert_eq!(shown(&report), ["failed vpc vpc", "unsigned git.example git"]);
    assert_eq!(report.findings[0].code, Some("two_histories"));
    assert_eq!((report.checkpoint, report.issued_at), (None, None));
}

#[test]
fn a_package_that_lies_where_it_should_not_is_not_believed() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0");
    let place = || "x".to_owned();
    let installed = registry.install("vpc", "vpc", "1.0.0");
    let git = package("git", "git::https://git.example/x.git", "", Path::new("/"));
    let public = package("public", "acme/public/aws", "1.0.0", Path::new("/"));
    let near = package("near", "../near", "", Path::new("/"));
    let escapes = || PackageProblem::Escapes { call: place(), directory: place() };
    let link = || PackageProblem::Link { directory: place() };
    let elsewhere = || PackageProblem::Elsewhere { found: place(), expected: place() };

    for (package, problem, verdict) in [
        (&installed, link(), Verdict::Tampered),
        (&installed, elsewhere(), Verdict::Failed),
        (&installed, PackageProblem::Version { found: place() }, Verdict::Failed),
        (&git, link(), Verdict::Unsigned),
        (&git, escapes(), Verdict::Failed),
        (&git, PackageProblem::Source, Verdict::Failed),
        (&public, elsewhere(), Verdict::UnknownRegistry),
        (&near, elsewhere(), Verdict::Failed),
    ] {
        let package = Package { problem: Some(problem), ..package.clone() };
        let report = registry.judge(std::slice::from_ref(&package));
        assert_eq!(only(&report).verdict, verdict, "{package:?}");
    }
    let endless = Package {
        version: Some(format!("1.0.0-{}", "a".repeat(200)).parse().unwrap()),
        ..installed.clone()
    };
    assert_eq!(only(&registry.judge(&[endless])).code, Some("version_invalid"));
    let versionless = Package {
        version: None,
        problem: Some(PackageProblem::Version { found: String::new() }),
        ..installed
    };
    assert_eq!(only(&registry.judge(&[versionless])).code, Some("version_invalid"));
}

#[test]
fn the_report_has_one_shape_for_machines() {
    let mut registry = Registry::new();
    registry.publish("vpc", "1.0.0").status(
        "vpc",
        State::Deprecated,
        Some(Day::of(NOW + 86_400_000)),
    );
    let report = registry.judge(&[registry.install("vpc", "vpc", "1.0.0")]);

    let json = serde_json::to_value(&report).unwrap();

    let publisher = registry.publisher.verifying_key().id();
    assert_eq!(
        json["findings"][0],
        serde_json::json!({
            "verdict": "deprecated",
            "refused": false,
            "calls": ["vpc"],
            "source": "registry.example.com/acme/vpc/aws",
            "version": "1.0.0",
            "code": null,
            "message": "the module is deprecated until 2027-01-16: it is old",
            "fix": "use acme/new/aws; ask #platform",
            "publisher": { "key": publisher, "issuer": null, "claims": {} },
            "standing": {
                "state": "deprecated",
                "reason": "it is old",
                "replacement": "acme/new/aws",
                "contact": "#platform",
                "sunset": "2027-01-16",
            },
            "not_locked": false,
            "files": null,
        })
    );
    for field in ["registry", "checkpoint", "issued_at", "worst", "counts", "refused", "findings"] {
        assert!(!json[field].is_null(), "{field}");
    }
    assert_eq!(json["checkpoint"]["size"], 4);
}

#[test]
fn nothing_installed_is_a_report_too() {
    let report = Registry::new().judge(&[]);

    assert_eq!(
        (report.worst, report.to_string().as_str()),
        (Verdict::Verified, "no modules are installed")
    );
}
