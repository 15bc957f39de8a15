//! `idp_database` by core's rules: made, changed, protected, replaced, retained.

mod scripted;

use provider_framework::testing::{Planned, Stored, TestProvider, TestResource, object};
use provider_framework::value::Value;
use provider_framework::{Diagnostics, path::show};
use provider_plugin::json::to_dynamic;
use scripted::database::{self, ORDERS, database, plan, spec, well};
use scripted::driven::{assert_error, configured, only_error, provider};
use scripted::{Reply, Scripted, Seen, problem};
use serde_json::json;

const PLANS: &str = "POST /api/v1/plans";

/// The configuration that [`spec`] asks for.
fn config(entries: &[(&str, Value)]) -> Value {
    let mut config = database::config(&[
        ("statement_timeout", Value::string("30s")),
        ("rotation", object([("trigger", "2026-q4")])),
        ("parameters", to_dynamic(&json!({ "collation": "C" }))),
    ]);
    for (name, value) in entries {
        config.set_attribute(name, value);
    }
    config
}

async fn made(server: &Scripted) -> (TestProvider, Stored) {
    let provider = provider(server).await;
    let stored = provider.resource("idp_database").create(&config(&[])).await;
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
    (provider, stored)
}

/// The second plan of a replacement: core has no prior state for it, but the private bytes of the first.
async fn second_plan(databases: &TestResource<'_>, first: &Planned, config: &Value) -> Planned {
    let nothing = Stored {
        state: Value::Null,
        private: first.private.clone(),
        diagnostics: Diagnostics::default(),
    };
    databases.plan(Some(&nothing), config).await
}

#[tokio::test]
async fn what_is_applied_and_read_again_plans_empty() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let databases = provider.resource("idp_database");

    let read = databases.read(&stored).await;
    let second = databases.plan(Some(&read), &config(&[])).await;

    assert_eq!(read.state, stored.state);
    assert!(second.is_empty(), "{:?}", second.planned);
    assert!(second.diagnostics.warnings.is_empty(), "{:?}", second.diagnostics);
    let put = &server.seen_of("PUT")[0];
    assert_eq!(put.what, format!("PUT {ORDERS}"));
    assert_eq!(put.header("if-none-match").as_deref(), Some("*"));
    assert_eq!(put.body["deletion_protection"], true);
    assert_eq!(put.body.get("adopt"), None);
    assert_eq!(put.body["spec"]["rotation"]["trigger"], "2026-q4");
}

#[tokio::test]
async fn a_plan_shows_what_it_costs_and_the_changes_of_every_target() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;

    let plan = provider.resource("idp_database").plan(None, &config(&[])).await;

    let changes = plan.planned.get("changes").unwrap().as_elements().unwrap();
    let targets: Vec<_> = changes.iter().filter_map(|change| change.get("target")).collect();
    assert_eq!(targets, [&Value::string("gitops"), &Value::string("postgres")]);
    assert_eq!(plan.planned.get("id"), Some(&Value::string("database/staging/orders")));
    assert!(plan.planned.get("connection_id").unwrap().is_unknown());
    let remark = &plan.diagnostics.warnings[0];
    assert!(remark.summary.starts_with("idp_database staging/orders"), "{remark:?}");
    assert!(remark.detail.contains("5.00 to 9.00 EUR a month"), "{remark:?}");
}

#[tokio::test]
async fn a_change_on_the_server_is_an_update_that_names_what_was_read() {
    let server = Scripted::start(|seen, before| {
        if seen.what == format!("GET {ORDERS}") && before > 0 {
            let mut edited = database(1, &spec());
            edited["provisioned_sha256"] = json!("edited");
            edited["drift"] = json!([{ "path": "postgres:Role/orders_read", "kind": "modified" }]);
            return Reply::Json(200, edited);
        }
        well(seen, before)
    })
    .await;
    let (provider, stored) = made(&server).await;
    let databases = provider.resource("idp_database");
    let read = databases.read(&stored).await;

    let plan = databases.plan(Some(&read), &config(&[])).await;

    assert_eq!(read.state.get("provisioned_sha256"), Some(&Value::string("edited")));
    assert_eq!(plan.planned.get("provisioned_sha256"), Some(&Value::string("p1")));
    let asked = &server.seen_of(PLANS).pop().unwrap().body;
    assert_eq!(asked["prior"]["provisioned_sha256"], "edited");
    assert_eq!(asked["prior"]["rendered_sha256"], "r1");
    let remark = &plan.diagnostics.warnings[0].detail;
    assert!(remark.contains("postgres:Role/orders_read was edited, and is put back"), "{remark}");
}

#[tokio::test]
async fn an_upgrade_of_the_server_is_only_read() {
    let server = Scripted::start(|seen, before| {
        if seen.what == format!("GET {ORDERS}") && before > 0 {
            let mut upgraded = database(1, &spec());
            upgraded["outputs"]["database"]["engine_version"] = json!("16.1");
            return Reply::Json(200, upgraded);
        }
        well(seen, before)
    })
    .await;
    let (provider, stored) = made(&server).await;
    let databases = provider.resource("idp_database");

    let read = databases.read(&stored).await;
    let plan = databases.plan(Some(&read), &config(&[])).await;

    assert_eq!(read.state.get("engine_version"), Some(&Value::string("16.1")));
    assert!(plan.is_empty(), "{:?}", plan.planned);
}

#[tokio::test]
async fn a_protected_database_is_not_planned_for_destruction_and_says_how_to_unprotect_it() {
    let server = Scripted::start(well).await;
    let (provider, stored) = made(&server).await;
    let databases = provider.resource("idp_database");

    let destroy = databases.plan_destroy(&stored).await;
    let renamed = config(&[("name", Value::string("orders-2"))]);
    let replace = databases.plan(Some(&stored), &renamed).await;

    for plan in [&destroy, &replace] {
        assert_error(plan, &["protected from deletion", "deletion_protection = false"]);
        assert_eq!(show(&plan.diagnostics.errors[0].attribute), "deletion_protection");
    }
    assert!(server.seen_of("DELETE").is_empty());
}

/// Denies whatever makes a protected database go.
fn protecting(seen: &Seen, before: usize) -> Reply {
    if seen.what != PLANS {
        return well(seen, before);
    }
    let mut answer = plan();
    if seen.body["action"] == "create" && seen.body["prior"]["generation"] == 1 {
        answer["policy"] = json!([{
            "rule": "deletion_protection", "effect": "deny", "message": "it has deletion protection",
        }]);
    } else if seen.body["action"] == "create" && before > 1 {
        return problem(
            409,
            "already_exists",
            "database staging/orders exists already: import { … }",
        );
    }
    Reply::Json(200, answer)
}

#[tokio::test]
async fn a_replacement_that_only_core_wants_names_what_makes_way_and_is_refused_where_protected() {
    let server = Scripted::start(protecting).await;
    let (provider, stored) = made(&server).await;
    let databases = provider.resource("idp_database");
    let unchanged = databases.plan(Some(&stored), &config(&[])).await;

    let anew = second_plan(&databases, &unchanged, &config(&[])).await;

    assert_error(&anew, &["policy deletion_protection refuses this", "it has deletion protection"]);
    let asked = &server.seen_of(PLANS).pop().unwrap().body;
    assert_eq!((&asked["action"], &asked["prior"]["generation"]), (&json!("create"), &json!(1)));
    assert_eq!(asked.get("adopt"), None);
}

#[tokio::test]
async fn a_replacement_of_state_that_was_stored_without_an_id_beside_it_is_refused_all_the_same() {
    let server = Scripted::start(protecting).await;
    let (provider, mut stored) = made(&server).await;
    let databases = provider.resource("idp_database");
    stored.private = br#"{"generation":1,"environment_revision":"e1"}"#.to_vec();
    let unchanged = databases.plan(Some(&stored), &config(&[])).await;

    let anew = second_plan(&databases, &unchanged, &config(&[])).await;

    assert_error(&anew, &["policy deletion_protection refuses this"]);
}

#[tokio::test]
async fn a_tainted_database_is_refused_as_one_that_exists_and_says_what_to_do_instead() {
    let server = Scripted::start(protecting).await;
    let (provider, _) = made(&server).await;

    let anew = provider.resource("idp_database").plan(None, &config(&[])).await;

    assert_error(&anew, &["exists already", "terraform untaint", "-replace"]);
}

#[tokio::test]
async fn what_is_retained_is_destroyed_with_a_warning_that_its_data_stays() {
    let server = Scripted::start(|seen, before| {
        if seen.what == format!("GET {ORDERS}") {
            let mut kept = spec();
            kept["deletion_policy"] = json!("retain");
            let mut kept = database(1, &kept);
            kept["deletion_protection"] = json!(false);
            return Reply::Json(200, kept);
        }
        well(seen, before)
    })
    .await;
    let provider = provider(&server).await;
    let databases = provider.resource("idp_database");
    let retained = config(&[
        ("deletion_policy", Value::string("retain")),
        ("deletion_protection", Value::Bool(false)),
    ]);
    let stored = databases.create(&retained).await;

    let plan = databases.plan_destroy(&stored).await;
    let gone = databases.destroy(&stored).await;

    let warning = &plan.diagnostics.warnings[0];
    assert_eq!(warning.summary, "idp_database staging/orders: its data stays");
    assert!(warning.detail.contains("`retain`"), "{warning:?}");
    assert!(gone.state.is_null());
    assert_eq!(server.seen_of("DELETE")[0].header("if-match").as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn replacing_an_unprotected_database_says_that_its_data_goes() {
    let server = Scripted::start(|seen, before| {
        if seen.what == format!("GET {ORDERS}") {
            let mut open = database(1, &spec());
            open["deletion_protection"] = json!(false);
            return Reply::Json(200, open);
        }
        well(seen, before)
    })
    .await;
    let provider = provider(&server).await;
    let databases = provider.resource("idp_database");
    let open = ("deletion_protection", Value::Bool(false));
    let stored = databases.create(&config(std::slice::from_ref(&open))).await;

    let elsewhere = config(&[open, ("environment", Value::string("production"))]);
    let plan = databases.plan(Some(&stored), &elsewhere).await;

    assert!(plan.is_replacement());
    let warning = &plan.diagnostics.warnings[0];
    assert!(warning.detail.contains("an empty one is made afterwards"), "{}", warning.detail);
}

#[tokio::test]
async fn an_import_takes_the_id_and_the_short_form_of_it() {
    let server = Scripted::start(well).await;
    let provider = provider(&server).await;
    let databases = provider.resource("idp_database");

    for id in ["staging/orders", "database/staging/orders"] {
        let imported = databases.import(id).await;
        let plan = databases.plan(Some(&imported), &config(&[])).await;

        assert!(plan.is_empty(), "{id}: {:?} is not {:?}", plan.planned, plan.prior);
    }
    for id in ["orders", "service/staging/orders", "database/orders/", "database/staging/Orders"] {
        let wrong = databases.import(id).await;

        let error = only_error(&wrong.diagnostics);
        assert!(error.contains("such as staging/orders"), "{id}: {error}");
    }
}

#[tokio::test]
async fn what_is_wrong_whatever_the_path_is_found_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let number = |text: &str| Value::Number(text.parse().unwrap());
    for (attribute, value, part) in [
        ("engine", Value::string("../x"), "golden/database/<engine>"),
        ("connection_limit", number("0"), "whole number from 1"),
        ("connection_limit", number("1.5"), "whole number from 1"),
        ("statement_timeout", Value::string("half a minute"), "not a duration"),
        ("deletion_policy", Value::string("keep"), "`delete` or `retain`"),
        ("extensions", Value::set([""]), "must have a name"),
        ("environment", Value::string("Prod"), "lower-case"),
        ("parameters", to_dynamic(&json!("x")), "must be an object"),
    ] {
        let config = config(&[(attribute, value)]);

        let diagnostics = provider.resource("idp_database").validate(&config).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{attribute}: {error}");
        assert!(show(&diagnostics.errors[0].attribute).starts_with(attribute));
    }
}
