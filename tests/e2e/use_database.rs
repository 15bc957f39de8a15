//! A service and the database that it uses: made together, used, parted, removed together.

use serde_json::json;
use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace};

const SECRET: &str = "service/staging/checkout/orders";
const FOLDER: &str = "staging/service/checkout/";

fn orders() -> Resource {
    Resource::database("orders").with_text("golden_path_version", "1.0.0")
}

fn checkout(access: &str) -> Resource {
    let uses =
        format!("{{ orders = {{ resource = idp_database.orders.id, access = \"{access}\" }} }}");
    Resource::service("checkout").with_text("golden_path_version", "1.1.0").with("uses", &uses)
}

fn write(terraform: &Workspace, blocks: &[&Resource]) {
    terraform.write("main.tf", &config(blocks));
}

/// Places of the lines that say that something was done, in the order in which it was.
fn order(text: &str, lines: [&str; 2]) -> [usize; 2] {
    lines.map(|line| text.find(line).unwrap_or_else(|| panic!("no {line:?} in {text}")))
}

#[test]
fn a_service_and_its_database_come_in_one_apply_and_go_in_one_destroy() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    // In the wrong order: Terraform finds the right one by the reference.
    write(&terraform, &[&checkout("write"), &orders()]);

    let plan = terraform.save_plan().ok();
    let planned = terraform.planned_change("idp_service.checkout");
    let database = terraform.planned_change("idp_database.orders");
    let made = terraform.apply_saved().ok();
    let state = terraform.attributes("idp_service.checkout");
    platform.fill("orders");
    let token = platform.token("eso", &["secrets:staging:payments"]);
    let path = format!("/api/v1/secret-values/{SECRET}");
    let read = platform.api_as(&token, "GET", &path, &[], None).is(200).json();
    let written = platform.query_with(&read["data"], "INSERT INTO bill VALUES (8)");
    terraform.plan().exits(0);
    let files = platform.repository().names(FOLDER);
    let secret =
        platform.repository().text(&format!("{FOLDER}55-externalsecret-checkout.orders.yaml"));
    let policy =
        platform.repository().text(&format!("{FOLDER}50-networkpolicy-checkout-to-databases.yaml"));
    let gone = terraform.destroy().ok();

    plan.says(&["2 to add"]);
    assert_eq!(planned["after"]["uses"]["orders"]["resource"], "database/staging/orders");
    for known in ["rendered_sha256", "provisioned_sha256", "changes"] {
        assert_eq!(planned["after"][known], state[known], "{known} is promised on day one");
    }
    assert_eq!(database["after"]["host"], "127.0.0.1");
    assert_eq!(database["after_unknown"]["connection_id"], true);
    let [first, second] = order(
        &made.stdout,
        ["idp_database.orders: Creation complete", "idp_service.checkout: Creating..."],
    );
    assert!(first < second, "{made}");
    written.unwrap();
    assert!(secret.contains(&format!("key: {SECRET}")), "{secret}");
    assert!(policy.contains(&format!("port: {}", platform.cluster().port())), "{policy}");
    assert!(files.iter().any(|file| file.contains("secretstore")), "{files:?}");
    let [first, second] = order(
        &gone.stdout,
        ["idp_service.checkout: Destruction complete", "idp_database.orders: Destroying..."],
    );
    assert!(first < second, "{gone}");
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
    assert_eq!(platform.repository().names("staging/"), Vec::<String>::new());
    platform.api("GET", &path).is_problem(404, "not_found");
}

#[test]
fn a_use_is_taken_out_first_and_the_database_removed_then() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &[&orders(), &checkout("read")]);
    terraform.apply().ok();
    let parted = checkout("read").without("uses");

    // Terraform destroys before it changes what depended on it, so both at once is refused and changes nothing.
    write(&terraform, &[&parted]);
    terraform.apply().fails().says(&["service staging/checkout; take it out of their uses"]);
    assert_eq!(platform.query_as(SECRET, "SELECT 1").unwrap(), "1");
    write(&terraform, &[&orders(), &parted]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
    let login = platform.objects("orders_checkout");
    let files = platform.repository().names(FOLDER);
    write(&terraform, &[&parted]);
    terraform.apply().ok().says(&["0 added, 0 changed, 1 destroyed"]);

    assert_eq!(login, Vec::<String>::new());
    assert!(files.iter().all(|file| !file.contains("externalsecret")), "{files:?}");
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
    terraform.plan().exits(0);
}

#[test]
fn a_service_may_do_what_its_access_says_and_a_change_of_it_needs_no_new_credentials() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &[&orders(), &checkout("read")]);
    terraform.apply().ok();
    platform.fill("orders");
    let before = platform.values(SECRET);

    let read = platform.query_as(SECRET, "SELECT id FROM bill");
    let refused = platform.query_as(SECRET, "INSERT INTO bill VALUES (8)");
    write(&terraform, &[&orders(), &checkout("write")]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
    let written = platform.query_as(SECRET, "INSERT INTO bill VALUES (8)");

    assert_eq!(read.unwrap(), "7");
    assert!(refused.unwrap_err().contains("permission denied"));
    written.unwrap();
    assert_eq!(platform.values(SECRET), before);
    terraform.plan().exits(0);
}

#[test]
fn a_database_that_another_configuration_uses_is_not_destroyed() {
    let platform = Databases::start();
    let first = platform.workspace(Provider::Built);
    write(&first, &[&orders()]);
    first.apply().ok();
    let second = platform.workspace(Provider::Built);
    let uses = "{ orders = { resource = \"database/staging/orders\", access = \"write\" } }";
    write(&second, &[&checkout("write").with("uses", uses)]);
    second.apply().ok();

    first
        .run(&["plan", "-no-color", "-destroy"])
        .ok()
        .says(&["is used by service staging/checkout"]);
    first.destroy().fails().says(&["is used by service staging/checkout"]);

    assert_eq!(platform.query_as(SECRET, "SELECT 1").unwrap(), "1");
    assert_eq!(first.addresses(), ["idp_database.orders"]);
}

#[test]
fn a_dropped_login_of_a_service_is_seen_and_made_again_with_its_old_password() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &[&orders(), &checkout("write")]);
    terraform.apply().ok();
    let before = platform.values(SECRET);
    let login = before["data"]["username"].as_str().unwrap();
    platform.cluster().psql(&format!("DROP ROLE {login}"));

    terraform.plan().exits(2).says(&["Login/orders_checkout_orders", "put back"]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    assert_eq!(platform.values(SECRET), before);
    assert_eq!(platform.query_as(SECRET, "SELECT 1").unwrap(), "1");
    assert_eq!(
        terraform.attributes("idp_service.checkout")["changes"][0]["action"],
        json!("create")
    );
    terraform.plan().exits(0);
}

#[test]
fn another_alias_gives_another_login_and_takes_the_old_one_back() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let bills = Resource::database("bills");
    write(&terraform, &[&orders(), &bills, &checkout("write")]);
    terraform.apply().ok();

    let aliased = "{ ledger = { resource = idp_database.orders.id, access = \"write\" } }";
    write(&terraform, &[&orders(), &bills, &checkout("write").with("uses", aliased)]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
    let ledger = platform.query_as("service/staging/checkout/ledger", "SELECT current_user");
    let first = platform.objects("orders_checkout");
    let path = format!("/api/v1/secret-values/{SECRET}");
    platform.api("GET", &path).is_problem(404, "not_found");
    let moved = "{ ledger = { resource = idp_database.bills.id, access = \"write\" } }";
    write(&terraform, &[&orders(), &bills, &checkout("write").with("uses", moved)]);
    terraform.plan().fails().says(&["choose another name"]);
    let renamed = "{ bills = { resource = idp_database.bills.id, access = \"write\" } }";
    write(&terraform, &[&orders(), &bills, &checkout("write").with("uses", renamed)]);
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    let ledger = ledger.unwrap();
    assert!(ledger.starts_with("orders_checkout_ledger_"), "{ledger}");
    assert_eq!(first, [format!("role {ledger}")]);
    assert_eq!(platform.objects("orders_checkout"), Vec::<String>::new());
    let now = platform.query_as("service/staging/checkout/bills", "SELECT current_database()");
    assert_eq!(now.unwrap(), "bills");
    terraform.plan().exits(0);
    terraform.destroy().ok();
    assert_eq!(platform.objects("bills"), Vec::<String>::new());
}
