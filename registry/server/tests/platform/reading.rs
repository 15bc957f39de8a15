//! What is shown of resources: the world as it is, drift and its mending, lists, golden paths.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Platform, plan, put, summaries};

const SERVICE: &str = "staging/service/checkout/20-service-checkout.yaml";
const CONFIG: &str = "staging/service/checkout/10-configmap-checkout-env.yaml";

#[tokio::test]
async fn what_someone_edits_or_deletes_shows_as_drift_and_is_mended_by_apply() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;
    platform.edit_repository(&[
        (SERVICE, Some("kind: Service\n")),
        (CONFIG, None),
        ("staging/service/checkout/notes.txt", Some("mine")),
    ]);

    let drifted = platform.resource("checkout").await;
    assert_eq!(
        drifted["drift"],
        json!([
            {"path": CONFIG, "kind": "missing"},
            {"path": SERVICE, "kind": "modified"},
            {"path": "staging/service/checkout/notes.txt", "kind": "unexpected"},
        ])
    );
    assert_ne!(drifted["rendered_sha256"], made["rendered_sha256"]);
    assert_eq!(drifted["desired_rendered_sha256"], made["rendered_sha256"]);

    let shown = platform.plan(plan("update", "checkout", json!({}))).await.ok();
    assert_eq!(
        summaries(&shown["changes"]),
        [
            "ConfigMap/checkout-env was removed in the repository and is put back",
            "Service/checkout was edited in the repository and is put back"
        ]
    );
    platform.ended(platform.update("checkout", 1, put(json!({}))).await).await;

    let mended = platform.resource("checkout").await;
    assert_eq!(mended["rendered_sha256"], made["rendered_sha256"]);
    assert_eq!(
        mended["drift"],
        json!([{"path": "staging/service/checkout/notes.txt", "kind": "unexpected"}])
    );
    assert_ne!(mended["outputs"]["gitops"]["commit"], made["outputs"]["gitops"]["commit"]);
    assert_eq!(
        platform.plan(plan("update", "checkout", json!({}))).await.ok()["changes"],
        json!([])
    );
}

#[tokio::test]
async fn the_etag_of_a_resource_is_its_generation() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let answer = platform.call("GET", "/resources/service/staging/checkout", None).await;

    assert_eq!(answer.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn lists_hold_what_was_asked_for_and_may_be_seen() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    platform.created("index", put(json!({"owner": "search"}))).await;
    let search = platform.token("search", &["plan:staging:search"]).await;
    let names = |listed: Value| -> Vec<String> {
        let resources = listed["resources"].as_array().unwrap().clone();
        resources.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };

    assert_eq!(names(platform.call("GET", "/resources", None).await.ok()), ["checkout", "index"]);
    let filtered =
        platform.call("GET", "/resources?environment=staging&owner=payments", None).await;
    assert_eq!(names(filtered.ok()), ["checkout"]);
    assert!(names(platform.call("GET", "/resources?unfinished=true", None).await.ok()).is_empty());
    assert_eq!(
        names(platform.call_as(&search, "GET", "/resources", &[], None).await.ok()),
        ["index"]
    );
    platform.call("GET", "/resources?colour=red", None).await.problem(400, "invalid_query");
}

#[tokio::test]
async fn a_golden_path_is_described_in_the_version_that_a_constraint_selects() {
    let platform = Platform::start().await;
    platform.publish("api/nodejs", "1.1.0").await;

    let newest = platform.call("GET", "/golden-paths/golden/api/nodejs", None).await.ok();
    let older = platform
        .call("GET", "/golden-paths/golden/api/nodejs?constraint=~%3E1.0.0", None)
        .await
        .ok();
    let listed = platform.call("GET", "/golden-paths", None).await.ok();

    assert_eq!((&newest["version"], &newest["title"]), (&json!("1.1.0"), &json!("Test service")));
    assert_eq!(newest["versions"][1]["version"], "1.0.0");
    assert_eq!(newest["inputs"]["type"], "object");
    assert_eq!(older["version"], "1.0.0");
    assert_eq!(listed["golden_paths"][0]["versions"], json!(["1.1.0", "1.0.0"]));
    let missing = platform.call("GET", "/golden-paths/golden/api/cobol", None).await;
    assert!(missing.detail(404, "not_found").contains("there are: golden/api/nodejs"));
    platform
        .call("GET", "/golden-paths/golden/api/nodejs?constraint=9.0", None)
        .await
        .problem(422, "invalid_request");
}

#[tokio::test]
async fn callers_see_what_they_may_use() {
    let platform = Platform::start().await;
    let search = platform.token("search", &["plan:staging:search"]).await;
    let get = async |path: &str| platform.call_as(&search, "GET", path, &[], None).await.ok();

    assert_eq!(get("/whoami").await["rights"], json!(["plan:staging:search"]));
    let environments = get("/environments").await;
    assert_eq!(environments["environments"].as_array().unwrap().len(), 1);
    assert_eq!(environments["environments"][0]["tier"], "staging");
    assert_eq!(get("/owners").await["owners"], json!([{"name": "search", "title": "search"}]));
}

#[tokio::test]
async fn a_wait_ends_when_the_operation_does() {
    let mut platform = Platform::without_worker().await;
    let id =
        platform.create("checkout", put(json!({}))).await.ok()["id"].as_str().unwrap().to_owned();

    let begun = Instant::now();
    let queued = platform.call("GET", &format!("/operations/{id}?wait=300ms"), None).await.ok();
    assert_eq!(queued["state"], "queued");
    assert!(begun.elapsed() >= Duration::from_millis(300));

    platform.work();
    let ended = platform.call("GET", &format!("/operations/{id}?wait=30s"), None).await.ok();
    assert_eq!(ended["state"], "succeeded");
    platform.call("GET", "/operations/nothing", None).await.problem(404, "not_found");
    platform
        .call("GET", &format!("/operations/{id}?wait=soon"), None)
        .await
        .problem(400, "invalid_query");
}

#[tokio::test]
async fn whoever_runs_on_a_golden_path_is_one_of_its_consumers() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;

    let found = platform.call("GET", "/modules/golden/api/nodejs/consumers", None).await.ok();

    assert_eq!(
        found["resources"],
        json!([{
            "version": "1.0.0", "kind": "service", "environment": "staging", "name": "checkout", "owner": "payments",
        }])
    );
    assert_eq!(found["downloads"], json!([]));
}
