//! Dropping databases, with and without people in them.

use super::logging_in::sleeper;
use super::*;

#[tokio::test]
async fn a_dropped_database_leaves_nothing_and_drops_only_once() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        for access in [Access::Read, Access::Write, Access::Migrate] {
            bench.login(&login_for(access)).await;
        }

        let dropped = bench.server.drop_database(&orders(), &unwatched).await;

        let dropped = dropped.unwrap_or_else(|error| panic!("{}: {error}", bench.kind));
        assert_eq!(dropped.len(), 1 + 3 + 4, "{dropped:?}");
        let left = "SELECT count(*) FROM pg_roles WHERE rolname ~ 'orders'";
        assert_eq!(bench.cluster.psql(left), "0", "{}", bench.kind);
        let left = "SELECT count(*) FROM pg_database WHERE datname = 'orders'";
        assert_eq!(bench.cluster.psql(left), "0", "{}", bench.kind);
        assert_eq!(bench.server.drop_database(&orders(), &unwatched).await.unwrap(), []);
    }
}

#[tokio::test]
async fn our_own_logins_are_disconnected_by_a_drop() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let login = login_for(Access::Write);
        let password = bench.login(&login).await;
        let mut client = sleeper(&bench, &login, &password);

        let dropped = bench.server.drop_database(&orders(), &unwatched).await;

        dropped.unwrap_or_else(|error| panic!("{}: {error}", bench.kind));
        assert!(!client.wait().unwrap().success());
    }
}

#[tokio::test]
async fn a_stranger_who_is_connected_stops_a_drop_and_is_named() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        bench.cluster.psql("CREATE ROLE auditor LOGIN PASSWORD 'auditor'; GRANT CONNECT ON DATABASE orders TO auditor");
        let mut stranger = bench
            .cluster
            .psql_command("auditor", "auditor", "orders")
            .args(["-c", "SELECT pg_sleep(300)"])
            .spawn()
            .unwrap();
        let connected = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'auditor' AND query ~ 'pg_sleep'";
        while bench.cluster.psql(connected) == "0" {}
        let login = login_for(Access::Read);
        let password = bench.login(&login).await;

        let refused = bench.server.drop_database(&orders(), &unwatched).await.unwrap_err();

        assert!(
            matches!(refused, PostgresError::InUse { .. }) && refused.is_retryable(),
            "{refused}"
        );
        assert!(refused.to_string().contains("auditor ("), "{refused}");
        if bench.superuser {
            assert!(refused.to_string().contains("auditor (psql) from 127.0.0.1"), "{refused}");
        }
        assert_eq!(bench.query(&login, &password, "SELECT 1").unwrap(), "1", "{}", bench.kind);
        assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
        stranger.kill().unwrap();
        stranger.wait().unwrap();
        bench.cluster.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'auditor'",
        );
        while bench.cluster.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'auditor'")
            != "0"
        {}
        bench.server.drop_database(&orders(), &unwatched).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_that_has_something_elsewhere_is_named() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.psql("CREATE TABLE borrowed (n int); GRANT SELECT ON borrowed TO orders_read");

    let refused = bench.server.drop_database(&orders(), &unwatched).await.unwrap_err();

    assert!(matches!(refused, PostgresError::DependedOn { .. }), "{refused}");
    assert!(refused.to_string().contains("Role/orders_read"), "{refused}");
    bench.cluster.psql("DROP TABLE borrowed");
    bench.server.drop_database(&orders(), &unwatched).await.unwrap();
}
