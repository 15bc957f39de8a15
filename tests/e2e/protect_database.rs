//! Deletion protection: whatever the client does, data goes only after somebody said so twice.

use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Run, Workspace};

const ADDRESS: &str = "idp_database.orders";
const UNPROTECT: [&str; 2] = ["idp_database staging/orders", "deletion_protection = false"];

/// A database as somebody writes it who does not think of protection, with data in it.
fn protected() -> (Databases, Workspace, Resource) {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").without("deletion_protection");
    terraform.write("main.tf", &config(&[&orders]));
    terraform.apply().ok();
    platform.fill("orders");
    (platform, terraform, orders)
}

/// Fails the test unless a plan and an apply were refused with the way out, before anything was removed.
#[track_caller]
fn refused(platform: &Databases, plan: Run, apply: Run) {
    plan.fails().says(&UNPROTECT);
    apply.fails().says(&UNPROTECT).never_says(&["Destruction complete", "Destroying..."]);
    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
}

#[test]
fn destroying_a_protected_database_fails_at_plan_and_says_how_to_unprotect_it() {
    let (platform, terraform, orders) = protected();

    refused(&platform, terraform.run(&["plan", "-no-color", "-destroy"]), terraform.destroy());
    terraform.write("main.tf", tests::hcl::PROVIDER);
    refused(&platform, terraform.plan(), terraform.apply());

    terraform.write("main.tf", &config(&[&orders.with("deletion_protection", "false")]));
    terraform.apply().ok();
    terraform.destroy().ok();
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
}

#[test]
fn replacing_a_protected_database_by_option_fails_at_plan() {
    let (platform, terraform, orders) = protected();
    let replace = "-replace=idp_database.orders";
    let plan = || terraform.run(&["plan", "-no-color", replace]);
    let apply = || terraform.run(&["apply", "-no-color", "-auto-approve", replace]);

    refused(&platform, plan(), apply());
    // Saying so in the same breath is not enough: the platform has to hear it first.
    terraform.write("main.tf", &config(&[&orders.with("deletion_protection", "false")]));
    refused(&platform, plan(), apply());

    terraform.apply().ok();
    apply().ok().says(&["1 added, 0 changed, 1 destroyed"]);
    terraform.plan().exits(0);
}

#[test]
fn a_tainted_protected_database_is_not_replaced() {
    let (platform, terraform, _) = protected();
    terraform.run(&["taint", "-no-color", ADDRESS]).ok();

    let (plan, apply) = (terraform.plan().fails(), terraform.apply().fails());

    plan.says(&["terraform untaint"]);
    apply.never_says(&["Destroying...", "Destruction complete"]);
    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
    terraform.run(&["untaint", "-no-color", ADDRESS]).ok();
    terraform.plan().exits(0);
}

#[test]
fn replace_triggered_by_does_not_replace_a_protected_database() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders")
        .without("deletion_protection")
        .with_block("lifecycle", "replace_triggered_by = [terraform_data.round]");
    let write = |round: u32| {
        let data = format!("resource \"terraform_data\" \"round\" {{\n  input = {round}\n}}\n");
        terraform.write("main.tf", &format!("{}{data}", config(&[&orders])));
    };
    write(1);
    terraform.init();
    terraform.apply().ok();
    platform.fill("orders");

    write(2);
    refused(&platform, terraform.plan(), terraform.apply());
}

#[test]
fn another_name_or_environment_does_not_replace_a_protected_database() {
    let (platform, terraform, orders) = protected();

    for (attribute, value) in [("name", "bills"), ("environment", "production")] {
        let moved = orders.clone().with_text(attribute, value);
        terraform.write("main.tf", &config(&[&moved]));
        refused(&platform, terraform.plan(), terraform.apply());
        // Nor where the new one would come first.
        let first = config(&[&moved.with("deletion_protection", "false")]);
        terraform.write("main.tf", &first);
        refused(&platform, terraform.plan(), terraform.apply());
    }
}

#[test]
fn the_server_keeps_a_protected_database_whatever_the_client_says() {
    let (platform, terraform, _) = protected();
    let path = "/api/v1/resources/database/staging/orders";

    let refused = platform.api_with("DELETE", path, &[("if-match", "\"1\"")]);
    // A client whose state was edited, as if protection had never been.
    let file = terraform.path().join("terraform.tfstate");
    let state = std::fs::read_to_string(&file).unwrap();
    let edited = state.replace("\"deletion_protection\": true", "\"deletion_protection\": false");
    assert_ne!(state, edited);
    std::fs::write(file, edited).unwrap();
    let destroyed = terraform.run(&["destroy", "-no-color", "-auto-approve", "-refresh=false"]);

    let refused = refused.is_problem(409, "deletion_protected");
    assert!(refused.text().contains("deletion_protection = false"), "{}", refused.text());
    destroyed.fails().says(&["deletion_protection = false"]);
    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
}

#[test]
fn retained_data_stays_and_the_plan_says_so() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").with_text("deletion_policy", "retain");
    terraform.write("main.tf", &config(&[&orders]));
    terraform.apply().ok();
    platform.fill("orders");

    terraform.run(&["plan", "-no-color", "-destroy"]).ok().says(&["its data stays", "retain"]);
    terraform.destroy().ok();

    assert_eq!(platform.cluster().psql_in("orders", "SELECT id FROM app.bill"), "7");
    let left = platform.objects("orders");
    assert!(!left.contains(&"role orders_app_a".to_owned()), "{left:?}");
    assert_eq!(platform.repository().names("staging/database/"), Vec::<String>::new());
    platform
        .api("GET", "/api/v1/secret-values/database/staging/orders")
        .is_problem(404, "not_found");
}

#[test]
fn a_final_dump_holds_everything_that_the_database_held() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let orders = Resource::database("orders").with("final_dump", "true");
    terraform.write("main.tf", &config(&[&orders]));
    terraform.apply().ok();
    platform.fill("orders");

    terraform.destroy().ok();

    assert_eq!(platform.objects("orders"), Vec::<String>::new());
    let dumps = std::fs::read_dir(platform.server_folder().join("data/dumps")).unwrap();
    let dumps: Vec<_> = dumps.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(dumps.len(), 1, "{dumps:?}");
    platform.restore(&dumps[0], "restored").ok();
    assert_eq!(platform.cluster().psql_in("restored", "SELECT id FROM app.bill"), "7");
}
