//! What somebody does to a database behind the platform's back: seen by a plan, put right by an apply.

use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace};

fn started() -> (Databases, Workspace) {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").with("extensions", "[\"pgcrypto\"]");
    terraform.write("main.tf", &config(&[&orders]));
    terraform.apply().ok();
    (platform, terraform)
}

#[test]
fn every_kind_of_drift_on_the_server_is_named_by_a_plan_and_mended_by_an_apply() {
    let (platform, terraform) = started();
    platform.fill("orders");
    let whole = terraform.attributes("idp_database.orders");
    for (what, database, sql, object) in [
        ("a dropped login", "postgres", "DROP ROLE orders_app_a", "Login/orders_app"),
        (
            "a role with more rights",
            "postgres",
            "ALTER ROLE orders_read CREATEDB",
            "Role/orders_read",
        ),
        (
            "a grant taken away",
            "orders",
            "REVOKE USAGE ON SCHEMA app FROM orders_read",
            "Grant/orders.app.orders_read",
        ),
        (
            "a grant to everybody",
            "postgres",
            "GRANT CONNECT ON DATABASE orders TO PUBLIC",
            "Grant/orders.PUBLIC was added, and is taken away",
        ),
        ("a dropped extension", "orders", "DROP EXTENSION pgcrypto", "Extension/orders.pgcrypto"),
        (
            "another setting",
            "postgres",
            "ALTER DATABASE orders SET statement_timeout = '9s'",
            "Setting/orders.statement_timeout",
        ),
        (
            "another limit",
            "postgres",
            "ALTER DATABASE orders CONNECTION LIMIT 3",
            "Database/orders",
        ),
    ] {
        platform.cluster().psql_in(database, sql);

        let plan = terraform.plan();
        let apply = terraform.apply();
        let second = terraform.plan();

        assert_eq!(plan.code, Some(2), "{what} is not seen: {plan}");
        assert!(plan.flat().contains(object), "{what}: {object} is not named: {plan}");
        assert!(apply.succeeded(), "{what}: {apply}");
        assert_eq!(second.code, Some(0), "{what} is not mended: {second}");
    }
    let mended = terraform.attributes("idp_database.orders");
    assert_eq!(mended["provisioned_sha256"], whole["provisioned_sha256"]);
    assert_eq!(mended["connection_id"], whole["connection_id"]);
    let kept = platform.query_as("database/staging/orders", "SELECT id FROM bill");
    assert_eq!(kept.unwrap(), "7");
}

#[test]
fn a_database_that_somebody_dropped_is_made_again_by_the_next_apply() {
    let (platform, terraform) = started();
    platform.cluster().psql("DROP DATABASE orders");

    terraform.plan().exits(2).says(&["Database/orders"]);
    terraform.apply().ok();

    let asked = platform.query_as("database/staging/orders", "SELECT current_database()");
    assert_eq!(asked.unwrap(), "orders");
    terraform.plan().exits(0);
}
