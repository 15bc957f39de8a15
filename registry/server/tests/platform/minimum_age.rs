//! A golden path that is younger than its namespace's minimum age.

use registry_server::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Platform, config_text, plan, put};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_750_000_000_000;

/// Version 1.0.0 is old enough.
async fn platform(clock: &Clock) -> Platform {
    let aged = "name = \"golden\"\nminimum_age_hours = 24";
    let text = config_text().replacen("name = \"golden\"", aged, 1);
    let platform = Platform::idle_at(clock.clone(), &text, &[]).await;
    clock.advance(24 * HOUR);
    platform
}

fn chosen(planned: &Value) -> &str {
    planned["golden_path"]["version"].as_str().unwrap()
}

#[tokio::test]
async fn a_young_version_is_not_selected_until_it_is_old_enough() {
    let clock = Clock::fixed(NOW);
    let platform = platform(&clock).await;
    platform.publish("api/nodejs", "1.1.0").await;
    let range = || plan("create", "a", json!({"golden_path": {"constraint": "~> 1.0"}}));

    assert_eq!(chosen(&platform.plan(range()).await.ok()), "1.0.0");
    let shown = platform.call("GET", "/golden-paths/golden/api/nodejs", None).await.ok();
    assert_eq!(
        (&shown["version"], shown["versions"].as_array().unwrap().len()),
        (&json!("1.0.0"), 1)
    );
    let listed = platform.call("GET", "/golden-paths", None).await.ok();
    assert_eq!(listed["golden_paths"][0]["versions"], json!(["1.0.0"]));

    clock.advance(24 * HOUR);
    assert_eq!(chosen(&platform.plan(range()).await.ok()), "1.1.0");
}

#[tokio::test]
async fn a_young_version_that_is_named_is_refused_with_the_moment_from_which_it_is_not() {
    let clock = Clock::fixed(NOW);
    let platform = platform(&clock).await;
    platform.publish("api/nodejs", "1.1.0").await;

    for (selection, pointer) in [
        (json!({"version": "1.1.0"}), "/golden_path/version"),
        (json!({"constraint": "1.1.0"}), "/golden_path/constraint"),
    ] {
        let request = plan("create", "a", json!({"golden_path": selection}));
        let problem = platform.plan(request).await.problem(422, "invalid_request");

        let error = &problem["errors"][0];
        assert_eq!((&error["rule"], &error["pointer"]), (&json!("too_young"), &json!(pointer)));
        let detail = error["detail"].as_str().unwrap();
        assert!(detail.contains("can be used from 2025-06-17T15:06:40Z on"), "{detail}");
    }
}

#[tokio::test]
async fn what_uses_a_version_already_goes_on_with_it() {
    let clock = Clock::fixed(NOW);
    let mut platform = platform(&clock).await;
    platform.work();
    platform.created("a", put(json!({}))).await;
    let mut tx = platform.app.store.write().await.unwrap();
    // As if the minimum age had been raised since.
    sqlx::query("UPDATE module_version SET published_at = published_at + 86400000")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let update = json!({"golden_path": {"version": "1.0.0"}, "spec": {"port": 9090}});
    let planned = platform.plan(plan("update", "a", update)).await.ok();

    assert_eq!(chosen(&planned), "1.0.0");
    let other = platform.plan(plan("create", "b", json!({}))).await;
    assert_eq!(other.problem(422, "invalid_request")["errors"][0]["rule"], "no_version_matches");
}
