//! `idp trust`, `idp lock`, `terraform init`, `idp verify`: what is on the disk is what was published.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tests::{Platform, Provider, Run, Workspace};

/// A module that calls one within itself.
const MODULE: &[(&str, &str)] = &[
    (
        "main.tf",
        "variable \"name\" {\n  type = string\n}\n\nmodule \"shout\" {\n  source = \"./parts/shout\"\n}\n",
    ),
    ("parts/shout/main.tf", "output \"mark\" {\n  value = \"!\"\n}\n"),
    ("README.md", "# Greets\n"),
];

const CALL: &str = r#"
module "greeting" {
  source  = "registry.example.com/golden/greeting/test"
  version = "~> 1.0"
  name    = "x"
}
"#;

/// `idp` where the configuration is.
pub(crate) fn idp(platform: &Platform, workspace: &Workspace, arguments: &[&str]) -> Run {
    let mut command = platform.idp_command(arguments);
    Run::of(command.current_dir(workspace.path()))
}

/// Publishes a module that calls one within itself.
pub(crate) fn publish(platform: &Platform, version: &str, more: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in MODULE.iter().chain(more) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
    let folder = folder.path().display().to_string();
    platform.idp(&["publish", &folder, "--address", "golden/greeting/test", "--version", version])
}

/// A configuration with a pinned policy and a lock, installed.
pub(crate) fn installed(platform: &Platform, text: &str) -> Workspace {
    let workspace = platform.workspace(Provider::Built);
    workspace.write("main.tf", text);
    let policy = idp(platform, &workspace, &["trust"]).ok();
    workspace.write("idp.policy", &policy.stdout);
    idp(platform, &workspace, &["lock"]).ok();
    workspace.init().ok();
    workspace
}

fn scene() -> (Platform, Workspace) {
    let platform = Platform::start();
    publish(&platform, "1.0.0", &[]).ok();
    let workspace = installed(&platform, CALL);
    (platform, workspace)
}

fn module_file(workspace: &Workspace, name: &str) -> std::path::PathBuf {
    workspace.path().join(".terraform/modules/greeting").join(name)
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{run}\n{error}"))
}

#[test]
fn what_terraform_installed_verifies_with_the_modules_within_it() {
    let (platform, workspace) = scene();
    workspace.write(
        "more.tf",
        r#"
module "part" {
  source  = "registry.example.com/golden/greeting/test//parts/shout"
  version = "1.0.0"
}
module "local" {
  source = "./local"
}
"#,
    );
    workspace.write("local/main.tf", CALL);
    workspace.init().ok();

    let verified = idp(&platform, &workspace, &["--json", "verify"]).ok();

    let report = json(&verified);
    assert_eq!(report["worst"], "verified", "{verified}");
    let calls: Vec<&Value> =
        report["findings"].as_array().unwrap().iter().map(|found| &found["calls"]).collect();
    let calls = format!("{calls:?}");
    for call in ["module.greeting", "module.part", "module.local.module.greeting"] {
        assert!(calls.contains(call), "{call}: {calls}");
    }
}

#[test]
fn every_change_of_an_installed_module_is_refused_and_named() {
    let (platform, workspace) = scene();
    let file = |name: &str| module_file(&workspace, name);
    let pristine = fs::read(file("main.tf")).unwrap();
    let verify = || idp(&platform, &workspace, &["verify"]);
    verify().ok();

    fs::write(file("main.tf"), [&pristine[..], b"\n"].concat()).unwrap();
    verify().exits(1).says(&["TAMPERED", "changed: main.tf"]);
    fs::remove_file(file("main.tf")).unwrap();
    verify().exits(1).says(&["TAMPERED", "main.tf"]);
    fs::write(file("Main.tf"), &pristine).unwrap();
    verify().exits(1).says(&["TAMPERED", "main.tf", "Main.tf"]);
    fs::remove_file(file("Main.tf")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", file("main.tf")).unwrap();
    verify().exits(1).says(&["TAMPERED", "main.tf"]);
    fs::remove_file(file("main.tf")).unwrap();
    fs::write(file("main.tf"), &pristine).unwrap();
    verify().ok();
    fs::write(file("m\u{430}in.tf"), "").unwrap();
    verify().exits(1).says(&["TAMPERED", "looks like main.tf", "U+0430"]);
    fs::remove_file(file("m\u{430}in.tf")).unwrap();
    fs::write(file("extra.tf"), "").unwrap();
    verify().exits(1).says(&["TAMPERED", "added: extra.tf"]);
    fs::remove_file(file("extra.tf")).unwrap();
    verify().ok();
}

#[test]
fn an_archive_that_was_swapped_in_the_store_is_not_served() {
    let platform = Platform::start();
    publish(&platform, "1.0.0", &[]).ok();
    publish(&platform, "1.1.0", &[("more.tf", "# more\n")]).ok();
    let sha256 = |version: &str| {
        let detail = platform.api("GET", "/api/v1/modules/golden/greeting/test").is(200).json();
        let versions = detail["versions"].as_array().unwrap().clone();
        let found = versions.iter().find(|one| one["version"] == version).unwrap();
        found["sha256"].as_str().unwrap().to_owned()
    };
    let blob = |sha256: &str| find(&platform.server_folder().join("data/blobs"), sha256).unwrap();
    fs::copy(blob(&sha256("1.1.0")), blob(&sha256("1.0.0"))).unwrap();
    let workspace = platform.workspace(Provider::Built);
    workspace.write("main.tf", &CALL.replace("~> 1.0", "1.0.0"));

    workspace.init().fails().says(&["bad response code: 500"]);
    assert!(platform.log().contains(&sha256("1.0.0")), "{}", platform.log());
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries.into_iter().find_map(|entry| {
        let path = entry.path();
        let is_it = || path.to_string_lossy().replace('/', "").ends_with(name);
        if path.is_dir() { find(&path, name) } else { is_it().then_some(path) }
    })
}

#[test]
fn a_deprecated_version_is_told_and_a_revoked_one_is_refused_everywhere() {
    let (platform, workspace) = scene();
    let verify = || idp(&platform, &workspace, &["verify"]);
    let version = "golden/greeting/test@1.0.0";

    let what = ["status", "deprecate", version, "--reason", "too shy", "--sunset", "2099-01-31"];
    platform
        .idp(&[&what[..], &["--replacement", "1.1.0", "--contact", "#greetings"]].concat())
        .ok();
    verify().ok().says(&["deprecated until 2099-01-31: too shy", "use 1.1.0", "ask #greetings"]);
    idp(&platform, &workspace, &["verify", "--deny", "deprecated"]).exits(1);

    platform.idp(&["status", "revoke", version, "--reason", "it insults people"]).ok();
    verify().exits(1).says(&["REVOKED", "it insults people"]);
    fs::remove_dir_all(workspace.path().join(".terraform")).unwrap();
    workspace
        .init()
        .fails()
        .says(&["version 1.0.0 of golden/greeting/test was revoked: it insults people"]);

    platform.idp(&["status", "restore", version]).ok();
    workspace.init().ok();
    verify().ok();
    platform.idp(&["status", version, "--who"]).ok().says(&["1.0.0 downloaded by"]);
}

#[test]
fn evidence_that_hides_a_deprecation_is_refused() {
    let (platform, workspace) = scene();
    let status = ["status", "revoke", "golden/greeting/test@1.0.0", "--reason", "it insults"];
    platform.idp(&status).ok();
    idp(&platform, &workspace, &["verify"]).exits(1);
    let file = workspace.path().join(".terraform/idp/evidence.json");
    let mut evidence: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let is_status = |entry: &Value| {
        let leaf: Value = serde_json::from_str(entry["leaf"].as_str().unwrap()).unwrap();
        decoded(&leaf["payload"]).contains("module-status")
    };

    evidence["entries"].as_array_mut().unwrap().retain(|entry| !is_status(entry));
    workspace.write("edited.json", &evidence.to_string());

    idp(&platform, &workspace, &["verify", "--evidence", "edited.json"])
        .exits(1)
        .says(&["status_hidden", "may be hidden"]);
}

fn decoded(text: &Value) -> String {
    let bytes = text.as_str().and_then(|text| STANDARD.decode(text).ok()).expect("base64");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_registry_that_shows_another_history_or_an_older_one_is_caught_by_the_lock() {
    let mut platform = Platform::start();
    publish(&platform, "1.0.0", &[]).ok();
    assert!(platform.stop().success());
    let kept = platform.folder().join("kept");
    copy(&platform.server_folder(), &kept);
    platform.run();
    publish(&platform, "1.1.0", &[("more.tf", "# more\n")]).ok();
    let workspace = installed(&platform, &CALL.replace("~> 1.0", "1.0.0"));
    idp(&platform, &workspace, &["verify"]).ok();
    assert!(platform.stop().success());

    // Keys, data and what was signed last, all as they were: a whole machine put back.
    fs::remove_dir_all(platform.server_folder()).unwrap();
    copy(&kept, &platform.server_folder());
    platform.run();
    idp(&platform, &workspace, &["verify"]).exits(1).says(&["an older state is served"]);

    publish(&platform, "1.1.0", &[("more.tf", "# something else\n")]).ok();
    idp(&platform, &workspace, &["verify"]).exits(1).says(&["shows two histories"]);
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(done.success(), "cp {} {}", from.display(), to.display());
}

#[test]
fn upgrading_the_lock_says_what_changes() {
    let (platform, workspace) = scene();
    let changelog = "# Changes\n\n## 1.1.0\n\nGreets louder.\n\n## 1.0.0\n\nGreets.\n";
    let more = "variable \"volume\" {\n  type    = number\n  default = 1\n}\n";
    publish(&platform, "1.1.0", &[("CHANGELOG.md", changelog), ("more.tf", more)]).ok();
    publish(&platform, "1.2.0", &[])
        .fails()
        .says(&["breaks those who use 1.1.0", "--allow-breaking"]);

    idp(&platform, &workspace, &["lock"]).ok().never_says(&["1.1.0"]);
    idp(&platform, &workspace, &["lock", "--upgrade"]).ok().says(&[
        "1.0.0 -> 1.1.0",
        "volume",
        "Greets louder.",
    ]);
    idp(&platform, &workspace, &["verify", "--deny", "not_locked"]).exits(1).says(&["1.1.0"]);
    workspace.run(&["init", "-no-color", "-upgrade"]).ok();
    idp(&platform, &workspace, &["verify"]).ok();
}

#[test]
fn the_report_becomes_a_comment_of_a_pull_request() {
    let (platform, workspace) = scene();
    fs::write(module_file(&workspace, "main.tf"), "# <b>@everyone</b>\n").unwrap();
    let report = idp(&platform, &workspace, &["--json", "verify"]).exits(1);
    workspace.write("verify.json", &report.stdout);
    let program = tests::root().join("examples/ci/comment.jq");

    let mut jq = Command::new("jq");
    jq.current_dir(workspace.path()).arg("--raw-output").arg("--from-file").arg(program);
    let comment = Run::of(jq.arg("verify.json")).ok();

    assert!(comment.stdout.starts_with("### Modules: 1 refused"), "{comment}");
    comment.says(&["❌ tampered", "changed `main.tf`"]);
}
