//! Making databases.

use super::*;

#[tokio::test]
async fn a_new_database_is_seen_as_it_was_wished_and_needs_nothing_more() {
    for bench in Bench::all() {
        let made = bench.converge(&orders()).await;

        assert!(made.iter().any(|change| change.object == "Database/orders"), "{}", bench.kind);
        let seen = bench.facts(&orders()).await;
        assert_eq!(differences(&orders().facts(), &seen), nothing(), "{}", bench.kind);
        assert_eq!(bench.converge(&orders()).await, [], "{}", bench.kind);
    }
}

#[tokio::test]
async fn logins_may_do_what_their_access_says_and_no_more() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let [reader, writer, migrator] =
            [Access::Read, Access::Write, Access::Migrate].map(login_for);
        let read = bench.login(&reader).await;
        let write = bench.login(&writer).await;
        let migrate = bench.login(&migrator).await;

        bench
            .query(&migrator, &migrate, "CREATE TABLE item (id serial PRIMARY KEY, name text)")
            .unwrap();
        bench.query(&writer, &write, "INSERT INTO item (name) VALUES ('cup')").unwrap();

        let kind = &bench.kind;
        assert_eq!(bench.query(&reader, &read, "SELECT name FROM item").unwrap(), "cup", "{kind}");
        assert_eq!(
            bench.query(&reader, &read, "SELECT length(uuid_generate_v4()::text)").unwrap(),
            "36"
        );
        for (login, password, sql) in [
            (&reader, &read, "INSERT INTO item (name) VALUES ('x')"),
            (&reader, &read, "CREATE TEMP TABLE t (n int)"),
            (&writer, &write, "DROP TABLE item"),
            (&writer, &write, "CREATE TABLE app.t (n int)"),
            (&writer, &write, "CREATE TABLE public.t (n int)"),
            (&migrator, &migrate, "CREATE TABLE extensions.t (n int)"),
            (&migrator, &migrate, "DROP DATABASE orders"),
            (&migrator, &migrate, "COMMENT ON DATABASE orders IS 'mine'"),
            (&migrator, &migrate, "ALTER DATABASE orders SET role = 'postgres'"),
            (&migrator, &migrate, "SET ROLE orders_owner"),
        ] {
            let refused = bench.query(login, password, sql).unwrap_err();
            assert!(
                refused.contains("denied") || refused.contains("must be owner"),
                "{kind}: {sql}: {refused}"
            );
        }
        let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'item'";
        assert_eq!(bench.cluster.psql_in("orders", owner), "orders_migrate", "{kind}");
    }
}

#[tokio::test]
async fn nobody_else_can_connect() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.psql("CREATE ROLE stranger LOGIN PASSWORD 'stranger'");

    let refused = bench.cluster.query("stranger", "stranger", "orders", "SELECT 1").unwrap_err();

    assert!(refused.contains("permission denied for database"), "{refused}");
}

#[tokio::test]
async fn settings_hold_for_those_who_connect() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let login = login_for(Access::Read);
    let password = bench.login(&login).await;

    let seen =
        bench.query(&login, &password, "SHOW search_path; SHOW work_mem; SHOW statement_timeout");

    assert_eq!(seen.unwrap(), "app, extensions\n8MB\n30s");
}

#[tokio::test]
async fn what_is_no_longer_wished_goes_and_what_is_new_comes() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let other = Database::new("orders", RESOURCE)
            .unwrap()
            .with_extensions(["citext", "pgcrypto"])
            .with_setting("statement_timeout", "5s")
            .unwrap();

        let made = bench.converge(&other).await;

        let mut objects: Vec<&str> = made.iter().map(|change| change.object.as_str()).collect();
        objects.sort_unstable();
        assert_eq!(
            objects,
            [
                "Database/orders",
                "Extension/orders.citext",
                "Extension/orders.uuid-ossp",
                "Setting/orders.statement_timeout",
                "Setting/orders.work_mem",
            ],
            "{}",
            bench.kind
        );
        assert_eq!(differences(&other.facts(), &bench.facts(&other).await), nothing());
    }
}

#[tokio::test]
async fn an_extension_that_something_depends_on_stays_and_the_error_names_what() {
    let bench = Bench::simple();
    bench.converge(&orders().with_extensions(["citext"])).await;
    bench.cluster.psql_in("orders", "CREATE TABLE app.item (name extensions.citext)");

    let refused =
        bench.server.converge(&orders(), Options::default(), &unwatched).await.unwrap_err();

    assert!(matches!(refused, PostgresError::DependedOn { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("Extension/orders.citext") && text.contains("app.item"), "{text}");
}

#[tokio::test]
async fn an_extension_that_the_server_lacks_is_told_before_anything_is_made() {
    let bench = Bench::simple();
    let database = orders().with_extensions(["nosuch"]);

    let at_plan = bench.server.observe(&database, Options::default()).await.unwrap_err();
    let at_apply =
        bench.server.converge(&database, Options::default(), &unwatched).await.unwrap_err();

    assert_eq!(at_plan, at_apply);
    assert!(matches!(at_plan, PostgresError::Extension { .. }), "{at_plan}");
    assert!(at_plan.to_string().contains("\"nosuch\""), "{at_plan}");
    let roles = bench.cluster.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'orders%'");
    assert_eq!(roles, "0");
}

#[tokio::test]
async fn an_extension_for_superusers_only_needs_one() {
    for bench in Bench::all() {
        let database = orders().with_extensions(["pageinspect"]);

        let done = bench.server.converge(&database, Options::default(), &unwatched).await;

        if bench.superuser {
            done.unwrap();
            assert_eq!(differences(&database.facts(), &bench.facts(&database).await), nothing());
            bench.converge(&orders()).await;
        } else {
            let error = done.unwrap_err();
            assert!(error.to_string().contains("only a superuser may install it"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_extension_that_needs_another_says_which() {
    let bench = Bench::simple();
    let with = |names: &[&'static str]| {
        Database::new("orders", RESOURCE).unwrap().with_extensions(names.iter().copied())
    };

    let alone = bench.server.observe(&with(&["earthdistance"]), Options::default()).await;
    let both = with(&["cube", "earthdistance"]);
    bench.converge(&both).await;

    assert!(alone.unwrap_err().to_string().contains("it needs \"cube\""));
    assert_eq!(differences(&both.facts(), &bench.facts(&both).await), nothing());
}

#[tokio::test]
async fn two_at_once_make_one_database() {
    for bench in Bench::all() {
        // Servers of two replicas, and two callers in each.
        let other = PostgresServer::new(settings(&bench.cluster, bench.superuser)).unwrap();
        let database = orders();
        let run = |server: PostgresServer| {
            let database = database.clone();
            tokio::spawn(
                async move { server.converge(&database, Options::default(), &unwatched).await },
            )
        };

        let runs = [bench.server.clone(), other.clone(), bench.server.clone(), other].map(run);

        let mut made = 0;
        for run in runs {
            made += usize::from(!run.await.unwrap().unwrap().is_empty());
        }
        assert_eq!(made, 1, "{}", bench.kind);
        assert_eq!(differences(&database.facts(), &bench.facts(&database).await), nothing());
    }
}

#[tokio::test]
async fn many_databases_at_once_share_a_few_connections() {
    let bench = Bench::simple();
    let mut settings = settings(&bench.cluster, true);
    settings.connections = 3;
    let server = PostgresServer::new(settings).unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("many_{n}")).collect();

    let runs: Vec<_> = names
        .iter()
        .map(|name| {
            let database = Database::new(name, &format!("database/staging/{name}")).unwrap();
            let server = server.clone();
            tokio::spawn(
                async move { server.converge(&database, Options::default(), &unwatched).await },
            )
        })
        .collect();

    for run in runs {
        run.await.unwrap().unwrap();
    }
}
