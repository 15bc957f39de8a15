//! Kills the real binary at every failpoint and starts it again: what was accepted is carried out exactly once,
//! and what was not accepted never was.

use std::path::Path;
use std::process::Command;

use registry_server::failpoint;
use serde_json::json;

use crate::harness::{git, put};
use crate::program::{Program, prepared};

/// Points that a change of a service passes that uses nothing.
fn points() -> impl Iterator<Item = &'static str> {
    let of_databases = ["provisioned", "released", "dumped", "dropped"];
    let mine = move |name: &&str| match name.split_once('.') {
        Some(("gitops", _)) => true,
        Some(("platform", step)) => !of_databases.contains(&step),
        _ => false,
    };
    failpoint::ALL.iter().copied().filter(mine)
}

fn commits(folder: &Path) -> usize {
    let counted = git(&folder.join("clusters.git"), &["rev-list", "--count", "--all"]);
    counted.trim().parse().unwrap()
}

const SERVICE: &str = "/resources/service/staging/checkout";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_survives_a_kill_at_every_point_and_is_committed_once() {
    for point in points() {
        let (folder, token) = prepared().await;
        let doomed = Program::start(folder.path(), &token, Some(point)).await;
        let answer = doomed.call("PUT", SERVICE, "*", Some(put(json!({})))).await;
        assert!(!doomed.died().await.success(), "{point}");

        let program = Program::start(folder.path(), &token, None).await;
        let found = program.settled().await;

        let accepted = point != "platform.accepting";
        assert_eq!(found.is_some(), accepted, "{point}: {answer:?}");
        let (status, operation) =
            program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();
        assert_eq!(status, 202, "{point}: {operation:#}");
        let wait = format!("/operations/{}?wait=50s", operation["id"].as_str().unwrap());
        let (_, ended) = program.call("GET", &wait, "", None).await.unwrap();
        assert_eq!(ended["state"], "succeeded", "{point}: {ended:#}");
        let (_, now) = program.call("GET", SERVICE, "", None).await.unwrap();
        assert_eq!((&now["phase"], &now["drift"]), (&json!("ready"), &json!([])), "{point}");
        assert_eq!(commits(folder.path()), 1, "{point}");
        let head = git(&folder.path().join("clusters.git"), &["rev-parse", "main"]);
        assert_eq!(now["outputs"]["gitops"]["commit"], head.trim(), "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_survives_a_kill_at_every_point_and_is_committed_once() {
    for point in
        points().filter(|point| !["platform.accepting", "platform.rendered"].contains(point))
    {
        let (folder, token) = prepared().await;
        let program = Program::start(folder.path(), &token, None).await;
        program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();
        program.settled().await.unwrap();
        drop(program);
        let doomed = Program::start(folder.path(), &token, Some(point)).await;
        doomed.call("DELETE", SERVICE, "\"1\"", None).await;
        assert!(!doomed.died().await.success(), "{point}");

        let program = Program::start(folder.path(), &token, None).await;

        assert_eq!(program.settled().await, None, "{point}");
        assert_eq!(commits(folder.path()), 2, "{point}");
        let left =
            git(&folder.path().join("clusters.git"), &["ls-tree", "-r", "--name-only", "main"]);
        assert_eq!(left, "", "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_asked_to_stop_finishes_what_is_under_way() {
    let (folder, token) = prepared().await;
    let program = Program::start(folder.path(), &token, None).await;
    program.call("PUT", SERVICE, "*", Some(put(json!({})))).await.unwrap();

    let id = program.child.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(program.died().await.success());

    let program = Program::start(folder.path(), &token, None).await;
    assert!(program.settled().await.is_some());
    assert_eq!(commits(folder.path()), 1);
}
