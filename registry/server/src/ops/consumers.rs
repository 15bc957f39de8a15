//! Who would notice that a module goes: tokens that downloaded it, resources that run on it.

use registry_api::ModuleAddress;
use registry_api::trust::{ModuleConsumers, ModuleDownload, ModuleResource};
use semver::Version;

use crate::app::App;
use crate::clock::rfc3339;
use crate::store::StoreError;
use crate::store::downloads::{self, DownloadRow};
use crate::store::resources::{self, ResourceFilter};

/// Notes that a token, or somebody without one, downloaded a version; at most once an hour.
pub async fn note_download(
    app: &App,
    address: &ModuleAddress,
    version: &Version,
    token_id: &str,
) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut conn = app.store.read().await?;
    if !downloads::is_news(&mut conn, address, version, token_id, now).await? {
        return Ok(());
    }
    drop(conn);
    let mut tx = app.store.write().await?;
    downloads::note_download(&mut tx, address, version, token_id, now).await?;
    Ok(tx.commit().await?)
}

/// Everybody that the platform knows of.
pub async fn consumers(app: &App, address: &ModuleAddress) -> Result<ModuleConsumers, StoreError> {
    let mut conn = app.store.read().await?;
    let downloads = downloads::downloads(&mut conn, address).await?;
    let resources = resources::resources(&mut conn, &ResourceFilter::default()).await?;
    Ok(ModuleConsumers {
        address: address.clone(),
        downloads: downloads.into_iter().map(download).collect(),
        resources: resources
            .into_iter()
            .filter(|row| row.shown().golden_path.address == *address)
            .map(|row| ModuleResource {
                version: row.shown().golden_path.version.clone(),
                kind: row.reference.kind.to_string(),
                environment: row.reference.environment.to_string(),
                name: row.reference.name.to_string(),
                owner: row.owner.to_string(),
            })
            .collect(),
    })
}

fn download(row: DownloadRow) -> ModuleDownload {
    let unnamed = if row.token_id.is_some() { "a token that is gone" } else { "anonymous" };
    ModuleDownload {
        version: row.version,
        token: row.token_name.unwrap_or_else(|| unnamed.to_owned()),
        first_at: rfc3339(row.first_at),
        last_at: rfc3339(row.last_at),
        token_id: row.token_id,
    }
}
