//! Golden paths for people and data sources: what there is, what it takes and who stands for it.

use registry_api::ModuleAddress;
use registry_api::platform::{
    GoldenPath, GoldenPathList, GoldenPathSummary, GoldenPathVersion, PathStatus, Selection,
};

use super::paths;
use super::refusal::{PlatformError, Reason, invalid, refuse};
use crate::app::App;
use crate::clock::rfc3339;
use crate::model::selection::choose;

/// The path in the version that `selection` means today.
pub async fn describe(
    app: &App,
    address: &ModuleAddress,
    selection: &Selection,
) -> Result<GoldenPath, PlatformError> {
    let published = paths::versions(app, address).await?;
    if address.namespace() != paths::NAMESPACE || published.is_empty() {
        let known = paths::addresses(app).await?;
        let names: Vec<String> = known.iter().map(ToString::to_string).collect();
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(refuse(
            Reason::NotFound,
            format!("there is no golden path {address}; there are: {listed}"),
        ));
    }
    let (mut published, young) = paths::of_age(app, published, None);
    published.sort_by(|left, right| right.path.version.cmp(&left.path.version));
    let refs: Vec<_> = published.iter().map(|version| version.path.clone()).collect();
    let choice =
        choose(address, &refs, &young, selection, None).map_err(|e| invalid(vec![e.field()]))?;
    let path = paths::load(app, &choice.path).await?;
    let manifest = path.manifest();
    Ok(GoldenPath {
        selected: choice.path,
        status: PathStatus::Active,
        title: manifest.title.clone(),
        description: manifest.description.clone(),
        support_owner: manifest.support.owner.clone(),
        support_tier: manifest.support.tier.clone(),
        inputs: manifest.inputs.clone(),
        controls: manifest.controls.iter().map(|control| control.id.clone()).collect(),
        versions: published
            .into_iter()
            .map(|version| GoldenPathVersion {
                version: version.path.version,
                sha256: version.path.sha256,
                publisher: version.path.publisher,
                status: PathStatus::Active,
                published_at: rfc3339(version.published_at),
            })
            .collect(),
    })
}

/// Every golden path with its versions.
pub async fn list(app: &App) -> Result<GoldenPathList, PlatformError> {
    let mut golden_paths = Vec::new();
    for address in paths::addresses(app).await? {
        let published = paths::versions(app, &address).await?;
        let (published, _) = paths::of_age(app, published, None);
        let mut versions: Vec<_> =
            published.into_iter().map(|version| version.path.version).collect();
        versions.sort_by(|left, right| right.cmp(left));
        golden_paths.push(GoldenPathSummary {
            template: address.name().to_owned(),
            language: address.system().to_owned(),
            address,
            versions,
        });
    }
    Ok(GoldenPathList { golden_paths })
}
