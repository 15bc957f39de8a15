//! What is ours, what is not, and how it changes hands.

use super::*;

const ADOPT: Options = Options { adopt: true };

/// A database that an application team made by hand.
fn by_hand(bench: &Bench) {
    bench.cluster.psql("CREATE ROLE team LOGIN PASSWORD 'team'");
    bench.cluster.psql("CREATE DATABASE orders OWNER team");
    bench.cluster.psql("CREATE DATABASE unrelated OWNER team");
    let sql = "CREATE TABLE item (id serial PRIMARY KEY, name text); INSERT INTO item (name) VALUES ('cup');
        CREATE VIEW names AS SELECT name FROM item; CREATE TYPE colour AS ENUM ('red');
        CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA more; CREATE TABLE more.t (n int)";
    bench.cluster.query("team", "team", "orders", sql).unwrap();
    bench.cluster.query("team", "team", "unrelated", "CREATE SCHEMA s").unwrap();
}

/// Whether nothing of a database was changed since it was made by hand.
fn untouched(bench: &Bench) -> bool {
    let sql = "SELECT pg_get_userbyid(datdba), datconnlimit, datacl IS NULL, shobj_description(oid, 'pg_database') IS NULL
        FROM pg_database WHERE datname = 'orders'";
    bench.cluster.psql(sql) == "team|-1|t|t"
        && bench.cluster.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'orders%'") == "0"
}

#[tokio::test]
async fn a_database_without_our_mark_is_refused_and_not_touched() {
    let bench = Bench::simple();
    by_hand(&bench);

    let seen = bench.server.observe(&orders(), Options::default()).await.unwrap_err();
    let made = bench.server.converge(&orders(), Options::default(), &unwatched).await.unwrap_err();
    let dropped = bench.server.drop_database(&orders(), &unwatched).await.unwrap_err();
    let released = bench.server.release_database(&orders(), &unwatched).await.unwrap_err();

    for error in [seen, made, dropped, released] {
        assert!(matches!(error, PostgresError::NotOurs { .. }), "{error}");
        assert!(error.to_string().contains("belongs to team"), "{error}");
    }
    assert!(untouched(&bench));
}

#[tokio::test]
async fn a_database_of_another_platform_or_resource_is_refused_even_for_adoption() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    let mut others = settings(&bench.cluster, true);
    others.platform = "other.example.com".to_owned();
    let other_platform = PostgresServer::new(others).unwrap();
    let other_resource = Database::new("orders", "database/production/orders").unwrap();

    let errors = [
        other_platform.converge(&orders(), ADOPT, &unwatched).await.unwrap_err(),
        other_platform.drop_database(&orders(), &unwatched).await.unwrap_err(),
        other_platform.observe_unmanaged("orders").await.unwrap_err(),
        bench.server.converge(&other_resource, ADOPT, &unwatched).await.unwrap_err(),
        bench.server.drop_database(&other_resource, &unwatched).await.unwrap_err(),
    ];

    for error in errors {
        let text = error.to_string();
        assert!(
            text.contains("database/staging/orders of the platform idp.example.com has it"),
            "{text}"
        );
    }
    assert_eq!(bench.converge(&orders()).await, []);
}

#[tokio::test]
async fn a_role_in_the_way_is_refused_before_anything_is_made() {
    let bench = Bench::simple();
    bench.cluster.psql("CREATE ROLE orders_read LOGIN");

    for options in [Options::default(), ADOPT] {
        let refused = bench.server.converge(&orders(), options, &unwatched).await.unwrap_err();

        assert!(refused.to_string().contains("Role/orders_read"), "{refused}");
    }
    assert_eq!(
        bench.cluster.psql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'orders%'"),
        "1"
    );
}

#[tokio::test]
async fn what_an_unmanaged_database_holds_is_told() {
    for bench in Bench::with(true) {
        by_hand(&bench);

        let found = bench.server.observe_unmanaged("orders").await.unwrap().unwrap();
        let missing = bench.server.observe_unmanaged("nosuch").await.unwrap();

        assert_eq!((found.owner.as_str(), found.encoding.as_str()), ("team", "UTF8"));
        assert!(found.bytes > 1_000_000, "{found:?}");
        assert_eq!(found.extensions, [""; 0]);
        assert_eq!(found.schemas, [("more".to_owned(), 1), ("public".to_owned(), 2)]);
        assert_eq!(missing, None);
        assert!(untouched(&bench));
    }
}

#[tokio::test]
async fn an_adopted_database_keeps_its_data_and_gets_our_owners_roles_and_mark() {
    for bench in Bench::all() {
        by_hand(&bench);
        if !bench.superuser {
            bench.cluster.psql(&format!("GRANT team TO {LIMITED}"));
        }
        let database = orders().with_schema("public").unwrap();

        let made = bench.server.converge(&database, ADOPT, &unwatched).await;

        let made = made.unwrap_or_else(|error| panic!("{}: {error}", bench.kind));
        assert!(made.iter().any(|change| change.object == "Owner/orders"), "{made:?}");
        assert_eq!(
            differences(&database.facts(), &bench.facts(&database).await),
            nothing(),
            "{}",
            bench.kind
        );
        let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class
            WHERE relnamespace IN ('public'::regnamespace, 'more'::regnamespace)";
        assert_eq!(bench.cluster.psql_in("orders", owners), "orders_migrate", "{}", bench.kind);
        let unrelated =
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'unrelated'";
        assert_eq!(bench.cluster.psql(unrelated), "team", "{}", bench.kind);
        let login = login_for(Access::Write);
        let password = bench.login(&login).await;
        bench.query(&login, &password, "INSERT INTO item (name) VALUES ('plate')").unwrap();
        assert_eq!(bench.query(&login, &password, "SELECT count(*) FROM item").unwrap(), "2");
        assert_eq!(bench.converge(&database).await, [], "{}", bench.kind);
    }
}

#[tokio::test]
async fn an_adoption_that_lacks_a_right_names_it_and_changes_nothing() {
    for bench in Bench::with(false) {
        by_hand(&bench);
        let database = orders().with_schema("public").unwrap();

        let refused = bench.server.converge(&database, ADOPT, &unwatched).await.unwrap_err();

        assert!(matches!(refused, PostgresError::InsufficientRight { .. }), "{refused}");
        let grant = format!("grant it with: GRANT \"team\" TO \"{LIMITED}\"");
        assert!(refused.to_string().contains(&grant), "{}: {refused}", bench.kind);
    }
}

#[tokio::test]
async fn a_released_database_keeps_its_data_loses_its_logins_and_can_be_adopted_again() {
    for bench in Bench::all() {
        bench.converge(&orders()).await;
        let login = login_for(Access::Migrate);
        let password = bench.login(&login).await;
        bench.query(&login, &password, "CREATE TABLE item AS SELECT 'cup' AS name").unwrap();

        let released = bench.server.release_database(&orders(), &unwatched).await.unwrap();

        assert!(
            released.iter().any(|change| change.summary.contains("data and owner stay")),
            "{released:?}"
        );
        assert_eq!(bench.cluster.psql_in("orders", "SELECT name FROM app.item"), "cup");
        assert!(bench.query(&login, &password, "SELECT 1").is_err());
        let refused = bench.server.observe(&orders(), Options::default()).await.unwrap_err();
        assert!(matches!(refused, PostgresError::NotOurs { .. }), "{refused}");
        let adopted = bench.server.converge(&orders(), ADOPT, &unwatched).await;
        adopted.unwrap_or_else(|error| panic!("{}: {error}", bench.kind));
        assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
    }
}
