//! Whatever somebody changed by hand is seen, and mended.

use super::*;

/// What was changed, in which database, and the objects at which it is seen.
const CHANGES: &[(&str, &str, &[&str])] = &[
    ("postgres", "ALTER ROLE orders_write LOGIN", &["Role/orders_write"]),
    ("postgres", "ALTER ROLE orders_owner CREATEDB", &["Role/orders_owner"]),
    ("postgres", "GRANT pg_monitor TO orders_read", &["Role/orders_read"]),
    ("postgres", "REVOKE orders_migrate FROM orders_owner", &["Role/orders_owner"]),
    (
        "postgres",
        "ALTER ROLE orders_read IN DATABASE orders SET work_mem = '1MB'",
        &["Role/orders_read"],
    ),
    ("postgres", "GRANT CONNECT ON DATABASE orders TO PUBLIC", &["Grant/orders.PUBLIC"]),
    (
        "postgres",
        "REVOKE CONNECT ON DATABASE orders FROM orders_write",
        &["Grant/orders.orders_write"],
    ),
    ("postgres", "GRANT CREATE ON DATABASE orders TO orders_read", &["Grant/orders.orders_read"]),
    ("postgres", "ALTER DATABASE orders OWNER TO postgres", &["Database/orders"]),
    ("postgres", "ALTER DATABASE orders CONNECTION LIMIT 3", &["Database/orders"]),
    (
        "postgres",
        "ALTER DATABASE orders SET statement_timeout = '1h'",
        &["Setting/orders.statement_timeout"],
    ),
    ("postgres", "ALTER DATABASE orders SET search_path = evil", &["Setting/orders.search_path"]),
    (
        "postgres",
        "ALTER DATABASE orders SET enable_seqscan = off",
        &["Setting/orders.enable_seqscan"],
    ),
    (
        "postgres",
        "ALTER DATABASE orders RESET ALL",
        &[
            "Setting/orders.idle_in_transaction_session_timeout",
            "Setting/orders.lock_timeout",
            "Setting/orders.search_path",
            "Setting/orders.statement_timeout",
            "Setting/orders.work_mem",
        ],
    ),
    ("orders", "DROP EXTENSION pgcrypto", &["Extension/orders.pgcrypto"]),
    ("orders", "ALTER SCHEMA app OWNER TO orders_owner", &["Schema/orders.app"]),
    ("orders", "GRANT ALL ON SCHEMA app TO orders_read", &["Grant/orders.app.orders_read"]),
    ("orders", "GRANT CREATE ON SCHEMA public TO PUBLIC", &["Grant/orders.public.PUBLIC"]),
    (
        "orders",
        "REVOKE SELECT ON app.item FROM orders_read",
        &["Grant/orders.app.tables.orders_read"],
    ),
    ("orders", "GRANT DELETE ON app.item TO orders_read", &["Grant/orders.app.tables.orders_read"]),
    (
        "orders",
        "REVOKE ALL ON app.item_id_seq FROM orders_write",
        &["Grant/orders.app.sequences.orders_write"],
    ),
    (
        "orders",
        "ALTER DEFAULT PRIVILEGES FOR ROLE orders_migrate IN SCHEMA app REVOKE SELECT ON TABLES FROM orders_read",
        &["Default/orders.app.tables.orders_read"],
    ),
];

#[tokio::test]
async fn every_change_by_hand_is_seen_where_it_was_made_and_mended() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let table = "SET ROLE orders_migrate; CREATE TABLE app.item (id serial)";
        bench.cluster.psql_in("orders", table);
        for (database, sql, objects) in CHANGES {
            // What only a superuser can do, or only who granted it can undo.
            let by_superuser = ["pg_monitor", "OWNER TO postgres", "REVOKE orders_migrate"]
                .iter()
                .any(|words| sql.contains(words));
            if by_superuser && !bench.superuser {
                continue;
            }
            bench.cluster.psql_in(database, sql);

            let seen = bench.facts(&orders()).await;

            let case = format!("{}: {sql}", bench.kind);
            let different = differences(&orders().facts(), &seen);
            assert_eq!(different.keys().collect::<Vec<_>>(), *objects, "{case}: {different:?}");
            bench.converge(&orders()).await;
            let left = differences(&orders().facts(), &bench.facts(&orders()).await);
            assert_eq!(left, nothing(), "{case}");
        }
    }
}

#[tokio::test]
async fn a_role_that_was_dropped_comes_back_with_all_its_grants() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        bench.cluster.psql_in("orders", "SET ROLE orders_migrate; CREATE TABLE app.item (n int)");
        bench.cluster.psql_in("orders", "DROP OWNED BY orders_read; DROP ROLE orders_read");

        let seen = bench.facts(&orders()).await;
        bench.converge(&orders()).await;

        let different = differences(&orders().facts(), &seen);
        let objects: Vec<&str> = different.keys().map(String::as_str).collect();
        assert_eq!(
            objects,
            [
                "Default/orders.app.sequences.orders_read",
                "Default/orders.app.tables.orders_read",
                "Grant/orders.app.orders_read",
                "Grant/orders.app.tables.orders_read",
                "Grant/orders.extensions.orders_read",
                "Grant/orders.orders_read",
                "Role/orders_read",
            ],
            "{}",
            bench.kind
        );
        assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
    }
}

#[tokio::test]
async fn a_database_that_was_closed_is_opened_again() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.psql("ALTER DATABASE orders ALLOW_CONNECTIONS false");

    let seen = bench.facts(&orders()).await;
    bench.converge(&orders()).await;

    assert!(seen["Database/orders"].contains("closed to connections"), "{seen:?}");
    assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
}

#[tokio::test]
async fn a_database_that_was_dropped_by_hand_is_seen_as_missing_and_made_anew() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.psql("DROP DATABASE orders");

    let seen = bench.facts(&orders()).await;
    bench.converge(&orders()).await;

    assert!(!seen.contains_key("Database/orders"), "{seen:?}");
    assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
}

#[tokio::test]
async fn what_others_were_granted_is_theirs() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench
        .cluster
        .psql("CREATE ROLE monitoring LOGIN; GRANT CONNECT ON DATABASE orders TO monitoring");
    bench.cluster.psql_in("orders", "CREATE EXTENSION pg_buffercache");

    let made = bench.converge(&orders()).await;

    assert_eq!(made, []);
}
