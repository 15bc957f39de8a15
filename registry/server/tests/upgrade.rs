//! From the release before there was a log: nothing that was published is lost, and nothing is believed unseen.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Output;

use registry_server::app::App;
use registry_server::blobs::Blobs;
use registry_server::clock::Clock;
use registry_server::config::Config;
use registry_trust::archive::{Archive, Limits};
use registry_trust::key::SigningKey;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::cli::{idp, ok, text};
use super::log::mirror;
use super::support::{
    MODULE, NOW, Registry, archive, bundle, local, new_key, release, write_config,
};

/// The migrations of the release before.
const BEFORE: [&str; 4] =
    ["0001_registry.sql", "0002_platform.sql", "0003_secrets.sql", "0004_databases.sql"];

/// A database as the release before made it.
async fn old_database(folder: &Path) -> SqliteConnection {
    let migrations = tempfile::tempdir().unwrap();
    for name in BEFORE {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name);
        std::fs::copy(from, migrations.path().join(name)).unwrap();
    }
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let options = SqliteConnectOptions::new().filename(folder.join("data/idp.sqlite"));
    let mut conn = options.create_if_missing(true).connect().await.unwrap();
    Migrator::new(migrations.path()).await.unwrap().run(&mut conn).await.unwrap();
    conn
}

/// Publishes as the release before did.
async fn publish(
    conn: &mut SqliteConnection,
    folder: &Path,
    (address, version): (&str, &str),
    key: &SigningKey,
    at: i64,
) {
    let packed = archive(MODULE);
    let blobs = Blobs::open(&folder.join("data/blobs")).await.unwrap();
    blobs.stage(&packed).await.unwrap().keep().await.unwrap();
    let summary = *Archive::open(&packed, &Limits::default()).unwrap().summary();
    let parts: Vec<&str> = address.split('/').collect();
    sqlx::query(
        "INSERT INTO module_version (id, namespace, name, system, version, archive_sha256, archive_bytes, tree_h1,
                                     bundle, publisher, published_by, published_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'token', $11)",
    )
    .bind(format!("{address}@{version}"))
    .bind(parts[0])
    .bind(parts[1])
    .bind(parts[2])
    .bind(version)
    .bind(summary.sha256.to_string())
    .bind(i64::try_from(packed.len()).unwrap())
    .bind(summary.dir_hash1.to_h1())
    .bind(bundle(address, version, &packed, key))
    .bind(key.verifying_key().id().to_string())
    .bind(at)
    .execute(conn)
    .await
    .unwrap();
}

const RELEASES: [(&str, &str); 4] = [
    ("golden/greeting/test", "1.1.0"),
    ("golden/greeting/test", "1.0.0"),
    ("private/greeting/test", "1.0.0"),
    ("golden/other/test", "0.1.0"),
];

/// A folder of the release before, with releases signed by two publishers, and their keys beside it.
async fn old_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), "");
    let mut conn = old_database(folder.path()).await;
    for (name, namespace) in [("publisher", "golden"), ("other", "private")] {
        let key = new_key();
        let file = folder.path().join(name);
        std::fs::write(file.with_extension("pem"), key.to_pem().unwrap().as_bytes()).unwrap();
        std::fs::write(file.with_extension("pub"), key.verifying_key().to_pem()).unwrap();
        for (position, one) in RELEASES.iter().enumerate() {
            if one.0.starts_with(namespace) {
                let at = NOW + i64::try_from(position).unwrap();
                publish(&mut conn, folder.path(), *one, &key, at).await;
            }
        }
    }
    folder
}

async fn start(folder: &Path) -> Result<App, String> {
    let config = Config::load(&folder.join("idp.toml"), &BTreeMap::new()).unwrap();
    App::start(config, Clock::fixed(NOW)).await.map_err(|error| error.to_string())
}

fn init(folder: &Path, publishers: &[&str]) -> Output {
    let mut command = idp(folder);
    command.args(["keys", "root", "init"]);
    for publisher in publishers {
        command.args(["--publisher", publisher]);
    }
    command.output().unwrap()
}

#[tokio::test]
async fn a_server_without_a_log_says_how_it_gets_one() {
    let folder = old_folder().await;

    let refused = start(folder.path()).await.err().unwrap();

    assert!(refused.contains("idp keys root init --publisher golden=publisher.pub"), "{refused}");
}

#[tokio::test]
async fn what_was_published_before_there_was_a_log_is_logged_and_verifies() {
    let folder = old_folder().await;
    let publishers = ["golden=publisher.pub", "private=other.pub", "golden=publisher.pub"];

    ok(&init(folder.path(), &publishers));

    let mut registry = Registry::resume(folder, String::new()).await;
    registry.admin = registry.token(&["admin"]).await;
    assert_eq!(mirror(&registry).await.size, 3 + 4);
    let names = RELEASES.map(|(address, version)| format!("{address}@{version}"));
    let trusted = registry.judged(&names.each_ref().map(String::as_str)).await;
    for ((address, version), index) in RELEASES.into_iter().zip(3..) {
        let signed = trusted.release(&release(address, version)).unwrap();
        assert_eq!(signed.index, index, "{address} {version}");
        let path = format!("/v1/modules/{address}/{version}/download");
        let answer = registry.get_as_admin(&path).await.assert(200);
        registry.get(local(answer.header("x-terraform-get"))).await.assert(200);
    }
    // And life goes on.
    registry.publish("golden/greeting/test", "1.1.0", MODULE).await.assert(200);
    registry.publish("golden/greeting/test", "1.2.0", MODULE).await.assert(201);
    registry.say("golden/greeting/test/1.0.0", "yanked", "old").await.assert(200);
    registry.judged(&["golden/greeting/test@1.2.0"]).await;
}

#[tokio::test]
async fn releases_whose_publisher_is_not_named_are_listed_and_nothing_is_begun() {
    let folder = old_folder().await;

    for (given, missing) in [
        (&[][..], &["golden", "private"][..]),
        (&["golden=publisher.pub"], &["private"]),
        (&["golden=other.pub", "private=publisher.pub"], &["golden", "private"]),
    ] {
        let refused = init(folder.path(), given);

        assert_eq!(refused.status.code(), Some(1));
        let said = text(&refused.stderr);
        for namespace in missing {
            assert!(said.contains(&format!("\n  {namespace}: key ")), "{given:?}: {said}");
        }
        assert!(said.contains("--publisher NAMESPACE=PUBLIC_KEY"), "{said}");
        assert!(start(folder.path()).await.err().unwrap().contains("no root keys yet"));
    }
    let none = text(&init(folder.path(), &[]).stderr);
    assert!(none.contains("signed golden/greeting/test 1.1.0 and 2 more"), "{none}");
    let unknown = text(&init(folder.path(), &["nowhere=publisher.pub"]).stderr);
    assert!(unknown.contains("there is no namespace \"nowhere\""), "{unknown}");
    ok(&init(folder.path(), &["golden=publisher.pub", "private=other.pub"]));
}

#[tokio::test]
async fn a_release_that_is_not_what_its_row_says_is_named() {
    let folder = old_folder().await;
    let database = folder.path().join("data/idp.sqlite");
    let mut conn = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    sqlx::query("UPDATE module_version SET version = '6.6.6' WHERE version = '1.1.0'")
        .execute(&mut conn)
        .await
        .unwrap();
    drop(conn);

    let refused = init(folder.path(), &["golden=publisher.pub", "private=other.pub"]);

    let said = text(&refused.stderr);
    assert!(said.contains("golden/greeting/test 6.6.6, which was published before"), "{said}");
    assert!(
        said.contains("what is signed is registry.test.example/golden/greeting/test@1.1.0"),
        "{said}"
    );
}
