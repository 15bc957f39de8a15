//! Removing a secret and every version of its value.

use registry_api::platform::SecretRef;

use super::{commit, find_visible, require_generation};
use crate::app::App;
use crate::model::right::Action;
use crate::ops::accept::Request;
use crate::ops::places::require;
use crate::ops::refusal::{PlatformError, Reason, refuse};
use crate::store::secrets::SecretRow;

/// Removes a secret at `generation`, unless it is protected; answers with what was known of it.
pub async fn delete_secret(
    app: &App,
    request: &Request<'_>,
    path: &SecretRef,
    generation: u64,
) -> Result<SecretRow, PlatformError> {
    let mut tx = app.store.write().await?;
    let row = find_visible(&mut tx, app, request.token, path).await?;
    require(request.token, &Action::Destroy, path.environment(), &row.owner)?;
    require_generation(&row, generation)?;
    if row.deletion_protection {
        return Err(refuse(
            Reason::DeletionProtected,
            format!(
                "{path} has deletion protection; set deletion_protection = false and apply that first"
            ),
        ));
    }
    app.secrets.delete(&mut tx, path).await?;
    commit(tx, request, "secret.delete", &row, app.clock.now()).await?;
    Ok(row)
}
