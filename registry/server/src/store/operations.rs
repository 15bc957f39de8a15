//! Operations: a queue that outlives the process. Workers claim with leases; a lost lease can write nothing.

use registry_api::Name;
use registry_api::platform::{
    OperationError, OperationKind, OperationState, ResourceRef, Step, StepState,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{document, enumerated, name, number, text, word};
use super::{Connection, StoreError};
use crate::model::revision::Revision;

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRow {
    /// Its id.
    pub id: String,
    /// What it does.
    pub kind: OperationKind,
    /// Id of the resource's row.
    pub resource_id: String,
    /// To what.
    pub resource: ResourceRef,
    /// Whose it will be.
    pub owner: Name,
    /// The generation it brings about.
    pub generation: u64,
    /// Where it stands.
    pub state: OperationState,
    /// What shall be; absent for a delete.
    pub target: Option<Revision>,
    /// Name of the token that asked.
    pub actor: String,
    /// The request that asked.
    pub request_id: Option<String>,
    /// Digest of what was asked.
    pub request_sha256: String,
    /// Token and key under which the request may come again.
    pub idempotency_scope: Option<String>,
    /// How often it was claimed.
    pub attempts: u32,
    /// What the commit step brought about.
    pub commit_id: Option<String>,
    /// Why it failed.
    pub error: Option<OperationError>,
    /// When it was accepted.
    pub created_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

macro_rules! columns {
    () => {
        "id, kind, resource_id, resource_kind, environment, name, owner, generation, state, target, actor, \
         request_id, request_sha256, idempotency_scope, attempts, commit_id, error, created_at, finished_at"
    };
}

/// The operation of that id.
pub async fn operation(
    conn: &mut Connection,
    id: &str,
) -> Result<Option<OperationRow>, StoreError> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM operation WHERE id = $1"))
        .bind(id)
        .fetch_optional(conn)
        .await?;
    row.as_ref().map(from_row).transpose()
}

/// The operation that was first asked for under this token and key.
pub async fn operation_by_key(
    conn: &mut Connection,
    scope: &str,
) -> Result<Option<OperationRow>, StoreError> {
    let sql = concat!("SELECT ", columns!(), " FROM operation WHERE idempotency_scope = $1");
    let row = sqlx::query(sql).bind(scope).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// The operation that is under way on a resource.
pub async fn active_operation(
    conn: &mut Connection,
    resource_id: &str,
) -> Result<Option<OperationRow>, StoreError> {
    let sql = concat!(
        "SELECT ",
        columns!(),
        " FROM operation WHERE resource_id = $1 AND state IN ('queued', 'running')"
    );
    let row = sqlx::query(sql).bind(resource_id).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// What failed operations since the last success wanted, and may have written in part.
pub async fn targets_since_success(
    conn: &mut Connection,
    resource_id: &str,
) -> Result<Vec<Revision>, StoreError> {
    sqlx::query(
        "SELECT target FROM operation
         WHERE resource_id = $1 AND target IS NOT NULL AND state = 'failed' AND generation > (
             SELECT COALESCE(MAX(generation), 0) FROM operation WHERE resource_id = $1 AND state = 'succeeded')
         ORDER BY generation",
    )
    .bind(resource_id)
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| document("target of an operation", row.try_get("target")?))
    .collect()
}

/// Puts an operation and its steps into the queue, due at once.
pub async fn enqueue(
    tx: &mut Connection,
    row: &OperationRow,
    steps: &[&str],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO operation (id, kind, resource_id, resource_kind, environment, name, owner, generation, state,
             target, actor, request_id, request_sha256, idempotency_scope, due_at, attempts, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $15)",
    )
    .bind(&row.id)
    .bind(word(row.kind))
    .bind(&row.resource_id)
    .bind(row.resource.kind.as_str())
    .bind(row.resource.environment.as_str())
    .bind(row.resource.name.as_str())
    .bind(row.owner.as_str())
    .bind(number(row.generation))
    .bind(word(row.state))
    .bind(row.target.as_ref().map(text))
    .bind(&row.actor)
    .bind(&row.request_id)
    .bind(&row.request_sha256)
    .bind(&row.idempotency_scope)
    .bind(row.created_at)
    .execute(&mut *tx)
    .await?;
    for (position, step) in steps.iter().enumerate() {
        sqlx::query(
            "INSERT INTO operation_step (operation_id, position, name, state, attempts) VALUES ($1, $2, $3, $4, 0)",
        )
        .bind(&row.id)
        .bind(i64::try_from(position).unwrap_or(i64::MAX))
        .bind(*step)
        .bind(word(StepState::Pending))
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Claims up to `limit` operations that are due, or whose worker let its lease run out, oldest first.
pub async fn claim(
    tx: &mut Connection,
    lease: &str,
    until: i64,
    now: i64,
    limit: usize,
) -> Result<Vec<OperationRow>, StoreError> {
    let sql = concat!(
        "UPDATE operation SET state = 'running', lease = $1, lease_until = $2, attempts = attempts + 1
         WHERE id IN (
             SELECT id FROM operation
             WHERE (state = 'queued' AND due_at <= $3) OR (state = 'running' AND lease_until < $3)
             ORDER BY due_at, id LIMIT $4)
         AND (state = 'queued' OR lease_until < $3)
         RETURNING ",
        columns!()
    );
    sqlx::query(sql)
        .bind(lease)
        .bind(until)
        .bind(now)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(tx)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// When the next operation becomes due, claimed ones included.
pub async fn next_due(conn: &mut Connection) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(
        "SELECT MIN(CASE WHEN state = 'queued' THEN due_at ELSE lease_until END) AS due
         FROM operation WHERE state IN ('queued', 'running')",
    )
    .fetch_one(conn)
    .await?;
    Ok(row.try_get("due")?)
}

/// Prolongs every lease of this worker's claims.
pub async fn renew(tx: &mut Connection, leases: &[String], until: i64) -> Result<(), StoreError> {
    for lease in leases {
        sqlx::query("UPDATE operation SET lease_until = $2 WHERE lease = $1 AND state = 'running'")
            .bind(lease)
            .bind(until)
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

/// Gives back what processes that no longer run had claimed. Only the one process of a data folder may ask.
pub async fn release_all(tx: &mut Connection, now: i64) -> Result<u64, StoreError> {
    let done = sqlx::query(
        "UPDATE operation SET state = 'queued', lease = NULL, lease_until = NULL, due_at = $1
         WHERE state = 'running'",
    )
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

/// Proves within the transaction that `lease` still holds the operation; false where it was lost.
pub async fn holds(tx: &mut Connection, id: &str, lease: &str) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE operation SET lease = $2 WHERE id = $1 AND lease = $2 AND state = 'running'",
    )
    .bind(id)
    .bind(lease)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A step begins: its effect is not known from here on.
pub async fn begin_step(tx: &mut Connection, id: &str, step: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE operation_step SET state = $3, attempts = attempts + 1 WHERE operation_id = $1 AND name = $2",
    )
    .bind(id)
    .bind(step)
    .bind(word(StepState::Running))
    .execute(tx)
    .await?;
    Ok(())
}

/// A step ended.
pub async fn end_step(
    tx: &mut Connection,
    id: &str,
    step: &str,
    state: StepState,
    detail: &str,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE operation_step SET state = $3, detail = $4 WHERE operation_id = $1 AND name = $2",
    )
    .bind(id)
    .bind(step)
    .bind(word(state))
    .bind(detail)
    .execute(tx)
    .await?;
    Ok(())
}

/// What the commit step brought about; none where nothing had to change.
pub async fn set_commit(
    tx: &mut Connection,
    id: &str,
    commit: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE operation SET commit_id = $2 WHERE id = $1")
        .bind(id)
        .bind(commit)
        .execute(tx)
        .await?;
    Ok(())
}

/// Puts a claimed operation back, to be tried again at `due_at`.
pub async fn put_back(tx: &mut Connection, id: &str, due_at: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE operation SET state = 'queued', lease = NULL, lease_until = NULL, due_at = $2 WHERE id = $1",
    )
    .bind(id)
    .bind(due_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Ends an operation that no worker has at the moment; false where one has, or it ended.
pub async fn cancel(
    tx: &mut Connection,
    id: &str,
    error: &OperationError,
    now: i64,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE operation SET state = 'failed', error = $2, finished_at = $3
         WHERE id = $1 AND state = 'queued'",
    )
    .bind(id)
    .bind(text(error))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The operation ended.
pub async fn finish(
    tx: &mut Connection,
    id: &str,
    error: Option<&OperationError>,
    now: i64,
) -> Result<(), StoreError> {
    let state = if error.is_some() { OperationState::Failed } else { OperationState::Succeeded };
    sqlx::query(
        "UPDATE operation SET state = $2, error = $3, finished_at = $4, lease = NULL, lease_until = NULL
         WHERE id = $1",
    )
    .bind(id)
    .bind(word(state))
    .bind(error.map(text))
    .bind(now)
    .execute(tx)
    .await?;
    Ok(())
}

/// The steps of an operation, in order.
pub async fn steps(conn: &mut Connection, id: &str) -> Result<Vec<Step>, StoreError> {
    sqlx::query(
        "SELECT name, state, attempts, detail FROM operation_step WHERE operation_id = $1 ORDER BY position",
    )
    .bind(id)
    .fetch_all(conn)
    .await?
    .iter()
    .map(|row| {
        Ok(Step {
            name: row.try_get("name")?,
            state: enumerated("state of a step", row.try_get("state")?)?,
            attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or_default(),
            detail: row.try_get("detail")?,
        })
    })
    .collect()
}

fn from_row(row: &SqliteRow) -> Result<OperationRow, StoreError> {
    let target: Option<String> = row.try_get("target")?;
    let error: Option<String> = row.try_get("error")?;
    Ok(OperationRow {
        id: row.try_get("id")?,
        kind: enumerated("kind of operation", row.try_get("kind")?)?,
        resource_id: row.try_get("resource_id")?,
        resource: ResourceRef {
            kind: enumerated("kind of resource", row.try_get("resource_kind")?)?,
            environment: name(row.try_get("environment")?)?,
            name: name(row.try_get("name")?)?,
        },
        owner: name(row.try_get("owner")?)?,
        generation: u64::try_from(row.try_get::<i64, _>("generation")?).unwrap_or_default(),
        state: enumerated("state of an operation", row.try_get("state")?)?,
        target: target.map(|text| document("target of an operation", text)).transpose()?,
        actor: row.try_get("actor")?,
        request_id: row.try_get("request_id")?,
        request_sha256: row.try_get("request_sha256")?,
        idempotency_scope: row.try_get("idempotency_scope")?,
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or_default(),
        commit_id: row.try_get("commit_id")?,
        error: error.map(|text| document("error of an operation", text)).transpose()?,
        created_at: row.try_get("created_at")?,
        finished_at: row.try_get("finished_at")?,
    })
}
