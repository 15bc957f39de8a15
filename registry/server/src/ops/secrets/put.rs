//! Creating and changing a secret.

use registry_api::Name;
use registry_api::platform::{PutSecret, SecretRef};

use super::wanted::Wanted;
use super::{commit, idempotency_scope, is_repeated, not_found, require_generation};
use crate::app::App;
use crate::id;
use crate::model::right::Action;
use crate::model::secret_value::{Fields, Source, make, single};
use crate::ops::accept::Request;
use crate::ops::places::{require, scope};
use crate::ops::put_resource::Expected;
use crate::ops::refusal::{PlatformError, Reason, refuse};
use crate::store::secrets::{self, SecretRow};

/// Writes a secret and, where another value is asked for, the value; answers with what is known of it.
pub async fn put_secret(
    app: &App,
    request: &Request<'_>,
    path: &SecretRef,
    mut body: PutSecret,
    expected: Expected,
) -> Result<SecretRow, PlatformError> {
    let environment = path.environment();
    scope(app, request.token, environment, &body.owner)?;
    require(request.token, &Action::Apply, environment, &body.owner)?;
    let Wanted { source, given } = Wanted::parse(&mut body)?;
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let before = secrets::secret(&mut tx, path).await?;
    if let Some(row) = &before {
        require_owner(request, row, &body.owner, expected)?;
        if is_repeated(request, row)? {
            return Ok(row.clone());
        }
    }
    check_expectation(before.as_ref(), path, expected)?;
    let value = match &source {
        source if before.as_ref().is_some_and(|row| row.source == *source) => None,
        Source::Generated { generate, .. } => Some(single(make(*generate, id::fill_random))),
        Source::Given { .. } | Source::Platform => given.map(single),
    };
    let row = next_row(request, path, &body, source, before.as_ref(), value.as_ref(), now);
    if let Some(before) = before.as_ref().filter(|before| is_same(before, &row)) {
        return Ok(before.clone());
    }
    secrets::put_secret(&mut tx, &row).await?;
    if let Some(value) = &value {
        app.secrets.put(&mut tx, path, row.version, value).await?;
    }
    let action = if before.is_some() { "secret.update" } else { "secret.create" };
    commit(tx, request, action, &row, now).await?;
    Ok(row)
}

fn require_owner(
    request: &Request<'_>,
    row: &SecretRow,
    owner: &Name,
    expected: Expected,
) -> Result<(), PlatformError> {
    if expected == Expected::Nothing && row.owner != *owner {
        return Err(refuse(
            Reason::NameTaken,
            format!(
                "{} belongs to another owner; choose another name, or ask for it to be handed over",
                row.path
            ),
        ));
    }
    require(request.token, &Action::Apply, row.path.environment(), &row.owner)
}

fn check_expectation(
    before: Option<&SecretRow>,
    path: &SecretRef,
    expected: Expected,
) -> Result<(), PlatformError> {
    match (expected, before) {
        (Expected::Nothing, None) => Ok(()),
        (Expected::Generation(_), None) => Err(not_found(path)),
        (Expected::Generation(generation), Some(row)) => require_generation(row, generation),
        (Expected::Nothing, Some(_)) => {
            let (environment, name) = (path.environment(), path.name());
            let label = name.as_str().replace('-', "_");
            Err(refuse(
                Reason::AlreadyExists,
                format!(
                    "{path} exists already. To manage it from here, add this block and apply again:\n\n\
                     import {{\n  to = idp_secret.{label}\n  id = \"{environment}/{name}\"\n}}"
                ),
            ))
        }
    }
}

fn next_row(
    request: &Request<'_>,
    path: &SecretRef,
    body: &PutSecret,
    source: Source,
    before: Option<&SecretRow>,
    value: Option<&Fields>,
    now: i64,
) -> SecretRow {
    let version = before.map_or(0, |row| row.version);
    SecretRow {
        path: path.clone(),
        owner: body.owner.clone(),
        generation: before.map_or(1, |row| row.generation + 1),
        version: if value.is_some() { version + 1 } else { version },
        source,
        deletion_protection: body.deletion_protection,
        idempotency_scope: idempotency_scope(request),
        request_sha256: request.sha256.clone(),
        created_at: before.map_or(now, |row| row.created_at),
        updated_at: now,
        last_read_at: before.and_then(|row| row.last_read_at),
    }
}

/// Whether a write would leave everything as it is.
fn is_same(before: &SecretRow, after: &SecretRow) -> bool {
    before.version == after.version
        && before.owner == after.owner
        && before.source == after.source
        && before.deletion_protection == after.deletion_protection
}
