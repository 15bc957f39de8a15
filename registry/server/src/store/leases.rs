//! Ephemeral logins: a row is there before its login and goes after it, so that none is forgotten.

use registry_api::Name;
use registry_api::platform::Access;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{enumerated, name, word};
use super::{Connection, StoreError};

/// One ephemeral login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// Names it when it is renewed or closed.
    pub id: String,
    /// Where the database is.
    pub environment: Name,
    /// Name of the database's resource.
    pub database: Name,
    /// Whose the database is.
    pub owner: Name,
    /// The login.
    pub role: String,
    /// What it may do.
    pub privilege: Access,
    /// Id of the token that asked for it.
    pub token_id: String,
    /// When it was made.
    pub created_at: i64,
    /// How long a renewal prolongs it.
    pub ttl_seconds: i64,
    /// When it stops working.
    pub expires_at: i64,
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT id, environment, database_name, owner, role, privilege, token_id, created_at, ttl_seconds, \
             expires_at FROM credential_lease WHERE ",
            $condition
        )
    };
}

/// The login of that id.
pub async fn lease(conn: &mut Connection, id: &str) -> Result<Option<LeaseRow>, StoreError> {
    let row = sqlx::query(select!("id = $1")).bind(id).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// When the next login ends.
pub async fn next_end(conn: &mut Connection) -> Result<Option<i64>, StoreError> {
    let row =
        sqlx::query("SELECT MIN(sweep_at) AS due FROM credential_lease").fetch_one(conn).await?;
    Ok(row.try_get("due")?)
}

/// Logins whose time is over.
pub async fn expired(conn: &mut Connection, now: i64) -> Result<Vec<LeaseRow>, StoreError> {
    sqlx::query(select!("sweep_at <= $1 ORDER BY sweep_at LIMIT 100"))
        .bind(now)
        .fetch_all(conn)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Records a login that is about to be made.
pub async fn insert_lease(tx: &mut Connection, row: &LeaseRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO credential_lease (id, environment, database_name, owner, role, privilege, token_id, created_at,
             ttl_seconds, expires_at, sweep_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)",
    )
    .bind(&row.id)
    .bind(row.environment.as_str())
    .bind(row.database.as_str())
    .bind(row.owner.as_str())
    .bind(&row.role)
    .bind(word(row.privilege))
    .bind(&row.token_id)
    .bind(row.created_at)
    .bind(row.ttl_seconds)
    .bind(row.expires_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Prolongs a login that has not ended; false where it has.
pub async fn prolong(
    tx: &mut Connection,
    id: &str,
    expires_at: i64,
    now: i64,
) -> Result<bool, StoreError> {
    let sql = "UPDATE credential_lease SET expires_at = $2, sweep_at = $2 WHERE id = $1 AND expires_at > $3";
    let done = sqlx::query(sql).bind(id).bind(expires_at).bind(now).execute(tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a login, and says when the sweeper looks after it.
pub async fn end(tx: &mut Connection, id: &str, now: i64, sweep_at: i64) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE credential_lease SET expires_at = MIN(expires_at, $2), sweep_at = $3 WHERE id = $1",
    )
    .bind(id)
    .bind(now)
    .bind(sweep_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a login that is gone; false where somebody else did.
pub async fn delete_lease(tx: &mut Connection, id: &str) -> Result<bool, StoreError> {
    let done =
        sqlx::query("DELETE FROM credential_lease WHERE id = $1").bind(id).execute(tx).await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets every login of a database that is gone.
pub async fn delete_leases_of(
    tx: &mut Connection,
    environment: &Name,
    database: &Name,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM credential_lease WHERE environment = $1 AND database_name = $2")
        .bind(environment.as_str())
        .bind(database.as_str())
        .execute(tx)
        .await?;
    Ok(())
}

fn from_row(row: &SqliteRow) -> Result<LeaseRow, StoreError> {
    Ok(LeaseRow {
        id: row.try_get("id")?,
        environment: name(row.try_get("environment")?)?,
        database: name(row.try_get("database_name")?)?,
        owner: name(row.try_get("owner")?)?,
        role: row.try_get("role")?,
        privilege: enumerated("privilege of a login", row.try_get("privilege")?)?,
        token_id: row.try_get("token_id")?,
        created_at: row.try_get("created_at")?,
        ttl_seconds: row.try_get("ttl_seconds")?,
        expires_at: row.try_get("expires_at")?,
    })
}
