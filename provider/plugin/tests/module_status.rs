//! `idp_module_status` by core's rules.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod scripted;

use std::sync::{Arc, Mutex};

use provider_framework::path::show;
use provider_framework::testing::object;
use provider_framework::value::Value;
use scripted::driven::{configured, only_error, provider};
use scripted::{Reply, Scripted, Seen, problem};
use serde_json::{Value as Json, json};

const STATUS: &str = "PUT /api/v1/modules/golden/api/nodejs/1.0.0/status";

/// What was said of `golden/api/nodejs` 1.0.0; another of the same module was said as number 1.
type Said = Arc<Mutex<Option<Json>>>;

/// A platform with that module. It keeps the last word, and refuses who did not know it.
async fn platform() -> (Scripted, Said) {
    let said: Said = Arc::default();
    let kept = Arc::clone(&said);
    let server = Scripted::start(move |seen, _| answer(seen, &mut kept.lock().unwrap())).await;
    (server, said)
}

fn answer(seen: &Seen, said: &mut Option<Json>) -> Reply {
    let other = json!({
        "address": "golden/api/nodejs", "version": "0.9.0", "state": "yanked", "reason": "old", "sequence": 1,
        "index": 4, "signed_by": "key",
    });
    if seen.what.starts_with("GET") {
        let statuses: Vec<&Json> = [&other].into_iter().chain(said.as_ref()).collect();
        return Reply::Json(
            200,
            json!({ "address": "golden/api/nodejs", "sequence": 9, "statuses": statuses }),
        );
    }
    let sequence = said.as_ref().map_or(1, |said| said["sequence"].as_u64().unwrap());
    let mut next = seen.body.clone();
    next["address"] = json!("golden/api/nodejs");
    next["version"] = json!("1.0.0");
    next["sequence"] = json!(sequence + 1);
    next["index"] = json!(sequence + 10);
    next["signed_by"] = json!("key");
    *said = Some(next.clone());
    Reply::Json(200, next)
}

fn config(entries: &[(&str, &str)]) -> Value {
    let mut config = object([
        ("module", Value::string("golden/api/nodejs")),
        ("version", Value::string("1.0.0")),
        ("state", Value::string("deprecated")),
        ("reason", Value::string("Node.js 18 is out of support")),
        ("sunset", Value::string("2027-01-31")),
    ]);
    for (name, text) in entries {
        let value = if text.is_empty() { Value::Null } else { Value::string(*text) };
        config.set_attribute(name, value);
    }
    config
}

#[tokio::test]
async fn a_status_is_said_once_and_then_nothing_changes() {
    let (server, _) = platform().await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");

    let plan = statuses.plan(None, &config(&[])).await;
    let stored = statuses.apply(&plan, &config(&[])).await;
    let read = statuses.read(&stored).await;
    let second = statuses.plan(Some(&read), &config(&[])).await;

    assert_eq!(plan.planned.get("id"), Some(&Value::string("golden/api/nodejs@1.0.0")));
    for name in ["sequence", "log_index", "signed_by"] {
        assert!(plan.planned.get(name).unwrap().is_unknown(), "{name}");
    }
    assert_eq!(stored.state.get("sequence"), Some(&Value::Number(2.into())));
    assert_eq!(stored.state.get("log_index"), Some(&Value::Number(11.into())));
    assert_eq!(stored.state.get("signed_by"), Some(&Value::string("key")));
    assert_eq!(read.state, stored.state);
    assert!(second.is_empty(), "{:?} is not {:?}", second.planned, second.prior);
    let puts = server.seen_of("PUT");
    assert_eq!(puts.len(), 1);
    assert_eq!(puts[0].what, STATUS);
    assert_eq!(
        puts[0].body,
        json!({
            "state": "deprecated", "reason": "Node.js 18 is out of support", "sunset": "2027-01-31",
        })
    );
}

#[tokio::test]
async fn what_somebody_else_said_shows_and_is_said_over_by_who_has_seen_it() {
    let (server, said) = platform().await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");
    let stored = statuses.create(&config(&[])).await;
    *said.lock().unwrap() = Some(json!({
        "address": "golden/api/nodejs", "version": "1.0.0", "state": "yanked", "reason": "it leaks", "sequence": 7,
        "index": 17, "signed_by": "other",
    }));

    let read = statuses.read(&stored).await;
    let plan = statuses.plan(Some(&read), &config(&[])).await;
    let changed = statuses.apply(&plan, &config(&[])).await;

    assert_eq!(read.state.get("state"), Some(&Value::string("yanked")));
    assert_eq!(read.state.get("sunset"), Some(&Value::Null));
    assert!(!plan.is_empty());
    assert_eq!(changed.state.get("sequence"), Some(&Value::Number(8.into())));
}

#[tokio::test]
async fn what_somebody_says_between_plan_and_apply_is_not_said_over() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") if before > 0 => problem(
            409,
            "sequence",
            "the last status of golden/api/nodejs@1.0.0 is number 7, expected was 2",
        ),
        _ => answer(seen, &mut None),
    })
    .await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");
    let stored = statuses.create(&config(&[])).await;

    let changed = statuses.update(&stored, &config(&[("reason", "another")])).await;

    let error = only_error(&changed.diagnostics);
    assert!(error.contains("something else was said of it meanwhile"), "{error}");
    assert!(error.contains("number 7, expected was 2"), "{error}");
    assert_eq!(changed.state, stored.state);
}

#[tokio::test]
async fn a_status_that_stands_already_is_imported_and_not_overwritten() {
    let (server, said) = platform().await;
    *said.lock().unwrap() = Some(json!({
        "address": "golden/api/nodejs", "version": "1.0.0", "state": "revoked", "reason": "evil", "sequence": 7,
        "index": 17, "signed_by": "other",
    }));
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");

    let refused = statuses.create(&config(&[])).await;
    let imported = statuses.import("golden/api/nodejs@1.0.0").await;
    let wrong = statuses.import("golden/api@1.0").await;

    let error = only_error(&refused.diagnostics);
    assert!(error.contains("id = \"golden/api/nodejs@1.0.0\""), "{error}");
    assert!(error.contains("It is revoked (\"evil\") already"), "{error}");
    assert!(refused.state.is_null() && server.seen_of("PUT").is_empty());
    assert_eq!(imported.state.get("state"), Some(&Value::string("revoked")));
    assert_eq!(imported.state.get("sequence"), Some(&Value::Number(7.into())));
    assert!(only_error(&wrong.diagnostics).contains("golden/api/nodejs@1.0.0"));
}

#[tokio::test]
async fn destroying_it_says_active_and_warns_before() {
    let (server, said) = platform().await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");
    let stored = statuses.create(&config(&[("state", "yanked"), ("sunset", "")])).await;

    let plan = statuses.plan_destroy(&stored).await;
    let gone = statuses.destroy(&stored).await;
    let again = statuses.create(&config(&[])).await;

    assert!(plan.diagnostics.warnings[0].summary.contains("it becomes active again"));
    assert!(gone.state.is_null() && gone.diagnostics.errors.is_empty());
    let last = &server.seen_of("PUT")[1];
    assert_eq!(last.body["state"], "active");
    assert_eq!(last.body["reason"], "its idp_module_status was destroyed");
    assert_eq!(again.state.get("sequence"), Some(&Value::Number(4.into())), "{said:?}");
}

#[tokio::test]
async fn another_version_is_another_status() {
    let (server, _) = platform().await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");
    let stored = statuses.create(&config(&[])).await;

    let plan = statuses.plan(Some(&stored), &config(&[("version", "")])).await;

    assert!(plan.is_replacement());
    assert_eq!(plan.planned.get("id"), Some(&Value::string("golden/api/nodejs")));
    assert!(plan.diagnostics.warnings[0].summary.contains("@1.0.0: it becomes active again"));
}

#[tokio::test]
async fn what_is_gone_leaves_the_state() {
    let server = Scripted::start(|seen, _| match seen.what.split(' ').next() {
        Some("PUT") => answer(seen, &mut None),
        _ => problem(404, "module_not_found", "there is no module golden/api/nodejs here"),
    })
    .await;
    let provider = provider(&server).await;
    let statuses = provider.resource("idp_module_status");
    let stored = statuses.create(&config(&[])).await;

    let read = statuses.read(&stored).await;

    assert!(read.state.is_null());
    assert!(read.diagnostics.warnings[0].summary.contains("it is gone"));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    for (entries, attribute, part) in [
        (vec![("module", "nodejs")], "module", "namespace/name/system"),
        (vec![("version", "1.0")], "version", "not a version such as 1.2.0"),
        (vec![("state", "retired"), ("sunset", "")], "state", "`active` or `deprecated`"),
        (vec![("reason", "")], "reason", "What is deprecated needs a reason"),
        (vec![("reason", " x ")], "reason", "without space at its ends"),
        (vec![("contact", "a\nb")], "contact", "on one line"),
        (vec![("state", "yanked")], "sunset", "Only what is `deprecated`"),
        (vec![("sunset", "2027-02-30")], "sunset", "2027-01-31"),
    ] {
        let diagnostics = provider.resource("idp_module_status").validate(&config(&entries)).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{attribute}: {error}");
        assert_eq!(show(&diagnostics.errors[0].attribute), attribute);
    }
    let active = config(&[("state", "active"), ("reason", ""), ("sunset", "")]);
    let unknown = object([("module", Value::UNKNOWN), ("state", Value::UNKNOWN)]);
    for config in [active, unknown] {
        let diagnostics = provider.resource("idp_module_status").validate(&config).await;
        assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    }
}
