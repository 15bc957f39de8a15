//! Importing a database that exists without the platform, and having the platform take it over.

mod scripted;

use provider_framework::testing::{Stored, TestProvider};
use provider_framework::value::Value;
use scripted::database::{ORDERS, config, database, unmanaged, well};
use scripted::driven::{assert_error, only_error, provider};
use scripted::{Reply, Scripted, Seen, operation, problem};
use serde_json::json;

/// A platform that has no such database before it is asked to take one over, on a server that has one.
fn before_adoption(seen: &Seen, before: usize) -> Reply {
    match seen.what.as_str() {
        what if what == format!("GET {ORDERS}") => {
            problem(404, "not_found", "there is no database staging/orders")
        }
        what if what == format!("GET {ORDERS}/unmanaged") => Reply::Json(200, unmanaged()),
        _ => well(seen, before),
    }
}

async fn imported(server: &Scripted) -> (TestProvider, Stored) {
    let provider = provider(server).await;
    let stored = provider.resource("idp_database").import("staging/orders").await;
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
    (provider, stored)
}

fn text<'a>(stored: &'a Stored, name: &str) -> Option<&'a str> {
    stored.state.get(name).and_then(Value::as_str)
}

#[tokio::test]
async fn an_import_of_what_belongs_to_nobody_holds_what_is_so_and_nothing_that_nobody_chose() {
    let server = Scripted::start(before_adoption).await;

    let (_, stored) = imported(&server).await;

    assert_eq!(text(&stored, "id"), Some("database/staging/orders"));
    assert_eq!(text(&stored, "owner_role"), Some("legacy"));
    assert_eq!(text(&stored, "engine_version"), Some("15.8"));
    assert_eq!(stored.state.get("extensions"), Some(&Value::set(["pg_trgm"])));
    for name in ["owner", "size", "deletion_policy", "rendered_sha256", "golden_path", "secret_ref"]
    {
        assert_eq!(stored.state.get(name), Some(&Value::Null), "{name}");
    }
}

#[tokio::test]
async fn a_refresh_before_the_apply_keeps_it() {
    let server = Scripted::start(before_adoption).await;
    let (provider, stored) = imported(&server).await;
    let databases = provider.resource("idp_database");

    let read = databases.read(&stored).await;
    let again = databases.read(&read).await;

    assert_eq!(again.state, stored.state);
    assert_eq!(again.private, stored.private);
    assert!(again.diagnostics.warnings.is_empty());
}

#[tokio::test]
async fn the_next_plan_shows_what_taking_it_over_changes_and_the_apply_does_it() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        // The platform has it once it was asked to: the import looked once, and so did nobody else.
        what if what == format!("GET {ORDERS}") && before > 0 => Reply::Json(
            200,
            database(1, &json!({ "engine": "postgres", "extensions": ["pg_trgm"] })),
        ),
        _ => before_adoption(seen, before),
    })
    .await;
    let (provider, stored) = imported(&server).await;
    let databases = provider.resource("idp_database");

    let plan = databases.plan(Some(&stored), &config(&[])).await;
    let taken = databases.apply(&plan, &config(&[])).await;
    let second = databases.plan(Some(&taken), &config(&[])).await;

    assert!(!plan.is_replacement());
    let changes = plan.planned.get("changes").unwrap().as_elements().unwrap();
    assert_eq!(changes[1].get("object"), Some(&Value::string("Role/orders_read")));
    let remark = &plan.diagnostics.warnings[0];
    assert!(remark.summary.ends_with("what to know before taking it over"), "{remark:?}");
    for asked in server.seen_of("POST /api/v1/plans").iter().take(2) {
        assert_eq!((&asked.body["action"], &asked.body["adopt"]), (&json!("create"), &json!(true)));
    }
    let put = &server.seen_of("PUT")[0];
    assert_eq!(put.header("if-none-match").as_deref(), Some("*"));
    assert_eq!(put.body["adopt"], true);
    assert_eq!(text(&taken, "owner_role"), Some("staging_orders_owner"));
    assert_eq!(text(&taken, "connection_id"), Some("con_1"));
    assert!(second.is_empty(), "{:?} is not {:?}", second.planned, second.prior);
}

#[tokio::test]
async fn a_failed_adoption_leaves_what_was_imported_and_the_next_apply_tries_again() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        "GET /api/v1/operations/op_1" => {
            let mut failed = operation("failed");
            failed["error"] = json!({
                "step": "roles", "code": "remote_refused", "message": "no right to create roles",
                "remaining": "nothing was changed",
            });
            Reply::Json(200, failed)
        }
        what if what == format!("GET {ORDERS}") && before > 0 => {
            let mut unfinished = database(1, &json!({ "engine": "postgres" }));
            unfinished["phase"] = json!("unfinished");
            unfinished["environment_revision"] = json!("e2");
            Reply::Json(200, unfinished)
        }
        _ => before_adoption(seen, before),
    })
    .await;
    let (provider, stored) = imported(&server).await;
    let databases = provider.resource("idp_database");

    let failed = databases.update(&stored, &config(&[])).await;
    let read = databases.read(&failed).await;
    databases.plan(Some(&read), &config(&[])).await;

    let error = only_error(&failed.diagnostics);
    assert!(error.contains("taking it over failed at step `roles`"), "{error}");
    assert!(error.contains("keeps the database as it was imported"), "{error}");
    assert_eq!(failed.state, stored.state);
    assert_eq!(read.state, stored.state);
    let asked = &server.seen_of("POST /api/v1/plans").pop().unwrap().body;
    assert_eq!(
        (&asked["adopt"], &asked["environment_revision"]),
        (&json!(true), &json!("e2")),
        "the next plan sees the environment as it is now"
    );
}

#[tokio::test]
async fn an_import_of_nothing_is_left_to_core_to_refuse() {
    let server = Scripted::start(|_, _| problem(404, "not_found", "there is nothing")).await;

    let (_, stored) = imported(&server).await;

    assert!(stored.state.is_null() && stored.diagnostics.warnings.is_empty());
}

#[tokio::test]
async fn what_was_imported_and_vanished_leaves_the_state_with_a_warning() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        what if what.ends_with("/unmanaged") && before > 0 => {
            problem(404, "not_found", "there is nothing")
        }
        _ => before_adoption(seen, before),
    })
    .await;
    let (provider, stored) = imported(&server).await;

    let read = provider.resource("idp_database").read(&stored).await;

    assert!(read.state.is_null());
    assert!(read.diagnostics.warnings[0].summary.contains("it is gone"));
}

#[tokio::test]
async fn destroying_what_was_never_taken_over_only_forgets_it() {
    let server = Scripted::start(before_adoption).await;
    let (provider, stored) = imported(&server).await;
    let databases = provider.resource("idp_database");

    let plan = databases.plan_destroy(&stored).await;
    let gone = databases.destroy(&stored).await;

    assert!(plan.diagnostics.warnings[0].summary.ends_with("it is only forgotten"));
    assert!(gone.state.is_null());
    assert!(server.seen_of("DELETE").is_empty());
}

#[tokio::test]
async fn what_was_imported_makes_no_room_for_another() {
    let server = Scripted::start(before_adoption).await;
    let (provider, stored) = imported(&server).await;

    let renamed = config(&[("name", Value::string("orders-2"))]);
    let plan = provider.resource("idp_database").plan(Some(&stored), &renamed).await;

    assert_error(&plan, &["something else was imported", "name = \"orders\"", "state rm"]);
}

#[tokio::test]
async fn a_managed_database_that_is_gone_is_not_looked_for_on_its_server() {
    let server = Scripted::start(|seen, before| match seen.what.as_str() {
        what if what == format!("GET {ORDERS}") && before > 0 => {
            problem(404, "not_found", "there is no database staging/orders")
        }
        what if what.ends_with("/unmanaged") => Reply::Json(200, unmanaged()),
        _ => well(seen, before),
    })
    .await;
    let provider = provider(&server).await;
    let databases = provider.resource("idp_database");
    let stored = databases.create(&config(&[])).await;

    let read = databases.read(&stored).await;

    assert!(read.state.is_null());
    assert!(read.diagnostics.warnings[0].summary.contains("it is gone"));
}
