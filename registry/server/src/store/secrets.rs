//! Secrets: what is known of each, and who read which version. Nothing of a value.

use registry_api::Name;
use registry_api::platform::SecretRef;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{document, name, number, text, unsigned};
use super::{Connection, StoreError};
use crate::model::secret_value::Source;

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// Which one.
    pub path: SecretRef,
    /// For whom.
    pub owner: Name,
    /// Grows with every change.
    pub generation: u64,
    /// Grows with every new value.
    pub version: u64,
    /// Where the value comes from.
    pub source: Source,
    /// Whether a delete is refused.
    pub deletion_protection: bool,
    /// Token and key of the last write, where it had a key.
    pub idempotency_scope: Option<String>,
    /// Digest of what the last write asked for, the value left out.
    pub request_sha256: String,
    /// When it was first written.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
    /// When somebody last read the value.
    pub last_read_at: Option<i64>,
}

/// What a list shall hold; absent means all.
#[derive(Debug, Clone, Default)]
pub struct SecretFilter {
    /// Only this environment.
    pub environment: Option<Name>,
    /// Only this owner.
    pub owner: Option<Name>,
}

/// What a token read last of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRead {
    /// Which version.
    pub version: u64,
    /// When, to within a few minutes.
    pub at: i64,
}

const ONE: &str = "SELECT path, owner, generation, version, source, deletion_protection, idempotency_scope, \
     request_sha256, created_at, updated_at, \
     (SELECT MAX(last_read_at) FROM secret_read WHERE secret_read.path = secret.path) AS last_read_at \
     FROM secret WHERE path = $1";

const MANY: &str = "SELECT path, owner, generation, version, source, deletion_protection, idempotency_scope, \
     request_sha256, created_at, updated_at, \
     (SELECT MAX(last_read_at) FROM secret_read WHERE secret_read.path = secret.path) AS last_read_at \
     FROM secret WHERE ($1 IS NULL OR environment = $1) AND ($2 IS NULL OR owner = $2) ORDER BY path";

/// The secret at `path`.
pub async fn secret(
    conn: &mut Connection,
    path: &SecretRef,
) -> Result<Option<SecretRow>, StoreError> {
    let row = sqlx::query(ONE).bind(path.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// Secrets by path.
pub async fn secrets(
    conn: &mut Connection,
    filter: &SecretFilter,
) -> Result<Vec<SecretRow>, StoreError> {
    sqlx::query(MANY)
        .bind(filter.environment.as_ref().map(Name::as_str))
        .bind(filter.owner.as_ref().map(Name::as_str))
        .fetch_all(conn)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Writes a secret, new or changed; the caller has seen in this transaction what was there.
pub async fn put_secret(tx: &mut Connection, row: &SecretRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO secret (path, environment, owner, generation, version, source, deletion_protection,
             idempotency_scope, request_sha256, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (path) DO UPDATE SET owner = excluded.owner, generation = excluded.generation,
             version = excluded.version, source = excluded.source,
             deletion_protection = excluded.deletion_protection,
             idempotency_scope = excluded.idempotency_scope, request_sha256 = excluded.request_sha256,
             updated_at = excluded.updated_at",
    )
    .bind(row.path.to_string())
    .bind(row.path.environment().as_str())
    .bind(row.owner.as_str())
    .bind(number(row.generation))
    .bind(number(row.version))
    .bind(text(&row.source))
    .bind(i64::from(row.deletion_protection))
    .bind(&row.idempotency_scope)
    .bind(&row.request_sha256)
    .bind(row.created_at)
    .bind(row.updated_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Hands a secret over; nothing where there is none.
pub async fn set_owner(
    tx: &mut Connection,
    path: &SecretRef,
    owner: &Name,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE secret SET owner = $2 WHERE path = $1")
        .bind(path.to_string())
        .bind(owner.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

/// Forgets a secret, its values and who read them.
pub async fn delete_secret(tx: &mut Connection, path: &SecretRef) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM secret_value WHERE path = $1",
        "DELETE FROM secret_read WHERE path = $1",
        "DELETE FROM secret WHERE path = $1",
    ] {
        sqlx::query(statement).bind(path.to_string()).execute(&mut *tx).await?;
    }
    Ok(())
}

/// What the token read last.
pub async fn last_read(
    conn: &mut Connection,
    path: &SecretRef,
    token_id: &str,
) -> Result<Option<LastRead>, StoreError> {
    let row = sqlx::query(
        "SELECT version, last_read_at FROM secret_read WHERE path = $1 AND token_id = $2",
    )
    .bind(path.to_string())
    .bind(token_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(LastRead {
            version: unsigned(row.try_get("version")?),
            at: row.try_get("last_read_at")?,
        })
    })
    .transpose()
}

/// Notes what the token read last.
pub async fn note_read(
    tx: &mut Connection,
    path: &SecretRef,
    token_id: &str,
    read: LastRead,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO secret_read (path, token_id, version, last_read_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (path, token_id) DO UPDATE SET version = excluded.version,
             last_read_at = excluded.last_read_at",
    )
    .bind(path.to_string())
    .bind(token_id)
    .bind(number(read.version))
    .bind(read.at)
    .execute(tx)
    .await?;
    Ok(())
}

/// The path in a row of any table of secrets.
pub(super) fn path(row: &SqliteRow) -> Result<SecretRef, StoreError> {
    let text: String = row.try_get("path")?;
    text.parse().map_err(|_| StoreError::Corrupt { what: "path of a secret", value: text })
}

fn from_row(row: &SqliteRow) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        path: path(row)?,
        owner: name(row.try_get("owner")?)?,
        generation: unsigned(row.try_get("generation")?),
        version: unsigned(row.try_get("version")?),
        source: document("source of a secret", row.try_get("source")?)?,
        deletion_protection: row.try_get::<i64, _>("deletion_protection")? != 0,
        idempotency_scope: row.try_get("idempotency_scope")?,
        request_sha256: row.try_get("request_sha256")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        last_read_at: row.try_get("last_read_at")?,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions as _, Connection as _};

    use super::*;
    use crate::store::Store;

    fn row(path: &str, owner: &str) -> SecretRow {
        SecretRow {
            path: path.parse().unwrap(),
            owner: owner.parse().unwrap(),
            generation: 1,
            version: 1,
            source: Source::Given { value_version: Some(7) },
            deletion_protection: true,
            idempotency_scope: Some("token:key".to_owned()),
            request_sha256: "aa".to_owned(),
            created_at: 5,
            updated_at: 6,
            last_read_at: None,
        }
    }

    async fn listed(conn: &mut Connection, filter: SecretFilter) -> Vec<String> {
        let rows = secrets(conn, &filter).await.unwrap();
        rows.iter().map(|row| row.path.to_string()).collect()
    }

    #[tokio::test]
    async fn a_database_of_before_there_were_secrets_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("idp.sqlite");
        let options = SqliteConnectOptions::new().filename(&file).create_if_missing(true);
        let mut old = options.connect().await.unwrap();
        sqlx::migrate!("./migrations").run_to(2, &mut old).await.unwrap();
        old.close().await.unwrap();

        let store = Store::open(&file).await.unwrap();
        let mut tx = store.write().await.unwrap();
        put_secret(&mut tx, &row("secret/staging/a", "payments")).await.unwrap();
        tx.commit().await.unwrap();

        let mut conn = store.read().await.unwrap();
        assert_eq!(listed(&mut conn, SecretFilter::default()).await, ["secret/staging/a"]);
    }

    #[tokio::test]
    async fn secrets_are_found_by_their_path_environment_and_owner_until_they_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("idp.sqlite")).await.unwrap();
        let rows = [
            row("secret/production/a", "payments"),
            row("secret/staging/a", "payments"),
            row("service/staging/a/orders", "search"),
        ];
        let mut tx = store.write().await.unwrap();
        for row in &rows {
            put_secret(&mut tx, row).await.unwrap();
        }
        for (token, at) in [("t1", 30), ("t2", 20)] {
            note_read(&mut tx, &rows[0].path, token, LastRead { version: 1, at }).await.unwrap();
        }

        let found = secret(&mut tx, &rows[0].path).await.unwrap().unwrap();
        assert_eq!(found, SecretRow { last_read_at: Some(30), ..rows[0].clone() });
        let staging = SecretFilter { environment: Some("staging".parse().unwrap()), owner: None };
        let search = SecretFilter { environment: None, owner: Some("search".parse().unwrap()) };
        assert_eq!(
            listed(&mut tx, staging).await,
            ["secret/staging/a", "service/staging/a/orders"]
        );
        assert_eq!(listed(&mut tx, search).await, ["service/staging/a/orders"]);
        delete_secret(&mut tx, &rows[0].path).await.unwrap();
        assert_eq!(secret(&mut tx, &rows[0].path).await.unwrap(), None);
        assert_eq!(last_read(&mut tx, &rows[0].path, "t1").await.unwrap(), None);
    }
}
