//! Making a generated value anew.

use registry_api::platform::SecretRef;

use super::{commit, find_visible, idempotency_scope, is_repeated, require_generation};
use crate::app::App;
use crate::id;
use crate::model::right::Action;
use crate::model::secret_value::{Source, make, single};
use crate::ops::accept::Request;
use crate::ops::places::require;
use crate::ops::refusal::{PlatformError, Reason, refuse};
use crate::store::secrets::{self, SecretRow};

/// Makes the value of a team's own secret anew, if the server made it; at `generation`, where that is given.
pub async fn rotate_secret(
    app: &App,
    request: &Request<'_>,
    path: &SecretRef,
    generation: Option<u64>,
) -> Result<SecretRow, PlatformError> {
    let now = app.clock.now();
    let mut tx = app.store.write().await?;
    let before = find_visible(&mut tx, app, request.token, path).await?;
    require(request.token, &Action::Apply, path.environment(), &before.owner)?;
    if is_repeated(request, &before)? {
        return Ok(before);
    }
    if let Some(generation) = generation {
        require_generation(&before, generation)?;
    }
    let Source::Generated { generate, .. } = &before.source else {
        return Err(refuse(
            Reason::ValueGiven,
            format!(
                "the value of {path} was given, so the server cannot make another; owner {} gives the next one: in \
                 Terraform a new value_wo and a raised value_wo_version",
                before.owner
            ),
        ));
    };
    let value = single(make(*generate, id::fill_random));
    let row = SecretRow {
        generation: before.generation + 1,
        version: before.version + 1,
        idempotency_scope: idempotency_scope(request),
        request_sha256: request.sha256.clone(),
        updated_at: now,
        ..before
    };
    secrets::put_secret(&mut tx, &row).await?;
    app.secrets.put(&mut tx, path, row.version, &value).await?;
    commit(tx, request, "secret.rotate", &row, now).await?;
    Ok(row)
}
