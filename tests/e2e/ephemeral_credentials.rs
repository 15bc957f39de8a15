//! Logins that last as long as a run: used by a migration, closed, refused, left behind.

use std::fs;

use tests::hcl::{Resource, config};
use tests::{Databases, Provider, Workspace, eventually};

const LOGINS: &str = "orders_x_";

/// Runs `sql` as a migration, with a login that Terraform opens for it.
fn migration(round: u32, sql: &str) -> String {
    format!(
        r#"
ephemeral "idp_database_credentials" "migrations" {{
  connection_id = idp_database.orders.connection_id
  privilege     = "migrate"
  ttl           = "60s"
}}

resource "terraform_data" "migration" {{
  triggers_replace = [{round}]

  provisioner "local-exec" {{
    command = "psql -X -q -v ON_ERROR_STOP=1 -c '{sql}'"
    environment = {{
      PGHOST     = ephemeral.idp_database_credentials.migrations.host
      PGPORT     = ephemeral.idp_database_credentials.migrations.port
      PGDATABASE = ephemeral.idp_database_credentials.migrations.database
      PGUSER     = ephemeral.idp_database_credentials.migrations.username
      PGPASSWORD = ephemeral.idp_database_credentials.migrations.password
    }}
  }}
}}
"#
    )
}

fn write(terraform: &Workspace, round: u32, sql: &str) {
    let database = config(&[&Resource::database("orders")]);
    terraform.write("main.tf", &format!("{database}{}", migration(round, sql)));
}

#[test]
fn a_migration_runs_with_a_login_that_is_gone_when_the_run_ends() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, 1, "CREATE TABLE bill (id int, made_by text DEFAULT session_user)");
    terraform.init();

    terraform.apply().ok().says(&["2 added"]);
    write(&terraform, 2, "INSERT INTO bill VALUES (7)");
    // Now the login is opened while planning, too.
    terraform.plan().exits(2);
    assert_eq!(platform.objects(LOGINS), Vec::<String>::new());
    terraform.apply().ok().says(&["1 added, 0 changed, 1 destroyed"]);

    assert_eq!(platform.objects(LOGINS), Vec::<String>::new());
    let made = platform.cluster().psql_in("orders", "SELECT id, made_by FROM app.bill");
    assert!(made.starts_with("7|orders_x_"), "{made}");
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'bill'";
    assert_eq!(platform.cluster().psql_in("orders", owner), "orders_migrate");
    let audit = platform.idp(&["audit", "export"]).ok();
    audit.says(&["credentials.open", "credentials.close"]);
    terraform.plan().exits(0);
}

#[test]
fn a_token_that_may_only_plan_gets_no_login_and_is_told_which_right_it_lacks() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, 1, "CREATE TABLE bill (id int)");
    terraform.init();
    terraform.apply().ok();
    let token = platform.token("pull-request", &["plan:staging:payments"]);
    let mut reader = platform.workspace_as(Provider::Built, &token);
    fs::copy(terraform.path().join("terraform.tfstate"), reader.path().join("terraform.tfstate"))
        .unwrap();
    write(&reader, 2, "DROP TABLE bill");

    reader.plan().fails().says(&["credentials:migrate:staging:payments"]);
    let narrow =
        platform.token("reader", &["plan:staging:payments", "credentials:read:staging:payments"]);
    reader.env("IDP_TOKEN", narrow);
    reader.plan().fails().says(&["credentials:migrate:staging:payments"]);

    assert_eq!(platform.objects(LOGINS), Vec::<String>::new());
}

#[test]
fn a_killed_terraform_leaves_a_login_that_ends_by_itself() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, 1, "SELECT pg_sleep(600)");
    terraform.init();
    let mut running = terraform.start(&["apply", "-no-color", "-auto-approve"]);
    let asleep = "SELECT usename FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    let login = eventually("the migration to run", || {
        let found = platform.cluster().psql(asleep);
        (!found.is_empty()).then_some(found)
    });

    running.kill();

    let ends = platform.cluster().psql(&format!(
        "SELECT rolvaliduntil BETWEEN now() AND now() + interval '61 s' FROM pg_roles WHERE rolname = '{login}'"
    ));
    assert_eq!(ends, "t", "{login} has no end");
    let listed = platform.idp(&["audit", "export"]).ok();
    listed.says(&["credentials.open", &login]).never_says(&["credentials.close"]);
    // It goes with its database at the latest, though its session still runs.
    terraform.run(&["state", "rm", "-lock=false", "terraform_data.migration"]);
    terraform.write("main.tf", &config(&[&Resource::database("orders")]));
    terraform.run(&["destroy", "-no-color", "-auto-approve", "-lock=false"]).ok();
    assert_eq!(platform.objects("orders"), Vec::<String>::new());
}

#[test]
fn a_privilege_that_does_not_exist_and_a_time_that_is_too_long_are_refused_while_validating() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let wrong = |what: &str, with: &str| {
        let text = migration(1, "SELECT 1").replace(what, with);
        terraform.write("main.tf", &format!("{}{text}", config(&[&Resource::database("orders")])));
        terraform.init();
        terraform.validate().fails()
    };

    wrong("\"migrate\"", "\"own\"").says(&["privilege", "read", "write", "migrate"]);
    wrong("\"60s\"", "\"2h\"").says(&["ttl", "1h"]);
    wrong("\"60s\"", "\"soon\"").says(&["ttl"]);
}

#[test]
fn connection_ids_of_nothing_are_refused_with_a_hint() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    let text = migration(1, "SELECT 1").replace("idp_database.orders.connection_id", "\"nothing\"");
    terraform.write("main.tf", &format!("{}{text}", config(&[&Resource::database("orders")])));
    terraform.init();

    terraform.plan().fails().says(&["connection_id", "idp_database"]);
}

#[test]
fn a_login_is_renewed_as_long_as_the_run_takes() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    // Half of its time and a little more; whoever is not renewed has less left than half.
    let left = "SELECT pg_sleep(33); CREATE TABLE ends AS SELECT rolvaliduntil - now() > interval '30 s' AS renewed \
                FROM pg_roles WHERE rolname = session_user";
    write(&terraform, 1, &left.replace('\'', "'\\\\''"));
    terraform.init();

    terraform.apply().ok();

    assert_eq!(platform.cluster().psql_in("orders", "SELECT renewed FROM app.ends"), "t");
    assert_eq!(platform.objects(LOGINS), Vec::<String>::new());
}

#[test]
fn the_example_makes_a_database_and_its_schema_in_one_apply() {
    let platform = Databases::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.copy(&tests::root().join("examples/ephemeral-resources/idp_database_credentials"));
    terraform.init();

    terraform.apply().ok().says(&["2 added"]);
    let sql = terraform.path().join("schema.sql");
    let more = "\nALTER TABLE bill ADD COLUMN IF NOT EXISTS paid boolean;\n";
    fs::write(&sql, fs::read_to_string(&sql).unwrap() + more).unwrap();
    terraform.apply().ok().says(&["1 added, 0 changed, 1 destroyed"]);

    let own = "database/staging/orders";
    platform.query_as(own, "INSERT INTO bill (total, paid) VALUES (12.5, true)").unwrap();
    assert_eq!(platform.objects(LOGINS), Vec::<String>::new());
    terraform.plan().exits(0);
}
