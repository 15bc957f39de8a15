//! A database's life: created, looked at, changed in place, removed.

use std::fs;

use serde_json::json;
use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace, eventually};

const ADDRESS: &str = "idp_database.orders";

fn write(terraform: &Workspace, database: &Resource) {
    terraform.write("main.tf", &config(&[database]));
}

#[test]
fn a_database_is_made_with_its_roles_its_files_and_its_alerts_and_the_second_plan_is_empty() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders").with("extensions", "[\"pgcrypto\"]"));

    terraform.plan().exits(2).says(&[
        "idp_database.orders will be created",
        "golden/database/postgres",
        "Extension/orders.pgcrypto",
    ]);
    terraform.apply().ok().says(&["1 added, 0 changed, 0 destroyed"]);

    let orders = terraform.attributes(ADDRESS);
    let commits = platform.repository().commits();
    assert_eq!(commits.len(), 1, "{commits:#?}");
    assert_eq!(orders["gitops"]["commit"], commits[0].id.as_str());
    for (attribute, expected) in [
        ("id", json!("database/staging/orders")),
        ("host", json!("127.0.0.1")),
        ("port", json!(platform.cluster().port())),
        ("database", json!("orders")),
        ("owner_role", json!("orders_owner")),
        ("secret_ref", json!("database/staging/orders")),
        ("catalog_ref", json!("resource:staging/orders")),
    ] {
        assert_eq!(orders[attribute], expected, "{attribute}");
    }
    let version = orders["engine_version"].as_str().unwrap();
    assert!(version.starts_with(&platform.cluster().major().to_string()), "{version}");
    assert_eq!(
        platform.objects("orders"),
        [
            "database orders",
            "role orders_app_a",
            "role orders_migrate",
            "role orders_owner",
            "role orders_read",
            "role orders_write",
        ]
    );
    let rules = "staging/database/orders/71-prometheusrule-orders.database.yaml";
    assert!(platform.repository().text(rules).contains("datname=\\\"orders\\\""));
    let catalog = platform.repository().text("staging/database/orders/catalog-info.yaml");
    assert!(catalog.contains("kind: Resource"), "{catalog}");
    let asked = platform.query_as("database/staging/orders", "SELECT current_database()");
    assert_eq!(asked.unwrap(), "orders");
    terraform.plan().exits(0).says(&["No changes"]);
    terraform.refresh_plan().ok().says(&["found no differences"]);
}

#[test]
fn size_limits_time_outs_and_extensions_change_in_place_and_data_stays() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").with("extensions", "[\"pgcrypto\"]");
    write(&terraform, &orders);
    terraform.apply().ok();
    platform.fill("orders");
    let before = terraform.attributes(ADDRESS);

    let changed = orders
        .with_text("size", "medium")
        .with_text("statement_timeout", "45s")
        .with("connection_limit", "33")
        .with("extensions", "[\"hstore\"]");
    write(&terraform, &changed);
    terraform.save_plan().ok().says(&["will be updated in-place", "1 to change"]);
    let planned = terraform.planned_change(ADDRESS);
    terraform.apply_saved().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    let after = terraform.attributes(ADDRESS);
    assert_eq!(planned["actions"], json!(["update"]));
    for promised in ["rendered_sha256", "provisioned_sha256"] {
        assert_eq!(planned["after"][promised], after[promised], "{promised}");
        assert_ne!(before[promised], after[promised], "{promised}");
    }
    assert_eq!(before["connection_id"], after["connection_id"]);
    let secret = "database/staging/orders";
    assert_eq!(platform.query_as(secret, "SHOW statement_timeout").unwrap(), "45s");
    assert_eq!(platform.query_as(secret, "SELECT id FROM bill").unwrap(), "7");
    let limit = "SELECT datconnlimit FROM pg_database WHERE datname = 'orders'";
    assert_eq!(platform.cluster().psql(limit), "33");
    let extensions = "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension";
    assert_eq!(platform.cluster().psql_in("orders", extensions), "hstore plpgsql");
    terraform.plan().exits(0);
}

#[test]
fn a_destroyed_database_leaves_nothing_on_the_server_and_in_git() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").without("deletion_protection");
    write(&terraform, &orders);
    terraform.apply().ok();
    assert_eq!(terraform.attributes(ADDRESS)["deletion_protection"], true);

    write(&terraform, &orders.with("deletion_protection", "false"));
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
    terraform.destroy().ok().says(&["1 destroyed"]);

    assert_eq!(platform.objects("orders"), Vec::<String>::new());
    assert_eq!(platform.repository().names("staging/database/"), Vec::<String>::new());
    assert_eq!(platform.repository().names("argocd/staging/orders"), Vec::<String>::new());
    platform
        .api("GET", "/api/v1/secret-values/database/staging/orders")
        .is_problem(404, "not_found");
    platform.idp(&["audit", "verify"]).ok();
}

#[test]
fn the_module_from_the_registry_makes_what_the_resource_makes() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Installed);
    let module = "\nmodule \"bills\" {\n  source  = \"registry.example.com/golden/database/postgres\"\n  version = \"1.0.0\"\n\n  \
                  name                = \"bills\"\n  environment         = \"staging\"\n  owner               = \"payments\"\n  \
                  deletion_protection = false\n}\n\noutput \"bills\" {\n  value = module.bills\n}\n";
    let orders = Resource::database("orders").with_text("golden_path_version", "1.0.0");
    terraform.write("main.tf", &format!("{}{module}", config(&[&orders])));
    terraform.init().ok();

    terraform.apply().ok().says(&["2 added"]);

    let renamed = |objects: Vec<String>| -> Vec<String> {
        objects.iter().map(|object| object.replace("orders", "bills")).collect()
    };
    assert_eq!(platform.objects("bills"), renamed(platform.objects("orders")));
    let bills = terraform.output("bills");
    assert_eq!(
        (&bills["id"], &bills["database"]),
        (&json!("database/staging/bills"), &json!("bills"))
    );
    assert_eq!(bills["secret_ref"], "database/staging/bills");
    terraform.plan().exits(0);
    terraform.destroy().ok();
    assert_eq!(platform.objects("bills"), Vec::<String>::new());
}

#[test]
fn what_a_killed_terraform_began_is_taken_over_by_the_next_apply() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    let mut running = terraform.start(&["apply", "-no-color", "-auto-approve"]);
    let path = "/api/v1/resources/database/staging/orders";
    eventually("the platform to accept it", || {
        (platform.api("GET", path).status == 200).then_some(())
    });

    running.kill();
    fs::remove_file(terraform.path().join(".terraform.tfstate.lock.info")).ok();
    terraform.apply().ok().says(&["1 added"]);

    assert_eq!(platform.repository().commit_count(), 1);
    assert_eq!(platform.values("database/staging/orders")["version"], json!(1));
    terraform.plan().exits(0);
}

#[test]
fn databases_of_two_environments_share_a_server_under_names_of_their_own() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let production = Resource::database("orders")
        .with_text("environment", "production")
        .with_text("size", "medium")
        .block()
        .replace("\"idp_database\" \"orders\"", "\"idp_database\" \"production\"");
    let staging = config(&[&Resource::database("orders")]);
    terraform.write("main.tf", &format!("{staging}{production}"));

    terraform.apply().ok().says(&["2 added"]);

    assert_eq!(terraform.attributes("idp_database.production")["database"], "prod_orders");
    for (secret, database) in
        [("database/staging/orders", "orders"), ("database/production/orders", "prod_orders")]
    {
        let asked = platform.query_as(secret, "SELECT current_database()");
        assert_eq!(asked.unwrap(), database);
    }
    let staging = platform.values("database/staging/orders")["data"].clone();
    let mut elsewhere = staging;
    elsewhere["database"] = json!("prod_orders");
    let refused = platform.query_with(&elsewhere, "SELECT 1").unwrap_err();
    assert!(refused.contains("permission denied for database"), "{refused}");
    terraform.plan().exits(0);
}

#[test]
fn a_database_that_leaves_the_state_comes_back_by_import_without_a_change() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders")
        .with_text("statement_timeout", "45s")
        .with("extensions", "[\"hstore\", \"pgcrypto\"]")
        .with("rotation", "{ trigger = \"q4\" }")
        .with("parameters", "{ lock_timeout = \"2s\" }");
    write(&terraform, &orders);
    terraform.apply().ok();
    let before = terraform.attributes(ADDRESS);

    for id in ["staging/orders", "database/staging/orders"] {
        terraform.run(&["state", "rm", ADDRESS]).ok();
        terraform.run(&["import", "-no-color", ADDRESS, id]).ok();
        terraform.plan().exits(0);
    }

    let after = terraform.attributes(ADDRESS);
    for attribute in ["extensions", "rotation", "connection_id", "provisioned_sha256", "gitops"] {
        assert_eq!(before[attribute], after[attribute], "{attribute}");
    }
    assert_eq!(platform.values("database/staging/orders")["version"], 1);
}

#[test]
fn another_owner_takes_a_database_over_in_place_and_reads_its_credentials() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    terraform.apply().ok();
    platform.fill("orders");
    let [before, after] = ["payments", "search"]
        .map(|owner| platform.token(owner, &[&format!("secrets:staging:{owner}")]));
    let path = "/api/v1/secret-values/database/staging/orders";

    write(&terraform, &Resource::database("orders").with_text("owner", "search"));
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    let read = platform.api_as(&after, "GET", path, &[], None).is(200).json();
    let refused = platform.api_as(&before, "GET", path, &[], None);
    assert!([403, 404].contains(&refused.status), "{}", refused.text());
    assert_eq!(platform.query_with(&read["data"], "SELECT id FROM bill").unwrap(), "7");
    terraform.plan().exits(0);
}
