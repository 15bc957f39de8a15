//! Facts of environments by revision, kept so that a refusal can say what moved.

use serde_json::Value;
use sqlx::Row;

use super::{Connection, StoreError};

/// Notes the facts that an environment is configured with; a known revision stays as it is.
pub async fn insert_revision(
    tx: &mut Connection,
    environment: &str,
    revision: &str,
    facts: &Value,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO environment_revision (environment, revision, facts, first_seen_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT (environment, revision) DO NOTHING",
    )
    .bind(environment)
    .bind(revision)
    .bind(facts.to_string())
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The facts of a revision, if this server ever ran with it.
pub async fn facts(
    conn: &mut Connection,
    environment: &str,
    revision: &str,
) -> Result<Option<Value>, StoreError> {
    let row = sqlx::query(
        "SELECT facts FROM environment_revision WHERE environment = $1 AND revision = $2",
    )
    .bind(environment)
    .bind(revision)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    super::document::document("facts of an environment", row.try_get("facts")?).map(Some)
}
