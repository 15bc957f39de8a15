//! The steps about files: rendering what was accepted, and bringing it into the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use registry_api::platform::{OperationKind, ResourceRef};

use super::operation::StepFailure;
use crate::app::App;
use crate::drivers::gitops::{Change, Committed, Identity};
use crate::golden_path::{RenderRequest, hex_sha256};
use crate::model::revision::Revision;
use crate::ops::paths;
use crate::ops::prepare::{in_background, render as render_path};
use crate::ops::refusal::PlatformError;
use crate::ops::standing::{folder, subject, title};
use crate::platform::Place;
use crate::store::operations::{self, OperationRow};
use crate::store::resources;

/// Files by their path in the repository.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// What a commit step came to.
pub(super) struct Told {
    /// The commit that holds the change.
    pub(super) commit: Option<String>,
    /// For people.
    pub(super) detail: String,
}

/// Renders the very files that were accepted, or fails: nothing else may be committed.
pub(super) async fn render(
    app: &App,
    reference: &ResourceRef,
    target: &Revision,
) -> Result<Files, StepFailure> {
    let place = place(app, reference)?;
    let Some(owner) = app.platform.owners.get(&target.owner) else {
        return Err(StepFailure::permanent(
            "owner_gone",
            format!(
                "owner {:?} is not configured any more; plan again with another",
                target.owner.as_str()
            ),
        ));
    };
    let path = paths::load(app, &target.golden_path).await?;
    let request = RenderRequest {
        name: reference.name.clone(),
        owner: owner.clone(),
        environment: place.facts.clone(),
        platform: app.platform.facts.clone(),
        spec: target.effective_spec(),
        path: target.golden_path.clone(),
    };
    let rendered = in_background(app, move || render_path(&path, &request)).await?;
    let same = rendered.files.len() == target.files.len()
        && target.files.iter().all(|file| {
            rendered.files.get(&file.path).is_some_and(|bytes| hex_sha256(bytes) == file.sha256)
        });
    if same {
        return Ok(rendered.files);
    }
    Err(StepFailure::permanent(
        "environment_moved",
        "the server's configuration changed after this was accepted, so other files would be committed than were \
         planned; plan again",
    ))
}

/// Brings `files` into the repository, or removes what the resource has there.
pub(super) async fn commit(
    app: &App,
    row: &OperationRow,
    files: Files,
) -> Result<Told, StepFailure> {
    let place = place(app, &row.resource)?;
    let Owned { standing, attempted } = owned(app, row).await.map_err(PlatformError::from)?;
    let author =
        Identity::new(&row.actor, &format!("{}@{}", row.actor, app.platform.facts.hostname));
    let change = Change {
        operation_id: row.id.clone(),
        directories: vec![folder(&row.resource)],
        files,
        owned: standing,
        attempted,
        author: Some(author),
        committed_at_seconds: row.created_at.div_euclid(1000),
        subject: subject_line(row),
        body: body(row),
        trailers: trailers(row),
    };
    let committed = place.gitops.commit(change).await?;
    Ok(Told { detail: detail(place, &committed), commit: committed.commit })
}

fn place<'a>(app: &'a App, reference: &ResourceRef) -> Result<&'a Place, StepFailure> {
    app.platform.environments.get(&reference.environment).ok_or_else(|| {
        StepFailure::permanent(
            "environment_gone",
            format!("environment {:?} is not configured any more", reference.environment.as_str()),
        )
    })
}

/// What the platform may replace or remove.
struct Owned {
    /// What stands, whatever somebody made of it.
    standing: BTreeMap<String, String>,
    /// What attempts since then may have left: theirs only while it is what they would have written.
    attempted: BTreeMap<String, BTreeSet<String>>,
}

async fn owned(app: &App, row: &OperationRow) -> Result<Owned, crate::store::StoreError> {
    let mut conn = app.store.read().await?;
    let attempts = operations::targets_since_success(&mut conn, &row.resource_id).await?;
    let resource = resources::resource(&mut conn, &row.resource).await?;
    let standing = resource.and_then(|resource| resource.revision);
    let mut attempted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in attempts.into_iter().flat_map(|revision| revision.files) {
        attempted.entry(file.path).or_default().insert(file.sha256);
    }
    let standing = standing.into_iter().flat_map(|revision| revision.files);
    Ok(Owned { standing: standing.map(|file| (file.path, file.sha256)).collect(), attempted })
}

fn subject_line(row: &OperationRow) -> String {
    let what = title(&row.resource);
    match (row.kind, &row.target) {
        (OperationKind::Deploy, Some(Revision { running_image: Some(image), .. })) => {
            format!("Deploy {} to {what}", image.rsplit('/').next().unwrap_or(image))
        }
        (OperationKind::Create, _) => format!("Create {what}"),
        (OperationKind::Delete, _) => format!("Remove {what}"),
        _ => format!("Update {what}"),
    }
}

fn body(row: &OperationRow) -> String {
    let mut text = String::new();
    if let (OperationKind::Deploy, Some(Revision { running_image: Some(image), .. })) =
        (row.kind, &row.target)
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Image: {image}\n");
    }
    for change in row.target.iter().flat_map(|target| &target.changes) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {}", change.summary);
    }
    text
}

fn trailers(row: &OperationRow) -> Vec<(String, String)> {
    let mut trailers = vec![
        ("Idp-Resource".to_owned(), subject(&row.resource)),
        ("Idp-Generation".to_owned(), row.generation.to_string()),
        ("Idp-Owner".to_owned(), row.owner.to_string()),
    ];
    if let Some(target) = &row.target {
        let path = &target.golden_path;
        trailers.push(("Idp-Golden-Path".to_owned(), format!("{} {}", path.address, path.version)));
        trailers.push(("Idp-Rendered-Sha256".to_owned(), target.rendered_sha256.clone()));
    }
    trailers
}

fn detail(place: &Place, committed: &Committed) -> String {
    let repository = &place.facts.gitops.repository;
    let mut text = match &committed.commit {
        Some(commit) if committed.already => {
            format!("repository {repository} has it already, in commit {commit}")
        }
        Some(commit) => format!(
            "commit {commit} of repository {repository}: {} files written, {} removed",
            committed.written.len(),
            committed.removed.len()
        ),
        None => format!("nothing to do in repository {repository}"),
    };
    if !committed.mended.is_empty() {
        let _ = write!(text, "; {} edits of others were put back", committed.mended.len());
    }
    if !committed.foreign.is_empty() {
        let _ = write!(text, "; left alone: {}", committed.foreign.join(", "));
    }
    text
}
