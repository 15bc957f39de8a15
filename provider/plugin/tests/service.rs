//! `idp_service` by core's rules, where the platform fails, refuses, or goes away.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod scripted;

use std::time::{Duration, Instant};

use provider_framework::AttributePath;
use provider_framework::path::show;
use provider_framework::testing::{Stored, TestProvider, object};
use provider_framework::value::Value;
use provider_plugin::client::Patience;
use provider_plugin::json::to_dynamic;
use provider_plugin::provider::Idp;
use provider_plugin::settings::ProcessEnvironment;
use scripted::driven::{assert_error, configured, hasty, only_error, provider, provider_with};
use scripted::{Reply, Scripted, Seen, operation, plan, problem, resource, spec};
use serde_json::json;

const PLANS: &str = "POST /api/v1/plans";
const CHECKOUT: &str = "/api/v1/resources/service/staging/checkout";
const OPERATION: &str = "GET /api/v1/operations/op_1";

/// The configuration that [`spec`] asks for.
fn config(entries: &[(&str, Value)]) -> Value {
    let mut config = object([
        ("name", Value::string("checkout")),
        ("environment", Value::string("staging")),
        ("owner", Value::string("payments")),
        ("template", Value::string("api")),
        ("language", Value::string("nodejs")),
        ("image", Value::string("acme/checkout:1")),
        ("port", Value::Number(8080.into())),
        ("golden_path_version", Value::string("1.2.0")),
        ("slo", object([("availability", Value::Number("99.9".parse().unwrap()))])),
        ("parameters", to_dynamic(&json!({ "weight": 1.5, "tags": ["a"] }))),
    ]);
    for (name, value) in entries {
        config.set_attribute(name, value);
    }
    config
}

/// A platform on which all goes well.
fn well(seen: &Seen, _: usize) -> Reply {
    match seen.what.split(' ').next() {
        _ if seen.what == PLANS => plan("r1"),
        _ if seen.what == OPERATION => Reply::Json(200, operation("succeeded")),
        Some("PUT" | "DELETE") => Reply::Json(202, operation("running")),
        _ => Reply::Json(200, resource(1, &spec(), "r1")),
    }
}

async fn made(server: &Scripted) -> (TestProvider, Stored) {
    let provider = provider(server).await;
    let stored = provider.resource("idp_service").create(&config(&[])).await;
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
    (provider, stored)
}

#[tokio::test]
async fn what_is_applied_and_read_again_plans_empty() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let services = provider.resource("idp_service");

    let read = services.read(&stored).await;
    let second = services.plan(Some(&read), &config(&[])).await;

    assert_eq!(read.state, stored.state);
    assert!(second.is_empty(), "{:?}", second.planned);
    assert!(second.diagnostics.warnings.is_empty(), "nothing to decide, nothing to remark");
    let put = &server.seen_of("PUT")[0];
    assert_eq!(put.header("if-none-match").as_deref(), Some("*"));
    assert_eq!(put.body["expected_rendered_sha256"], "r1");
    assert_eq!(put.body["environment_revision"], "e1");
    assert_eq!(put.body["golden_path"]["version"], "1.2.0");
    assert_eq!(put.body["spec"]["slo"]["availability"], 99.9);
}

#[tokio::test]
async fn drift_is_an_update_and_both_halves_name_the_generation() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) && before > 0 => {
            Reply::Json(200, resource(1, &spec(), "edited"))
        }
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;
    let services = provider.resource("idp_service");
    let read = services.read(&stored).await;

    let mended = services.update(&read, &config(&[])).await;

    assert_eq!(read.state.get("rendered_sha256"), Some(&Value::string("edited")));
    assert_eq!(mended.state.get("rendered_sha256"), Some(&Value::string("r1")));
    let questions = server.seen_of(PLANS);
    let last = &questions[questions.len() - 1].body;
    assert_eq!(
        (&last["prior"]["generation"], &last["environment_revision"]),
        (&json!(1), &json!("e1"))
    );
    assert_eq!(server.seen_of("PUT")[1].header("if-match").as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn a_platform_that_is_down_is_an_error_that_says_where_and_how_to_check() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;

    let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

    assert_error(&plan, &["idp_service staging/checkout", "http://127.0.0.1:1", "refused", "curl"]);
}

#[tokio::test]
async fn a_wrong_certificate_is_an_error_that_names_ca_file() {
    let server = Scripted::start_tls(well).await;
    let provider = provider(&server).await;

    let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

    assert_error(&plan, &["certificate is not trusted", "`ca_file`"]);
}

#[tokio::test]
async fn refusals_name_the_cause_and_the_request() {
    for (status, code, part) in [
        (401, "unauthorized", "does not accept the token"),
        (403, "forbidden", "planning is not allowed"),
        (409, "environment_moved", "its environment was changed"),
    ] {
        let server = Scripted::start(move |_, _| problem(status, code, "because")).await;
        let provider = provider(&server).await;

        let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

        assert_error(&plan, &[part, "because", "Request id: req_7"]);
    }
}

#[tokio::test]
async fn a_policy_that_denies_is_an_error_at_its_attribute() {
    let server = Scripted::start(|_, _| {
        let Reply::Json(status, mut body) = plan("r1") else { unreachable!() };
        body["policy"] = json!([{
            "rule": "image_by_digest", "effect": "deny", "message": "name the image by digest",
            "pointer": "/spec/image", "controls": ["SC-1"],
        }]);
        Reply::Json(status, body)
    })
    .await;
    let provider = provider(&server).await;

    let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

    assert_error(&plan, &["image_by_digest", "name the image by digest", "SC-1"]);
    assert_eq!(show(&plan.diagnostics.errors[0].attribute), "image");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for_again_under_the_same_key() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") if before == 0 => Reply::HangUp,
        _ => well(seen, before),
    })
    .await;

    made(&server).await;

    let puts = server.seen_of("PUT");
    let key = |seen: &Seen| seen.header("idempotency-key").unwrap();
    assert_eq!(puts.len(), 2);
    assert_eq!(key(&puts[0]), key(&puts[1]));
}

#[tokio::test]
async fn a_platform_that_restarts_before_it_answers_is_asked_until_it_is_back() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") if before < 5 => Reply::HangUp,
        _ => well(seen, before),
    })
    .await;

    made(&server).await;

    let puts = server.seen_of("PUT");
    assert!(puts.len() > hasty().attempts as usize);
    assert!(
        puts.iter().all(|put| put.header("idempotency-key") == puts[0].header("idempotency-key"))
    );
}

#[tokio::test]
async fn a_create_that_fails_leaves_no_state_and_says_what_is_left() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        OPERATION => {
            let mut failed = operation("failed");
            failed["error"] = json!({
                "step": "commit", "code": "remote_refused", "message": "the remote refused the push",
                "remaining": "nothing was committed",
            });
            Reply::Json(200, failed)
        }
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;

    let stored = provider.resource("idp_service").create(&config(&[])).await;

    assert!(stored.state.is_null());
    let error = only_error(&stored.diagnostics);
    for part in [
        "step `commit`",
        "the remote refused the push",
        "nothing was committed",
        "op_1",
        "--unfinished",
    ] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[tokio::test]
async fn a_platform_that_dies_during_an_update_leaves_the_prior_state() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        OPERATION if before > 0 => Reply::HangUp,
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;

    let wanted = config(&[("image", Value::string("acme/checkout:2"))]);
    let after = provider.resource("idp_service").update(&stored, &wanted).await;

    assert_eq!(after.state, stored.state);
    let error = only_error(&after.diagnostics);
    assert!(error.contains("went away") && error.contains("op_1"), "{error}");
}

#[tokio::test]
async fn a_refused_update_leaves_the_state_as_the_platform_has_it_now() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") if before > 0 => problem(409, "conflict", "someone was faster"),
        Some("GET") if seen.what.ends_with(CHECKOUT) && before > 0 => {
            let mut moved = spec();
            moved["image"] = json!("acme/checkout:9");
            Reply::Json(200, resource(2, &moved, "r9"))
        }
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;

    let wanted = config(&[("image", Value::string("acme/checkout:2"))]);
    let after = provider.resource("idp_service").update(&stored, &wanted).await;

    assert_eq!(after.state.get("image"), Some(&Value::string("acme/checkout:9")));
    let error = only_error(&after.diagnostics);
    assert!(error.contains("someone was faster") && error.contains("plan again"), "{error}");
}

#[tokio::test]
async fn a_result_that_cannot_be_read_at_once_is_asked_for_until_it_can() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) && before < 7 => match before % 2 {
            0 => problem(503, "unavailable", "the git host is away"),
            _ => Reply::Json(502, json!("a proxy in its own words")),
        },
        _ => well(seen, before),
    })
    .await;

    let (_, stored) = made(&server).await;

    assert_eq!(stored.state.get("rendered_sha256"), Some(&Value::string("r1")));
    assert_eq!(server.seen_of("PUT").len(), 1);
}

#[tokio::test]
async fn a_result_that_stays_unreadable_is_an_error_with_the_block_that_imports_it() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) => {
            problem(503, "unavailable", "the git host is away")
        }
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;

    let stored = provider.resource("idp_service").create(&config(&[])).await;

    assert!(stored.state.is_null());
    let error = only_error(&stored.diagnostics);
    let block = "import {\n  to = idp_service.checkout\n  id = \"staging/checkout\"\n}";
    for part in ["creating it succeeded", "the git host is away", block] {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[tokio::test]
async fn stopping_ends_the_wait_for_a_result() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) => {
            problem(503, "unavailable", "the git host is away")
        }
        _ => well(seen, before),
    })
    .await;
    let patience = Patience { away_for: Duration::from_mins(1), ..hasty() };
    let provider = provider_with(patience, Value::string(&server.endpoint)).await;
    let services = provider.resource("idp_service");
    let plan = services.plan(None, &config(&[])).await;
    let begin = Instant::now();

    let config = config(&[]);
    let (stored, ()) = tokio::join!(services.apply(&plan, &config), async {
        while server.seen_of("GET /api/v1/resources").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        provider.stop().await;
    });

    assert!(begin.elapsed() < Duration::from_secs(10));
    assert!(only_error(&stored.diagnostics).contains("import {"));
}

#[tokio::test]
async fn a_create_that_finds_its_service_made_says_so() {
    let server = Scripted::start(|_, _| {
        let Reply::Json(status, mut body) = plan("r1") else { unreachable!() };
        body["changes"] = json!([]);
        Reply::Json(status, body)
    })
    .await;
    let provider = provider(&server).await;

    let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

    let warning = &plan.diagnostics.warnings[0];
    assert!(warning.summary.contains("an earlier apply made it already"), "{warning:?}");
}

#[tokio::test]
async fn stopping_ends_a_create_at_once_without_state() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        OPERATION => Reply::Silence,
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");
    let plan = services.plan(None, &config(&[])).await;
    let begin = Instant::now();

    let config = config(&[]);
    let (stored, ()) = tokio::join!(services.apply(&plan, &config), async {
        while server.seen_of(OPERATION).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        provider.stop().await;
    });

    assert!(begin.elapsed() < Duration::from_secs(4));
    assert!(stored.state.is_null());
    let error = only_error(&stored.diagnostics);
    assert!(error.contains("interrupted") && error.contains("op_1"), "{error}");
}

#[tokio::test]
async fn a_timeout_of_the_resource_ends_the_wait() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        OPERATION => Reply::Json(200, operation("running")),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let timeouts = object([("create", Value::string("100ms"))]);

    let stored = provider.resource("idp_service").create(&config(&[("timeouts", timeouts)])).await;

    assert!(stored.state.is_null());
    assert!(only_error(&stored.diagnostics).contains("`timeouts.create`"));
}

#[tokio::test]
async fn a_service_that_exists_already_is_refused_as_the_platform_says() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("PUT") => problem(409, "already_exists", "it exists already: import { … }"),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;

    let stored = provider.resource("idp_service").create(&config(&[])).await;

    assert!(stored.state.is_null());
    assert!(only_error(&stored.diagnostics).contains("import { … }"));
}

#[tokio::test]
async fn a_service_that_is_gone_leaves_the_state_with_a_warning() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) && before > 0 => {
            problem(404, "not_found", "no such service")
        }
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;

    let read = provider.resource("idp_service").read(&stored).await;

    assert!(read.state.is_null());
    assert!(read.diagnostics.warnings[0].summary.contains("it is gone"));
}

#[tokio::test]
async fn deleting_what_is_gone_already_succeeds() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("DELETE") => problem(404, "not_found", "no such service"),
        _ => well(seen, before),
    })
    .await;
    let (provider, stored) = made(&server).await;

    let gone = provider.resource("idp_service").destroy(&stored).await;

    assert!(gone.state.is_null() && gone.diagnostics.errors.is_empty());
    assert_eq!(server.seen_of("DELETE")[0].header("if-match").as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn a_protected_service_is_not_planned_for_destruction_or_replacement() {
    let server = Scripted::start(|seen, before| match seen.what.split(' ').next() {
        Some("GET") if seen.what.ends_with(CHECKOUT) => {
            let mut protected = resource(1, &spec(), "r1");
            protected["deletion_protection"] = json!(true);
            Reply::Json(200, protected)
        }
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");
    let protected = config(&[("deletion_protection", Value::Bool(true))]);
    let stored = services.create(&protected).await;

    let destroy = services.plan_destroy(&stored).await;
    let mut elsewhere = protected;
    elsewhere.set_attribute("environment", "production");
    let replace = services.plan(Some(&stored), &elsewhere).await;

    for plan in [&destroy, &replace] {
        assert_error(plan, &["protected from deletion", "deletion_protection = false"]);
    }
}

#[tokio::test]
async fn a_change_of_language_replaces_and_says_why() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;

    let python = config(&[("language", Value::string("python"))]);
    let plan = provider.resource("idp_service").plan(Some(&stored), &python).await;

    assert!(plan.is_replacement());
    assert_eq!(plan.requires_replace, [AttributePath::new("language")]);
    let warning = &plan.diagnostics.warnings[0];
    assert!(warning.detail.contains("from \"nodejs\" to \"python\""), "{}", warning.detail);
}

#[tokio::test]
async fn an_unknown_provider_configuration_plans_everything_unknown() {
    let provider = configured(Value::UNKNOWN).await;

    let plan = provider.resource("idp_service").plan(None, &config(&[])).await;

    assert!(plan.diagnostics.errors.is_empty());
    assert!(plan.planned.get("url").unwrap().is_unknown());
    assert!(plan.diagnostics.warnings[0].summary.contains("planned without the platform"));
}

#[tokio::test]
async fn unknown_inputs_are_sent_as_pointers_and_are_no_error() {
    let server = Scripted::start(|_, _| {
        let Reply::Json(status, mut body) = plan("r1") else { unreachable!() };
        (body["outputs"], body["rendered_sha256"]) = (json!(null), json!(null));
        Reply::Json(status, body)
    })
    .await;
    let provider = provider(&server).await;

    let unknown = config(&[("image", Value::UNKNOWN)]);
    let plan = provider.resource("idp_service").plan(None, &unknown).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics.errors);
    assert_eq!(server.seen_of(PLANS)[0].body["unknown"], json!(["/spec/image"]));
    assert!(plan.planned.get("rendered_sha256").unwrap().is_unknown());
}

#[tokio::test]
async fn an_import_takes_over_what_is_there() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");

    let imported = services.import("staging/checkout").await;
    let plan = services.plan(Some(&imported), &config(&[])).await;
    let wrong = services.import("staging/Check_Out").await;

    assert!(plan.is_empty(), "{:?} is not {:?}", plan.planned, plan.prior);
    assert!(only_error(&wrong.diagnostics).contains("<environment>/<name>"));
}

#[tokio::test]
async fn what_is_wrong_whatever_the_path_is_found_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let number = |text: &str| Value::Number(text.parse().unwrap());
    for (attribute, value, part) in [
        ("name", Value::string("Check_Out"), "lower-case"),
        ("port", number("80.5"), "whole number from 1 to 65535"),
        ("port", number("65536"), "whole number"),
        ("wait_for", Value::string("healthy"), "does not do yet"),
        ("wait_for", Value::string("never"), "must be `committed`"),
        ("image_source", Value::string("ci"), "`terraform` or `pipeline`"),
        ("golden_path_version", Value::string("=> 1"), "operators"),
        ("language", Value::string("../x"), "golden/<template>/<language>"),
        ("parameters", to_dynamic(&json!("x")), "must be an object"),
        ("slo", object([("availability", number("100"))]), "less than 100"),
        ("timeouts", object([("create", Value::string("soon"))]), "not a duration"),
        ("replicas", object([("min", number("3")), ("max", number("2"))]), "more than the maximum"),
    ] {
        let config = config(&[(attribute, value)]);

        let diagnostics = provider.resource("idp_service").validate(&config).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{attribute}: {error}");
        assert!(show(&diagnostics.errors[0].attribute).starts_with(attribute));
    }
}

#[tokio::test]
async fn the_schemas_are_sound() {
    let provider = TestProvider::new(Idp::new(ProcessEnvironment::default()));

    assert!(provider.check_schemas().await.errors.is_empty());
}
