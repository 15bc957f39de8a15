//! Secrets: written, made anew, shown, read and removed.
//!
//! Everything but reading deals in what is known of a secret. A value passes through here once, on its way in, and
//! once, on its way out; errors, the log, the audit trail and digests of requests never have it.

mod delete;
mod put;
mod read;
mod rotate;
mod service;
mod wanted;

use registry_api::platform::{Secret, SecretList, SecretRef};
use serde_json::json;

use super::accept::Request;
use super::places::{lacks, may_see};
use super::refusal::{PlatformError, Reason, refuse};
use super::standing::require_same_generation;
use crate::app::App;
use crate::auth::Token;
use crate::clock::rfc3339;
use crate::failpoint;
use crate::model::audit::Event;
use crate::model::secret_value::Source;
use crate::store::secrets::{self, SecretFilter, SecretRow};
use crate::store::{Connection, StoreError, Tx, audit};

pub use delete::delete_secret;
pub use put::put_secret;
pub use read::read_value;
pub use rotate::rotate_secret;
pub use service::{forget_credentials, keep_credentials};

/// What is known of a secret.
pub async fn secret(app: &App, token: &Token, path: &SecretRef) -> Result<Secret, PlatformError> {
    let mut conn = app.store.read().await?;
    Ok(to_wire(find_visible(&mut conn, app, token, path).await?))
}

/// The secrets that the token may see.
pub async fn list(
    app: &App,
    token: &Token,
    filter: &SecretFilter,
) -> Result<SecretList, PlatformError> {
    let mut conn = app.store.read().await?;
    let rows = secrets::secrets(&mut conn, filter).await?;
    let visible = rows.into_iter().filter(|row| may_see(token, row.path.environment(), &row.owner));
    Ok(SecretList { secrets: visible.map(to_wire).collect() })
}

/// A row as clients see it.
pub fn to_wire(row: SecretRow) -> Secret {
    let origin = row.source.origin();
    let (value_version, generate, rotation) = match row.source {
        Source::Given { value_version } => (value_version, None, None),
        Source::Generated { generate, rotation } => (None, Some(generate), rotation),
        Source::Platform => (None, None, None),
    };
    Secret {
        secret_ref: row.path,
        owner: row.owner,
        generation: row.generation,
        version: row.version,
        origin,
        value_version,
        generate,
        rotation,
        deletion_protection: row.deletion_protection,
        created_at: rfc3339(row.created_at),
        updated_at: rfc3339(row.updated_at),
        last_read_at: row.last_read_at.map(rfc3339),
    }
}

/// The secret, which must be there; a token that may see nothing of it is told that first.
async fn find_visible(
    conn: &mut Connection,
    app: &App,
    token: &Token,
    path: &SecretRef,
) -> Result<SecretRow, PlatformError> {
    let environment = path.environment();
    match secrets::secret(conn, path).await? {
        Some(row) if may_see(token, environment, &row.owner) => Ok(row),
        // Not "not found": a client would forget what it manages.
        Some(_) => Err(lacks(token, &format!("plan:{environment}:OWNER for the owner of {path}"))),
        None if !app.platform.owners.keys().any(|owner| may_see(token, environment, owner)) => {
            Err(lacks(token, &format!("plan:{environment}:OWNER")))
        }
        None => Err(not_found(path)),
    }
}

fn not_found(path: &SecretRef) -> PlatformError {
    refuse(Reason::NotFound, format!("there is no {path}"))
}

fn require_generation(row: &SecretRow, expected: u64) -> Result<(), PlatformError> {
    require_same_generation(&row.path.to_string(), row.generation, expected)
}

/// The key under which a request may be sent again, for this token.
fn idempotency_scope(request: &Request<'_>) -> Option<String> {
    request.idempotency_key.as_ref().map(|key| format!("{}:{key}", request.token.id))
}

/// Whether `row` is what this very request made of it, before its answer was lost.
fn is_repeated(request: &Request<'_>, row: &SecretRow) -> Result<bool, PlatformError> {
    let scope = idempotency_scope(request);
    if scope.is_none() || scope != row.idempotency_scope {
        return Ok(false);
    }
    if row.request_sha256 == request.sha256 {
        return Ok(true);
    }
    Err(refuse(
        Reason::KeyReused,
        "this Idempotency-Key came with another request before; use a new key for a new request",
    ))
}

/// Ends a write: the entry in the audit log and the rest of the transaction, or nothing.
async fn commit(
    mut tx: Tx,
    request: &Request<'_>,
    action: &str,
    row: &SecretRow,
    at: i64,
) -> Result<(), PlatformError> {
    audit::append(&mut tx, event(request.token, request.request_id.clone(), action, row, at))
        .await?;
    failpoint::hit("secrets.writing");
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("secrets.written");
    tracing::info!(
        secret.path = %row.path,
        secret.version = row.version,
        by = %request.token.id,
        action,
        "a secret was written"
    );
    Ok(())
}

fn event(
    token: &Token,
    request_id: Option<String>,
    action: &str,
    row: &SecretRow,
    at: i64,
) -> Event {
    Event {
        at,
        actor: token.name.clone(),
        action: action.to_owned(),
        subject: row.path.to_string(),
        detail: json!({
            "generation": row.generation,
            "version": row.version,
            "owner": row.owner,
            "source": row.source,
            "token_id": token.id,
        }),
        request_id,
    }
}
