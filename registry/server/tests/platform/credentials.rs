//! Credentials: ephemeral logins, and rotations that no consumer notices.

use serde_json::{Value, json};

use crate::database_harness::{Databases, database};

async fn open(platform: &Databases, token: &str, privilege: &str) -> crate::harness::Answer {
    let orders = platform.look("database", "orders").await;
    let connection = orders["outputs"]["database"]["connection_id"].as_str().unwrap().to_owned();
    let path = format!("/connections/{connection}/credentials");
    platform.call_as(token, "POST", &path, &[], Some(json!({"privilege": privilege}))).await
}

fn roles(platform: &Databases, like: &str) -> String {
    platform
        .cluster
        .psql(&format!("SELECT rolname FROM pg_roles WHERE rolname LIKE '{like}' ORDER BY 1"))
}

/// Asks again until `found` is some.
async fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = found() {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what}: not within 30 seconds");
}

#[tokio::test]
async fn an_ephemeral_login_works_until_it_is_closed() {
    let platform = Databases::start().await;
    platform.orders().await;
    let token = platform.token("ci", &["credentials:migrate:staging:payments"]).await;

    let opened = open(&platform, &token, "migrate").await.ok();
    let made = platform.query_with(
        &opened,
        "CREATE TABLE bill (id int); SELECT tableowner FROM pg_tables WHERE tablename = 'bill'",
    );
    let id = opened["id"].as_str().unwrap();
    let renewed =
        platform.call_as(&token, "POST", &format!("/credentials/{id}/renew"), &[], None).await.ok();
    let closed = platform.call_as(&token, "DELETE", &format!("/credentials/{id}"), &[], None).await;

    assert_eq!(made.unwrap(), "orders_migrate");
    assert!(renewed["expires_at"].as_str() >= opened["expires_at"].as_str());
    assert_eq!(closed.status, 204);
    assert_eq!(roles(&platform, "orders_x_%"), "");
    assert!(platform.query_with(&opened, "SELECT 1").is_err());
}

#[tokio::test]
async fn credentials_need_their_own_right_which_the_refusal_names() {
    let platform = Databases::start().await;
    platform.orders().await;
    let planner = platform.token("planner", &["plan:staging:payments"]).await;
    let stranger = platform.token("stranger", &["apply:staging:search"]).await;

    let refused = open(&platform, &planner, "read").await;
    let unseen = open(&platform, &stranger, "read").await;

    assert!(refused.detail(403, "forbidden").contains("credentials:read:staging:payments"));
    unseen.problem(404, "not_found");
}

#[tokio::test]
async fn one_token_cannot_close_what_another_opened() {
    let platform = Databases::start().await;
    platform.orders().await;
    let first = platform.token("first", &["credentials:*:staging:payments"]).await;
    let second = platform.token("second", &["credentials:*:staging:payments"]).await;
    let opened = open(&platform, &first, "read").await.ok();
    let id = opened["id"].as_str().unwrap();

    platform
        .call_as(&second, "POST", &format!("/credentials/{id}/renew"), &[], None)
        .await
        .problem(404, "not_found");
    platform.call_as(&second, "DELETE", &format!("/credentials/{id}"), &[], None).await;

    assert!(platform.query_with(&opened, "SELECT 1").is_ok());
}

#[tokio::test]
async fn a_login_whose_run_was_killed_is_removed_by_the_sweeper() {
    let platform = Databases::start().await;
    platform.orders().await;
    open(&platform, platform.admin(), "write").await.ok();
    let mut tx = platform.app.store.write().await.unwrap();
    let leases = registry_server::store::leases::expired(&mut tx, i64::MAX).await.unwrap();
    // As if its time had passed.
    registry_server::store::leases::end(&mut tx, &leases[0].id, 0, 0).await.unwrap();
    tx.commit().await.unwrap();

    eventually("the login goes", || roles(&platform, "orders_x_%").is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_rotation_gives_new_credentials_while_the_old_ones_go_on_for_a_while() {
    let platform = Databases::start().await;
    platform.orders().await;
    platform.checkout().await;
    let secret = "service/staging/checkout/orders";
    let before = platform.values(secret).await;

    let rotated =
        platform.call("POST", "/rotations", Some(json!({"secret_ref": secret}))).await.ok();
    let after = platform.values(secret).await;
    let old = platform.query_with(&before["data"], "SELECT 1");
    let new = platform.query_with(&after["data"], "SELECT 1");
    let again = platform.call("POST", "/rotations", Some(json!({"secret_ref": secret}))).await;

    assert_eq!(rotated["version"], 2);
    assert_ne!(before["data"]["password"], after["data"]["password"]);
    assert_ne!(before["data"]["username"], after["data"]["username"]);
    assert!(old.is_ok() && new.is_ok(), "{old:?} {new:?}");
    again.problem(409, "credentials_draining");
    eventually("the old login is closed", || {
        platform.query_with(&before["data"], "SELECT 1").is_err().then_some(())
    })
    .await;
    assert!(platform.query_with(&after["data"], "SELECT 1").is_ok());
}

#[tokio::test]
async fn another_trigger_gives_every_consumer_new_credentials_once() {
    let platform = Databases::start().await;
    platform.orders().await;
    platform.checkout().await;
    let body = || database(json!({"rotation": {"trigger": "2026-q4"}}));

    let accepted = platform.put("database", "orders", 1, body()).await;
    platform.done(accepted).await;
    let accepted = platform.put("database", "orders", 2, body()).await;
    platform.done(accepted).await;

    let version = async |reference: &str| platform.values(reference).await["version"].clone();
    assert_eq!(version("service/staging/checkout/orders").await, 2);
    assert_eq!(version("database/staging/orders").await, 2);
}

#[tokio::test]
async fn a_consumer_that_comes_after_a_rotation_is_not_rotated_for_it() {
    let platform = Databases::start().await;
    let body = |changes: Value| {
        let mut body = database(changes);
        body["spec"]["rotation"] = json!({"trigger": "2026-q4"});
        body
    };
    let accepted = platform.put("database", "orders", 0, body(json!({}))).await;
    platform.done(accepted).await;
    platform.checkout().await;

    let accepted =
        platform.put("database", "orders", 1, body(json!({"connection_limit": 30}))).await;
    platform.done(accepted).await;

    assert_eq!(platform.values("service/staging/checkout/orders").await["version"], 1);
}

#[tokio::test]
async fn a_consumer_that_keeps_connecting_notices_no_rotation() {
    let platform = Databases::start().await;
    platform.orders().await;
    platform.checkout().await;
    let secret = "service/staging/checkout/orders";
    let rotating = async {
        for _ in 0..3 {
            let body = Some(json!({"secret_ref": secret}));
            let answer = platform.call("POST", "/rotations", body).await;
            if answer.status == 409 {
                // The login before is still in use.
                tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            }
        }
    };
    let connecting = async {
        let mut failures: Vec<String> = Vec::new();
        let mut versions: Vec<Value> = Vec::new();
        for _ in 0..60 {
            let values = platform.values(secret).await;
            failures.extend(platform.query_with(&values["data"], "SELECT 1").err());
            versions.push(values["version"].clone());
            tokio::task::yield_now().await;
        }
        versions.dedup();
        (failures, versions.len())
    };

    let ((), (failures, versions)) = tokio::join!(rotating, connecting);

    assert_eq!(failures, Vec::<String>::new());
    assert!(versions >= 2, "no rotation took place");
}
