//! Work that ends between any two statements, and the work that goes on from there.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Lets so many statements through, then stops.
struct Stop {
    left: AtomicUsize,
}

impl Stop {
    fn after(statements: usize) -> Self {
        Self { left: AtomicUsize::new(statements) }
    }

    fn hear(&self) -> ControlFlow<()> {
        let left =
            self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[tokio::test]
async fn a_database_that_was_half_made_anywhere_is_finished_by_the_next_call() {
    make_half(true).await;
}

#[tokio::test]
async fn a_database_that_was_half_made_by_a_limited_administrator_is_finished_too() {
    make_half(false).await;
}

async fn make_half(superuser: bool) {
    for bench in Bench::with(superuser) {
        for statements in 0.. {
            let stop = Stop::after(statements);
            let watch = |_: &str| stop.hear();
            let cut = bench.server.converge(&orders(), Options::default(), &watch).await;
            let case = format!("{}, after {statements}: {cut:?}", bench.kind);

            bench.converge(&orders()).await;

            assert_eq!(
                differences(&orders().facts(), &bench.facts(&orders()).await),
                nothing(),
                "{case}"
            );
            bench.server.drop_database(&orders(), &unwatched).await.unwrap();
            match cut {
                Err(PostgresError::Stopped { .. }) => {}
                Ok(_) => break,
                Err(error) => panic!("{case}: {error}"),
            }
            assert!(statements < 100, "{case}");
        }
    }
}

#[tokio::test]
async fn a_database_that_was_half_dropped_anywhere_is_gone_after_the_next_call() {
    drop_half(true).await;
}

#[tokio::test]
async fn a_database_that_was_half_dropped_by_a_limited_administrator_is_gone_too() {
    drop_half(false).await;
}

async fn drop_half(superuser: bool) {
    for bench in Bench::with(superuser) {
        for statements in 0.. {
            bench.converge(&orders()).await;
            for access in [Access::Read, Access::Migrate] {
                bench.login(&login_for(access)).await;
            }
            let stop = Stop::after(statements);
            let watch = |_: &str| stop.hear();
            let cut = bench.server.drop_database(&orders(), &watch).await;
            let case = format!("{}, after {statements}: {cut:?}", bench.kind);

            bench.server.drop_database(&orders(), &unwatched).await.unwrap();

            assert_eq!(bench.facts(&orders()).await, Facts::new(), "{case}");
            assert_eq!(
                bench.cluster.psql("SELECT rolname FROM pg_roles WHERE rolname ~ 'orders'"),
                "",
                "{case}"
            );
            match cut {
                Err(PostgresError::Stopped { .. }) => {}
                Ok(_) => break,
                Err(error) => panic!("{case}: {error}"),
            }
            assert!(statements < 100, "{case}");
        }
    }
}

#[tokio::test]
async fn a_database_that_was_half_released_anywhere_is_released_by_the_next_call() {
    let bench = Bench::simple();
    for statements in 0.. {
        let adopt = Options { adopt: true };
        bench.server.converge(&orders(), adopt, &unwatched).await.unwrap();
        bench.login(&login_for(Access::Write)).await;
        let stop = Stop::after(statements);
        let watch = |_: &str| stop.hear();
        let cut = bench.server.release_database(&orders(), &watch).await;

        if cut.is_err() {
            bench.server.release_database(&orders(), &unwatched).await.unwrap();
        }

        let marks = "SELECT count(*) FROM pg_shdescription WHERE description ~ 'idp'";
        assert_eq!(bench.cluster.psql(marks), "0", "{statements}");
        if cut.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn a_database_whose_drop_the_server_did_not_finish_is_made_anew() {
    let bench = Bench::simple();
    bench.converge(&orders()).await;
    bench.cluster.psql("UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'orders'");

    let seen = bench.facts(&orders()).await;
    bench.converge(&orders()).await;

    assert!(!seen.contains_key("Database/orders"), "{seen:?}");
    assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
}

#[tokio::test]
async fn a_server_that_crashes_is_gone_on_with_when_it_is_back() {
    let mut bench = Bench::simple();
    let stop = Stop::after(6);
    let watch = |_: &str| stop.hear();
    let cut = bench.server.converge(&orders(), Options::default(), &watch).await;
    bench.cluster.kill();

    let down = bench.server.observe(&orders(), Options::default()).await.unwrap_err();
    bench.cluster.restart();
    bench.converge(&orders()).await;

    assert!(cut.is_err());
    assert!(matches!(down, PostgresError::Unreachable { .. }) && down.is_retryable(), "{down}");
    assert_eq!(differences(&orders().facts(), &bench.facts(&orders()).await), nothing());
}
