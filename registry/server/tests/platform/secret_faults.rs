//! The real binary and its secrets: wrong and lost keys, kills at every point, and a search for values everywhere.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use registry_server::failpoint;
use serde_json::{Value, json};

use crate::harness::{self, Platform};
use crate::program::{Program, prepared};

const STRIPE: &str = "/secrets/staging/stripe-key";
const VALUE: &str = "/secret-values/secret/staging/stripe-key";

fn idp(folder: &Path, arguments: &[&str], failpoint: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp"));
    command.args(arguments).arg("--config").arg(folder.join("idp.toml")).current_dir(folder);
    command.env("IDP_LISTEN", "127.0.0.1:0");
    if let Some(name) = failpoint {
        command.env("IDP_FAILPOINT", name);
    }
    command.output().unwrap()
}

#[track_caller]
fn ok(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn keys(folder: &Path) -> Vec<Value> {
    ok(&idp(folder, &["--json", "secret", "keys", "list"], None)).as_array().unwrap().clone()
}

fn given(version: u64, value: &str) -> Value {
    json!({"owner": "payments", "value": value, "value_version": version})
}

async fn value(program: &Program) -> Value {
    let (status, read) = program.call("GET", VALUE, "", None).await.unwrap();
    assert_eq!(status, 200, "{read:#}");
    read["data"]["value"].clone()
}

/// A folder whose database has a secret.
async fn with_secret() -> (tempfile::TempDir, String) {
    let (folder, token) = prepared().await;
    let program = Program::start(folder.path(), &token, None).await;
    let (status, put) = program.call("PUT", STRIPE, "*", Some(given(1, "first"))).await.unwrap();
    assert_eq!(status, 200, "{put:#}");
    (folder, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_keys_are_lost_or_wrong_does_not_start_and_loses_nothing() {
    let (folder, token) = with_secret().await;
    let file = folder.path().join("secrets.key");
    let right = fs::read_to_string(&file).unwrap();
    let id = keys(folder.path())[0]["id"].as_str().unwrap().to_owned();
    let (other, _) = with_secret().await;
    let of_another = fs::read_to_string(other.path().join("secrets.key")).unwrap();
    let same_id = {
        let key = of_another.lines().last().unwrap().rsplit_once(' ').unwrap().1;
        format!("{id} {key}\n")
    };

    for (content, words) in [
        (None, "is not there"),
        (Some(of_another), "does not have key"),
        (Some(same_id), "is not the key of that name"),
    ] {
        match &content {
            None => fs::remove_file(&file).unwrap(),
            Some(content) => fs::write(&file, content).unwrap(),
        }
        let output = idp(folder.path(), &["serve"], None);

        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        for part in [words, &id, file.to_str().unwrap(), "restore", "nothing was lost or changed"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(file.exists(), content.is_some(), "{words}");
        assert_eq!(keys(folder.path())[0]["values"], 1, "{words}");
        let rotate = idp(folder.path(), &["secret", "keys", "rotate"], None);
        assert_eq!(rotate.status.code(), Some(1), "{words}");
    }
    fs::write(&file, right).unwrap();
    let program = Program::start(folder.path(), &token, None).await;
    assert_eq!(value(&program).await, "first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_is_killed_at_any_point_harms_nobody_and_is_finished_by_the_next() {
    let points =
        failpoint::ALL.iter().filter(|point| point.starts_with("keys.") && **point != "keys.made");
    let mut visited = 0;
    for point in points {
        let (folder, token) = with_secret().await;
        let old = keys(folder.path())[0]["id"].clone();
        let program = Program::start(folder.path(), &token, None).await;

        let killed = idp(folder.path(), &["secret", "keys", "rotate"], Some(point));

        assert!(!killed.status.success(), "{point} was not reached");
        assert_eq!(value(&program).await, "first", "{point}");
        let (status, put) =
            program.call("PUT", STRIPE, "\"1\"", Some(given(2, "second"))).await.unwrap();
        assert_eq!(status, 200, "{point}: {put:#}");
        drop(program);
        let program = Program::start(folder.path(), &token, None).await;
        assert_eq!(value(&program).await, "second", "{point}");

        let rotated = ok(&idp(folder.path(), &["--json", "secret", "keys", "rotate"], None));
        assert_eq!(value(&program).await, "second", "{point}");
        let (status, put) =
            program.call("PUT", STRIPE, "\"2\"", Some(given(3, "third"))).await.unwrap();
        assert_eq!(status, 200, "{point}: {put:#}");
        drop(program);

        let left = keys(folder.path());
        assert_eq!(left.len(), 1, "{point}: {left:#?}");
        assert_eq!((&left[0]["id"], &left[0]["state"]), (&rotated["primary"], &json!("primary")));
        assert_eq!((&left[0]["in_file"], &left[0]["values"]), (&json!(true), &json!(1)), "{point}");
        assert_ne!(left[0]["id"], old, "{point}");
        let program = Program::start(folder.path(), &token, None).await;
        assert_eq!(value(&program).await, "third", "{point}");
        visited += 1;
    }
    assert!(visited >= 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_between_file_and_database_goes_on_with_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    harness::prepare(folder.path());
    ok(&idp(folder.path(), &["--json", "keys", "root", "init"], None));

    let killed = idp(folder.path(), &["serve"], Some("keys.made"));

    assert!(!killed.status.success());
    let file = fs::read_to_string(folder.path().join("secrets.key")).unwrap();
    assert_eq!(keys(folder.path())[0]["state"], "unused");
    let program = Program::start(folder.path(), "", None).await;
    drop(program);
    assert_eq!(fs::read_to_string(folder.path().join("secrets.key")).unwrap(), file);
    assert_eq!(keys(folder.path())[0]["state"], "primary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_killed_leaves_the_secret_or_nothing() {
    for point in failpoint::ALL.iter().filter(|point| point.starts_with("secrets.")) {
        let (folder, token) = prepared().await;
        let doomed = Program::start(folder.path(), &token, Some(point)).await;
        doomed.call("PUT", STRIPE, "*", Some(given(1, "first"))).await;
        assert!(!doomed.died().await.success(), "{point}");

        let program = Program::start(folder.path(), &token, None).await;
        let (status, _) = program.call("GET", VALUE, "", None).await.unwrap();
        let (listed, audit) = (
            program.call("GET", "/secrets", "", None).await.unwrap().1,
            program.call("GET", "/audit", "", None).await.unwrap().1,
        );

        let stands = *point == "secrets.written";
        assert_eq!(status, if stands { 200 } else { 404 }, "{point}");
        assert_eq!(listed["secrets"].as_array().unwrap().len(), usize::from(stands), "{point}");
        assert_eq!(audit.to_string().contains("secret.create"), stands, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_shows_rotates_and_deletes_without_a_value() {
    let (folder, token) = with_secret().await;
    let program = Program::start(folder.path(), &token, None).await;
    let made = json!({"owner": "payments", "generate": {}});
    program.call("PUT", "/secrets/staging/session-key", "*", Some(made)).await.unwrap();
    let say = |arguments: &[&str]| {
        let output = program.idp(arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };

    let (_, listed) = say(&["secret", "list", "--environment", "staging"]);
    let (_, shown) = say(&["secret", "show", "staging/stripe-key"]);
    let (_, rotated) = say(&["secret", "rotate", "staging/session-key"]);
    let refused = say(&["secret", "rotate", "staging/stripe-key"]);
    let (_, deleted) = say(&["secret", "delete", "staging/stripe-key"]);
    let missing = say(&["secret", "show", "staging/stripe-key"]);

    assert!(
        listed.contains("secret/staging/session-key  owner payments  generated  version 1"),
        "{listed}"
    );
    assert!(shown.contains("last read  never"), "{shown}");
    assert_eq!(rotated, "secret/staging/session-key has a new value, version 2\n");
    assert_eq!(refused.0, Some(1));
    assert!(refused.1.contains("was given"), "{}", refused.1);
    assert_eq!(deleted, "secret/staging/stripe-key is deleted\n");
    assert!(missing.1.contains("there is no secret/staging/stripe-key"), "{}", missing.1);
    for text in [&listed, &shown] {
        assert!(!text.contains("first"), "{text}");
    }
}

/// Every form in which a value could stand somewhere: as it is, in JSON, in a URL, in base64 wherever it begins.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(value).unwrap();
    let url: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    let mut forms =
        vec![value.to_owned(), json[1..json.len() - 1].to_owned(), url.clone(), url.to_lowercase()];
    for (before, cut) in [(0, 0), (1, 2), (2, 3)] {
        let bytes = [&vec![0; before], value.as_bytes()].concat();
        let keep = bytes.len() * 8 / 6;
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            forms.push(encoded[cut..keep].to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// Which files below `folder` have the value, in whatever form.
fn files_with(folder: &Path, value: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, value));
            continue;
        }
        let content = fs::read(&path).unwrap();
        let has = |form: &Vec<u8>| content.windows(form.len()).any(|part| part == form.as_slice());
        if forms(value).iter().any(has) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_is_in_the_database_the_log_or_the_audit_trail_whatever_happened() {
    let platform = Platform::without_worker().await;
    let token = platform.token("ci", &["admin"]).await;
    let folder = platform.close().await;
    let log = folder.path().join("data/log");
    let program = Program::start_with(folder.path(), &token, |command| {
        command.env("IDP_LOG", "trace").stderr(File::create(&log).unwrap());
    })
    .await;
    let hunter2 = "hunter2 \"correct\\horse\"/battery+staple?";
    let mut values = vec![hunter2.to_owned()];
    let session = "/secrets/staging/session-key";
    let session_value = "/secret-values/secret%2Fstaging%2Fsession-key";

    program.call("PUT", STRIPE, "*", Some(given(1, hunter2))).await.unwrap();
    assert_eq!(value(&program).await, hunter2);
    program.call("PUT", STRIPE, "*", Some(given(1, hunter2))).await.unwrap();
    let both = json!({"owner": "payments", "value": hunter2, "generate": {}});
    program.call("PUT", STRIPE, "\"1\"", Some(both)).await.unwrap();
    let symbols = json!({"owner": "payments", "generate": {"symbols": true}});
    let rotate = "/secrets/staging/session-key/rotate";
    for (method, path, tag, body) in
        [("PUT", session, "*", Some(symbols)), ("POST", rotate, "\"1\"", None)]
    {
        let (status, answer) = program.call(method, path, tag, body).await.unwrap();
        assert_eq!(status, 200, "{answer:#}");
        let (_, read) = program.call("GET", session_value, "", None).await.unwrap();
        values.push(read["data"]["value"].as_str().unwrap().to_owned());
    }
    ok(&idp(folder.path(), &["--json", "secret", "keys", "rotate"], None));
    assert_eq!(value(&program).await, hunter2);
    // What would be found, had it been written: in the log, the database and the audit trail.
    let canary = "canary-in-the-coal-mine";
    program.call("GET", &format!("/{canary}"), "", None).await.unwrap();
    let body = json!({"name": canary, "rights": ["admin"]});
    program.call("POST", "/tokens", "*", Some(body)).await.unwrap();
    let export = program.idp(&["audit", "export", "--output", "data/audit.jsonl"]);
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));

    let data = folder.path().join("data");
    assert!(data.join("idp.sqlite-wal").exists());
    for value in &values {
        assert_eq!(files_with(&data, value), Vec::<String>::new(), "{value}");
    }
    let found = files_with(&data, canary).join(" ");
    for place in ["/log", "/audit.jsonl", "/idp.sqlite-wal"] {
        assert!(found.contains(place), "{place} is not among {found}");
    }
    for (number, form) in forms(hunter2).into_iter().enumerate() {
        fs::write(data.join("planted"), [b"x".repeat(number), form, b"y".to_vec()].concat())
            .unwrap();
        assert_eq!(files_with(&data, hunter2).len(), 1, "form {number} is not found");
    }
}
