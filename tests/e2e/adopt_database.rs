//! A database that was there before the platform: imported, looked at, taken over, or left alone.

use serde_json::json;
use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace};

const ADDRESS: &str = "idp_database.orders";
const IMPORT: &str = "\nimport {\n  to = idp_database.orders\n  id = \"staging/orders\"\n}\n";

/// A database as somebody made it by hand: another owner, an extension, a table with a row.
fn by_hand(platform: &Databases) {
    let cluster = platform.cluster();
    cluster.psql("CREATE ROLE legacy LOGIN PASSWORD 'legacy'");
    cluster.psql("CREATE DATABASE orders OWNER legacy");
    cluster.psql_in("orders", "CREATE EXTENSION hstore");
    cluster.psql_in(
        "orders",
        "SET ROLE legacy; CREATE SCHEMA app; CREATE TABLE app.bill (id int); INSERT INTO app.bill VALUES (7)",
    );
}

fn write(terraform: &Workspace, database: &Resource) {
    terraform.write("main.tf", &format!("{}{IMPORT}", config(&[database])));
}

#[test]
fn an_import_shows_what_taking_over_changes_and_an_apply_changes_that_and_no_data() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders").with("extensions", "[\"hstore\"]"));

    let plan = terraform.save_plan().ok();
    let before = platform.objects("orders");
    let planned = terraform.planned_change(ADDRESS);
    terraform.apply_saved().ok().says(&["1 imported"]);

    plan.says(&["taken over as it is", "Database/orders", "Role/orders_owner", "Login/orders_app"])
        .never_says(&["Extension/orders.hstore"]);
    assert_eq!(before, ["database orders"], "a plan changes nothing");
    assert_eq!(planned["actions"], json!(["update"]));
    let secret = "database/staging/orders";
    assert_eq!(platform.query_as(secret, "SELECT id FROM bill").unwrap(), "7");
    platform.query_as(secret, "INSERT INTO bill VALUES (8)").unwrap();
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'bill'";
    assert_eq!(platform.cluster().psql_in("orders", owner), "orders_migrate");
    terraform.plan().exits(0);
    terraform.refresh_plan().ok().says(&["found no differences"]);
}

#[test]
fn a_database_that_was_imported_by_command_is_taken_over_by_the_next_apply() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &config(&[&Resource::database("orders")]));

    terraform.run(&["import", "-no-color", ADDRESS, "staging/orders"]).ok();
    // What it has and the configuration does not ask for shows as a change.
    terraform.plan().exits(2).says(&["- extensions = [ - \"hstore\", ] -> null"]);
    terraform.write(
        "main.tf",
        &config(&[&Resource::database("orders").with("extensions", "[\"hstore\"]")]),
    );
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    assert_eq!(platform.query_as("database/staging/orders", "SELECT id FROM bill").unwrap(), "7");
    terraform.plan().exits(0);
}

#[test]
fn what_was_imported_and_never_taken_over_is_only_forgotten() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &config(&[&Resource::database("orders")]));
    terraform.run(&["import", "-no-color", ADDRESS, "staging/orders"]).ok();

    terraform.destroy().ok().says(&["it is only forgotten"]);

    assert_eq!(platform.objects("orders"), ["database orders"]);
    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
    assert!(terraform.addresses().is_empty());
}

#[test]
fn a_database_that_nobody_imported_is_not_taken_by_its_name() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &config(&[&Resource::database("orders")]));

    terraform.plan().fails().says(&["Database/orders exists already and is not ours", "legacy"]);
    terraform.apply().fails().says(&["is not ours"]);

    assert_eq!(platform.objects("orders"), ["database orders"]);
}

#[test]
fn another_platforms_database_is_not_taken_over() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    platform.cluster().psql(
        "COMMENT ON DATABASE orders IS 'Managed by idp on other.example.com: database/staging/orders'",
    );
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));

    terraform.plan().fails().says(&["is not ours", "other.example.com"]);
    terraform.apply().fails().says(&["is not ours", "other.example.com"]);

    assert_eq!(platform.objects("orders"), ["database orders"]);
}

#[test]
fn taking_over_needs_the_right_to_approve_which_the_refusal_names() {
    let platform = Databases::start_as_superuser();
    by_hand(&platform);
    let token = platform.token("team", &["apply:staging:payments", "destroy:staging:payments"]);
    let terraform = platform.workspace_as(Provider::Built, &token);
    write(&terraform, &Resource::database("orders"));

    terraform.plan().fails().says(&["approve:staging"]);
}

#[test]
fn a_retained_database_comes_back_by_import_with_its_data() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").with_text("deletion_policy", "retain");
    terraform.write("main.tf", &config(&[&orders]));
    terraform.apply().ok();
    platform.fill("orders");
    terraform.destroy().ok();

    write(&terraform, &orders);
    terraform.apply().ok().says(&["1 imported"]);

    assert_eq!(platform.query_as("database/staging/orders", "SELECT id FROM bill").unwrap(), "7");
    terraform.plan().exits(0);
}

#[test]
fn taking_over_what_another_role_owns_needs_a_grant_which_the_error_says() {
    let platform = Databases::start();
    by_hand(&platform);
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders").with("extensions", "[\"hstore\"]"));

    terraform.apply().fails().says(&["GRANT \"legacy\" TO \"registrar\""]);
    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
    platform.cluster().psql("GRANT legacy TO registrar");
    terraform.apply().ok();

    assert_eq!(platform.query_as("database/staging/orders", "SELECT id FROM bill").unwrap(), "7");
    terraform.plan().exits(0);
}
