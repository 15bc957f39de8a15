//! The commands of the platform, as people and pipelines run them.

use std::process::Output;

use serde_json::{Value, json};

use crate::harness::{git, put};
use crate::program::{Program, prepared};

const SERVICE: &str = "/resources/service/staging/checkout";

/// What a command printed, which must have succeeded.
#[track_caller]
fn ok(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command that was refused said.
#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn with_service(changes: Value) -> (tempfile::TempDir, Program) {
    let (folder, token) = prepared().await;
    let program = Program::start(folder.path(), &token, None).await;
    let (status, operation) = program.call("PUT", SERVICE, "*", Some(put(changes))).await.unwrap();
    assert_eq!(status, 202, "{operation:#}");
    program.settled().await.unwrap();
    (folder, program)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_deploys_and_sees_the_end() {
    let (_folder, program) = with_service(json!({"spec": {"image_source": "pipeline"}})).await;
    let deploy = ["deploy", "staging/checkout", "--image", "ghcr.io/acme/checkout:2"];

    let output = program.idp(&deploy);

    assert_eq!(ok(&output), "staging/checkout runs ghcr.io/acme/checkout:2\n");
    let machine: Value =
        serde_json::from_str(&ok(&program.idp(&[&["--json"][..], &deploy].concat()))).unwrap();
    assert_eq!((&machine["state"], &machine["kind"]), (&json!("succeeded"), &json!("deploy")));
    let handed = ok(&program.idp(&[&deploy[..], &["--no-wait"]].concat()));
    assert!(handed.starts_with("accepted as operation "), "{handed}");
    assert!(
        refused(&program.idp(&["deploy", "checkout", "--image", "x"]), 2)
            .contains("environment/name")
    );
    let missing = program.idp(&["deploy", "staging/nothing", "--image", "x"]);
    assert!(refused(&missing, 1).contains("there is no service staging/nothing"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_made_once_however_often_the_server_is_lost() {
    let (_folder, program) = with_service(json!({"spec": {"image_source": "pipeline"}})).await;
    let url = program.behind_a_bad_proxy().await;

    let image = "ghcr.io/acme/checkout:2";
    let output = program.idp(&["deploy", "staging/checkout", "--image", image, "--server", &url]);

    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(ok(&output), format!("staging/checkout runs {image}\n"));
    assert!(told.contains("trying again in 1 s") && told.contains("503"), "{told}");
    let (_, resource) = program.call("GET", SERVICE, "", None).await.unwrap();
    assert_eq!(resource["generation"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_listed_shown_and_abandoned() {
    let (folder, program) = with_service(json!({})).await;

    let listed = ok(&program.idp(&["resources"]));
    assert!(
        listed.contains("service  staging/checkout  owner payments  generation 1  ready"),
        "{listed}"
    );
    assert_eq!(ok(&program.idp(&["resources", "--unfinished"])), "none\n");
    let shown = ok(&program.idp(&["resources", "show", "staging/checkout"]));
    assert!(shown.contains("url     https://checkout.staging.example.com"), "{shown}");
    let finished = program.idp(&["resources", "abandon", "staging/checkout"]);
    assert!(refused(&finished, 1).contains("is finished"));

    let hook = folder.path().join("clusters.git/hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();
    let path = "/resources/service/staging/orders";
    let (_, operation) = program.call("PUT", path, "*", Some(put(json!({})))).await.unwrap();
    let wait = format!("/operations/{}?wait=30s", operation["id"].as_str().unwrap());
    program.call("GET", &wait, "", None).await.unwrap();
    std::fs::remove_file(hook).unwrap();
    assert!(ok(&program.idp(&["resources", "list", "--unfinished"])).contains("staging/orders"));
    assert_eq!(
        ok(&program.idp(&["resources", "abandon", "staging/orders"])),
        "staging/orders is rolled back\n"
    );
    assert_eq!(ok(&program.idp(&["resources", "--unfinished"])), "none\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exported_log_verifies_until_somebody_touches_it() {
    let (folder, program) = with_service(json!({})).await;
    let exported: Value = serde_json::from_str(&ok(
        &program.idp(&["--json", "audit", "export", "--output", "a.jsonl"])
    ))
    .unwrap();
    let head = exported["head"].as_str().unwrap();
    let file = folder.path().join("a.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 4, "{text}");
    assert_eq!(ok(&program.idp(&["audit", "export"])), text);

    assert!(ok(&program.idp(&["audit", "verify"])).contains(head));
    assert!(ok(&program.idp(&["audit", "verify", "a.jsonl", "--head", head])).contains(head));
    let verify = |content: String, arguments: &[&str]| {
        std::fs::write(&file, content).unwrap();
        program.idp(&[&["audit", "verify", "a.jsonl"][..], arguments].concat())
    };
    let changed = text.replacen("staging/checkout", "staging/till", 1);
    assert!(refused(&verify(changed, &[]), 1).contains("was changed"));
    let removed = [&lines[..1], &lines[2..]].concat().join("\n");
    assert!(refused(&verify(removed, &[]), 1).contains("entry 2 is missing"));
    let mut moved = lines.clone();
    moved.swap(1, 2);
    assert!(refused(&verify(moved.join("\n"), &[]), 1).contains("entry 2 is missing"));
    let cut = lines[..lines.len() - 1].join("\n");
    ok(&verify(cut.clone(), &[]));
    assert!(refused(&verify(cut, &["--head", head]), 1).contains("rewritten or cut off"));
    assert!(refused(&verify("{}".to_owned(), &[]), 1).contains("line 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repositories_are_prepared_for_argo_cd_once() {
    let (folder, _token) = prepared().await;
    let idp = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_idp"));
        command.args(["gitops", "init", "--config", "idp.toml"]).current_dir(folder.path());
        command.output().unwrap()
    };
    let repository = folder.path().join("clusters.git");

    let first = ok(&idp());
    let second = ok(&idp());

    assert!(first.contains("kubectl apply -f argocd/root.yaml"), "{first}");
    assert!(second.contains("is prepared already"), "{second}");
    let files = git(&repository, &["ls-tree", "-r", "--name-only", "main"]);
    assert_eq!(
        files,
        "argocd/projects/argocd.production.yaml\nargocd/projects/argocd.staging.yaml\nargocd/root.yaml\n"
    );
    let project = git(&repository, &["show", "main:argocd/projects/argocd.staging.yaml"]);
    assert!(project.contains("clusterResourceWhitelist: []"), "{project}");
    assert_eq!(git(&repository, &["rev-list", "--count", "main"]), "1\n");
}
