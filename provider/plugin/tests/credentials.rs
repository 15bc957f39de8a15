//! `idp_database_credentials` by core's rules.

mod scripted;

use provider_framework::Timestamp;
use provider_framework::path::show;
use provider_framework::testing::object;
use provider_framework::value::Value;
use scripted::driven::{configured, only_error, provider};
use scripted::{Reply, Scripted, Seen, problem};
use serde_json::json;

const OPEN: &str = "POST /api/v1/connections/con_1/credentials";
const RENEW: &str = "POST /api/v1/credentials/crd_1/renew";
const CLOSE: &str = "DELETE /api/v1/credentials/crd_1";

/// A platform on which all goes well.
fn well(seen: &Seen, _: usize) -> Reply {
    match seen.what.as_str() {
        OPEN => Reply::Json(
            201,
            json!({
                "id": "crd_1", "expires_at": "2026-01-01T00:15:00Z", "renew_in_seconds": 600,
                "username": "run-7", "password": "s3cr:t/", "host": "db.example.com", "port": 5432,
                "database": "staging_orders",
            }),
        ),
        RENEW => Reply::Json(
            200,
            json!({ "id": "crd_1", "expires_at": "2026-01-01T00:30:00Z", "renew_in_seconds": 600 }),
        ),
        CLOSE => Reply::Empty(204),
        _ => problem(404, "not_found", "there is nothing of that name"),
    }
}

fn config(entries: &[(&str, &str)]) -> Value {
    let mut config = object([("connection_id", "con_1"), ("privilege", "write")]);
    for (name, text) in entries {
        config.set_attribute(name, *text);
    }
    config
}

#[tokio::test]
async fn a_login_is_opened_renewed_and_closed() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");

    let mut held = credentials.open(&config(&[("ttl", "15m")])).await;
    let renewed = credentials.renew(&mut held).await;
    let result = held.result.clone();
    let closed = credentials.close(held).await;

    assert_eq!(server.seen_of(OPEN)[0].body, json!({ "privilege": "write", "ttl_seconds": 900 }));
    let text = |name: &str| result.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!((text("username"), text("password")), ("run-7".to_owned(), "s3cr:t/".to_owned()));
    assert_eq!(text("url"), "postgresql://run-7:s3cr%3At%2F@db.example.com:5432/staging_orders");
    assert_eq!(text("expires_at"), "2026-01-01T00:15:00Z");
    assert!(renewed.errors.is_empty() && closed.errors.is_empty());
    assert_eq!((server.seen_of(RENEW).len(), server.seen_of(CLOSE).len()), (1, 1));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what the provider promises is relative to now")]
async fn it_is_renewed_before_the_platform_says_it_should_be() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let before = Timestamp::now();

    let held = credentials.open(&config(&[])).await;

    let seconds = held.renew_at.unwrap().as_second() - before.as_second();
    assert!(seconds <= 600 + (Timestamp::now().as_second() - before.as_second()));
    assert!(seconds >= 600);
    assert_eq!(server.seen_of(OPEN)[0].body, json!({ "privilege": "write" }));
}

#[tokio::test]
async fn private_bytes_hold_the_id_only() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;

    let held = provider.ephemeral_resource("idp_database_credentials").open(&config(&[])).await;

    assert_eq!(String::from_utf8(held.private).unwrap(), r#"{"id":"crd_1"}"#);
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let server = Scripted::start(|_, _| {
        problem(403, "forbidden", "the token lacks the right credentials:write:staging:payments")
    })
    .await;
    let provider = provider(&server).await;

    let held = provider.ephemeral_resource("idp_database_credentials").open(&config(&[])).await;

    let error = only_error(&held.diagnostics);
    for part in [
        "idp_database_credentials con_1: opening a login is not allowed",
        "credentials:write:staging:payments",
    ] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[tokio::test]
async fn what_ended_already_is_closed_without_complaint() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        CLOSE => problem(404, "not_found", "there is no such login"),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let held = credentials.open(&config(&[])).await;

    let closed = credentials.close(held).await;

    assert!(closed.errors.is_empty() && closed.warnings.is_empty(), "{closed:?}");
}

#[tokio::test]
async fn a_platform_that_is_away_at_close_is_a_warning_that_says_when_the_login_ends() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        CLOSE => Reply::HangUp,
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let once = credentials.open(&config(&[])).await;
    let first = credentials.close(once).await;
    let mut twice = credentials.open(&config(&[])).await;
    credentials.renew(&mut twice).await;

    let second = credentials.close(twice).await;

    for (closed, when) in [(first, "at 2026-01-01T00:15:00Z"), (second, "at 2026-01-01T00:30:00Z")]
    {
        assert!(closed.errors.is_empty(), "{closed:?}");
        let detail = &closed.warnings[0].detail;
        assert!(detail.contains(&format!("ends by itself {when}")), "{detail}");
    }
}

#[tokio::test]
async fn a_close_that_is_refused_is_an_error() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        CLOSE => problem(403, "forbidden", "this login is another token's"),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let held = credentials.open(&config(&[])).await;

    let closed = credentials.close(held).await;

    assert!(only_error(&closed).contains("this login is another token's"));
}

#[tokio::test]
async fn a_renewal_that_is_refused_says_so() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        RENEW => problem(409, "credential_ended", "the login ended at 00:15"),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");
    let mut held = credentials.open(&config(&[])).await;

    let renewed = credentials.renew(&mut held).await;

    let error = only_error(&renewed);
    assert!(error.contains("renewing the login was refused (credential_ended)"), "{error}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_quoted() {
    let server = Scripted::start(|_, _| {
        Reply::Json(201, json!({ "id": "crd_1", "expires_at": "x", "renew_in_seconds": "hunter2" }))
    })
    .await;
    let provider = provider(&server).await;

    let held = provider.ephemeral_resource("idp_database_credentials").open(&config(&[])).await;

    let error = only_error(&held.diagnostics);
    assert!(error.contains("not what was asked for (line 1, column"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_connection_is_one_segment_of_a_path_whatever_is_in_it() {
    let server = Scripted::start(|_, _| problem(404, "not_found", "there is none")).await;
    let provider = provider(&server).await;
    let credentials = provider.ephemeral_resource("idp_database_credentials");

    credentials.open(&config(&[("connection_id", "../a?b#c")])).await;

    assert_eq!(server.seen()[0].what, "POST /api/v1/connections/..%2Fa%3Fb%23c/credentials");
}

#[tokio::test]
async fn what_is_wrong_is_found_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    for (attribute, text, part) in [
        ("privilege", "admin", "`read` or `write` or `migrate`"),
        ("ttl", "30s", "from 1m to 1h"),
        ("ttl", "2h", "from 1m to 1h"),
        ("ttl", "soon", "not a duration"),
        ("connection_id", "..", "`connection_id` of an `idp_database`"),
        ("connection_id", " ", "`connection_id` of an `idp_database`"),
    ] {
        let config = config(&[(attribute, text)]);

        let credentials = provider.ephemeral_resource("idp_database_credentials");
        let diagnostics = credentials.validate(&config).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{attribute}: {error}");
        assert_eq!(show(&diagnostics.errors[0].attribute), attribute);
    }
}
