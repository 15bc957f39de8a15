//! The command line as scripts use it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// `idp` with nobody's environment.
pub(crate) fn idp(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
    command.env_clear().current_dir(folder).env("IDP_CONFIG", folder.join("idp.toml"));
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
pub(crate) fn ok(output: &Output) -> Value {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[test]
fn init_makes_a_configuration_that_works_once() {
    let folder = tempfile::tempdir().unwrap();
    let init = || idp(folder.path()).args(["--json", "init", "."]).output().unwrap();

    let made = ok(&init());

    // 127.0.0.1:8080 has dots and a port, so it is a hostname that terraform takes.
    assert!(made["admin_token"].as_str().unwrap().starts_with("idp_"));
    ok(&idp(folder.path()).args(["--json", "serve", "--check"]).output().unwrap());
    let again = init();
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("exists already"), "{}", text(&again.stderr));
}

#[test]
fn keys_are_readable_only_by_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    ok(&idp(folder.path()).args(["--json", "init", "."]).output().unwrap());

    for key in ["publisher.pem", "secrets.key"] {
        let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
}

#[test]
fn a_lost_admin_makes_a_token_on_the_servers_machine() {
    let folder = tempfile::tempdir().unwrap();
    ok(&idp(folder.path()).args(["--json", "init", "."]).output().unwrap());
    let create = ["--json", "token", "create", "--local", "--name", "rescue", "--right", "admin"];

    let made = ok(&idp(folder.path()).args(create).output().unwrap());

    assert!(made["token"].as_str().unwrap().starts_with("idp_"));
    let list =
        ok(&idp(folder.path()).args(["--json", "token", "list", "--local"]).output().unwrap());
    assert_eq!(list["tokens"].as_array().unwrap().len(), 2);
}

#[test]
fn a_configuration_that_is_wrong_says_everything_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text_of = "[server]\nlisten = \"here\"\npublic_url = \"example.com\"\n\n[[namespace]]\nname = \"Golden\"\n";
    std::fs::write(folder.path().join("idp.toml"), text_of).unwrap();

    let output = idp(folder.path()).args(["serve", "--check"]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    for key in ["server.listen", "server.public_url", "namespace[0].name"] {
        assert!(said.contains(key), "{key} is missing in {said}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("idp.toml"), "[server]\nlistn = \"x\"\n").unwrap();

    let output = idp(folder.path()).args(["serve", "--check"]).output().unwrap();

    let said = text(&output.stderr);
    assert!(said.contains("line 2") && said.contains("listn"), "{said}");
}

#[test]
fn a_wrong_command_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();

    let output = idp(folder.path()).args(["publsh"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let list = ["token", "list", "--server", "http://127.0.0.1:1"];

    let output = idp(folder.path()).args(list).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("cannot reach http://127.0.0.1:1"), "{said}");
}

#[test]
fn every_shell_gets_completions() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = idp(folder.path()).args(["completions", shell]).output().unwrap();
        assert!(text(&output.stdout).contains("publish"), "{shell}");
    }
}

#[test]
fn packing_and_signing_works_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    ok(&idp(folder.path()).args(["--json", "init", "."]).output().unwrap());
    let module = folder.path().join("module");
    std::fs::create_dir(&module).unwrap();
    std::fs::write(
        module.join("main.tf"),
        "module \"x\" {\n  source = \"registry.example.com/a/b/c\"\n}\n",
    )
    .unwrap();

    let publish = [
        "--json",
        "publish",
        "module",
        "--address",
        "golden/x/y",
        "--version",
        "1.0.0",
        "--hostname",
        "registry.acme.example",
        "--output",
        "x.tar.gz",
    ];
    let made = ok(&idp(folder.path()).args(publish).output().unwrap());

    assert_eq!(made["release"], "registry.acme.example/golden/x/y@1.0.0");
    let archive = std::fs::read(folder.path().join("x.tar.gz")).unwrap();
    let archive = registry_trust::archive::Archive::open(
        &archive,
        &registry_trust::archive::Limits::default(),
    )
    .unwrap();
    let main = text(archive.get("main.tf").unwrap().content);
    assert!(main.contains("\"registry.acme.example/a/b/c\""), "{main}");
    assert!(folder.path().join("x.tar.gz.sigstore.json").exists());
}
