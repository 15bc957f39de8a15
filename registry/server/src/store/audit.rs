//! The audit log: append-only, each entry in the transaction of the write it tells about.

use registry_api::platform::AuditEntry;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row};

use super::document::unsigned;
use super::{Connection, Store, StoreError};
use crate::model::audit::{Event, Head, rfc3339};

/// Appends an entry; it stands or falls with the caller's transaction.
pub async fn append(tx: &mut Connection, event: Event) -> Result<(), StoreError> {
    // Writing first takes the lock under which the head is read, on every engine.
    let row = sqlx::query(
        "UPDATE audit_head SET sequence = sequence + 1 WHERE id = 1 RETURNING sequence, hash",
    )
    .fetch_one(&mut *tx)
    .await?;
    let sequence: i64 = row.try_get("sequence")?;
    let head = Head { sequence: unsigned(sequence - 1), hash: row.try_get("hash")? };
    let at = event.at;
    let entry = head.append(event);
    sqlx::query("UPDATE audit_head SET hash = $1 WHERE id = 1")
        .bind(&entry.hash)
        .execute(&mut *tx)
        .await?;
    insert(tx, at, &entry).await
}

async fn insert(tx: &mut Connection, at: i64, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit_entry (sequence, at, actor, action, subject, detail, request_id, previous_hash, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(i64::try_from(entry.sequence).unwrap_or(i64::MAX))
    .bind(at)
    .bind(&entry.actor)
    .bind(&entry.action)
    .bind(&entry.subject)
    .bind(entry.detail.to_string())
    .bind(&entry.request_id)
    .bind(&entry.previous_hash)
    .bind(&entry.hash)
    .execute(tx)
    .await?;
    Ok(())
}

/// At most `limit` entries after position `after`, in order.
pub async fn entries(
    conn: &mut Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    sqlx::query(
        "SELECT sequence, at, actor, action, subject, detail, request_id, previous_hash, hash
         FROM audit_entry WHERE sequence > $1 ORDER BY sequence LIMIT $2",
    )
    .bind(i64::try_from(after).unwrap_or(i64::MAX))
    .bind(i64::from(limit))
    .fetch_all(conn)
    .await?
    .iter()
    .map(from_row)
    .collect()
}

/// A page of the log and its head, both of the same moment.
pub async fn page(
    store: &Store,
    after: u64,
    limit: u32,
) -> Result<(Vec<AuditEntry>, Head), StoreError> {
    let mut conn = store.read().await?;
    let mut snapshot = conn.begin().await?;
    let head = head(&mut snapshot).await?;
    let entries = entries(&mut snapshot, after, limit).await?;
    Ok((entries, head))
}

/// Where the chain ends, as the writer of its last entry noted it.
pub async fn head(conn: &mut Connection) -> Result<Head, StoreError> {
    let row =
        sqlx::query("SELECT sequence, hash FROM audit_head WHERE id = 1").fetch_one(conn).await?;
    let sequence: i64 = row.try_get("sequence")?;
    Ok(Head { sequence: unsigned(sequence), hash: row.try_get("hash")? })
}

fn from_row(row: &SqliteRow) -> Result<AuditEntry, StoreError> {
    let detail: String = row.try_get("detail")?;
    let sequence: i64 = row.try_get("sequence")?;
    Ok(AuditEntry {
        sequence: unsigned(sequence),
        at: rfc3339(row.try_get("at")?),
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        subject: row.try_get("subject")?,
        // A detail that does not parse is a changed one: shown as it is, its hash says so.
        detail: serde_json::from_str(&detail).unwrap_or(Value::String(detail)),
        request_id: row.try_get("request_id")?,
        previous_hash: row.try_get("previous_hash")?,
        hash: row.try_get("hash")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::audit::ChainError;
    use crate::store::Store;

    fn event(n: u32) -> Event {
        Event {
            at: 1_700_000_000_000 + i64::from(n),
            actor: "ci".to_owned(),
            action: "resource.put".to_owned(),
            subject: format!("service/staging/s{n}"),
            detail: json!({"generation": n, "ratio": 99.9}),
            request_id: None,
        }
    }

    async fn store_with(entries: u32) -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("idp.sqlite")).await.unwrap();
        for n in 0..entries {
            let mut tx = store.write().await.unwrap();
            append(&mut tx, event(n)).await.unwrap();
            tx.commit().await.unwrap();
        }
        (folder, store)
    }

    async fn verify(store: &Store) -> Result<(), ChainError> {
        let mut conn = store.read().await.unwrap();
        let mut chain = Head::genesis();
        for entry in entries(&mut conn, 0, 1000).await.unwrap() {
            chain.advance(&entry)?;
        }
        chain.ends_at(&head(&mut conn).await.unwrap())
    }

    #[tokio::test]
    async fn what_was_appended_verifies() {
        let (_folder, store) = store_with(5).await;

        assert_eq!(verify(&store).await, Ok(()));
    }

    #[tokio::test]
    async fn an_entry_of_a_transaction_that_fails_never_was() {
        let (_folder, store) = store_with(1).await;

        let mut tx = store.write().await.unwrap();
        append(&mut tx, event(9)).await.unwrap();
        tx.rollback().await.unwrap();

        let mut conn = store.read().await.unwrap();
        assert_eq!(entries(&mut conn, 0, 10).await.unwrap().len(), 1);
        assert_eq!(verify(&store).await, Ok(()));
    }

    #[tokio::test]
    async fn the_database_itself_refuses_to_change_or_remove_an_entry() {
        let (_folder, store) = store_with(2).await;

        for sql in ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"] {
            let mut tx = store.write().await.unwrap();
            let error = sqlx::query(sql).execute(&mut *tx).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{error}");
        }
    }

    #[tokio::test]
    async fn tampering_behind_the_servers_back_is_found() {
        for (sql, expected) in [
            (
                "UPDATE audit_entry SET actor = 'x' WHERE sequence = 3",
                ChainError::Content { sequence: 3 },
            ),
            (
                "UPDATE audit_entry SET at = at + 1 WHERE sequence = 2",
                ChainError::Content { sequence: 2 },
            ),
            (
                "DELETE FROM audit_entry WHERE sequence = 2",
                ChainError::Position { expected: 2, found: 3 },
            ),
            (
                "DELETE FROM audit_entry WHERE sequence = 4",
                ChainError::Truncated { expected: 4, found: 3 },
            ),
            (
                "UPDATE audit_entry SET sequence = 9 - sequence WHERE sequence IN (2, 3)",
                ChainError::Position { expected: 2, found: 4 },
            ),
        ] {
            let (_folder, store) = store_with(4).await;
            let mut tx = store.write().await.unwrap();
            for prepare in ["DROP TRIGGER audit_entry_keeps", "DROP TRIGGER audit_entry_stays", sql]
            {
                sqlx::query(prepare).execute(&mut *tx).await.unwrap();
            }
            tx.commit().await.unwrap();

            assert_eq!(verify(&store).await, Err(expected), "{sql}");
        }
    }
}
