//! Databases as resources: made, used, drifted, put right, removed, on a real PostgreSQL server.

use serde_json::json;

use crate::database_harness::{Databases, database, service_with_orders};
use crate::harness::{codes, summaries};

#[tokio::test]
async fn a_database_comes_into_being_with_its_roles_its_files_and_its_credentials() {
    let platform = Databases::start().await;

    let orders = platform.orders().await;

    let outputs = &orders["outputs"]["database"];
    assert_eq!(outputs["database"], "orders");
    assert_eq!(outputs["secret_ref"], "database/staging/orders");
    assert!(outputs["connection_id"].is_string() && outputs["engine_version"].is_string());
    assert_eq!(orders["drift"], json!([]));
    assert!(orders["provisioned_sha256"].is_string());
    assert!(platform.files().contains(&"staging/database/orders/catalog-info.yaml".to_owned()));
    let made = platform.query_as("database/staging/orders", "SELECT current_database()").await;
    assert_eq!(made.unwrap(), "orders");
}

#[tokio::test]
async fn a_plan_names_every_object_and_a_second_plan_nothing() {
    let platform = Databases::start().await;
    let request = |action: &str| {
        let mut body = database(json!({"extensions": ["pgcrypto"]}));
        body["kind"] = json!("database");
        body["environment"] = json!("staging");
        body["name"] = json!("orders");
        body["action"] = json!(action);
        body
    };

    let first = platform.plan(request("create")).await.ok();
    let body = database(json!({"extensions": ["pgcrypto"]}));
    let accepted = platform.put("database", "orders", 0, body).await;
    let orders = platform.done(accepted).await;
    let second = platform.plan(request("update")).await.ok();

    let told = summaries(&first["changes"]).join("\n");
    for object in
        ["Database/orders", "Role/orders_read", "Extension/orders.pgcrypto", "Login/orders_app"]
    {
        assert!(told.contains(object), "{object}: {told}");
    }
    assert_eq!(first["provisioned_sha256"], orders["provisioned_sha256"]);
    assert_eq!(first["outputs"]["database"]["connection_id"], json!(null));
    assert_eq!(second["changes"], json!([]));
}

#[tokio::test]
async fn what_somebody_does_to_the_server_is_seen_and_put_right() {
    let platform = Databases::start().await;
    let body = || database(json!({"extensions": ["pgcrypto"]}));
    let accepted = platform.put("database", "orders", 0, body()).await;
    let whole = platform.done(accepted).await;
    platform.cluster.psql("ALTER DATABASE orders SET statement_timeout = '9s'");
    platform.cluster.psql_in("orders", "DROP EXTENSION pgcrypto");
    platform.cluster.psql("DROP ROLE orders_app_a");

    let drifted = platform.look("database", "orders").await;
    let accepted = platform.put("database", "orders", 1, body()).await;
    let mended = platform.done(accepted).await;

    let found: Vec<_> =
        drifted["drift"].as_array().unwrap().iter().map(|d| d["path"].as_str().unwrap()).collect();
    assert_eq!(
        found,
        [
            "postgres:Extension/orders.pgcrypto",
            "postgres:Login/orders_app",
            "postgres:Setting/orders.statement_timeout"
        ]
    );
    assert_ne!(drifted["provisioned_sha256"], whole["provisioned_sha256"]);
    assert_eq!(mended["provisioned_sha256"], whole["provisioned_sha256"]);
    let again = platform.query_as("database/staging/orders", "SELECT 1").await;
    assert_eq!(again.unwrap(), "1", "the consumer's password is the one it had");
}

#[tokio::test]
async fn a_service_gets_a_login_of_its_own_and_loses_it_when_it_goes() {
    let platform = Databases::start().await;
    platform.orders().await;

    let checkout = platform.checkout().await;
    let secret = "service/staging/checkout/orders";
    let login = platform.query_as(secret, "SELECT current_user").await;
    let accepted = platform.remove("service", "checkout", 1).await;
    platform.done(accepted).await;

    assert!(login.unwrap().starts_with("orders_checkout_orders_"));
    assert_eq!(checkout["drift"], json!([]));
    let roles =
        platform.cluster.psql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'orders_checkout%'");
    assert_eq!(roles, "");
    platform.call("GET", &format!("/secret-values/{secret}"), None).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_service_that_may_only_read_cannot_write() {
    let platform = Databases::start().await;
    platform.orders().await;
    platform.cluster.psql_in(
        "orders",
        "SET ROLE orders_migrate; CREATE TABLE app.bill (id int); INSERT INTO app.bill VALUES (1)",
    );
    let secret = "service/staging/checkout/orders";

    let accepted = platform.put("service", "checkout", 0, service_with_orders("read")).await;
    platform.done(accepted).await;
    let read = platform.query_as(secret, "SELECT count(*) FROM bill").await;
    let refused = platform.query_as(secret, "INSERT INTO bill VALUES (2)").await;
    let accepted = platform.put("service", "checkout", 1, service_with_orders("write")).await;
    platform.done(accepted).await;
    let written = platform.query_as(secret, "INSERT INTO bill VALUES (3)").await;

    assert_eq!(read.unwrap(), "1");
    assert!(refused.unwrap_err().contains("permission denied"));
    assert!(written.is_ok(), "{written:?}");
}

#[tokio::test]
async fn what_a_service_uses_may_be_missing_in_a_plan_but_not_in_an_apply() {
    let platform = Databases::start().await;
    let mut request = service_with_orders("write");
    request["kind"] = json!("service");
    request["environment"] = json!("staging");
    request["name"] = json!("checkout");
    request["action"] = json!("create");

    let planned = platform.plan(request).await.ok();
    let applied = platform.put("service", "checkout", 0, service_with_orders("write")).await;

    assert!(codes(&planned["notices"]).contains(&"uses_missing"));
    let problem = applied.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["pointer"], "/spec/uses/orders/resource");
}

#[tokio::test]
async fn a_database_that_is_used_stays() {
    let platform = Databases::start().await;
    platform.orders().await;
    platform.checkout().await;

    let refused = platform.remove("database", "orders", 1).await;

    assert!(refused.detail(409, "in_use").contains("service staging/checkout"));
    assert_eq!(platform.query_as("database/staging/orders", "SELECT 1").await.unwrap(), "1");
}

#[tokio::test]
async fn a_deleted_database_leaves_nothing_on_the_server() {
    let platform = Databases::start().await;
    platform.orders().await;

    let accepted = platform.remove("database", "orders", 1).await;
    platform.done(accepted).await;

    let left = platform.cluster.psql(
        "SELECT datname FROM pg_database WHERE datname = 'orders'
         UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'orders%'",
    );
    assert_eq!(left, "");
    assert!(platform.files().iter().all(|file| !file.contains("orders")));
    platform
        .call("GET", "/secret-values/database/staging/orders", None)
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn a_protected_database_stays_whatever_the_client_does() {
    let platform = Databases::start().await;
    let mut body = database(json!({}));
    body["deletion_protection"] = json!(true);
    let accepted = platform.put("database", "orders", 0, body).await;
    platform.done(accepted).await;

    let refused = platform.remove("database", "orders", 1).await;

    assert!(refused.detail(409, "deletion_protected").contains("deletion_protection = false"));
}

#[tokio::test]
async fn retained_data_stays_and_can_be_taken_over_again() {
    let platform = Databases::start().await;
    let body = database(json!({"deletion_policy": "retain"}));
    let accepted = platform.put("database", "orders", 0, body).await;
    platform.done(accepted).await;
    platform.cluster.psql_in(
        "orders",
        "SET ROLE orders_migrate; CREATE TABLE app.bill (id int); INSERT INTO app.bill VALUES (7)",
    );

    let accepted = platform.remove("database", "orders", 1).await;
    platform.done(accepted).await;
    let plain = platform.put("database", "orders", 0, database(json!({}))).await;
    let plain = plain.detail(409, "name_taken");
    let unmanaged = platform.look("database", "orders/unmanaged").await;
    let mut body = database(json!({}));
    body["adopt"] = json!(true);
    let accepted = platform.put("database", "orders", 0, body).await;
    platform.done(accepted).await;

    assert!(plain.contains("orders"), "{plain}");
    assert_eq!(unmanaged["generation"], 0);
    let kept = platform.query_as("database/staging/orders", "SELECT id FROM bill").await;
    assert_eq!(kept.unwrap(), "7");
}

#[tokio::test]
async fn a_database_that_was_made_by_hand_is_taken_over_where_its_tables_stand() {
    let platform = Databases::start().await;
    platform.cluster.psql("CREATE ROLE legacy LOGIN PASSWORD 'legacy'");
    platform.cluster.psql("CREATE DATABASE orders OWNER legacy");
    platform.cluster.psql_in(
        "orders",
        "SET ROLE legacy; CREATE TABLE public.bill (id int); INSERT INTO public.bill VALUES (7)",
    );
    let mut request = database(json!({}));
    for (key, value) in [
        ("kind", json!("database")),
        ("environment", json!("staging")),
        ("name", json!("orders")),
        ("action", json!("create")),
        ("adopt", json!(true)),
    ] {
        request[key] = value;
    }
    let unmanaged = platform.look("database", "orders/unmanaged").await;
    let planned = platform.plan(request).await.ok();
    let mut body = database(json!({}));
    body["adopt"] = json!(true);

    let accepted = platform.put("database", "orders", 0, body).await;
    platform.done(accepted).await;
    let update = platform.put("database", "orders", 1, database(json!({}))).await;
    let orders = platform.done(update).await;

    assert_eq!(unmanaged["outputs"]["database"]["owner_role"], "legacy");
    let told = summaries(&planned["changes"]).join("\n");
    assert!(told.contains("owner legacy, becomes owner orders_owner"), "{told}");
    let read = platform.query_as("database/staging/orders", "SELECT id FROM bill").await;
    assert_eq!(read.unwrap(), "7");
    assert_eq!(orders["drift"], json!([]));
}

#[tokio::test]
async fn taking_over_takes_the_right_to_approve() {
    let platform = Databases::start().await;
    let token = platform.token("team", &["apply:staging:payments"]).await;
    let mut body = database(json!({}));
    body["adopt"] = json!(true);

    let path = "/resources/database/staging/orders";
    let headers = [("if-none-match", "*")];
    let refused = platform.call_as(&token, "PUT", path, &headers, Some(body)).await;

    assert!(refused.detail(403, "forbidden").contains("approve:staging:payments"));
}

#[tokio::test]
async fn an_extension_is_had_only_where_the_environment_allows_it() {
    let platform = Databases::start().await;

    let body = database(json!({"extensions": ["plperlu"]}));
    let refused = platform.put("database", "orders", 0, body).await;

    let problem = refused.problem(422, "invalid_request");
    assert_eq!(problem["errors"][0]["rule"], "extension_not_allowed");
}

#[tokio::test]
async fn a_final_dump_can_be_restored() {
    let platform = Databases::start().await;
    let accepted =
        platform.put("database", "orders", 0, database(json!({"final_dump": true}))).await;
    platform.done(accepted).await;
    platform.cluster.psql_in(
        "orders",
        "SET ROLE orders_migrate; CREATE TABLE app.bill (id int); INSERT INTO app.bill VALUES (42)",
    );

    let accepted = platform.remove("database", "orders", 1).await;
    platform.done(accepted).await;

    let folder = platform.app.config.server.data_dir.join("dumps");
    let dump = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    platform.cluster.psql("CREATE DATABASE restored");
    let restored = platform
        .cluster
        .client("pg_restore", test_postgres::SUPERUSER, test_postgres::SUPERUSER_PASSWORD)
        .args(["--no-owner", "--no-acl", "-d", "restored"])
        .arg(&dump)
        .output()
        .unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert_eq!(platform.cluster.psql_in("restored", "SELECT id FROM app.bill"), "42");
}

#[tokio::test]
async fn a_server_that_is_away_is_named_and_the_next_apply_goes_on() {
    let mut platform = Databases::start().await;
    platform.cluster.stop();

    let refused = platform.put("database", "orders", 0, database(json!({}))).await;
    let told = refused.detail(503, "database_unavailable");
    platform.cluster.restart();
    let orders = platform.orders().await;

    assert!(told.contains("could not be reached"), "{told}");
    assert_eq!(orders["phase"], "ready");
}

#[tokio::test]
async fn a_delete_that_failed_after_the_drop_is_finished_by_the_next_and_nothing_is_made_in_between()
 {
    let platform = Databases::start().await;
    let body = || database(json!({"final_dump": true}));
    let accepted = platform.put("database", "orders", 0, body()).await;
    platform.done(accepted).await;
    platform.refuse_pushes(true);

    let accepted = platform.remove("database", "orders", 1).await;
    let failed = platform.ended(accepted).await;
    let updated = platform.put("database", "orders", 2, body()).await;
    platform.refuse_pushes(false);
    let accepted = platform.remove("database", "orders", 2).await;
    platform.done(accepted).await;

    assert_eq!(failed["state"], "failed");
    assert!(failed["error"]["remaining"].as_str().unwrap().contains("the database is gone"));
    assert!(updated.detail(409, "conflict").contains("delete it again"));
    assert!(platform.files().iter().all(|file| !file.contains("orders")));
}

#[tokio::test]
async fn an_adoption_that_is_abandoned_leaves_the_data() {
    let platform = Databases::start().await;
    platform.cluster.psql("CREATE DATABASE orders");
    platform.cluster.psql_in("orders", "CREATE TABLE bill (id int); INSERT INTO bill VALUES (7)");
    platform.refuse_pushes(true);
    let mut adopting = database(json!({}));
    adopting["adopt"] = json!(true);

    let accepted = platform.put("database", "orders", 0, adopting).await;
    assert_eq!(platform.ended(accepted).await["state"], "failed");
    // The next attempt need not say again that it adopts.
    let accepted = platform.put("database", "orders", 0, database(json!({}))).await;
    assert_eq!(platform.ended(accepted).await["state"], "failed");
    platform.refuse_pushes(false);
    let accepted = platform.remove("database", "orders", 2).await;
    platform.done(accepted).await;

    assert_eq!(platform.cluster.psql_in("orders", "SELECT id FROM bill"), "7");
}

#[tokio::test]
async fn a_create_that_found_somebody_elses_role_can_be_abandoned() {
    let platform = Databases::start().await;
    platform.cluster.psql("CREATE ROLE orders_app_a");

    let accepted = platform.put("database", "orders", 0, database(json!({}))).await;
    assert_eq!(platform.ended(accepted).await["error"]["code"], "database_not_owned");
    let accepted = platform.remove("database", "orders", 1).await;
    platform.done(accepted).await;

    let left = platform.cluster.psql("SELECT rolname FROM pg_roles WHERE rolname LIKE 'orders%'");
    assert_eq!(left, "orders_app_a");
}

#[tokio::test]
async fn an_alias_stays_with_the_database_that_it_named_first() {
    let platform = Databases::start().await;
    platform.orders().await;
    let accepted = platform.put("database", "bills", 0, database(json!({}))).await;
    platform.done(accepted).await;
    platform.checkout().await;
    let mut moved = service_with_orders("write");
    moved["spec"]["uses"]["orders"]["resource"] = json!("database/staging/bills");

    let refused = platform.put("service", "checkout", 1, moved).await;

    assert_eq!(refused.problem(422, "invalid_request")["errors"][0]["rule"], "uses_moved");
}

#[tokio::test]
async fn what_another_owner_lends_needs_a_right_there_when_it_is_first_used() {
    let platform = Databases::start().await;
    platform.orders().await;
    let mut body = service_with_orders("read");
    body["owner"] = json!("search");
    let path = "/resources/service/staging/finder";
    let create = [("if-none-match", "*")];
    let alone = platform.token("alone", &["apply:staging:search"]).await;
    let both = platform.token("both", &["apply:staging:*"]).await;

    let refused = platform.call_as(&alone, "PUT", path, &create, Some(body.clone())).await;
    let accepted = platform.call_as(&both, "PUT", path, &create, Some(body.clone())).await;
    platform.done(accepted).await;
    body["spec"]["image"] = json!("ghcr.io/acme/checkout:2");
    let update = [("if-match", "\"1\"")];
    let accepted = platform.call_as(&alone, "PUT", path, &update, Some(body)).await;

    assert!(refused.detail(403, "forbidden").contains("apply:staging:payments"));
    platform.done(accepted).await;
}

#[tokio::test]
async fn an_update_that_is_about_something_else_rotates_nobody() {
    let platform = Databases::start().await;
    let with =
        |limit: u32| database(json!({"rotation": {"trigger": "q3"}, "connection_limit": limit}));
    let accepted = platform.put("database", "orders", 0, with(10)).await;
    platform.done(accepted).await;
    platform.checkout().await;

    let accepted = platform.put("database", "orders", 1, with(11)).await;
    platform.done(accepted).await;

    assert_eq!(platform.values("service/staging/checkout/orders").await["version"], 1);
    assert_eq!(platform.values("database/staging/orders").await["version"], 1);
}
