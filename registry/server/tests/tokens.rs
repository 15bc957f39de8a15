//! Tokens: made once, checked always, gone at once.

use serde_json::json;

use super::support::Registry;

#[tokio::test]
async fn a_token_is_told_once_and_kept_as_a_hash() {
    let registry = Registry::start().await;

    let made = registry
        .json("POST", "/api/v1/tokens", &json!({"name": "ci", "rights": ["apply:*:payments"]}))
        .await
        .assert(201)
        .json();

    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("idp_"));
    let list = registry.get_as("/api/v1/tokens", &registry.admin).await.assert(200);
    assert!(list.text().contains("apply:*:payments"));
    assert!(!list.text().contains(secret));
    registry.app.store.close().await;
    let database = std::fs::read(registry.folder.path().join("data/idp.sqlite")).unwrap();
    assert!(!String::from_utf8_lossy(&database).contains(&secret[4..]));
}

#[tokio::test]
async fn a_revoked_token_stops_at_once() {
    let registry = Registry::start().await;
    let made = registry
        .json("POST", "/api/v1/tokens", &json!({"name": "ci", "rights": ["admin"]}))
        .await
        .assert(201)
        .json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    registry.get_as("/api/v1/tokens", secret).await.assert(200);

    registry.json("DELETE", &format!("/api/v1/tokens/{id}"), &json!(null)).await.assert(204);

    let problem =
        registry.get_as("/api/v1/tokens", secret).await.assert_problem(401, "unauthorized");
    assert!(problem["detail"].as_str().unwrap().contains("was revoked at"), "{problem}");
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let registry = Registry::start().await;
    let body = json!({"name": "ci", "rights": ["admin"], "expires_in_seconds": 60});
    let made = registry.json("POST", "/api/v1/tokens", &body).await.assert(201).json();
    let secret = made["token"].as_str().unwrap();
    registry.get_as("/api/v1/tokens", secret).await.assert(200);

    registry.app.clock.advance(60_000);

    let problem =
        registry.get_as("/api/v1/tokens", secret).await.assert_problem(401, "unauthorized");
    assert!(problem["detail"].as_str().unwrap().contains("expired at"), "{problem}");
}

#[tokio::test]
async fn only_admins_see_and_make_tokens() {
    let registry = Registry::start().await;
    let other = registry.token(&["apply:*:*", "publish:*"]).await;

    registry.get("/api/v1/tokens").await.assert_problem(401, "unauthorized");
    let problem = registry.get_as("/api/v1/tokens", &other).await.assert_problem(403, "forbidden");
    assert!(problem["detail"].as_str().unwrap().contains("lacks the right admin"), "{problem}");
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_refused() {
    let registry = Registry::start().await;

    for (body, status, code) in [
        (json!({"name": "ci", "rights": []}), 422, "invalid_right"),
        (json!({"name": "ci", "rights": ["aply:*:*"]}), 422, "invalid_right"),
        (json!({"name": "CI", "rights": ["admin"]}), 400, "invalid_json"),
        (json!({"name": "ci", "rights": ["admin"], "owner": 1}), 400, "invalid_json"),
    ] {
        registry.json("POST", "/api/v1/tokens", &body).await.assert_problem(status, code);
    }
    registry
        .json("DELETE", "/api/v1/tokens/none", &json!(null))
        .await
        .assert_problem(404, "token_not_found");
}

#[tokio::test]
async fn use_is_noted() {
    let registry = Registry::start().await;

    let list = registry.get_as("/api/v1/tokens", &registry.admin).await.assert(200).json();

    assert_eq!(list["tokens"][0]["last_used_at"], "2025-06-15T15:06:40Z");
}
