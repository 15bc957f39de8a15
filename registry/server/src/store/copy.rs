//! Copies of the whole database, taken while it is written, and what is in one.
//!
//! The one part of the store that is about SQLite itself: another engine brings tools of its own for this. A copy has
//! what was committed when it began. It is made within one read of the write-ahead log: writers go on, and the log
//! grows until the copy is done. Rows are copied, not pages, so row ids change; nothing relies on them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row, SqliteConnection};

use super::document::unsigned;
use super::{Connection, MIGRATOR, StoreError};

/// A blob that rows name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedBlob {
    /// Its name.
    pub sha256: String,
    /// What it belongs to, for people: `module golden/api/nodejs 1.0.0`.
    pub of: String,
}

/// Every question whose answer is a blob's name and what it belongs to. A new column with a blob goes here.
const BLOBS: [&str; 4] = [
    "SELECT archive_sha256 AS sha256, 'module ' || namespace || '/' || name || '/' || system || ' ' || version AS of
     FROM module_version",
    "SELECT shasums_sha256 AS sha256, 'checksums of provider ' || namespace || '/' || type || ' ' || version AS of
     FROM provider_version",
    "SELECT signature_sha256 AS sha256, 'signature of provider ' || namespace || '/' || type || ' ' || version AS of
     FROM provider_version",
    "SELECT p.zip_sha256 AS sha256,
            'provider ' || v.namespace || '/' || v.type || ' ' || v.version || ' for ' || p.os || '_' || p.arch AS of
     FROM provider_package p JOIN provider_version v ON v.id = p.version_id",
];

/// Why a database is none that this program can go on with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Made by a later version.
    #[error(
        "its schema is {found}, this idp knows {known}: use the idp that made it, or a newer one"
    )]
    Newer {
        /// What it has.
        found: i64,
        /// What we have.
        known: i64,
    },
    /// Made by something else.
    #[error("step {0} of its schema is not the one that this idp knows")]
    Other(i64),
    /// Not one of ours.
    #[error("it has no schema of idp")]
    None,
}

/// Copies the database at `from` into the empty file `to`; `from` may be in use, and stays as it is.
pub async fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut conn = open(from).await?;
    sqlx::query("VACUUM INTO $1")
        .bind(to.to_string_lossy().into_owned())
        .execute(&mut conn)
        .await?;
    Ok(conn.close().await?)
}

/// Opens a database as it is: only to read, and with the schema that it has.
pub async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10))
        // The database may be from anywhere: nothing in its schema runs a function with effects.
        .pragma("trusted_schema", "OFF")
        .pragma("cell_size_check", "ON");
    Ok(options.connect().await?)
}

/// What SQLite itself finds wrong with the database; nothing where it is whole.
pub async fn damage(conn: &mut Connection) -> Result<Option<String>, StoreError> {
    let found = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *conn).await;
    let found = match found {
        Ok(row) => row.try_get::<String, _>(0)?,
        // Too damaged to be looked at: SQLITE_CORRUPT (11) and SQLITE_NOTADB (26).
        Err(error) if is_damage(&error) => return Ok(Some(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    if found != "ok" {
        return Ok(Some(found));
    }
    let dangling = sqlx::query("PRAGMA foreign_key_check").fetch_optional(conn).await?;
    let table = dangling.map(|row| row.try_get::<String, _>(0)).transpose()?;
    Ok(table.map(|table| format!("a row of {table} refers to one that is not there")))
}

fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let code = code.and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 11 | 26))
}

/// The last step of the schema; refused where this program does not know each of them.
pub async fn schema(conn: &mut Connection) -> Result<Result<i64, SchemaError>, StoreError> {
    let is_there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
    if sqlx::query(is_there).fetch_optional(&mut *conn).await?.is_none() {
        return Ok(Err(SchemaError::None));
    }
    let steps = sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(conn)
        .await?;
    let known: BTreeMap<i64, &[u8]> =
        MIGRATOR.iter().map(|step| (step.version, &*step.checksum)).collect();
    let newest = known_schema();
    let mut last = Err(SchemaError::None);
    for step in &steps {
        let (version, checksum): (i64, Vec<u8>) =
            (step.try_get("version")?, step.try_get("checksum")?);
        last = match known.get(&version) {
            Some(ours) if *ours == checksum => Ok(version),
            _ if version > newest => Err(SchemaError::Newer { found: version, known: newest }),
            _ => return Ok(Err(SchemaError::Other(version))),
        };
    }
    Ok(last)
}

/// The last step of the schema that this program knows.
pub fn known_schema() -> i64 {
    MIGRATOR.iter().map(|step| step.version).max().unwrap_or_default()
}

/// How many rows each table has.
pub async fn rows(conn: &mut Connection) -> Result<BTreeMap<String, u64>, StoreError> {
    let tables = "SELECT name FROM sqlite_master WHERE type = 'table'
                  AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE '~_%' ESCAPE '~' ORDER BY name";
    let mut counted = BTreeMap::new();
    for row in sqlx::query(tables).fetch_all(&mut *conn).await? {
        let table: String = row.try_get("name")?;
        // A name cannot be bound; within quotes it is nothing but a name.
        let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        let row = sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *conn).await?;
        counted.insert(table, unsigned(row.try_get(0)?));
    }
    Ok(counted)
}

/// Every blob that a row names, once, in the order of names.
pub async fn named_blobs(conn: &mut Connection) -> Result<Vec<NamedBlob>, StoreError> {
    let mut found = BTreeSet::new();
    for question in BLOBS {
        let rows = sqlx::query(question).fetch_all(&mut *conn).await?;
        found.extend(rows.iter().map(named_blob).collect::<Result<Vec<_>, _>>()?);
    }
    let mut blobs: Vec<NamedBlob> = found.into_iter().collect();
    blobs.dedup_by(|later, earlier| later.sha256 == earlier.sha256);
    Ok(blobs)
}

fn named_blob(row: &SqliteRow) -> Result<NamedBlob, StoreError> {
    Ok(NamedBlob { sha256: row.try_get("sha256")?, of: row.try_get("of")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, log};

    #[tokio::test]
    async fn every_column_with_a_digest_is_known_to_name_a_blob_or_not_to() {
        // Digests of other things: of requests, of tokens.
        let others = ["operation.request_sha256", "secret.request_sha256", "token.secret_sha256"];
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("idp.sqlite")).await.unwrap();
        let mut conn = store.read().await.unwrap();
        let columns = "SELECT m.name || '.' || c.name AS column_name FROM sqlite_master m
                       JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name LIKE '%sha256%'";
        for row in sqlx::query(columns).fetch_all(&mut *conn).await.unwrap() {
            let column: String = row.get("column_name");
            let (table, name) = column.split_once('.').unwrap();
            let is_asked = BLOBS.iter().any(|sql| sql.contains(table) && sql.contains(name));
            assert!(is_asked || others.contains(&column.as_str()), "{column}: is it a blob?");
        }
    }

    #[tokio::test]
    async fn a_copy_has_what_was_committed_and_can_be_opened_as_a_database() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.sqlite"), folder.path().join("to.sqlite"));
        let store = Store::open(&from).await.unwrap();
        let sql = "INSERT INTO probe (id, seen) VALUES ($1, 1)";
        let mut tx = store.write().await.unwrap();
        sqlx::query(sql).bind(7).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        let mut open = store.write().await.unwrap();
        sqlx::query(sql).bind(8).execute(&mut *open).await.unwrap();

        copy(&from, &to).await.unwrap();

        open.commit().await.unwrap();
        let mut conn = super::open(&to).await.unwrap();
        assert_eq!(damage(&mut conn).await.unwrap(), None);
        assert_eq!(schema(&mut conn).await.unwrap(), Ok(known_schema()));
        assert_eq!(rows(&mut conn).await.unwrap()["probe"], 1);
        Store::open(&to).await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_of_the_log_has_the_same_entries_at_the_same_positions_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from.sqlite"), folder.path().join("to.sqlite"));
        let store = Store::open(&from).await.unwrap();
        let mut tx = store.write().await.unwrap();
        for number in 0..300 {
            log::tests::append_one(&mut tx, number).await;
        }
        tx.commit().await.unwrap();

        copy(&from, &to).await.unwrap();

        let copied = Store::open(&to).await.unwrap();
        let mut read = (store.write().await.unwrap(), copied.write().await.unwrap());
        for tx in [&mut read.0, &mut read.1] {
            log::tests::append_one(tx, 300).await;
        }
        let (mut one, mut other) = read;
        let entries = log::range(&mut one, 0, 400).await.unwrap();
        assert_eq!(entries.len(), 301);
        assert_eq!(log::range(&mut other, 0, 400).await.unwrap(), entries);
        let heads =
            (log::frontier(&mut one).await.unwrap(), log::frontier(&mut other).await.unwrap());
        assert_eq!(heads.0, heads.1);
        for (level, tile) in [(0, 0), (0, 1), (1, 0)] {
            let tiles = (
                log::tile(&mut one, level, tile).await.unwrap().unwrap(),
                log::tile(&mut other, level, tile).await.unwrap().unwrap(),
            );
            assert_eq!(tiles.0, tiles.1, "{level}/{tile}");
        }
    }
}
