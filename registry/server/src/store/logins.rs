//! Credentials of the consumers of databases: which login is in use and which is being made. Nothing of a password.

use registry_api::Name;
use registry_api::platform::{Access, SecretRef};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::document::{enumerated, name, word};
use super::{Connection, StoreError};
use crate::model::names::Slot;

/// The two logins of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRow {
    /// Where the credentials are in the secret store.
    pub secret: SecretRef,
    /// Where the database is.
    pub environment: Name,
    /// Name of the database's resource.
    pub database: Name,
    /// What both are called, without their slot.
    pub role: String,
    /// What they may do.
    pub access: Access,
    /// Whose they are.
    pub owner: Name,
    /// Whose credentials are in the secret store.
    pub active: Option<Slot>,
    /// Which is being made new.
    pub pending: Option<Slot>,
    /// When the one that is not in use is closed.
    pub retire_at: Option<i64>,
    /// The trigger for which they were last made.
    pub rotation: String,
    /// When it last changed.
    pub updated_at: i64,
}

macro_rules! select {
    ($condition:literal) => {
        concat!(
            "SELECT secret, environment, database_name, role, access, owner, active, pending, retire_at, rotation, \
             updated_at FROM database_login WHERE ",
            $condition
        )
    };
}

/// The logins whose credentials are at `secret`.
pub async fn login(
    conn: &mut Connection,
    secret: &SecretRef,
) -> Result<Option<LoginRow>, StoreError> {
    let row =
        sqlx::query(select!("secret = $1")).bind(secret.to_string()).fetch_optional(conn).await?;
    row.as_ref().map(from_row).transpose()
}

/// Every consumer of a database, by secret.
pub async fn logins_of(
    conn: &mut Connection,
    environment: &Name,
    database: &Name,
) -> Result<Vec<LoginRow>, StoreError> {
    sqlx::query(select!("environment = $1 AND database_name = $2 ORDER BY secret"))
        .bind(environment.as_str())
        .bind(database.as_str())
        .fetch_all(conn)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// When the next login is to be closed.
pub async fn next_retirement(conn: &mut Connection) -> Result<Option<i64>, StoreError> {
    let row =
        sqlx::query("SELECT MIN(retire_at) AS due FROM database_login").fetch_one(conn).await?;
    Ok(row.try_get("due")?)
}

/// Consumers with a login whose time is over.
pub async fn to_retire(conn: &mut Connection, now: i64) -> Result<Vec<LoginRow>, StoreError> {
    sqlx::query(select!("retire_at <= $1 ORDER BY retire_at LIMIT 100"))
        .bind(now)
        .fetch_all(conn)
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Writes a consumer's logins, new or changed; the caller has seen in this transaction what was there.
pub async fn put_login(tx: &mut Connection, row: &LoginRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO database_login (secret, environment, database_name, role, access, owner, active, pending,
             retire_at, rotation, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (secret) DO UPDATE SET environment = excluded.environment,
             database_name = excluded.database_name, role = excluded.role, access = excluded.access,
             owner = excluded.owner, active = excluded.active, pending = excluded.pending,
             retire_at = excluded.retire_at, rotation = excluded.rotation, updated_at = excluded.updated_at",
    )
    .bind(row.secret.to_string())
    .bind(row.environment.as_str())
    .bind(row.database.as_str())
    .bind(&row.role)
    .bind(word(row.access))
    .bind(row.owner.as_str())
    .bind(row.active.map(word))
    .bind(row.pending.map(word))
    .bind(row.retire_at)
    .bind(&row.rotation)
    .bind(row.updated_at)
    .execute(tx)
    .await?;
    Ok(())
}

/// Moves the time at which a login is closed, or says with nothing that it is; false where somebody else did so since
/// `row` was read. While there is such a time no rotation makes that login new.
pub async fn move_retirement(
    tx: &mut Connection,
    row: &LoginRow,
    to: Option<i64>,
) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "UPDATE database_login SET retire_at = $3 WHERE secret = $1 AND retire_at = $2",
    )
    .bind(row.secret.to_string())
    .bind(row.retire_at)
    .bind(to)
    .execute(tx)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Forgets a consumer's logins.
pub async fn delete_login(tx: &mut Connection, secret: &SecretRef) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM database_login WHERE secret = $1")
        .bind(secret.to_string())
        .execute(tx)
        .await?;
    Ok(())
}

fn secret(text: String) -> Result<SecretRef, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt { what: "path of a secret", value: text })
}

fn slot(word: Option<String>) -> Result<Option<Slot>, StoreError> {
    word.map(|word| enumerated("slot of a login", word)).transpose()
}

fn from_row(row: &SqliteRow) -> Result<LoginRow, StoreError> {
    Ok(LoginRow {
        secret: secret(row.try_get("secret")?)?,
        environment: name(row.try_get("environment")?)?,
        database: name(row.try_get("database_name")?)?,
        role: row.try_get("role")?,
        access: enumerated("access of a login", row.try_get("access")?)?,
        owner: name(row.try_get("owner")?)?,
        active: slot(row.try_get("active")?)?,
        pending: slot(row.try_get("pending")?)?,
        retire_at: row.try_get("retire_at")?,
        rotation: row.try_get("rotation")?,
        updated_at: row.try_get("updated_at")?,
    })
}
