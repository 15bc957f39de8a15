//! What a plan shows, and which requests it refuses in which words.

use serde_json::{Value, json};

use crate::harness::{Platform, codes, plan, put, summaries};

#[tokio::test]
async fn a_plan_of_a_create_shows_everything_and_leaves_nothing() {
    let platform = Platform::start().await;

    let shown = platform.plan(plan("create", "checkout", json!({}))).await.ok();

    assert_eq!(
        summaries(&shown["changes"]),
        [
            "Application/staging.checkout is added",
            "ConfigMap/checkout-env is added",
            "Service/checkout is added",
            "Component/checkout is added"
        ]
    );
    assert_eq!(shown["golden_path"]["version"], "1.0.0");
    assert!(!shown["golden_path"]["publisher"].as_str().unwrap().is_empty());
    assert_eq!(shown["outputs"]["url"], "https://checkout.staging.example.com");
    assert_eq!(shown["outputs"]["gitops"]["repository"], "clusters");
    assert_eq!(shown["cost"]["monthly_max"], 30.0);
    assert_eq!(shown["rendered_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(codes(&shown["notices"]), ["resolved_version"]);
    assert_eq!(shown["policy"][0]["rule"], "image_by_digest");
    let listed = platform.call("GET", "/resources", None).await.ok();
    assert_eq!(listed["resources"], json!([]));
    let audit = platform.call("GET", "/audit", None).await.ok();
    assert!(!audit.to_string().contains("checkout"), "{audit}");
    assert_eq!(platform.commits(), 0);
}

#[tokio::test]
async fn a_plan_after_apply_shows_no_change_and_the_same_values() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;

    let request = plan(
        "update",
        "checkout",
        json!({
            "prior": {"generation": 1},
            "environment_revision": made["environment_revision"],
            "golden_path": {"version": "1.0.0", "sha256": made["golden_path"]["sha256"]},
        }),
    );
    let shown = platform.plan(request).await.ok();

    assert_eq!(shown["changes"], json!([]));
    assert_eq!(shown["rendered_sha256"], made["rendered_sha256"]);
    assert_eq!(shown["outputs"], made["outputs"]);
    assert_eq!(shown["notices"], json!([]));
}

#[tokio::test]
async fn a_replacement_is_planned_as_if_nothing_stood_there() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;
    let create = |prior: Value| plan("create", "checkout", json!({ "prior": prior }));

    let shown = platform.plan(create(json!({"generation": 1}))).await.ok();

    assert_eq!(shown["changes"], made["changes"]);
    platform.plan(create(json!(null))).await.problem(409, "already_exists");
    platform.plan(create(json!({"generation": 2}))).await.problem(409, "conflict");
}

#[tokio::test]
async fn what_is_protected_is_not_planned_to_make_way() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({"deletion_protection": true}))).await;

    let replacement = plan("create", "checkout", json!({"prior": {"generation": 1}}));
    let refused = platform.plan(replacement).await;

    assert!(refused.detail(409, "deletion_protected").contains("deletion_protection = false"));
}

#[tokio::test]
async fn a_plan_made_before_someone_edited_the_files_is_refused() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;
    let prior = json!({"generation": 1, "rendered_sha256": made["rendered_sha256"]});
    let update = || plan("update", "checkout", json!({ "prior": prior }));
    platform.plan(update()).await.ok();

    let service = made["outputs"]["gitops"]["path"].as_str().unwrap();
    let files = platform.files();
    let file =
        files.iter().find(|file| file.starts_with(service) && file.contains("service")).unwrap();
    platform.edit_repository(&[(file, Some("kind: Service\n"))]);

    let refused = platform.plan(update()).await.detail(409, "conflict");
    assert!(refused.contains("refresh and plan again"), "{refused}");
}

#[tokio::test]
async fn a_version_is_chosen_by_range_by_name_and_by_what_is_in_use() {
    let platform = Platform::start().await;
    platform.publish("api/nodejs", "1.1.0").await;
    platform.publish("api/nodejs", "2.0.0").await;
    let version = |shown: &Value| shown["golden_path"]["version"].as_str().unwrap().to_owned();

    let range = plan("create", "a", json!({"golden_path": {"constraint": "~> 1.0"}}));
    let shown = platform.plan(range).await.ok();
    assert_eq!(version(&shown), "1.1.0");
    assert_eq!(codes(&shown["notices"]), ["resolved_version", "newer_version"]);

    let exact = plan("create", "a", json!({"golden_path": {"constraint": "1.0.0"}}));
    let shown = platform.plan(exact).await.ok();
    assert_eq!(
        (version(&shown).as_str(), codes(&shown["notices"])),
        ("1.0.0", vec!["newer_version"])
    );

    platform.created("b", put(json!({"golden_path": {"version": "1.0.0"}}))).await;
    let in_use = plan("update", "b", json!({"golden_path": {"constraint": "~> 1.0"}}));
    assert_eq!(version(&platform.plan(in_use).await.ok()), "1.0.0");
}

#[tokio::test]
async fn what_cannot_be_planned_is_named_with_what_can() {
    let platform = Platform::start().await;
    platform.publish("worker/go", "1.0.0").await;
    for (changes, pointer, part) in [
        (json!({"environment": "moon"}), "/environment", "this token may use: production, staging"),
        (json!({"owner": "nobody"}), "/owner", "this token may use: payments, search"),
        (json!({"spec": {"template": "web"}}), "/spec/template", "there are: api, worker"),
        (json!({"spec": {"language": "cobol"}}), "/spec/language", "there are: nodejs"),
        (json!({"spec": {"language": "C++/../x"}}), "/spec/language", "there are: nodejs"),
        (
            json!({"golden_path": {"constraint": "~> 3.0"}}),
            "/golden_path/constraint",
            "there are 1.0.0",
        ),
        (json!({"golden_path": {"version": "9.9.9"}}), "/golden_path/version", "there are 1.0.0"),
        (
            json!({"golden_path": {"version": "1.0.0", "sha256": "ab"}}),
            "/golden_path/sha256",
            "ab was expected",
        ),
        (json!({"spec": {"port": 80}}), "/spec/port", ""),
        (json!({"spec": {"port": "http"}}), "/spec/port", ""),
        (json!({"spec": {"replicas": {"min": "many", "max": 1}}}), "/spec/replicas", ""),
        (json!({"spec": {"colour": "red"}}), "/spec/colour", "no attribute"),
    ] {
        let problem = platform.plan(plan("create", "a", changes.clone())).await;

        let problem = problem.problem(422, "invalid_request");
        let error = &problem["errors"][0];
        assert_eq!(error["pointer"], pointer, "{changes}: {problem:#}");
        assert!(error["detail"].as_str().unwrap().contains(part), "{changes}: {problem:#}");
        assert!(error["fix"].is_string(), "{changes}: {problem:#}");
    }
}

#[tokio::test]
async fn a_name_that_kubernetes_would_refuse_is_refused_with_its_rule() {
    let platform = Platform::start().await;

    let problem = platform.plan(plan("create", "Checkout_1", json!({}))).await;

    assert!(problem.detail(400, "invalid_json").contains("lower-case letters"), "rule");
}

#[tokio::test]
async fn where_inputs_are_unknown_what_is_known_is_checked() {
    let platform = Platform::start().await;
    let unknown = |changes: Value| {
        let mut request = plan("create", "a", changes);
        request["spec"].as_object_mut().unwrap().remove("image");
        request["unknown"] = json!(["/spec/image"]);
        request
    };

    let shown = platform.plan(unknown(json!({}))).await.ok();
    assert_eq!(shown["golden_path"]["version"], "1.0.0");
    assert_eq!((&shown["changes"], &shown["rendered_sha256"]), (&json!([]), &Value::Null));
    assert_eq!(shown["policy"], json!([]), "the image is not known, so no rule about it applies");

    let problem = platform.plan(unknown(json!({"spec": {"port": 80}}))).await;
    assert_eq!(problem.problem(422, "invalid_request")["errors"][0]["pointer"], "/spec/port");

    let mut without_language = unknown(json!({}));
    without_language["spec"].as_object_mut().unwrap().remove("language");
    without_language["unknown"] = json!(["/spec/image", "/spec/language"]);
    assert_eq!(platform.plan(without_language).await.ok()["golden_path"], Value::Null);
}

#[tokio::test]
async fn a_policy_that_denies_is_part_of_the_plan_and_stops_the_apply() {
    let platform = Platform::start().await;
    let request = plan("create", "checkout", json!({"environment": "production"}));

    let shown = platform.plan(request).await.ok();
    let path = "/resources/service/production/checkout";
    let admin = platform.token("other-admin", &["admin"]).await;
    let refused = platform
        .call_as(&admin, "PUT", path, &[("if-none-match", "*")], Some(put(json!({}))))
        .await;

    assert_eq!(
        (&shown["policy"][0]["rule"], &shown["policy"][0]["effect"]),
        (&json!("image_by_digest"), &json!("deny"))
    );
    let problem = refused.problem(422, "policy_denied");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/image");
    assert_eq!(problem["errors"][0]["rule"], "image_by_digest");
}

#[tokio::test]
async fn a_plan_for_an_environment_that_moved_says_what_moved() {
    let platform = Platform::start().await;
    let made = platform.created("checkout", put(json!({}))).await;
    let platform = platform
        .reconfigure(|text| text.replace("\"staging.example.com\"", "\"stage.example.org\""))
        .await;
    let request =
        plan("update", "checkout", json!({"environment_revision": made["environment_revision"]}));

    let detail = platform.plan(request).await.detail(409, "environment_moved");
    let put_detail = platform
        .update("checkout", 1, put(json!({"environment_revision": made["environment_revision"]})))
        .await
        .detail(409, "environment_moved");

    assert!(
        detail.contains("domain was \"staging.example.com\", is \"stage.example.org\""),
        "{detail}"
    );
    assert!(detail.contains("plan again"), "{detail}");
    assert_eq!(detail, put_detail);
    let now = platform.resource("checkout").await;
    let request =
        plan("update", "checkout", json!({"environment_revision": now["environment_revision"]}));
    assert_eq!(
        platform.plan(request).await.ok()["outputs"]["url"],
        "https://checkout.stage.example.org"
    );
}

#[tokio::test]
async fn a_path_whose_signature_does_not_verify_is_not_used() {
    let platform = Platform::start().await;
    platform.publish("api/nodejs", "1.1.0").await;
    let mut tx = platform.app.store.write().await.unwrap();
    sqlx::query(
        "UPDATE module_version SET bundle = (SELECT bundle FROM module_version WHERE version = '1.0.0')
         WHERE version = '1.1.0'",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let problem = platform.plan(plan("create", "a", json!({}))).await;

    let detail = problem.detail(422, "golden_path_untrusted");
    assert!(detail.contains("golden/api/nodejs 1.1.0 is not used"), "{detail}");
}

#[tokio::test]
async fn the_plan_of_a_delete_lists_what_goes_and_shows_protection() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({"deletion_protection": true}))).await;

    let shown = platform.plan(plan("delete", "checkout", json!({}))).await.ok();

    assert_eq!(shown["changes"].as_array().unwrap().len(), 4);
    assert_eq!(shown["changes"][0]["action"], "delete");
    assert_eq!(
        (&shown["policy"][0]["rule"], &shown["policy"][0]["effect"]),
        (&json!("deletion_protection"), &json!("deny"))
    );
}

const TO_PRODUCTION: &str = "/resources/service/production/checkout";

/// A service in production, made by the admin of the name `maker`, whose token is returned.
async fn in_production(platform: &Platform) -> String {
    let admin = platform.token("maker", &["admin"]).await;
    let image = format!("ghcr.io/acme/checkout@sha256:{}", "a".repeat(64));
    let body = put(json!({"spec": {"image": image, "replicas": {"min": 2, "max": 2}}}));
    let create = [("if-none-match", "*")];
    let accepted = platform.call_as(&admin, "PUT", TO_PRODUCTION, &create, Some(body)).await;
    let operation = platform.ended(accepted).await;
    assert_eq!(operation["state"], "succeeded", "{operation:#}");
    admin
}

#[tokio::test]
async fn what_is_wrong_with_a_service_does_not_keep_it_from_being_removed() {
    let platform = Platform::start().await;
    let admin = in_production(&platform).await;
    let platform = platform.reconfigure(|text| text.replace("cost_center = \"4711\"", "")).await;

    let request = plan("delete", "checkout", json!({"environment": "production"}));
    let shown = platform.plan(request).await.ok();
    let removal = [("if-match", "\"1\"")];
    let accepted = platform.call_as(&admin, "DELETE", TO_PRODUCTION, &removal, None).await;

    assert_eq!(shown["policy"], json!([]));
    assert_eq!(platform.ended(accepted).await["state"], "succeeded");
}

#[tokio::test]
async fn a_policy_on_removals_is_part_of_the_plan_and_stops_the_delete() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    let folder = platform.folder.path().join("rules");
    std::fs::create_dir(&folder).unwrap();
    let rule = "package idp\nverdicts contains {\"rule\": \"keep\", \"effect\": \"deny\", \"message\": \"stays\"} \
                if input.action == \"delete\"\n";
    std::fs::write(folder.join("keep.rego"), rule).unwrap();
    let platform = platform.reconfigure(|text| text + "\n[policy]\ndirectory = \"rules\"\n").await;

    let shown = platform.plan(plan("delete", "checkout", json!({}))).await.ok();
    let problem = platform.delete("checkout", 1).await.problem(422, "policy_denied");

    assert_eq!(shown["policy"][0]["rule"], "keep");
    assert_eq!(problem["errors"][0]["rule"], "keep");
    assert_eq!(platform.resource("checkout").await["phase"], "ready");
}

#[tokio::test]
async fn what_belongs_to_an_owner_that_is_gone_can_still_be_removed() {
    let platform = Platform::start().await;
    platform.created("checkout", put(json!({}))).await;
    let platform = platform.reconfigure(|text| text.replace("\"payments\"", "\"somebody\"")).await;

    let shown = platform.plan(plan("delete", "checkout", json!({}))).await.ok();
    let removed = platform.ended(platform.delete("checkout", 1).await).await;

    assert_eq!(shown["changes"].as_array().unwrap().len(), 4);
    assert_eq!(removed["state"], "succeeded", "{removed:#}");
}
