//! Logins and their passwords.

use super::*;

const NOON: i64 = 1_900_000_000_000;

#[tokio::test]
async fn a_login_is_seen_as_it_was_wished_and_changes_in_place() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        for access in [Access::Read, Access::Write, Access::Migrate] {
            let login = login_for(access).with_connection_limit(3).with_valid_until(NOON);
            let password = bench.login(&login).await;

            let seen = bench.server.observe_logins(std::slice::from_ref(&login)).await.unwrap();
            assert_eq!(seen, login.facts(), "{}", bench.kind);

            let later = login_for(access).with_valid_until(NOON + 60_000);
            bench.server.put_login(&later, None).await.unwrap();
            let seen = bench.server.observe_logins(std::slice::from_ref(&later)).await.unwrap();
            assert_eq!(seen, later.facts(), "{}", bench.kind);
            assert_eq!(bench.query(&later, &password, "SELECT 1").unwrap(), "1");
        }
        // Another access under the same name: the rights of the old one go.
        let name = login_for(Access::Migrate);
        let reader =
            Login::new(name.name().as_str(), orders().name(), Access::Read, name.resource())
                .unwrap();
        bench.server.put_login(&reader, None).await.unwrap();
        let seen = bench.server.observe_logins(std::slice::from_ref(&reader)).await.unwrap();
        assert_eq!(seen, reader.facts(), "{}", bench.kind);
    }
}

#[tokio::test]
async fn a_new_password_takes_the_place_of_the_old_one() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let login = login_for(Access::Read);
    let old = bench.login(&login).await;

    let new = bench.login(&login).await;

    assert!(bench.query(&login, &old, "SELECT 1").unwrap_err().contains("authentication failed"));
    assert_eq!(bench.query(&login, &new, "SELECT 1").unwrap(), "1");
}

#[tokio::test]
async fn an_expired_login_is_refused() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let login = login_for(Access::Read).with_valid_until(1_000_000_000_000);
    let password = bench.login(&login).await;

    let refused = bench.query(&login, &password, "SELECT 1").unwrap_err();

    assert!(refused.contains("authentication failed"), "{refused}");
}

#[tokio::test]
async fn no_password_is_in_the_log_of_a_server_that_logs_every_statement() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let login = login_for(Access::Write);
        let first = bench.login(&login).await;
        let second = bench.login(&login).await;
        bench.query(&login, &second, "SELECT 'planted-in-the-log'").unwrap();

        let log = bench.cluster.log();

        assert!(log.contains("planted-in-the-log"), "{}", bench.kind);
        for secret in [first.expose(), second.expose(), SUPERUSER_PASSWORD] {
            assert!(!log.contains(secret), "{}", bench.kind);
        }
        // The administrator's own password is there once: the statement that the test itself made.
        assert_eq!(log.matches(LIMITED_PASSWORD).count(), 1, "{}", bench.kind);
    }
}

#[tokio::test]
async fn a_retired_login_is_cut_off_and_comes_back_with_a_new_password() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let login = login_for(Access::Read);
        let password = bench.login(&login).await;
        let mut sleeper = sleeper(&bench, &login, &password);

        bench.server.retire_login(login.name(), login.resource()).await.unwrap();

        assert!(!sleeper.wait().unwrap().success(), "{}", bench.kind);
        assert!(bench.query(&login, &password, "SELECT 1").is_err(), "{}", bench.kind);
        let seen = bench.server.observe_logins(std::slice::from_ref(&login)).await.unwrap();
        assert_ne!(seen, login.facts());
        let again = bench.login(&login).await;
        assert_eq!(bench.query(&login, &again, "SELECT 1").unwrap(), "1", "{}", bench.kind);
    }
}

/// A client that stays connected until it is disconnected.
pub(super) fn sleeper(bench: &Bench, login: &Login, password: &SecretText) -> std::process::Child {
    let name = login.name().as_str();
    let mut psql = bench.cluster.psql_command(name, password.expose(), "orders");
    let child = psql
        .args(["-c", "SELECT pg_sleep(300)"])
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let connected = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{name}' AND query ~ 'pg_sleep'"
    );
    while bench.cluster.psql(&connected) == "0" {}
    child
}

#[tokio::test]
async fn a_dropped_login_leaves_what_it_made_to_the_migrations() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let login = login_for(Access::Migrate);
        let password = bench.login(&login).await;
        let sql = "RESET ROLE; SET ROLE NONE; CREATE TEMP TABLE gone (n int)";
        bench.query(&login, &password, sql).unwrap();
        let own = format!(
            "GRANT CREATE ON SCHEMA app TO {0}; SET ROLE {0}; CREATE TABLE app.kept (n int)",
            login.name()
        );
        bench.cluster.psql_in("orders", &own);

        bench.server.drop_login(login.name(), login.resource()).await.unwrap();
        bench.server.drop_login(login.name(), login.resource()).await.unwrap();

        let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'kept'";
        assert_eq!(bench.cluster.psql_in("orders", owner), "orders_migrate", "{}", bench.kind);
        let seen = bench.server.observe_logins(&[login]).await.unwrap();
        assert_eq!(seen, Facts::new(), "{}", bench.kind);
    }
}

#[tokio::test]
async fn logins_are_found_by_the_beginning_of_their_resource() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let put = async |name: &str, resource: &str| {
        let login = Login::new(name, orders().name(), Access::Read, resource).unwrap();
        bench.login(&login.with_valid_until(NOON)).await;
    };
    put("orders_e1", "credential/staging/orders/1").await;
    put("orders_e2", "credential/staging/orders/2").await;
    put("orders_app", "login/staging/orders/app").await;
    let mut others = settings(&bench.cluster, true);
    others.platform = "other.example.com".to_owned();
    let others = PostgresServer::new(others).unwrap();

    let found = bench.server.list_logins("credential/staging/orders/").await.unwrap();
    let theirs = others.list_logins("").await.unwrap();

    let names: Vec<&str> = found.iter().map(|login| login.name.as_str()).collect();
    assert_eq!(names, ["orders_e1", "orders_e2"]);
    assert_eq!(found[0].valid_until, Some(NOON));
    assert!(found[0].can_login);
    assert_eq!(theirs, []);
}

#[tokio::test]
async fn a_login_that_is_not_ours_is_never_touched() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let login = login_for(Access::Read);
    bench.cluster.psql(&format!("CREATE ROLE {} LOGIN PASSWORD 'theirs'", login.name()));
    let other =
        Login::new("orders_owner", orders().name(), Access::Read, login.resource()).unwrap();

    let put = bench.server.put_login(&login, Some(&new_password())).await.unwrap_err();
    let retired = bench.server.retire_login(login.name(), login.resource()).await.unwrap_err();
    let dropped = bench.server.drop_login(login.name(), login.resource()).await.unwrap_err();
    let group = bench.server.put_login(&other, None).await.unwrap_err();

    for error in [put, retired, dropped, group] {
        assert!(matches!(error, PostgresError::NotOurs { .. }), "{error}");
    }
    let name = login.name();
    assert_eq!(
        bench.cluster.psql(&format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'")),
        "t"
    );
}
