//! Golden paths for people and data sources: what there is, what it takes and who stands for it.

use std::cmp::Ordering;

use registry_api::ModuleAddress;
use registry_api::platform::{
    GoldenPath, GoldenPathList, GoldenPathSummary, GoldenPathVersion, Selection,
};

use super::module_status::wire_state;
use super::paths;
use super::refusal::{PlatformError, Reason, invalid, refuse};
use crate::app::App;
use crate::clock::rfc3339;
use crate::model::selection::{Candidate, choose};

/// The path in the version that `selection` means today.
pub async fn describe(
    app: &App,
    address: &ModuleAddress,
    selection: &Selection,
) -> Result<GoldenPath, PlatformError> {
    let mut published = paths::published(app, address).await?;
    if address.namespace() != paths::NAMESPACE || published.is_empty() {
        let known = paths::addresses(app).await?;
        let names: Vec<String> = known.iter().map(ToString::to_string).collect();
        let listed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(refuse(
            Reason::NotFound,
            format!("there is no golden path {address}; there are: {listed}"),
        ));
    }
    published.retain(|one| one.candidate.young_until.is_none());
    published.sort_by(|left, right| highest_first(&left.candidate, &right.candidate));
    let candidates: Vec<_> = published.iter().map(|one| one.candidate.clone()).collect();
    let choice =
        choose(address, &candidates, selection, None).map_err(|e| invalid(vec![e.field()]))?;
    let chosen = candidates.into_iter().find(|one| one.path == choice.path);
    let path = paths::load(app, &choice.path).await?;
    let manifest = path.manifest();
    Ok(GoldenPath {
        selected: choice.path,
        status: chosen.map(|one| wire_state(one.standing.state)).unwrap_or_default(),
        title: manifest.title.clone(),
        description: manifest.description.clone(),
        support_owner: manifest.support.owner.clone(),
        support_tier: manifest.support.tier.clone(),
        inputs: manifest.inputs.clone(),
        controls: manifest.controls.iter().map(|control| control.id.clone()).collect(),
        versions: published
            .into_iter()
            .map(|paths::Published { candidate, at }| GoldenPathVersion {
                version: candidate.path.version,
                sha256: candidate.path.sha256,
                publisher: candidate.path.publisher,
                status: wire_state(candidate.standing.state),
                published_at: rfc3339(at),
            })
            .collect(),
    })
}

/// Every golden path with its versions.
pub async fn list(app: &App) -> Result<GoldenPathList, PlatformError> {
    let mut golden_paths = Vec::new();
    for address in paths::addresses(app).await? {
        let published = paths::published(app, &address).await?.into_iter();
        let offered = published.map(|one| one.candidate).filter(Candidate::is_offered);
        let mut versions: Vec<_> = offered.map(|candidate| candidate.path.version).collect();
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

fn highest_first(left: &Candidate, right: &Candidate) -> Ordering {
    right.path.version.cmp(&left.path.version)
}
