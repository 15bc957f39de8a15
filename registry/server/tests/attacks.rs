//! What somebody could try who holds the disk, the network or a token, and where it ends.

use std::path::{Path, PathBuf};

use registry_api::platform::GoldenPathRef;
use registry_server::app::StartError;
use registry_server::ops::paths;
use registry_trust::digest::Sha256;
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::support::{MODULE, Registry, archive, bundle, local, new_key, release};

const ADDRESS: &str = "golden/greeting/test";
const OTHER: &[(&str, &str)] = &[("main.tf", "output \"greeting\" {\n  value = \"evil\"\n}\n")];

async fn with_one() -> Registry {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201);
    registry
}

/// The one file in the blob store.
fn blob(registry: &Registry, sha256: &str) -> PathBuf {
    let folder = registry.folder.path().join("data/blobs/sha256");
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap().to_string_lossy().contains(&sha256[2..]) {
                return path;
            }
        }
    }
    panic!("no blob {sha256}")
}

#[tokio::test]
async fn an_archive_that_was_swapped_on_the_disk_fits_no_checksum() {
    let registry = with_one().await;
    let (good, evil) = (archive(MODULE), archive(OTHER));
    let sha256 = Sha256::of(&good).to_string();
    let file = blob(&registry, &sha256);
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &evil).unwrap();

    let path = format!("/v1/modules/{ADDRESS}/1.0.0/download");
    let answer = registry.get(&path).await.assert(200);

    let link = answer.header("x-terraform-get");
    assert!(link.contains(&format!("checksum=sha256:{sha256}")), "{link}");
    let served = registry.get(local(link)).await;
    assert!(served.status != 200 || Sha256::of(&served.body).to_string() != sha256);
    let path = GoldenPathRef {
        address: ADDRESS.parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        sha256,
        publisher: registry.publisher.verifying_key().id().to_string(),
    };
    let refused = paths::load(&registry.app, &path).await.unwrap_err().to_string();
    assert!(refused.contains("is not the one that was signed"), "{refused}");
}

#[tokio::test]
async fn an_upload_without_the_right_statement_is_refused() {
    let registry = with_one().await;
    let archive_bytes = archive(MODULE);
    let upload = async |address: &str, version: &str, bundle: &str| {
        registry.upload(address, version, &archive_bytes, bundle.as_bytes()).await
    };
    let sign = |address: &str, version: &str| {
        bundle(address, version, &archive_bytes, &registry.publisher)
    };
    let right = sign(ADDRESS, "1.1.0");
    let mut stripped: Value = serde_json::from_str(&right).unwrap();
    stripped["dsseEnvelope"]["signatures"] = serde_json::json!([]);
    let mut forged: Value = serde_json::from_str(&right).unwrap();
    let other: Value = serde_json::from_str(&sign(ADDRESS, "1.2.0")).unwrap();
    forged["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"].clone();
    let of_other_bytes = bundle(ADDRESS, "1.1.0", &archive(OTHER), &registry.publisher);
    let by_stranger = bundle(ADDRESS, "1.1.0", &archive_bytes, &new_key());

    for (what, bundle) in [
        ("none", ""),
        ("no signature", &stripped.to_string()),
        ("another statement's signature", &forged.to_string()),
        ("another version's statement", &sign(ADDRESS, "1.2.0")),
        ("another module's statement", &sign("golden/other/test", "1.1.0")),
        ("another namespace's statement", &sign("private/greeting/test", "1.1.0")),
        ("another archive's statement", &of_other_bytes),
        ("a stranger's statement", &by_stranger),
    ] {
        let answer = upload(ADDRESS, "1.1.0", bundle).await;
        assert!(answer.status.is_client_error(), "{what}: {}", answer.text());
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert_ne!(code, "version_taken", "{what}");
    }
    let size = registry.checkpoint().await.size;
    upload(ADDRESS, "1.1.0", &right).await.assert(201);
    assert_eq!(registry.checkpoint().await.size, size + 1);
}

#[tokio::test]
async fn a_version_whose_row_was_deleted_comes_back_as_it_was_or_not_at_all() {
    let registry = with_one().await;
    let before = registry.judged(&["golden/greeting/test@1.0.0"]).await;
    let before = before.release(&release(ADDRESS, "1.0.0")).unwrap().clone();
    let mut tx = registry.app.store.write().await.unwrap();
    sqlx::query("DELETE FROM module_version").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();

    let refused =
        registry.publish(ADDRESS, "1.0.0", OTHER).await.assert_problem(409, "version_taken");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&before.archive.sha256.to_string()), "{detail}");
    let size = registry.checkpoint().await.size;
    let answer = registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201).json();

    assert_eq!(answer["log"]["index"], before.index);
    assert_eq!(registry.checkpoint().await.size, size);
    let after = registry.judged(&["golden/greeting/test@1.0.0"]).await;
    assert_eq!(*after.release(&release(ADDRESS, "1.0.0")).unwrap(), before);
    let path = format!("/v1/modules/{ADDRESS}/1.0.0/download");
    registry.get(&path).await.assert(200);
}

#[tokio::test]
async fn entries_of_the_log_are_neither_changed_nor_deleted() {
    let registry = with_one().await;
    for statement in [
        "UPDATE log_entry SET leaf = '{}' WHERE position = 3",
        "DELETE FROM log_entry WHERE position = 3",
        "DELETE FROM log_entry",
    ] {
        let mut tx = registry.app.store.write().await.unwrap();
        let error = sqlx::query(statement).execute(&mut *tx).await.unwrap_err().to_string();
        assert!(error.contains("append-only"), "{error}");
    }
}

/// Stops, exchanges the database for another one, and starts again.
async fn with_database_of(registry: Registry, copy: &Path) -> Result<Registry, StartError> {
    let data = registry.folder.path().join("data");
    registry.app.store.close().await;
    for name in ["idp.sqlite", "idp.sqlite-wal", "idp.sqlite-shm"] {
        // The last two are there or not.
        let _ = std::fs::remove_file(data.join(name));
    }
    std::fs::copy(copy, data.join("idp.sqlite")).unwrap();
    registry.restart().await
}

/// A copy of the database as it is now.
async fn copy(registry: &Registry, name: &str) -> PathBuf {
    let target = registry.folder.path().join(name);
    let database = registry.folder.path().join("data/idp.sqlite");
    let mut conn = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    sqlx::query("VACUUM INTO ?").bind(target.to_str()).execute(&mut conn).await.unwrap();
    target
}

#[tokio::test]
async fn a_database_that_was_taken_back_is_not_spoken_for() {
    let registry = with_one().await;
    let earlier = copy(&registry, "earlier").await;
    registry.publish(ADDRESS, "1.1.0", MODULE).await.assert(201);

    let error = with_database_of(registry, &earlier).await.err().unwrap().to_string();

    assert!(error.contains("the log has 4 entries, but one with 5 was signed"), "{error}");
    assert!(error.contains("Restore a newer backup"), "{error}");
    assert!(error.contains("idp log recover"), "{error}");
}

#[tokio::test]
async fn a_second_history_is_not_spoken_for() {
    let registry = with_one().await;
    let earlier = copy(&registry, "earlier").await;
    registry.publish(ADDRESS, "1.1.0", MODULE).await.assert(201);
    let guard = registry.folder.path().join("trust/checkpoint.json");
    let signed = std::fs::read(&guard).unwrap();
    // Somebody with the keys goes on from the earlier database, and then hides that.
    std::fs::remove_file(&guard).unwrap();
    let registry = with_database_of(registry, &earlier).await.unwrap();
    registry.publish(ADDRESS, "6.6.6", OTHER).await.assert(201);
    registry.publish(ADDRESS, "6.6.7", OTHER).await.assert(201);
    std::fs::write(&guard, signed).unwrap();

    let error = registry.restart().await.err().unwrap().to_string();

    assert!(
        error.contains("the first 5 entries of the log are not those that were signed"),
        "{error}"
    );
    assert!(error.contains("Restore the database that belongs to these keys"), "{error}");
}

#[tokio::test]
async fn a_server_without_the_keys_that_the_root_names_does_not_start() {
    let registry = with_one().await;
    let trust = registry.folder.path().join("trust");
    let own = std::fs::read(trust.join("registry.pem")).unwrap();
    std::fs::write(trust.join("registry.pem"), new_key().to_pem().unwrap().as_bytes()).unwrap();
    let folder = registry.folder.path().to_owned();
    let start = async || {
        let config = registry_server::config::Config::load(
            &folder.join("idp.toml"),
            &std::collections::BTreeMap::new(),
        )
        .unwrap();
        let clock = registry.app.clock.clone();
        registry_server::app::App::start(config, clock).await.err().unwrap()
    };

    let error = start().await.to_string();
    assert!(error.contains("does not name the registry key that this server has"), "{error}");
    assert!(error.contains("Restore the keys that belong to this database"), "{error}");
    std::fs::write(trust.join("registry.pem"), own).unwrap();
    std::fs::remove_file(trust.join("log.pem")).unwrap();
    let error = start().await.to_string();
    assert!(error.contains("log.pem"), "{error}");
}
