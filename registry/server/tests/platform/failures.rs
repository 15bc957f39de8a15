//! What happens when the repository does not take a change, and how it goes on from there.

use serde_json::json;

use crate::harness::{Platform, git, plan, put, summaries};

#[tokio::test]
async fn a_refused_push_fails_the_operation_at_once_and_the_next_create_continues() {
    let platform = Platform::start().await;
    platform.refuse_pushes(true);

    let failed = platform.ended(platform.create("checkout", put(json!({}))).await).await;

    assert_eq!(
        (&failed["state"], &failed["error"]["step"], &failed["error"]["code"]),
        (&json!("failed"), &json!("commit"), &json!("remote_refused"))
    );
    assert!(
        failed["error"]["message"].as_str().unwrap().contains("changes need a review"),
        "{failed:#}"
    );
    assert!(failed["error"]["remaining"].as_str().unwrap().contains("next apply continues it"));
    let unfinished = platform.call("GET", "/resources?unfinished=true", None).await.ok();
    assert_eq!(unfinished["resources"][0]["phase"], "unfinished");

    platform.refuse_pushes(false);
    let notice = platform.plan(plan("create", "checkout", json!({}))).await.ok();
    assert!(notice["notices"].to_string().contains("continues_unfinished"));
    let other = plan("create", "checkout", json!({"owner": "search"}));
    platform.plan(other).await.problem(409, "name_taken");
    let made = platform.created("checkout", put(json!({}))).await;

    assert_eq!((&made["phase"], &made["generation"]), (&json!("ready"), &json!(2)));
    assert_eq!(platform.commits(), 1);
}

#[tokio::test]
async fn an_unfinished_resource_is_rolled_back_by_a_delete() {
    let platform = Platform::start().await;
    platform.refuse_pushes(true);
    platform.ended(platform.create("checkout", put(json!({}))).await).await;
    platform.refuse_pushes(false);

    let operation = platform.ended(platform.delete("checkout", 1).await).await;

    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    assert_eq!(platform.commits(), 0);
    platform.plan(plan("create", "checkout", json!({"owner": "search"}))).await.ok();
}

#[tokio::test]
async fn a_failed_update_leaves_what_stood_and_the_next_plan_tries_again() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;
    let changed = || json!({"spec": {"env": {"LOG": "debug"}}});
    platform.refuse_pushes(true);

    let failed = platform.ended(platform.update("checkout", 1, put(changed())).await).await;

    assert_eq!(failed["state"], "failed");
    assert!(failed["error"]["remaining"].as_str().unwrap().contains("last good version"));
    let now = platform.resource("checkout").await;
    assert_eq!(
        (&now["phase"], &now["spec"], &now["rendered_sha256"]),
        (&json!("failed"), &made["spec"], &made["rendered_sha256"])
    );
    assert!(now["conditions"].to_string().contains("changes need a review"));
    let shown = platform.plan(plan("update", "checkout", changed())).await.ok();
    assert_eq!(summaries(&shown["changes"]), ["ConfigMap/checkout-env changes in place"]);

    platform.refuse_pushes(false);
    let operation = platform.ended(platform.update("checkout", 2, put(changed())).await).await;
    assert_eq!(operation["state"], "succeeded");
    assert_eq!(platform.resource("checkout").await["phase"], "ready");
}

#[tokio::test]
async fn a_failed_delete_leaves_the_resource() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    platform.refuse_pushes(true);

    let failed = platform.ended(platform.delete("checkout", 1).await).await;

    assert_eq!((&failed["state"], &failed["error"]["step"]), (&json!("failed"), &json!("commit")));
    assert_eq!(platform.resource("checkout").await["drift"], json!([]));
    platform.refuse_pushes(false);
    assert_eq!(platform.ended(platform.delete("checkout", 2).await).await["state"], "succeeded");
}

#[tokio::test]
async fn a_repository_that_is_away_is_tried_again_until_it_is_back() {
    let platform = Platform::start().await;
    let away = platform.folder.path().join("away.git");
    std::fs::rename(platform.repository(), &away).unwrap();

    let accepted = platform.create("checkout", put(json!({}))).await.ok();
    let id = accepted["id"].as_str().unwrap();
    let operation = loop {
        let now = platform.call("GET", &format!("/operations/{id}"), None).await.ok();
        if now["steps"][1]["detail"].is_string() {
            break now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(
        operation["steps"][1]["detail"].as_str().unwrap().contains("trying again"),
        "{operation:#}"
    );
    std::fs::rename(&away, platform.repository()).unwrap();

    let ended = platform.call("GET", &format!("/operations/{id}?wait=50s"), None).await.ok();
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_is_an_error_and_not_an_empty_world() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    std::fs::rename(platform.repository(), platform.folder.path().join("away.git")).unwrap();

    let read = platform.call("GET", "/resources/service/staging/checkout", None).await;
    let planned = platform.plan(plan("update", "checkout", json!({}))).await;

    assert!(read.detail(503, "gitops_unavailable").contains("clusters"));
    planned.problem(503, "gitops_unavailable");
    platform.plan(plan("create", "other", json!({}))).await.ok();
}

#[tokio::test]
async fn files_of_others_in_the_way_are_left_alone_and_named() {
    let platform = Platform::start().await;
    platform.created("orders", put(json!({}))).await;
    platform.edit_repository(&[("argocd/staging/checkout.yaml", Some("theirs"))]);

    let failed = platform.ended(platform.create("checkout", put(json!({}))).await).await;

    assert_eq!(failed["error"]["code"], "files_not_owned");
    assert!(failed["error"]["message"].as_str().unwrap().contains("argocd/staging/checkout.yaml"));
}

#[tokio::test]
async fn a_configuration_that_changes_before_an_accepted_change_is_carried_out_fails_it() {
    let platform = Platform::without_worker().await;
    let accepted = platform.create("checkout", put(json!({}))).await.ok();

    let platform = platform
        .reconfigure(|text| {
            text.replace("\"payments@example.com\"", "\"pay@example.com\"")
                .replace("staging.example.com", "stage.example.com")
                .replace(
                    "tier = \"staging\"",
                    "tier = \"staging\"\nargocd = { project = \"moved\" }",
                )
        })
        .await;
    let id = accepted["id"].as_str().unwrap();
    let ended = platform.call("GET", &format!("/operations/{id}?wait=30s"), None).await.ok();

    assert_eq!(
        (&ended["state"], &ended["error"]["code"]),
        (&json!("failed"), &json!("environment_moved")),
        "{ended:#}"
    );
    assert_eq!(platform.commits(), 0);
}

#[tokio::test]
async fn what_an_earlier_attempt_left_is_replaced_by_the_next() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    let service = "staging/service/checkout/20-service-checkout.yaml";
    let content = git(&platform.repository(), &["show", &format!("main:{service}")]);
    platform.ended(platform.delete("checkout", 1).await).await;
    platform.refuse_pushes(true);
    platform.ended(platform.create("checkout", put(json!({}))).await).await;
    platform.refuse_pushes(false);
    // As if the push of the failed attempt had arrived after all.
    platform.edit_repository(&[(service, Some(&content))]);

    let made = platform.created("checkout", put(json!({"spec": {"port": 9090}}))).await;

    assert_eq!(made["drift"], json!([]));
    assert_ne!(git(&platform.repository(), &["show", &format!("main:{service}")]), content);
}

#[tokio::test]
async fn files_of_others_outlive_every_further_attempt_and_its_rollback() {
    let platform = Platform::start().await;
    platform.created("orders", put(json!({}))).await;
    let theirs = "argocd/staging/checkout.yaml";
    platform.edit_repository(&[(theirs, Some("theirs"))]);
    let content = || git(&platform.repository(), &["show", &format!("main:{theirs}")]);

    for port in [8080, 9090] {
        let body = put(json!({"spec": {"port": port}}));
        let failed = platform.ended(platform.create("checkout", body).await).await;
        assert_eq!(failed["error"]["code"], "files_not_owned", "{failed:#}");
        assert_eq!(content(), "theirs");
    }
    let removed = platform.ended(platform.delete("checkout", 2).await).await;

    assert_eq!(removed["state"], "succeeded", "{removed:#}");
    assert_eq!(content(), "theirs");
}

#[tokio::test]
async fn a_create_that_only_waits_to_be_tried_again_is_abandoned_at_once() {
    let platform = Platform::start().await;
    let away = platform.folder.path().join("away.git");
    std::fs::rename(platform.repository(), &away).unwrap();
    let accepted = platform.create("checkout", put(json!({}))).await.ok();
    let first = format!("/operations/{}", accepted["id"].as_str().unwrap());
    while !platform.call("GET", &first, None).await.ok()["steps"][1]["detail"].is_string() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let accepted = loop {
        let answer = platform.delete("checkout", 1).await;
        // Just then a worker may be at it once more.
        if answer.body["code"] != "operation_in_progress" {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    std::fs::rename(&away, platform.repository()).unwrap();

    assert_eq!(platform.ended(accepted).await["state"], "succeeded");
    assert_eq!(platform.call("GET", &first, None).await.ok()["error"]["code"], "abandoned");
    assert_eq!(platform.commits(), 0);
}
