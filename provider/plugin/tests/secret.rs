//! `idp_secret` by core's rules.

mod scripted;

use provider_framework::path::show;
use provider_framework::testing::{Stored, TestProvider, object};
use provider_framework::value::Value;
use provider_framework::{AttributePath, Diagnostics};
use scripted::driven::{assert_error, configured, only_error, provider};
use scripted::{Reply, Scripted, Seen, problem};
use serde_json::{Value as Json, json};

const STRIPE: &str = "/api/v1/secrets/staging/stripe";

/// A secret as the platform knows it.
fn secret(generation: u64, version: u64, entries: &Json) -> Json {
    let mut secret = json!({
        "secret_ref": "secret/staging/stripe", "owner": "payments", "generation": generation, "version": version,
        "origin": "given", "deletion_protection": false,
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    });
    for (name, entry) in entries.as_object().into_iter().flatten() {
        secret[name] = entry.clone();
    }
    secret
}

/// What it holds after this was put.
fn kept(body: &Json, generation: u64, version: u64) -> Reply {
    let part = |name: &str| body.get(name).cloned().unwrap_or_default();
    let entries = json!({
        "owner": part("owner"), "value_version": part("value_version"), "generate": part("generate"),
        "rotation": part("rotation"), "deletion_protection": part("deletion_protection"),
    });
    Reply::Json(200, secret(generation, version, &entries))
}

/// A platform on which all goes well, and whose secret was given as version 1.
fn well(seen: &Seen, before: usize) -> Reply {
    match seen.what.split(' ').next() {
        Some("PUT") => kept(&seen.body, before as u64 + 1, before as u64 + 1),
        _ => Reply::Json(200, secret(1, 1, &json!({ "value_version": 1 }))),
    }
}

fn number(number: u16) -> Value {
    Value::Number(number.into())
}

fn config(entries: &[(&str, Value)]) -> Value {
    let mut config = object([
        ("name", Value::string("stripe")),
        ("environment", Value::string("staging")),
        ("owner", Value::string("payments")),
    ]);
    for (name, value) in entries {
        config.set_attribute(name, value);
    }
    config
}

fn given(value: &str, version: u16) -> Value {
    config(&[("value_wo", Value::string(value)), ("value_wo_version", number(version))])
}

async fn made(server: &Scripted) -> (TestProvider, Stored) {
    let provider = provider(server).await;
    let stored = provider.resource("idp_secret").create(&given("hunter2", 1)).await;
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
    (provider, stored)
}

#[tokio::test]
async fn a_given_value_reaches_the_platform_and_is_stored_nowhere() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let secrets = provider.resource("idp_secret");

    let read = secrets.read(&stored).await;
    let second = secrets.plan(Some(&read), &given("hunter2", 1)).await;

    let put = &server.seen_of("PUT")[0];
    assert_eq!(put.what, format!("PUT {STRIPE}"));
    assert_eq!(put.header("if-none-match").as_deref(), Some("*"));
    assert_eq!((&put.body["value"], &put.body["value_version"]), (&json!("hunter2"), &json!(1)));
    assert_eq!(stored.state.get("value_wo"), Some(&Value::Null));
    assert_eq!(stored.state.get("version"), Some(&number(1)));
    assert_eq!(read.state, stored.state);
    assert!(second.is_empty(), "{:?} is not {:?}", second.planned, second.prior);
}

#[tokio::test]
async fn the_id_and_the_reference_are_known_at_plan_and_nobody_is_asked() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;

    let plan = provider.resource("idp_secret").plan(None, &given("hunter2", 1)).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    for name in ["id", "secret_ref"] {
        assert_eq!(plan.planned.get(name), Some(&Value::string("secret/staging/stripe")));
    }
    assert!(plan.planned.get("version").unwrap().is_unknown());
}

#[tokio::test]
async fn another_version_replaces_the_value_in_place() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let secrets = provider.resource("idp_secret");

    let plan = secrets.plan(Some(&stored), &given("hunter3", 2)).await;
    let changed = secrets.apply(&plan, &given("hunter3", 2)).await;

    assert!(!plan.is_replacement() && plan.planned.get("version").unwrap().is_unknown());
    let put = &server.seen_of("PUT")[1];
    assert_eq!(put.header("if-match").as_deref(), Some("\"1\""));
    assert_eq!((&put.body["value"], &put.body["value_version"]), (&json!("hunter3"), &json!(2)));
    assert_eq!(changed.state.get("version"), Some(&number(2)));
}

#[tokio::test]
async fn another_value_of_the_same_version_is_no_change() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;

    let plan = provider.resource("idp_secret").plan(Some(&stored), &given("other", 1)).await;

    assert!(plan.is_empty());
}

#[tokio::test]
async fn what_someone_else_replaced_is_planned_back() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") => Reply::Json(200, secret(5, 5, &json!({ "value_version": 9 }))),
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;
    let secrets = provider.resource("idp_secret");

    let read = secrets.read(&stored).await;
    secrets.update(&read, &given("hunter2", 1)).await;

    assert_eq!(read.state.get("value_wo_version"), Some(&number(9)));
    assert_eq!(server.seen_of("PUT")[1].header("if-match").as_deref(), Some("\"5\""));
}

#[tokio::test]
async fn the_platform_makes_a_value_and_makes_it_anew_when_the_trigger_changes() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let secrets = provider.resource("idp_secret");
    let generated = |trigger: &str| {
        config(&[
            ("generate", object([("length", number(48))])),
            ("rotation", object([("trigger", trigger)])),
        ])
    };
    let stored = secrets.create(&generated("q3")).await;

    let same = secrets.plan(Some(&stored), &generated("q3")).await;
    let rotated = secrets.plan(Some(&stored), &generated("q4")).await;

    let put = &server.seen_of("PUT")[0].body;
    assert_eq!(put["generate"], json!({ "length": 48, "symbols": false }));
    assert_eq!((put.get("value"), put.get("value_version")), (None, None));
    assert!(same.is_empty(), "{:?} is not {:?}", same.planned, same.prior);
    assert!(!rotated.is_replacement() && rotated.planned.get("version").unwrap().is_unknown());
}

#[tokio::test]
async fn a_protected_secret_neither_goes_nor_makes_way_whoever_wants_it() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let secrets = provider.resource("idp_secret");
    let protected = |name: &str| {
        let mut config = given("hunter2", 1);
        config.set_attribute("name", name);
        config.set_attribute("deletion_protection", true);
        config
    };
    let stored = secrets.create(&protected("stripe")).await;

    let destroy = secrets.plan_destroy(&stored).await;
    let renamed = secrets.plan(Some(&stored), &protected("stripe-2")).await;
    let unchanged = secrets.plan(Some(&stored), &protected("stripe")).await;
    let nothing = Stored {
        state: Value::Null,
        private: unchanged.private,
        diagnostics: Diagnostics::default(),
    };
    let replaced = secrets.plan(Some(&nothing), &protected("stripe")).await;

    for plan in [&destroy, &renamed, &replaced] {
        assert_error(plan, &["protected from deletion", "deletion_protection = false"]);
    }
}

#[tokio::test]
async fn another_name_replaces_with_a_warning() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let mut renamed = given("hunter2", 1);
    renamed.set_attribute("name", "stripe-2");

    let plan = provider.resource("idp_secret").plan(Some(&stored), &renamed).await;

    assert!(plan.is_replacement());
    assert_eq!(plan.requires_replace, [AttributePath::new("name")]);
    assert!(plan.diagnostics.warnings[0].summary.ends_with("it will be replaced"));
}

#[tokio::test]
async fn an_import_takes_the_id_and_the_short_form_and_no_value() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let secrets = provider.resource("idp_secret");

    for id in ["staging/stripe", "secret/staging/stripe"] {
        let imported = secrets.import(id).await;
        let plan = secrets.plan(Some(&imported), &given("hunter2", 1)).await;

        assert!(plan.is_empty(), "{id}: {:?} is not {:?}", plan.planned, plan.prior);
    }
    let wrong = secrets.import("database/staging/stripe").await;
    assert!(only_error(&wrong.diagnostics).contains("such as staging/stripe"));
}

#[tokio::test]
async fn a_refused_update_leaves_the_state_as_the_platform_has_it_now() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") if before > 0 => problem(409, "conflict", "someone was faster"),
        Some("GET") => Reply::Json(200, secret(7, 7, &json!({ "value_version": 7 }))),
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;

    let after = provider.resource("idp_secret").update(&stored, &given("hunter3", 2)).await;

    assert!(only_error(&after.diagnostics).contains("someone was faster"));
    assert_eq!(after.state.get("value_wo_version"), Some(&number(7)));
}

#[tokio::test]
async fn what_is_gone_leaves_the_state_and_is_deleted_without_complaint() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") => well(seen, before),
        _ => problem(404, "not_found", "there is no secret/staging/stripe"),
    })
    .await;
    let (provider, stored) = made(&server).await;
    let secrets = provider.resource("idp_secret");

    let read = secrets.read(&stored).await;
    let deleted = secrets.destroy(&stored).await;

    assert!(read.state.is_null());
    assert!(read.diagnostics.warnings[0].summary.contains("it is gone"));
    assert!(deleted.state.is_null() && deleted.diagnostics.errors.is_empty());
    assert_eq!(server.seen_of("DELETE")[0].header("if-match").as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn what_the_platform_finds_wrong_is_told_at_its_attribute() {
    let server = Scripted::start(|_, _| {
        let mut body = json!({
            "type": "about:blank", "title": "Refused", "status": 422, "code": "invalid_request", "detail": "no",
        });
        body["errors"] = json!([
            { "pointer": "/value", "detail": "the value has 70000 bytes", "rule": "value_size" },
            { "pointer": "/generate/length", "detail": "9 characters", "rule": "generate_length" },
        ]);
        Reply::Json(422, body)
    })
    .await;
    let provider = provider(&server).await;

    let refused = provider.resource("idp_secret").create(&given("hunter2", 1)).await;

    let paths: Vec<_> =
        refused.diagnostics.errors.iter().map(|error| show(&error.attribute)).collect();
    assert_eq!(paths, ["value_wo", "generate"]);
    assert!(refused.state.is_null());
}

#[tokio::test]
async fn a_secret_without_exactly_one_source_is_refused_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let value = || ("value_wo", Value::string("hunter2"));
    let version = || ("value_wo_version", number(1));
    let generate = || ("generate", object([("length", number(32))]));
    let rotation = || ("rotation", object([("trigger", "a")]));
    for (entries, attribute, part) in [
        (vec![], "value_wo", "needs a value"),
        (vec![value(), version(), generate()], "generate", "given or made"),
        (vec![value()], "value_wo_version", "raise that"),
        (vec![generate(), version()], "value_wo_version", "belongs to `value_wo`"),
        (vec![value(), version(), rotation()], "rotation", "Only a value that the platform made"),
        (vec![("value_wo", Value::string("")), version()], "value_wo", "may not be empty"),
        (vec![("generate", object([("length", number(8))]))], "generate", "from 16 to 128"),
    ] {
        let diagnostics = provider.resource("idp_secret").validate(&config(&entries)).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{attribute}: {error}");
        assert_eq!(show(&diagnostics.errors[0].attribute), attribute);
        assert!(!error.contains("hunter2"));
    }
    let unknown = config(&[("value_wo", Value::UNKNOWN), ("value_wo_version", Value::UNKNOWN)]);
    assert!(provider.resource("idp_secret").validate(&unknown).await.errors.is_empty());
}
