//! New credentials for everyone who uses a database, without a moment in which none work.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace, eventually};

const SECRET: &str = "service/staging/checkout/orders";
const OWN: &str = "database/staging/orders";
const USES: &str = "{ orders = { resource = idp_database.orders.id, access = \"write\" } }";

fn write(terraform: &Workspace, trigger: &str) {
    let orders =
        Resource::database("orders").with("rotation", &format!("{{ trigger = \"{trigger}\" }}"));
    let checkout = Resource::service("checkout").with("uses", USES);
    terraform.write("main.tf", &config(&[&orders, &checkout]));
}

fn started() -> (Databases, Workspace) {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, "2026-q3");
    terraform.apply().ok();
    (platform, terraform)
}

/// Does `work` while clients fetch credentials and connect, all the time; how often they did, and what went wrong.
fn under_load(platform: &Databases, work: impl FnOnce()) -> (usize, Vec<String>) {
    let (over, connected) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        let mut failures = Vec::new();
        while !over.load(Ordering::Relaxed) {
            match platform.query_as(SECRET, "SELECT count(*) FROM bill") {
                Ok(_) => drop(connected.fetch_add(1, Ordering::Relaxed)),
                Err(error) => failures.push(error),
            }
        }
        failures
    };
    let failures = thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(client)).collect();
        work();
        over.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("a client ends")).collect()
    });
    (connected.into_inner(), failures)
}

#[test]
fn another_trigger_rotates_everyones_credentials_and_no_client_notices() {
    let (platform, terraform) = started();
    platform.fill("orders");
    let before = [SECRET, OWN].map(|secret| platform.values(secret)["data"].clone());

    let (connected, failures) = under_load(&platform, || {
        write(&terraform, "2026-q4");
        terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);
        // Clients go on while the login before is closed.
        eventually("the old login to be closed", || {
            platform.query_with(&before[0], "SELECT 1").is_err().then_some(())
        });
    });

    assert_eq!(failures, Vec::<String>::new());
    assert!(connected > 5, "{connected} connections are no load");
    for (secret, before) in [SECRET, OWN].iter().zip(&before) {
        let after = platform.values(secret)["data"].clone();
        assert_ne!(before["password"], after["password"], "{secret}");
        assert_ne!(before["username"], after["username"], "{secret}");
        platform.query_with(&after, "SELECT 1").unwrap();
    }
    terraform.plan().exits(0);
}

#[test]
fn a_trigger_rotates_once_and_other_changes_do_not_rotate() {
    let (platform, terraform) = started();
    let versions = || [SECRET, OWN].map(|secret| platform.values(secret)["version"].clone());
    let first = versions();

    let larger = Resource::database("orders")
        .with_text("size", "medium")
        .with("rotation", "{ trigger = \"2026-q3\" }");
    let checkout = Resource::service("checkout").with("uses", USES);
    terraform.write("main.tf", &config(&[&larger, &checkout]));
    terraform.apply().ok().says(&["0 added, 1 changed, 0 destroyed"]);

    assert_eq!(first, versions());
    assert_eq!(first, [1, 1].map(serde_json::Value::from));
}

#[test]
fn one_consumers_credentials_are_rotated_by_command() {
    let (platform, terraform) = started();
    platform.fill("orders");
    let before = platform.values(SECRET)["data"].clone();
    let own = platform.values(OWN);
    let password = before["password"].as_str().unwrap();

    let (_, failures) = under_load(&platform, || {
        let rotated = platform.idp(&["secret", "rotate", SECRET]).ok();
        rotated.says(&[SECRET, "version 2"]).never_says(&[password]);
        let again = platform.idp(&["secret", "rotate", SECRET]).fails();
        again.says(&["go on working until"]);
        eventually("the old login to be closed", || {
            platform.query_with(&before, "SELECT 1").is_err().then_some(())
        });
    });

    assert_eq!(failures, Vec::<String>::new());
    assert_ne!(platform.values(SECRET)["data"]["password"], before["password"]);
    assert_eq!(platform.values(OWN), own);
    terraform.plan().exits(0);
}

#[test]
fn the_token_of_another_team_rotates_nothing() {
    let (platform, _) = started();
    let before = platform.values(SECRET);
    let token = platform.token("search", &["apply:staging:search", "secrets:staging:search"]);
    let mut rotate = platform.idp_command(&["secret", "rotate", SECRET]);

    let run = tests::Run::of(rotate.env("IDP_TOKEN", &token)).fails();
    let path = format!("/api/v1/secret-values/{SECRET}");
    let read = platform.api_as(&token, "GET", &path, &[], None);

    run.says(&["apply:staging"]);
    assert!([403, 404].contains(&read.status), "{}", read.text());
    assert_eq!(platform.values(SECRET), before);
}
