//! Handing a value out.
//!
//! The first read of each version by each token is in the audit log, and without the entry there is no value. External
//! Secrets reads every few minutes for ever: an entry each would bury all others, so later reads are lines of the log
//! and move `last_read_at`.

use registry_api::platform::{SecretRef, SecretValues, Sensitive};

use super::event;
use crate::app::App;
use crate::auth::Token;
use crate::model::right::Action;
use crate::ops::places::lacks;
use crate::ops::refusal::{PlatformError, Reason, refuse};
use crate::request_id;
use crate::secrets::SecretsError;
use crate::store::secrets::{self, LastRead, SecretRow};
use crate::store::{StoreError, audit};

/// How stale `last_read_at` may be: a read must not become a write.
const LAST_READ_MILLIS: i64 = 5 * 60 * 1000;

/// The value of a secret that the token may read.
///
/// A secret of an owner whose secrets the token may not read is answered as one that is not there.
pub async fn read_value(
    app: &App,
    token: &Token,
    path: &SecretRef,
) -> Result<SecretValues, PlatformError> {
    let mut snapshot = app.store.snapshot().await?;
    let found = secrets::secret(&mut snapshot, path).await?;
    let row = found.filter(|row| may_read(token, path, &row.owner));
    let row = row.ok_or_else(|| refused(app, token, path))?;
    let value = app.secrets.get(&mut snapshot, path, row.version).await?;
    let value =
        value.ok_or_else(|| SecretsError::Damaged { path: path.clone(), version: row.version })?;
    let last = secrets::last_read(&mut snapshot, path, &token.id).await?;
    drop(snapshot);
    note(app, token, &row, last).await?;
    tracing::info!(
        secret.path = %path,
        secret.version = row.version,
        by = %token.id,
        "a secret was read"
    );
    Ok(SecretValues {
        data: value.into_iter().map(|(name, text)| (name, Sensitive::new(text.expose()))).collect(),
        version: row.version,
    })
}

fn may_read(token: &Token, path: &SecretRef, owner: &registry_api::Name) -> bool {
    token.rights.allows(&Action::ReadSecrets, path.environment().as_str(), owner.as_str())
}

/// 403 for a token that may read nothing in the environment; 404 for one that may read something, but not this, be it
/// there or not.
fn refused(app: &App, token: &Token, path: &SecretRef) -> PlatformError {
    if app.platform.owners.keys().any(|owner| may_read(token, path, owner)) {
        let rights = token.rights.texts().join(", ");
        return refuse(
            Reason::NotFound,
            format!("there is no {path} that token {:?} may read; it has: {rights}", token.name),
        );
    }
    lacks(token, &format!("{}:{}:OWNER", Action::ReadSecrets, path.environment()))
}

async fn note(
    app: &App,
    token: &Token,
    row: &SecretRow,
    last: Option<LastRead>,
) -> Result<(), PlatformError> {
    let at = app.clock.now();
    let is_first = last.is_none_or(|last| last.version != row.version);
    if !is_first && last.is_some_and(|last| at - last.at < LAST_READ_MILLIS) {
        return Ok(());
    }
    let noted = write(app, token, row, at, is_first).await;
    match noted {
        // On a full disk what was read before can still be read.
        Err(error) if !is_first => {
            tracing::warn!(secret.path = %row.path, %error, "the read of a secret could not be noted");
            Ok(())
        }
        noted => Ok(noted?),
    }
}

async fn write(
    app: &App,
    token: &Token,
    row: &SecretRow,
    at: i64,
    is_first: bool,
) -> Result<(), StoreError> {
    let mut tx = app.store.write().await?;
    let read = LastRead { version: row.version, at };
    secrets::note_read(&mut tx, &row.path, &token.id, read).await?;
    if is_first {
        let event = event(token, request_id::current(), "secret.read", row, at);
        audit::append(&mut tx, event).await?;
    }
    Ok(tx.commit().await?)
}
