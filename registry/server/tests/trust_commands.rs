//! `idp keys` and `idp status` against a server that runs.

use std::process::Output;

use serde_json::{Value, json};

use super::cli::{idp, ok, text};
use super::serve::{Process, write_module};

/// What a command that must fail says.
#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

/// `idp publish module` with this key.
fn publish(server: &Process, version: &str, key: &str) -> Output {
    let address = ["publish", "module", "--address", "golden/greeting/test"];
    server.idp(&[&address[..], &["--version", version, "--key", key]].concat())
}

#[test]
fn keys_come_are_rotated_and_go() {
    let server = Process::start("");
    let made = ok(&server.idp(&["keys", "new", "acme.pem"]));
    let again = refused(&server.idp(&["keys", "new", "acme.pem"]));
    assert!(again.contains("acme.pem"), "{again}");

    let stranger =
        refused(&server.idp(&["keys", "add", "golden", "acme.pub", "--key", "acme.pem"]));
    assert!(stranger.contains("signer_not_allowed"), "{stranger}");
    // publisher.pem beside the configuration signs where no key is named.
    ok(&server.idp(&["keys", "add", "golden", "acme.pub"]));
    ok(&publish(&server, "1.0.0", "acme.pem"));

    let by_root = ["keys", "rotate", "golden", "--key", "root.pem", "--new", "lost.pem"];
    let wrong = refused(&server.idp(&by_root));
    assert!(wrong.contains("is not one of golden"), "{wrong}");
    assert!(!server.folder.path().join("lost.pem").exists());
    let rotate = ["keys", "rotate", "golden", "--key", "acme.pem", "--new", "acme-2.pem"];
    let rotated = ok(&server.idp(&rotate));
    assert_eq!(rotated["revoked"], made["id"]);
    let old = refused(&publish(&server, "1.1.0", "acme.pem"));
    assert!(old.contains("publisher_key_revoked"), "{old}");
    ok(&publish(&server, "1.1.0", "acme-2.pem"));

    let new = rotated["new"].as_str().unwrap();
    let revoke = ["keys", "revoke", "golden", new, "--compromised", "--from", "6"];
    ok(&server.idp(&[&revoke[..], &["--key", "root.pem"]].concat()));
    let keys = ok(&server.idp(&["keys", "list", "golden"]));
    let states: Vec<(&Value, &Value)> = keys["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (&key["reason"], &key["revoked_from"]))
        .collect();
    let null = Value::Null;
    let (superseded, compromised) = (json!("superseded"), json!("compromised"));
    assert_eq!(
        states,
        [(&null, &null), (&superseded, &json!(5)), (&compromised, &json!(6))],
        "{keys:#}"
    );
    let words = idp(server.folder.path())
        .args(["keys", "list", "golden"])
        .env("IDP_SERVER", server.url())
        .env("IDP_TOKEN", &server.token)
        .output()
        .unwrap();
    assert!(text(&words.stdout).contains("revoked from entry 6 on (compromised)"));
}

#[test]
fn a_namespace_without_keys_says_how_it_gets_one() {
    let server = Process::start("");

    let words = idp(server.folder.path())
        .args(["keys", "list", "platform"])
        .env("IDP_SERVER", server.url())
        .env("IDP_TOKEN", &server.token)
        .output()
        .unwrap();

    let said = text(&words.stdout);
    assert!(said.contains("idp keys add platform PUBLIC_KEY --key root.pem"), "{said}");
}

#[test]
fn jobs_are_trusted_and_not_any_more() {
    let server = Process::start("\n[[oidc_issuer]]\nurl = \"https://ci.example.com\"\n");
    let ci = |verb: &'static str| {
        server.idp(&[
            "keys",
            verb,
            "golden",
            "--issuer",
            "https://ci.example.com",
            "--claim",
            "repository_id=74",
        ])
    };

    ok(&ci("trust-ci"));
    let twice = refused(&ci("trust-ci"));
    assert!(twice.contains("trusted already"), "{twice}");
    let keys = ok(&server.idp(&["keys", "list", "golden"]));
    assert_eq!(keys["ci"][0]["claims"], json!({ "repository_id": "74" }));
    ok(&ci("distrust-ci"));
    let keys = ok(&server.idp(&["keys", "list", "golden"]));
    assert_eq!(keys["ci"], json!([]));
    refused(&ci("distrust-ci"));
}

#[test]
fn the_root_becomes_two_of_three() {
    let server = Process::start("");
    for name in ["second.pem", "third.pem"] {
        ok(&server.idp(&["keys", "new", name]));
    }
    let rotate = |keys: &[&str]| {
        let mut arguments = vec!["keys", "root", "rotate", "--add", "second.pub"];
        arguments.extend(["--add", "third.pub", "--threshold", "2"]);
        arguments.extend(keys.iter().flat_map(|key| ["--key", key]));
        server.idp(&arguments)
    };

    for too_few in [&["root.pem"][..], &["root.pem", "root.pem"], &["second.pem", "third.pem"]] {
        let said = refused(&rotate(too_few));
        assert!(said.contains("root_invalid"), "{said}");
    }
    let rotated = ok(&rotate(&["root.pem", "third.pem"]));

    assert_eq!((&rotated["version"], &rotated["threshold"]), (&json!(2), &json!(2)));
    let shown = ok(&server.idp(&["keys", "root", "show"]));
    assert_eq!(
        (&shown["root_version"], shown["root_keys"].as_array().unwrap().len()),
        (&json!(2), 3)
    );
    // From now on one key of it adds nothing.
    ok(&server.idp(&["keys", "new", "acme.pem"]));
    let add = ["keys", "add", "platform", "acme.pub", "--key", "second.pem"];
    refused(&server.idp(&add));
    ok(&server.idp(&[&add[..], &["--key", "third.pem"]].concat()));
    // And the server starts with it.
    let mut server = server;
    server.stop();
    let (folder, token) = server.into_folder();
    Process::start_in(folder, token, |_| {});
}

#[test]
fn the_root_is_made_once_and_not_under_a_running_server() {
    let mut server = Process::start("");

    let running = refused(&server.idp(&["keys", "root", "init"]));
    assert!(running.contains("in use by another process"), "{running}");
    server.stop();
    let twice = refused(&server.idp(&["keys", "root", "init"]));
    assert!(twice.contains("has its root keys already"), "{twice}");
}

#[test]
fn modules_are_retired_and_restored() {
    let server = Process::start("");
    write_module(server.folder.path(), super::support::MODULE);
    for version in ["1.0.0", "1.1.0"] {
        ok(&publish(&server, version, "publisher.pem"));
    }
    let (module, version) = ("golden/greeting/test", "golden/greeting/test@1.0.0");
    let show = || ok(&server.idp(&["status", module]));
    assert_eq!(show()["statuses"], json!([]));

    ok(&server.idp(&[
        "status",
        "deprecate",
        version,
        "--reason",
        "old",
        "--replacement",
        "1.1.0",
        "--sunset",
        "2027-01-31",
        "--contact",
        "#platform",
    ]));
    ok(&server.idp(&["status", "yank", module, "--reason", "all", "--key", "publisher.pem"]));
    let shown = show();
    let statuses = shown["statuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 2);
    assert!(statuses[0].get("version").is_none());
    assert_ne!(statuses[0]["signed_by"], statuses[1]["signed_by"]);
    assert_eq!(statuses[1]["sunset"], "2027-01-31");
    let words = idp(server.folder.path())
        .args(["status", version])
        .env("IDP_SERVER", server.url())
        .env("IDP_TOKEN", &server.token)
        .output()
        .unwrap();
    assert_eq!(
        text(&words.stdout),
        "every version  yanked: all\n1.0.0  deprecated: old; use 1.1.0; ask #platform; sunset 2027-01-31\n"
    );
    ok(&server.idp(&["status", "restore", module, "--key", "publisher.pem"]));
    ok(&server.idp(&["status", "revoke", version, "--reason", "leaks", "--key", "publisher.pem"]));
    let answer = server.get("/v1/modules/golden/greeting/test/1.0.0/download");
    assert!(answer.contains("410") && answer.contains("was revoked: leaks"), "{answer}");

    let unknown = refused(&server.idp(&["status", "yank", "golden/other/test", "--reason", "r"]));
    assert!(unknown.contains("module_not_found"), "{unknown}");
    let stranger = {
        ok(&server.idp(&["keys", "new", "acme.pem"]));
        refused(&server.idp(&["status", "yank", module, "--reason", "r", "--key", "acme.pem"]))
    };
    assert!(stranger.contains("signer_not_allowed"), "{stranger}");
    for wrong in [
        &["status"][..],
        &["status", "golden/greeting"],
        &["status", "yank", module],
        &["status", "deprecate", module, "--reason", "r", "--sunset", "2027-02-30"],
    ] {
        assert_eq!(server.idp(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn who_still_uses_a_module_is_shown() {
    let server = Process::start("");
    ok(&publish(&server, "1.0.0", "publisher.pem"));
    let who = |what: &str| {
        let output = idp(server.folder.path())
            .args(["status", what, "--who"])
            .env("IDP_SERVER", server.url())
            .env("IDP_TOKEN", &server.token)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(who("golden/greeting/test"), "nobody that this server knows of\n");

    server.get("/v1/modules/golden/greeting/test/1.0.0/download");

    let said = who("golden/greeting/test@1.0.0");
    assert!(said.starts_with("1.0.0  downloaded by anonymous, last at "), "{said}");
    assert_eq!(who("golden/greeting/test@2.0.0"), "nobody that this server knows of\n");
    let found = ok(&server.idp(&["status", "golden/greeting/test", "--who"]));
    assert_eq!(found["downloads"][0]["token"], "anonymous");
}
