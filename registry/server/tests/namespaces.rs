//! Who may install from where.

use super::support::{MODULE, Registry};

const PRIVATE: &str = "/v1/modules/private/greeting/test/versions";

#[tokio::test]
async fn a_private_namespace_looks_the_same_as_one_that_is_not_there() {
    let registry = Registry::start().await;
    registry.publish("private/greeting/test", "1.0.0", MODULE).await.assert(201);
    let stranger = registry.token(&["read:golden"]).await;

    for path in [PRIVATE, "/v1/modules/nowhere/greeting/test/versions"] {
        registry.get(path).await.assert_plain(401, "needs a token");
        registry.get_as(path, "idp_unknown").await.assert_plain(401, "does not know the token");
        registry.get_as(path, &stranger).await.assert_plain(403, "lacks the right read:");
    }
}

#[tokio::test]
async fn readers_and_publishers_of_a_private_namespace_may_install() {
    let registry = Registry::start().await;
    registry.publish("private/greeting/test", "1.0.0", MODULE).await.assert(201);

    for right in ["read:private", "publish:private", "read:*", "admin"] {
        let token = registry.token(&[right]).await;
        registry.get_as(PRIVATE, &token).await.assert(200);
    }
}

#[tokio::test]
async fn a_401_tells_clients_which_scheme_to_use() {
    let registry = Registry::start().await;

    let answer = registry.get(PRIVATE).await.assert(401);

    assert_eq!(answer.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn an_empty_bearer_is_no_token() {
    let registry = Registry::start().await;

    registry.get_as(PRIVATE, "").await.assert_plain(401, "needs a token");
}

#[tokio::test]
async fn what_was_signed_is_for_readers_only() {
    let registry = Registry::start().await;
    registry.publish("private/greeting/test", "1.0.0", MODULE).await.assert(201);
    let path = "/api/v1/modules/private/greeting/test/1.0.0/bundle";

    registry.get(path).await.assert_problem(401, "unauthorized");
    let answer = registry.get_as(path, &registry.admin).await.assert(200);

    assert!(answer.json()["dsseEnvelope"].is_object());
}
