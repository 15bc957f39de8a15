//! What somebody may try who may change a database's schema, or even owns it.

use super::*;

/// Functions and operators that would run with an administrator's rights if a session of ours
/// mistook them for the server's own, and settings that would make it do so.
const TRAPS: &str = "
    CREATE SCHEMA trap;
    GRANT USAGE ON SCHEMA trap TO PUBLIC;
    CREATE FUNCTION trap.seize() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
      EXECUTE 'ALTER ROLE attacker SUPERUSER'; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
    CREATE FUNCTION trap.format(text, name, name) RETURNS text LANGUAGE sql AS $$ SELECT trap.seize()::text $$;
    CREATE FUNCTION trap.obj_description(oid, name) RETURNS text LANGUAGE sql AS $$ SELECT trap.seize()::text $$;
    CREATE FUNCTION trap.pg_get_userbyid(oid) RETURNS name LANGUAGE sql AS $$ SELECT trap.seize()::text::name $$;
    CREATE FUNCTION trap.same(name, text) RETURNS bool LANGUAGE sql AS $$ SELECT trap.seize() $$;
    CREATE OPERATOR trap.= (LEFTARG = name, RIGHTARG = text, FUNCTION = trap.same);
    CREATE FUNCTION trap.same_oid(oid, oid) RETURNS bool LANGUAGE sql AS $$ SELECT trap.seize() $$;
    CREATE OPERATOR trap.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = trap.same_oid);
    CREATE VIEW trap.pg_namespace AS SELECT oid, nspname, nspowner, nspacl, trap.seize() FROM pg_catalog.pg_namespace;
    CREATE VIEW trap.pg_extension AS SELECT oid, extname, trap.seize() FROM pg_catalog.pg_extension;
    CREATE FUNCTION trap.touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM trap.seize(); RETURN NEW; END $$;
    CREATE TABLE app.bait (id serial, n int CHECK (trap.seize()));
    CREATE TRIGGER touched BEFORE INSERT OR UPDATE OR DELETE ON app.bait EXECUTE FUNCTION trap.touched();
    CREATE INDEX ON app.bait ((n + 1));
    ALTER TABLE app.bait ENABLE ROW LEVEL SECURITY;
    CREATE POLICY seize ON app.bait USING (trap.seize());
";

const SETTINGS: &[&str] = &[
    "search_path = trap, pg_catalog",
    "role = 'attacker'",
    "standard_conforming_strings = off",
    "default_transaction_read_only = on",
    "statement_timeout = 1",
    "lock_timeout = 1",
    "row_security = on",
];

#[tokio::test]
async fn an_owner_of_a_database_gets_nothing_of_the_administrators_rights() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        bench.cluster.psql("CREATE ROLE attacker LOGIN");
        // More than our logins may: the attacker has the database itself.
        bench.cluster.psql("GRANT orders_owner TO attacker");
        bench.cluster.psql_in("orders", &format!("SET ROLE orders_owner; {TRAPS}"));
        bench.cluster.psql_in("orders", "REVOKE ALL ON app.bait FROM orders_read");
        let settings =
            SETTINGS.iter().map(|setting| format!("ALTER DATABASE orders SET {setting};"));
        bench.cluster.psql(&settings.collect::<String>());

        let seen = bench.facts(&orders()).await;
        bench.converge(&orders()).await;
        let login = login_for(Access::Migrate);
        bench.login(&login).await;
        bench.server.drop_login(login.name(), login.resource()).await.unwrap();
        bench.server.observe_unmanaged("nosuch").await.unwrap();

        assert_eq!(seen["Setting/orders.search_path"], "trap, pg_catalog", "{}", bench.kind);
        assert_eq!(
            differences(&orders().facts(), &bench.facts(&orders()).await),
            nothing(),
            "{}",
            bench.kind
        );
        let rights = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = 'attacker'";
        assert_eq!(bench.cluster.psql(rights), "f", "{}", bench.kind);
        // The trap is a real one: a session that walks in without its own search path is caught.
        if bench.superuser {
            bench.cluster.psql_in(
                "orders",
                "SET search_path = trap, pg_catalog; SELECT pg_get_userbyid(10)",
            );
            assert_eq!(bench.cluster.psql(rights), "t", "{}", bench.kind);
        }
    }
}

#[tokio::test]
async fn an_adopted_databases_traps_do_not_close() {
    for bench in Bench::with(true) {
        bench.cluster.psql("CREATE ROLE attacker LOGIN PASSWORD 'attacker'");
        bench.cluster.psql("CREATE DATABASE orders OWNER attacker");
        bench.cluster.psql_in("orders", &format!("SET ROLE attacker; CREATE SCHEMA app; {TRAPS}"));
        bench.cluster.psql("ALTER DATABASE orders SET search_path = trap, pg_catalog");

        bench.server.observe_unmanaged("orders").await.unwrap();
        bench.server.converge(&orders(), Options { adopt: true }, &unwatched).await.unwrap();

        let rights = "SELECT rolsuper FROM pg_roles WHERE rolname = 'attacker'";
        assert_eq!(bench.cluster.psql(rights), "f", "{}", bench.kind);
        assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
    }
}

#[tokio::test]
async fn a_tenants_lock_holds_us_up_only_for_so_long() {
    let bench = Bench::simple();
    let mut settings = settings(&bench.cluster, true);
    settings.lock_timeout = std::time::Duration::from_millis(200);
    let server = PostgresServer::new(settings).unwrap();
    bench.converge(&orders()).await;
    bench.cluster.psql_in("orders", "SET ROLE orders_migrate; CREATE TABLE app.item (n int)");
    bench.cluster.psql_in("orders", "REVOKE ALL ON app.item FROM orders_read");
    let mut tenant = bench
        .cluster
        .psql_command(SUPERUSER, SUPERUSER_PASSWORD, "orders")
        .args(["-c", "BEGIN; LOCK TABLE app.item; REVOKE ALL ON SCHEMA app FROM orders_write; SELECT pg_sleep(300)"])
        .spawn()
        .unwrap();
    let holds = "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'pg_sleep' AND pid <> pg_backend_pid()";
    while bench.cluster.psql(holds) == "0" {}
    bench.cluster.psql_in("orders", "ALTER DEFAULT PRIVILEGES FOR ROLE orders_migrate IN SCHEMA app REVOKE ALL ON TABLES FROM orders_read");

    let seen = server.observe(&orders(), Options::default()).await;
    let done = server.converge(&orders(), Options::default(), &unwatched).await;

    seen.unwrap();
    // It got through or it gave up; it did not wait for the tenant.
    if let Err(error) = done {
        assert!(error.is_retryable(), "{error}");
    }
    tenant.kill().unwrap();
    tenant.wait().unwrap();
}
