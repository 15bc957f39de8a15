//! What goes wrong on the way: servers that are away, rights that are missing, names, extensions, strangers, races, keys.

use std::fs;
use std::process::Stdio;

use serde_json::json;
use test_postgres::{SUPERUSER, SUPERUSER_PASSWORD};
use tests::hcl::{Resource, config};
use tests::{Databases, Platform, Provider, REGISTRAR, Started, Workspace, eventually};

const APPLY: [&str; 3] = ["apply", "-no-color", "-auto-approve"];

fn write(terraform: &Workspace, database: &Resource) {
    terraform.write("main.tf", &config(&[database]));
}

#[test]
fn a_server_that_is_away_fails_plan_and_apply_with_its_address_and_the_next_ones_succeed() {
    let mut platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    let address = format!("127.0.0.1:{}", platform.cluster().port());
    let away = ["could not be reached", address.as_str()];

    platform.cluster_mut().stop();
    terraform.plan().fails().says(&away);
    platform.cluster_mut().restart();
    terraform.save_plan().ok();
    platform.cluster_mut().stop();
    terraform.apply_saved().fails().says(&away);
    assert!(terraform.addresses().is_empty());
    platform.cluster_mut().restart();

    terraform.apply().ok();
    terraform.plan().exits(0);
}

#[test]
fn an_apply_goes_on_where_the_server_went_away_in_the_middle_of_it() {
    let mut platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    platform.stop();
    platform.run_until("platform.rendered");
    let running = terraform.start(&APPLY);
    eventually("the operation to begin", || platform.has_died().then_some(()));

    platform.cluster_mut().stop();
    platform.run();
    eventually("the operation to be tried in vain", || {
        platform.log().contains("database_unreachable").then_some(())
    });
    platform.cluster_mut().restart();

    running.finish().ok();
    assert_eq!(platform.repository().commit_count(), 1);
    terraform.plan().exits(0);
}

#[test]
fn an_administrator_without_a_right_is_an_error_that_says_how_to_grant_it() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    platform.cluster().psql(&format!("ALTER ROLE {REGISTRAR} NOCREATEROLE"));

    terraform.apply().fails().says(&["ALTER ROLE \"registrar\" CREATEDB CREATEROLE"]);
    assert!(terraform.addresses().is_empty());
    platform.idp(&["resources", "--unfinished"]).ok().says(&["staging/orders"]);
    platform.cluster().psql(&format!("ALTER ROLE {REGISTRAR} CREATEROLE"));

    terraform.apply().ok();
    terraform.plan().exits(0);
}

#[test]
fn an_unfinished_database_is_rolled_back_by_abandoning_it() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    // Roles and database are made; then the file that git refuses keeps it unfinished.
    platform.repository().refuse_pushes("changes need a review");
    terraform.apply().fails().says(&["changes need a review"]);
    let begun = platform.objects("orders");
    platform.repository().accept_pushes();

    platform.idp(&["resources", "abandon", "database/staging/orders"]).ok();

    assert!(begun.contains(&"database orders".to_owned()), "{begun:?}");
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
    terraform.apply().ok();
    terraform.plan().exits(0);
}

#[test]
fn names_that_postgresql_would_cut_or_keeps_for_itself_are_refused_and_the_longest_work() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let refused = |name: &str, words: &[&str]| {
        write(&terraform, &Resource::database("orders").with_text("name", name));
        terraform.plan().fails().says(words);
    };

    refused(&"a".repeat(41), &["name", "40"]);
    for reserved in ["postgres", "template0", "template1"] {
        refused(reserved, &[reserved, "PostgreSQL keeps this name for itself"]);
    }
    for hostile in ["orders\"; DROP DATABASE postgres; --", "Orders", "or ders", "orders'"] {
        refused(hostile, &["name", "lower-case"]);
    }

    let (name, alias) = ("b".repeat(40), "c".repeat(20));
    let database = Resource::database(&name);
    let uses =
        format!("{{ {alias} = {{ resource = idp_database.{name}.id, access = \"write\" }} }}");
    let service = Resource::service(&"d".repeat(40)).with("uses", &uses);
    terraform.write("main.tf", &config(&[&database, &service]));
    terraform.apply().ok();
    let secret = format!("service/staging/{}/{alias}", "d".repeat(40));
    assert_eq!(platform.query_as(&secret, "SELECT current_database()").unwrap(), name);
    terraform.plan().exits(0);
    terraform.destroy().ok();
    assert_eq!(platform.objects("b"), Vec::<String>::new());
}

#[test]
fn nothing_that_is_written_into_an_attribute_reaches_the_server_as_sql() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let hostile = "x'; DROP ROLE registrar; --";
    let orders = Resource::database("orders");
    for (attribute, expression) in [
        ("extensions", format!("[{hostile:?}]")),
        ("statement_timeout", format!("{hostile:?}")),
        ("size", format!("{hostile:?}")),
        ("parameters", format!("{{ lock_timeout = {hostile:?} }}")),
        ("deletion_policy", format!("{hostile:?}")),
    ] {
        write(&terraform, &orders.clone().with(attribute, &expression));
        terraform.plan().fails().says(&[attribute]);
    }

    let trigger = format!("{{ trigger = {hostile:?} }}");
    write(&terraform, &orders.with("rotation", &trigger));
    terraform.apply().ok();

    assert!(!platform.cluster().log().contains("DROP ROLE registrar"));
    terraform.plan().exits(0);
}

#[test]
fn extensions_that_are_not_allowed_or_not_installed_are_refused_at_plan() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let refused = |extensions: &str, words: &[&str]| {
        write(&terraform, &Resource::database("orders").with("extensions", extensions));
        terraform.plan().fails().says(words);
    };

    refused("[\"plpython3u\"]", &["extensions", "plpython3u", "hstore, nowhere, pgcrypto"]);
    refused("[\"nowhere\"]", &["extensions", "nowhere", "install"]);

    write(&terraform, &Resource::database("orders"));
    terraform.apply().ok();
    // Also for one that is there.
    refused("[\"plpython3u\"]", &["extensions", "plpython3u"]);
    refused("[\"nowhere\"]", &["extensions", "nowhere"]);
}

/// A session that lasts until it is ended; waits until it is there.
fn connected(platform: &Databases, user: &str, password: &str) -> Started {
    let mut session = platform.cluster().psql_command(user, password, "orders");
    session.args(["-c", "SELECT pg_sleep(600)"]).stdin(Stdio::null());
    let started = Started::spawn(session);
    let asleep = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{user}' AND query LIKE 'SELECT pg_sleep%'"
    );
    eventually("the session", || (platform.cluster().psql(&asleep) == "1").then_some(()));
    started
}

#[test]
fn a_database_that_strangers_are_connected_to_is_not_dropped_and_the_error_names_them() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    terraform.apply().ok();
    platform.fill("orders");
    let mut stranger = connected(&platform, SUPERUSER, SUPERUSER_PASSWORD);

    terraform.destroy().fails().says(&["in use", SUPERUSER, "psql", "127.0.0.1"]);
    let still = platform.query_as("database/staging/orders", "SELECT id FROM bill");
    assert!(!stranger.has_ended());
    stranger.kill();
    platform.cluster().psql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'orders'",
    );

    assert_eq!(still.unwrap(), "7");
    terraform.destroy().ok();
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
}

#[test]
fn connections_of_our_own_logins_are_ended_by_a_destroy() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    terraform.apply().ok();
    let own = platform.values("database/staging/orders")["data"].clone();
    let text = |field: &str| own[field].as_str().unwrap().to_owned();
    let client = connected(&platform, &text("username"), &text("password"));

    terraform.destroy().ok();

    client.finish().fails().says(&["terminating connection"]);
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
}

#[test]
fn of_two_applies_at_once_one_makes_the_database_and_nothing_is_made_twice() {
    let platform = Databases::start();
    let workspaces = [(); 2].map(|()| platform.workspace(Provider::Built));
    for workspace in &workspaces {
        write(workspace, &Resource::database("orders"));
    }

    let running = workspaces.each_ref().map(|workspace| workspace.start(&APPLY));
    let ended = running.map(Started::finish);

    let made = ended.iter().filter(|run| run.succeeded()).count();
    assert!(made >= 1, "{}\n{}", ended[0], ended[1]);
    for run in ended.into_iter().filter(|run| !run.succeeded()) {
        run.fails().says(&["staging/orders"]);
    }
    assert_eq!(platform.repository().commit_count(), 1);
    let secret = "database/staging/orders";
    assert_eq!(platform.values(secret)["version"], json!(1));
    assert_eq!(platform.query_as(secret, "SELECT 1").unwrap(), "1");
    // Who lost imports it, and has nothing to change.
    for workspace in &workspaces {
        if workspace.addresses().is_empty() {
            workspace.run(&["import", "-no-color", "idp_database.orders", "staging/orders"]).ok();
        }
        workspace.plan().exits(0);
    }
}

#[test]
fn a_server_whose_keys_were_lost_or_mixed_up_does_not_start_and_loses_nothing() {
    let mut platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::database("orders"));
    terraform.apply().ok();
    let before = platform.values("database/staging/orders");
    let file = platform.server_folder().join("secrets.key");
    let keys = fs::read(&file).unwrap();
    platform.stop();
    let refused = |platform: &Databases| {
        let mut serve = platform.idp_command(&["serve"]);
        serve.env("IDP_LISTEN", "127.0.0.1:0");
        let mut started = Started::spawn(serve);
        eventually("the server to refuse", || started.has_ended().then_some(()));
        started.finish().fails()
    };

    fs::remove_file(&file).unwrap();
    refused(&platform).says(&["secrets.key"]);
    assert!(!file.exists(), "a key that was made anew would hide the loss");
    // Another server's, which began with the same keys and has new ones.
    let other = Platform::start();
    let config = other.server_folder().join("idp.toml").display().to_string();
    other.idp(&["secret", "keys", "rotate", "--config", &config]).ok();
    fs::copy(other.server_folder().join("secrets.key"), &file).unwrap();
    refused(&platform).says(&["secrets.key"]);
    fs::write(&file, "not a key\n").unwrap();
    refused(&platform).says(&["secrets.key"]).never_says(&["not a key"]);
    fs::write(&file, keys).unwrap();
    platform.run();

    assert_eq!(platform.values("database/staging/orders"), before);
    terraform.plan().exits(0);
}
