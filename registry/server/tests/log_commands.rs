//! The log as those see it who do not take the registry's word: auditing it, copying it, bringing it back.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::cli::{idp, ok, text};
use super::serve::{Process, write_module};

/// `idp log …` against a server, from its folder.
fn log(server: &Process, arguments: &[&str]) -> Command {
    let mut command = idp(server.folder.path());
    command.args(["--json", "log"]).args(arguments).env("IDP_SERVER", server.url());
    command
}

fn run(server: &Process, arguments: &[&str]) -> Output {
    log(server, arguments).output().unwrap()
}

/// One round of a monitor that keeps its copy in `copy`.
fn monitor(server: &Process, copy: &Path) -> Output {
    run(server, &["monitor", "--once", "--dir", copy.to_str().unwrap()])
}

/// `idp` on the server's machine.
fn local(folder: &Path, arguments: &[&str]) -> Output {
    idp(folder).arg("--json").args(arguments).output().unwrap()
}

/// Publishes a version that is like no other.
fn publish(server: &Process, version: &str) -> Output {
    let main = format!("output \"greeting\" {{\n  value = \"hello {version}\"\n}}\n");
    write_module(server.folder.path(), &[("main.tf", &main)]);
    server.publish(version)
}

fn deprecate(server: &Process, target: &str) {
    let command = ["--json", "status", "deprecate", target, "--reason", "there is a newer one"];
    let mut idp = idp(server.folder.path());
    idp.args(command).env("IDP_SERVER", server.url()).env("IDP_TOKEN", &server.token);
    ok(&idp.output().unwrap());
}

/// What is printed although the command fails.
#[track_caller]
fn failed(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no answer: {}", text(&output.stderr)))
}

fn codes(findings: &Value) -> Vec<&str> {
    findings.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Stops a server and gives its folder to a command that needs it alone.
fn stopped(mut server: Process) -> (tempfile::TempDir, String) {
    assert!(server.stop().success());
    server.into_folder()
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

fn policy(server: &Process) -> String {
    let info = server.get("/api/v1/trust");
    let body = info.split_once("\r\n\r\n").unwrap().1;
    let info: Value = serde_json::from_str(body).unwrap();
    info["policy"].as_str().unwrap().to_owned()
}

#[test]
fn the_whole_log_is_audited_from_a_server_and_from_a_copy() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0"));
    ok(&publish(&server, "1.1.0"));
    deprecate(&server, "golden/greeting/test@1.0.0");
    let folder = server.folder.path();
    std::fs::write(folder.join("idp.policy"), policy(&server)).unwrap();

    let verified = ok(&run(&server, &["verify"]));
    let copied = ok(&monitor(&server, &folder.join("copy")));
    let copy = ok(&run_from(&server, "copy"));

    assert_eq!(
        (&verified["verified"], &verified["snapshot_compared"]),
        (&true.into(), &true.into())
    );
    let audit = &verified["audit"];
    assert_eq!(audit["counts"]["releases"], 2);
    assert_eq!(audit["document"]["modules"]["golden/greeting/test"], 1);
    assert_eq!((&copied["size"], &copied["kept"]), (&audit["size"], &true.into()));
    assert_eq!((&copy["audit"], &copy["snapshot_compared"]), (audit, &false.into()));
    // The copy is the log's files, byte for byte.
    for path in ["checkpoint", "tile/entries/000.p/5", "tile/0/000.p/5"] {
        let answer = server.get(&format!("/log/{path}"));
        let kept = text(&std::fs::read(folder.join("copy").join(path)).unwrap());
        assert!(answer.ends_with(&kept), "{path}");
    }
    let shown = ok(&run(&server, &["show", "2"]));
    assert_eq!(shown["entries"][0]["statement"]["predicate"]["version"], "1.0.0");
    let people = idp(folder).args(["log", "show", "--from", "copy"]).output().unwrap();
    let said = text(&people.stdout);
    assert!(said.contains("2  release golden/greeting/test@1.0.0 (SHA-256 "), "{said}");
    assert!(
        said.contains("golden/greeting/test@1.0.0 is deprecated: there is a newer one"),
        "{said}"
    );
    let beyond = run(&server, &["show", "5"]);
    assert!(text(&beyond.stderr).contains("there is no entry 5"), "{}", text(&beyond.stderr));
}

fn run_from(server: &Process, folder: &str) -> Output {
    let mut command = idp(server.folder.path());
    command.args(["--json", "log", "verify", "--from", folder]).output().unwrap()
}

#[test]
fn other_roots_and_files_that_were_tampered_with_are_found() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0"));
    let folder = server.folder.path();
    ok(&monitor(&server, &folder.join("copy")));
    let altered = |path: &str, at: usize| {
        let file = folder.join("copy").join(path);
        let whole = std::fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let found = failed(&run_from(&server, "copy"));
        std::fs::write(&file, whole).unwrap();
        found["audit"]["findings"].clone()
    };

    assert_eq!(codes(&altered("tile/0/000.p/3", 40)), ["tile_differs"]);
    let bundle = std::fs::read(folder.join("copy/tile/entries/000.p/3")).unwrap();
    let entry = altered("tile/entries/000.p/3", bundle.len() - 20);
    assert!(codes(&entry).contains(&"tree_root"), "{entry:#}");
    assert_eq!(entry[0]["index"], 2, "{entry:#}");
    let head = std::fs::read_to_string(folder.join("copy/checkpoint")).unwrap();
    let signature = altered("checkpoint", head.len() - 8);
    // Another letter, or none of the alphabet.
    assert!(
        [["note_signature"], ["note_malformed"]].iter().any(|code| codes(&signature) == code),
        "{signature:#}"
    );
    ok(&run_from(&server, "copy"));

    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let pinned = format!("registry registry.test.example\nroot 1 {other}\n");
    std::fs::write(folder.join("other.policy"), pinned).unwrap();
    let found = failed(&run(&server, &["verify", "--policy", "other.policy"]));
    assert!(codes(&found["audit"]["findings"]).contains(&"root_not_pinned"), "{found:#}");
    let missing = run(&server, &["verify", "--policy", "none.policy"]);
    assert!(text(&missing.stderr).contains("there is no policy none.policy"));
}

#[test]
fn a_monitor_tells_what_is_new_and_goes_on_after_it_was_killed() {
    let server = Process::start("");
    let copy = server.folder.path().join("copy");
    ok(&monitor(&server, &copy));
    let nothing = ok(&monitor(&server, &copy));
    assert_eq!(nothing["new"], Value::Array(vec![]));

    for (point, version) in
        [("monitor.files_written", "1.0.0"), ("monitor.checkpoint_written", "1.1.0")]
    {
        ok(&publish(&server, version));
        let arguments = ["monitor", "--once", "--dir", copy.to_str().unwrap()];
        let killed = log(&server, &arguments).env("IDP_FAILPOINT", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point} was not reached");

        let again = ok(&monitor(&server, &copy));

        let new = usize::from(point == "monitor.files_written");
        assert_eq!(again["new"].as_array().unwrap().len(), new, "{again:#}");
        assert_eq!(again["findings"], Value::Array(vec![]));
        ok(&run_from(&server, "copy"));
    }
    deprecate(&server, "golden/greeting/test");
    let arguments = ["log", "monitor", "--once", "--dir", "copy"];
    let mut people = idp(server.folder.path());
    let said = people.args(arguments).env("IDP_SERVER", server.url()).output().unwrap();
    let said = text(&said.stdout);
    assert!(said.starts_with("4  golden/greeting/test is deprecated"), "{said}");
    assert!(said.contains("signed by "), "{said}");
}

#[test]
fn a_monitor_that_runs_follows_the_log_until_it_is_stopped() {
    let server = Process::start("");
    let copy = server.folder.path().join("copy");
    let arguments = ["monitor", "--interval", "1s", "--dir", copy.to_str().unwrap()];
    let mut child = log(&server, &arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let size = || {
        let head = std::fs::read_to_string(copy.join("checkpoint")).unwrap_or_default();
        head.lines().nth(1).map(str::to_owned)
    };
    super::serve::wait("the first round", || size().as_deref() == Some("2"));

    ok(&publish(&server, "1.0.0"));
    super::serve::wait("the next round", || size().as_deref() == Some("3"));

    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stdout);
    let rounds: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let new = rounds.last().unwrap()["new"].as_array().unwrap();
    assert_eq!(new[0]["statement"]["predicate"]["version"], "1.0.0", "{said}");
    assert!(!text(&output.stderr).contains("NOT RIGHT"), "{}", text(&output.stderr));
}

#[test]
fn a_registry_with_two_histories_is_caught_and_both_heads_are_kept() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0"));
    let (folder, token) = stopped(server);
    let other = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("."), other.path());
    let server = Process::start_in(folder, token.clone(), |_| {});
    ok(&publish(&server, "1.1.0"));
    let copy = server.folder.path().join("copy");
    ok(&monitor(&server, &copy));
    let seen = std::fs::read(copy.join("checkpoint")).unwrap();

    // The same keys, another database.
    let twin = Process::start_in(other, token, |_| {});
    let behind = failed(&monitor(&twin, &copy));
    assert_eq!(codes(&behind["findings"]), ["rollback", "rollback"]);
    ok(&publish(&twin, "1.2.0"));
    let fork = failed(&monitor(&twin, &copy));
    ok(&publish(&twin, "1.3.0"));
    let longer = failed(&monitor(&twin, &copy));

    for found in [&fork, &longer] {
        assert!(codes(&found["findings"]).iter().all(|code| *code == "fork"), "{found:#}");
        let problem = found["findings"][0]["problem"].as_str().unwrap();
        let kept = problem.split_once("Both heads are in ").unwrap().1;
        assert_eq!(std::fs::read(Path::new(kept).join("seen")).unwrap(), seen);
        let shown = std::fs::read(Path::new(kept).join("shown")).unwrap();
        assert!(text(&shown).starts_with("registry.test.example/log\n"), "{}", text(&shown));
    }
    assert_eq!(std::fs::read(copy.join("checkpoint")).unwrap(), seen);
    ok(&publish(&server, "1.4.0"));
    assert_eq!(ok(&monitor(&server, &copy))["new"].as_array().unwrap().len(), 1);
}

/// `idp serve`, which is to refuse.
fn refused(folder: &Path) -> String {
    let output = local(folder, &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    text(&output.stderr)
}

#[test]
fn after_the_restore_of_an_older_backup_a_copy_of_the_log_brings_the_server_back() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0"));
    ok(&publish(&server, "1.1.0"));
    ok(&local(server.folder.path(), &["backup", "b.tar"]));
    ok(&monitor(&server, &server.folder.path().join("old-copy")));
    ok(&publish(&server, "1.2.0"));
    deprecate(&server, "golden/greeting/test@1.0.0");
    ok(&monitor(&server, &server.folder.path().join("copy")));
    let (folder, token) = stopped(server);

    let restored = ok(&local(folder.path(), &["restore", "--replace", "b.tar"]));
    let guard = restored["guard_problem"].as_str().unwrap();
    assert!(guard.contains("the log has 4 entries, but one with 6 was signed"), "{guard}");
    let said = refused(folder.path());
    assert!(said.contains("idp log recover FOLDER"), "{said}");
    let said = text(&local(folder.path(), &["log", "recover", "old-copy"]).stderr);
    assert!(said.contains("the copy has 4 entries, but 6 were signed"), "{said}");
    let said = text(&local(folder.path(), &["log", "recover", "nothing"]).stderr);
    assert!(said.contains("has no checkpoint"), "{said}");
    let recovered = ok(&local(folder.path(), &["log", "recover", "copy"]));
    assert_eq!((&recovered["before"], &recovered["after"]), (&4.into(), &6.into()));
    assert_eq!(recovered["without_archive"][0], "golden/greeting/test@1.2.0");
    let again = ok(&local(folder.path(), &["log", "recover", "copy"]));
    assert_eq!((&again["before"], &again["after"]), (&6.into(), &6.into()));

    let server = Process::start_in(folder, token, |_| {});
    assert_eq!(ok(&run(&server, &["verify"]))["audit"]["size"], 6);
    let list = server.get("/v1/modules/golden/greeting/test/versions");
    assert!(list.contains("1.1.0") && !list.contains("1.2.0"), "{list}");
    // The number stands for what it was: other bytes are refused, the same come back under their entry.
    write_module(server.folder.path(), &[("main.tf", "# other\n")]);
    let other = server.publish("1.2.0");
    assert!(text(&other.stderr).contains("version_taken"), "{}", text(&other.stderr));
    let back = ok(&publish(&server, "1.2.0"));
    assert_eq!((&back["created"], &back["log"]["index"]), (&true.into(), &4.into()), "{back:#}");
    assert_eq!(ok(&publish(&server, "1.2.0"))["created"], false);
    let list = server.get("/v1/modules/golden/greeting/test/versions");
    assert!(list.contains("1.2.0"), "{list}");
    let verified = ok(&run(&server, &["verify"]));
    assert_eq!((&verified["audit"]["size"], &verified["verified"]), (&6.into(), &true.into()));
    assert_eq!(ok(&monitor(&server, &server.folder.path().join("copy")))["size"], 6);
    ok(&publish(&server, "1.3.0"));
    let new = ok(&monitor(&server, &server.folder.path().join("copy")));
    assert_eq!(new["new"][0]["index"], 6);
    let mut audit = idp(server.folder.path());
    audit.args(["audit", "export"]).env("IDP_SERVER", server.url()).env("IDP_TOKEN", &server.token);
    let audit = text(&audit.output().unwrap().stdout);
    assert!(audit.contains("\"log.recover\""), "{audit}");
}

#[test]
fn a_database_with_another_history_is_not_recovered() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0"));
    let (folder, token) = stopped(server);
    let other = tempfile::tempdir().unwrap();
    copy_folder(&folder.path().join("."), other.path());
    let twin = Process::start_in(other, token.clone(), |_| {});
    ok(&publish(&twin, "1.1.0"));
    let (twin, _) = stopped(twin);
    let server = Process::start_in(folder, token, |_| {});
    ok(&publish(&server, "1.2.0"));
    ok(&publish(&server, "1.3.0"));
    ok(&monitor(&server, &server.folder.path().join("copy")));
    let running = local(server.folder.path(), &["log", "recover", "copy"]);
    assert!(
        text(&running.stderr).contains("in use by another process"),
        "{}",
        text(&running.stderr)
    );
    let (folder, _) = stopped(server);

    // The twin's database under the keys, and the memory, of the other.
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    copy_folder(&twin.path().join("data"), folder.path());
    let said = text(&local(folder.path(), &["log", "recover", "copy"]).stderr);
    assert!(said.contains("the copy does not continue this database"), "{said}");
    assert!(refused(folder.path()).contains("idp log recover"));
    // A copy of another registry's log, and one whose entries were changed.
    let stranger = Process::start("");
    ok(&monitor(&stranger, &folder.path().join("foreign")));
    let said = text(&local(folder.path(), &["log", "recover", "foreign"]).stderr);
    assert!(said.contains("not signed by this registry's log key"), "{said}");
    let bundle = folder.path().join("copy/tile/entries/000.p/5");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    copy_folder(&twin.path().join("data"), folder.path());
    let said = text(&local(folder.path(), &["log", "recover", "copy"]).stderr);
    assert!(said.contains("nothing was changed"), "{said}");
}
