//! Creating, changing, deploying and removing, through to the repository.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Platform, git, plan, put, summaries};

#[tokio::test]
async fn a_create_commits_its_files_and_tells_where() {
    let platform = Platform::start().await;
    let planned = platform.plan(plan("create", "checkout", json!({}))).await.ok();

    let body = put(json!({"expected_rendered_sha256": planned["rendered_sha256"]}));
    let made = platform.created("checkout", body).await;

    assert_eq!(
        platform.files(),
        [
            "argocd/staging/checkout.yaml",
            "staging/service/checkout/.idp.json",
            "staging/service/checkout/10-configmap-checkout-env.yaml",
            "staging/service/checkout/20-service-checkout.yaml",
            "staging/service/checkout/catalog-info.yaml",
            "staging/service/checkout/kustomization.yaml"
        ]
    );
    assert_eq!(made["phase"], "ready");
    assert_eq!(made["rendered_sha256"], planned["rendered_sha256"]);
    assert_eq!(made["desired_rendered_sha256"], planned["rendered_sha256"]);
    assert_eq!((&made["drift"], &made["changes"]), (&json!([]), &planned["changes"]));
    assert_eq!(made["running_image"], "ghcr.io/acme/checkout:1");
    let head = git(&platform.repository(), &["rev-parse", "main"]);
    assert_eq!(made["outputs"]["gitops"]["commit"], head.trim());
    let message = git(&platform.repository(), &["log", "-1", "--format=%an%n%B"]);
    assert!(message.starts_with("admin\nCreate service staging/checkout\n"), "{message}");
    assert!(
        message.contains("Idp-Resource: service/staging/checkout\nIdp-Generation: 1\n"),
        "{message}"
    );
    assert!(message.contains("- Service/checkout is added"), "{message}");
}

#[tokio::test]
async fn the_operation_of_a_create_shows_its_steps() {
    let platform = Platform::start().await;

    let accepted = platform.create("checkout", put(json!({}))).await;
    let location = accepted.headers["location"].to_str().unwrap().to_owned();
    let operation = platform.ended(accepted).await;

    assert_eq!(location, format!("/api/v1/operations/{}", operation["id"].as_str().unwrap()));
    let steps: Vec<_> = operation["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| (step["name"].as_str().unwrap(), step["state"].as_str().unwrap()))
        .collect();
    assert_eq!(steps, [("render", "done"), ("commit", "done"), ("record", "done")]);
    assert!(operation["finished_at"].is_string());
}

#[tokio::test]
async fn an_update_changes_what_differs_in_one_commit() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let body = put(json!({"spec": {"env": {"LOG": "debug"}}}));
    let operation = platform.ended(platform.update("checkout", 1, body).await).await;

    assert_eq!(
        (&operation["state"], &operation["kind"], &operation["generation"]),
        (&json!("succeeded"), &json!("update"), &json!(2))
    );
    let now = platform.resource("checkout").await;
    assert_eq!(summaries(&now["changes"]), ["ConfigMap/checkout-env changes in place"]);
    assert_eq!(platform.commits(), 2);
}

#[tokio::test]
async fn a_change_planned_for_another_generation_is_a_conflict() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let update = platform.update("checkout", 7, put(json!({}))).await.detail(409, "conflict");
    let delete = platform.delete("checkout", 7).await.detail(409, "conflict");
    let planned =
        platform.plan(plan("update", "checkout", json!({"prior": {"generation": 7}}))).await;

    assert!(update.contains("generation 1") && update.contains("plan again"), "{update}");
    assert_eq!(update, delete);
    assert_eq!(planned.detail(409, "conflict"), update);
}

#[tokio::test]
async fn what_would_become_other_than_planned_is_refused() {
    let platform = Platform::start().await;

    let body = put(json!({"expected_rendered_sha256": "0".repeat(64)}));
    let detail = platform.create("checkout", body).await.detail(409, "plan_stale");

    assert!(detail.contains("plan again"), "{detail}");
    assert_eq!(platform.commits(), 0);
}

#[tokio::test]
async fn a_create_of_what_is_there_answers_with_the_block_that_imports_it() {
    let platform = Platform::start().await;
    platform.created("my-checkout", put(json!({}))).await;

    let planned = platform.plan(plan("create", "my-checkout", json!({}))).await;
    let applied = platform.create("my-checkout", put(json!({}))).await;

    let detail = planned.detail(409, "already_exists");
    assert!(
        detail.contains(
            "import {\n  to = idp_service.my_checkout\n  id = \"staging/my-checkout\"\n}"
        ),
        "{detail}"
    );
    assert_eq!(applied.detail(409, "already_exists"), detail);
    let other = plan("create", "my-checkout", json!({"owner": "search"}));
    platform.plan(other).await.problem(409, "name_taken");
}

#[tokio::test]
async fn a_create_whose_end_nobody_heard_of_is_continued() {
    let platform = Platform::start().await;
    let accepted = platform.create("checkout", put(json!({}))).await.ok();
    // The client is gone; only the list shows that the platform went on.
    loop {
        let listed = platform.call("GET", "/resources", None).await.ok();
        if listed["resources"][0]["phase"] == "ready" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    platform.plan(plan("create", "checkout", json!({}))).await.ok();
    let again = platform.created("checkout", put(json!({}))).await;

    assert_eq!(accepted["generation"], 1);
    assert_eq!(again["generation"], 2);
    assert_eq!(platform.commits(), 1, "the same content is not committed twice");
    platform.create("checkout", put(json!({}))).await.problem(409, "already_exists");
}

#[tokio::test]
async fn two_applies_at_once_make_one_change() {
    let platform = Platform::start().await;

    let other = put(json!({"spec": {"port": 9090}}));
    let answers =
        join_all([platform.create("checkout", put(json!({}))), platform.create("checkout", other)])
            .await;

    let (won, lost): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!((won.len(), lost.len()), (1, 1));
    for lost in lost {
        let code = lost.body["code"].as_str().unwrap();
        assert!(["operation_in_progress", "conflict"].contains(&code), "{:#}", lost.body);
    }
    for won in won {
        assert_eq!(platform.ended(won).await["state"], "succeeded");
    }
    assert_eq!(platform.commits(), 1);
}

#[tokio::test]
async fn the_same_request_while_it_runs_is_the_same_operation() {
    let mut platform = Platform::without_worker().await;

    let first = platform.create("checkout", put(json!({}))).await.ok();
    let second = platform.create("checkout", put(json!({}))).await.ok();
    let other = platform.create("checkout", put(json!({"spec": {"port": 9090}}))).await;

    assert_eq!(first["id"], second["id"]);
    other.problem(409, "operation_in_progress");
    platform.work();
    let id = first["id"].as_str().unwrap();
    let ended = platform.call("GET", &format!("/operations/{id}?wait=30s"), None).await.ok();
    assert_eq!(ended["state"], "succeeded");
}

#[tokio::test]
async fn a_key_makes_a_repeated_write_answer_with_the_first_operation() {
    let platform = Platform::start().await;
    let token = platform.token("ci", &["apply:*:*", "destroy:*:*"]).await;
    let path = "/resources/service/staging/checkout";
    let key = [("if-none-match", "*"), ("idempotency-key", "run-1")];

    let first = platform.call_as(&token, "PUT", path, &key, Some(put(json!({})))).await;
    let first = platform.ended(first).await;
    let second = platform.call_as(&token, "PUT", path, &key, Some(put(json!({})))).await.ok();
    let other = put(json!({"spec": {"port": 9090}}));
    let other = platform.call_as(&token, "PUT", path, &key, Some(other)).await;

    assert_eq!((&second["id"], &second["state"]), (&first["id"], &json!("succeeded")));
    other.problem(422, "idempotency_key_reused");
    let key = [("if-match", "\"1\""), ("idempotency-key", "run-2")];
    let gone = platform.call_as(&token, "DELETE", path, &key, None).await;
    let gone = platform.ended(gone).await;
    let again = platform.call_as(&token, "DELETE", path, &key, None).await.ok();
    assert_eq!(again["id"], gone["id"]);
}

#[tokio::test]
async fn a_delete_removes_its_files_and_nothing_else() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    platform.created("orders", put(json!({}))).await;
    platform.edit_repository(&[("README.md", Some("ours"))]);

    let operation = platform.ended(platform.delete("checkout", 1).await).await;

    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    let left = platform.files();
    assert!(left.iter().all(|path| !path.contains("checkout")), "{left:?}");
    assert_eq!(left.len(), 7);
    platform
        .call("GET", "/resources/service/staging/checkout", None)
        .await
        .problem(404, "not_found");
    platform.created("checkout", put(json!({}))).await;
}

#[tokio::test]
async fn a_protected_resource_is_not_removed() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({"deletion_protection": true}))).await;

    let detail = platform.delete("checkout", 1).await.detail(409, "deletion_protected");
    let operation = platform.ended(platform.update("checkout", 1, put(json!({}))).await).await;

    assert!(detail.contains("deletion_protection = false"), "{detail}");
    assert_eq!(operation["state"], "succeeded");
    assert_eq!(platform.commits(), 1, "protection is not rendered, so there is nothing to commit");
    assert_eq!(platform.ended(platform.delete("checkout", 2).await).await["state"], "succeeded");
}

#[tokio::test]
async fn a_pipeline_moves_the_image_and_the_configuration_leaves_it_alone() {
    let platform = Platform::start().await;
    let pipeline = || put(json!({"spec": {"image_source": "pipeline"}}));
    platform.created("checkout", pipeline()).await;
    let deploy = |image: &str| {
        let body = json!({ "image": image });
        platform.call("POST", "/resources/service/staging/checkout/deployments", Some(body))
    };

    let operation = platform.ended(deploy("ghcr.io/acme/checkout:2").await).await;
    assert_eq!((&operation["state"], &operation["kind"]), (&json!("succeeded"), &json!("deploy")));
    let now = platform.resource("checkout").await;
    assert_eq!(
        (&now["running_image"], &now["spec"]["image"]),
        (&json!("ghcr.io/acme/checkout:2"), &json!("ghcr.io/acme/checkout:1"))
    );

    let shown = platform
        .plan(plan("update", "checkout", json!({"spec": {"image_source": "pipeline"}})))
        .await
        .ok();
    assert_eq!(shown["changes"], json!([]));
    platform.ended(platform.update("checkout", 2, pipeline()).await).await;
    assert_eq!(platform.resource("checkout").await["running_image"], "ghcr.io/acme/checkout:2");

    let problem = deploy("not an image").await.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/image");
}

#[tokio::test]
async fn an_image_that_the_configuration_moves_is_not_deployed() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let body = json!({"image": "ghcr.io/acme/checkout:2"});
    let path = "/resources/service/staging/checkout/deployments";
    let detail =
        platform.call("POST", path, Some(body)).await.detail(409, "image_source_not_pipeline");

    assert!(detail.contains("image_source = \"pipeline\""), "{detail}");
}

#[tokio::test]
async fn many_creates_at_once_all_succeed_with_one_commit_each_and_few_pushes() {
    let platform = Platform::start().await;
    let log = platform.folder.path().join("pushes");
    let hook = platform.repository().join("hooks/post-receive");
    std::fs::write(&hook, format!("#!/bin/sh\ncat >/dev/null; echo push >> {}\n", log.display()))
        .unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&hook).status().unwrap();

    let names: Vec<String> = (0..40).map(|n| format!("service-{n}")).collect();
    let made = join_all(names.iter().map(|name| platform.created(name, put(json!({}))))).await;

    assert_eq!(made.len(), 40);
    assert_eq!(platform.commits(), 40);
    let pushes = std::fs::read_to_string(log).unwrap().lines().count();
    assert!(pushes < 20, "{pushes} pushes");
    let commits: std::collections::BTreeSet<&str> = made
        .iter()
        .filter_map(|made: &Value| made["outputs"]["gitops"]["commit"].as_str())
        .collect();
    assert_eq!(commits.len(), 40);
}

#[tokio::test]
async fn a_handover_needs_rights_on_both_owners() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    let path = "/resources/service/staging/checkout";
    let to_search = || Some(put(json!({"owner": "search"})));
    let tag = [("if-match", "\"1\"")];

    for rights in [["apply:*:payments"], ["apply:*:search"]] {
        let one = platform.token("one", &rights).await;
        platform.call_as(&one, "PUT", path, &tag, to_search()).await.problem(403, "forbidden");
    }
    let both = platform.token("both", &["apply:*:payments", "apply:*:search"]).await;
    let accepted = platform.call_as(&both, "PUT", path, &tag, to_search()).await;

    assert_eq!(platform.ended(accepted).await["state"], "succeeded");
    assert_eq!(platform.resource("checkout").await["owner"], "search");
}

#[tokio::test]
async fn a_deployment_leaves_a_create_that_nobody_heard_of_to_its_creator() {
    let platform = Platform::start().await;
    let pipeline = || put(json!({"spec": {"image_source": "pipeline"}}));
    platform.create("checkout", pipeline()).await.ok();
    // Only the list shows that it ended: whoever waited for it would have been told.
    while platform.call("GET", "/resources", None).await.ok()["resources"][0]["phase"] != "ready" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let path = "/resources/service/staging/checkout/deployments";
    let deploy = platform.call("POST", path, Some(json!({"image": "ghcr.io/acme/checkout:2"})));
    platform.ended(deploy.await).await;

    let again = platform.created("checkout", pipeline()).await;

    assert_eq!(again["running_image"], "ghcr.io/acme/checkout:2");
}
