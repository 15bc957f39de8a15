//! Dumps by the real `pg_dump`, and their restore.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;

/// Long after the clock of any machine that runs this.
const FAR: i64 = 4_000_000_000_000;

fn dump<'a>(
    database: &'a Database,
    file: &'a Path,
    progress: &'a (dyn Fn(u64) + Send + Sync),
) -> Dump<'a> {
    Dump { database, file, limit: Duration::from_mins(2), now: FAR, progress }
}

async fn with_data(bench: &Bench) {
    bench.converge(&orders()).await;
    let login = login_for(Access::Migrate);
    let password = bench.login(&login).await;
    let sql = "CREATE TABLE item AS SELECT n, 'cup ' || n AS name FROM generate_series(1, 5000) n";
    bench.query(&login, &password, sql).unwrap();
}

#[tokio::test]
async fn a_dump_restores_to_the_same_data() {
    for superuser in [true, false] {
        let bench = Bench::new(Version::Default, superuser);
        with_data(&bench).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orders.dump");
        let told = AtomicU64::new(0);
        let progress = |bytes| told.store(bytes, Ordering::SeqCst);

        let dumped = bench.server.dump(dump(&orders(), &file, &progress)).await;

        let dumped = dumped.unwrap_or_else(|error| panic!("{}: {error}", bench.kind));
        assert_eq!(dumped.bytes, std::fs::metadata(&file).unwrap().len());
        assert_eq!(dumped.bytes, told.load(Ordering::SeqCst));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        bench.cluster.psql("CREATE DATABASE restored");
        let restored = bench
            .cluster
            .client("pg_restore", SUPERUSER, SUPERUSER_PASSWORD)
            .args(["--exit-on-error", "-d", "restored"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
        let sum = "SELECT count(*), sum(n), max(name) FROM app.item";
        assert_eq!(bench.cluster.psql_in("restored", sum), bench.cluster.psql_in("orders", sum));
        let logins = "SELECT count(*) FROM pg_roles WHERE rolname = 'orders_dump'";
        assert_eq!(bench.cluster.psql(logins), "0");
    }
}

#[tokio::test]
async fn a_pg_dump_that_is_older_than_the_server_is_refused_before_anything_is_done() {
    let Some(bench) = Bench::with(true).find(|bench| bench.cluster.version() == Version::Newest)
    else {
        return;
    };
    with_data(&bench).await;
    let tool = bench.server.dump_tool_version().await.unwrap();
    if tool >= bench.cluster.major() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let before = bench.cluster.log().matches("orders_dump").count();

    let refused =
        bench.server.dump(dump(&orders(), &folder.path().join("x"), &|_| ())).await.unwrap_err();

    assert_eq!(
        refused,
        PostgresError::DumpToolTooOld { found: tool, server: bench.cluster.major() }
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(bench.cluster.log().matches("orders_dump").count(), before);
}

#[tokio::test]
async fn a_dump_that_fails_or_takes_too_long_leaves_no_file_and_no_login() {
    let bench = Bench::simple();
    with_data(&bench).await;
    bench.cluster.psql_in("orders", "CREATE TABLE app.hidden (n int)");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.dump");
    let database = orders();
    let mut quick = dump(&database, &file, &|_| ());
    quick.limit = Duration::from_millis(1);

    let late = bench.server.dump(quick).await.unwrap_err();
    let failed = bench.server.dump(dump(&database, &file, &|_| ())).await.unwrap_err();
    let nowhere = folder.path().join("nosuch/orders.dump");
    let unwritten = bench.server.dump(dump(&database, &nowhere, &|_| ())).await.unwrap_err();

    assert!(matches!(late, PostgresError::TimedOut { .. }), "{late}");
    assert!(failed.to_string().contains("permission denied for table hidden"), "{failed}");
    assert!(matches!(unwritten, PostgresError::DumpFile { .. }), "{unwritten}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let logins = "SELECT count(*) FROM pg_roles WHERE rolname = 'orders_dump'";
    assert_eq!(bench.cluster.psql(logins), "0");
}

#[tokio::test]
async fn a_missing_pg_dump_is_told_plainly() {
    let bench = Bench::simple();
    let mut settings = settings(&bench.cluster, true);
    settings.pg_dump = "/nowhere/pg_dump".into();
    let server = PostgresServer::new(settings).unwrap();

    let error = server.check_dump_tool().await.unwrap_err();

    assert!(matches!(error, PostgresError::DumpToolMissing { .. }), "{error}");
}
