//! From what a client asks for to what would be: choose the path, render it, judge it, compare it.
//!
//! The one engine behind plans, changes and deployments, so that a plan cannot show anything else than what a
//! change does. Side-effect free.

use std::collections::BTreeMap;
use std::sync::Arc;

use registry_api::platform::{
    Cost, Effect, GoldenPathRef, Notice, PlanAction, ResourceRef, Selection, ServiceSpec, Verdict,
};

use super::paths;
use super::places::{Scope, lacks};
use super::refusal::{PlatformError, Reason, invalid, judged, refuse};
use crate::app::App;
use crate::auth::Token;
use crate::golden_path::{GoldenPath, RenderError, RenderRequest, Rendered, hex_sha256};
use crate::model::revision::{Observed, RenderedFile, Revision, changes};
use crate::model::right::Action;
use crate::policy::{PolicyBundle, PolicyError, PolicyInput};

/// What a client asks for, whichever door it came through.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    /// Where and for whom.
    pub scope: Scope<'a>,
    /// Which resource.
    pub reference: &'a ResourceRef,
    /// Create or update.
    pub action: PlanAction,
    /// What is asked for.
    pub spec: &'a ServiceSpec,
    /// The image to render, which a pipeline may have moved.
    pub image: String,
    /// Which version of the path.
    pub selection: &'a Selection,
    /// Whether a later delete is refused.
    pub deletion_protection: bool,
    /// Name of the token that asks, for policies.
    pub caller: &'a str,
    /// What stands.
    pub current: Option<&'a Revision>,
    /// What is in the repository now.
    pub observed: Option<&'a Observed>,
}

/// What would be.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Everything that a change would settle.
    pub revision: Revision,
    /// What the policies say, gravest first.
    pub verdicts: Vec<Verdict>,
    /// What the reader should know.
    pub notices: Vec<Notice>,
    /// What it would cost.
    pub cost: Option<Cost>,
}

/// Chooses, renders, judges and compares.
pub async fn prepare(app: &App, draft: Draft<'_>) -> Result<Prepared, PlatformError> {
    let spec = draft.spec;
    let current_path = draft.current.map(|current| &current.golden_path);
    let choice =
        paths::select(app, &spec.template, &spec.language, draft.selection, current_path).await?;
    let path = paths::load(app, &choice.path).await?;
    let (rendered, verdicts) = render_and_judge(app, &draft, path, &choice.path).await?;
    let notices = choice.notices.into_iter().chain(rendered.notices.iter().cloned()).collect();
    let cost = rendered.cost.clone();
    let revision = revision(&draft, choice.path, &rendered);
    Ok(Prepared { revision, verdicts, notices, cost })
}

async fn render_and_judge(
    app: &App,
    draft: &Draft<'_>,
    path: Arc<GoldenPath>,
    reference: &GoldenPathRef,
) -> Result<(Rendered, Vec<Verdict>), PlatformError> {
    let request = RenderRequest {
        name: draft.reference.name.clone(),
        owner: draft.scope.owner.clone(),
        environment: draft.scope.place.facts.clone(),
        platform: app.platform.facts.clone(),
        spec: ServiceSpec { image: draft.image.clone(), ..draft.spec.clone() },
        path: reference.clone(),
    };
    let (action, caller) = (draft.action, draft.caller.to_owned());
    let policy = Arc::clone(&app.platform.policy);
    in_background(app, move || {
        let rendered = render(&path, &request)?;
        let input = PolicyInput {
            action,
            kind: path.manifest().kind,
            name: &request.name,
            owner: &request.owner,
            environment: &request.environment,
            spec: &rendered.spec,
            unknown: &[],
            golden_path: Some(&request.path),
            objects: rendered.objects.iter().map(|object| &object.json).collect(),
            cost: rendered.cost.as_ref(),
            caller: &caller,
        };
        let verdicts = judge(&policy, path.policy(), input)?;
        Ok((rendered, verdicts))
    })
    .await
}

/// Runs pure computation where it may take its time, a few at once.
pub(crate) async fn in_background<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> Result<T, PlatformError> + Send + 'static,
) -> Result<T, PlatformError> {
    // The semaphore is never closed, so a failed wait means that the process ends.
    let _permit = app.platform.rendering.acquire().await;
    tokio::task::spawn_blocking(work).await?
}

/// Renders, telling the client's mistakes from the path's.
pub(crate) fn render(
    path: &GoldenPath,
    request: &RenderRequest,
) -> Result<Rendered, PlatformError> {
    path.render(request).map_err(|error| match error {
        RenderError::Inputs(errors) => invalid(errors),
        RenderError::Path(errors) => refuse(
            Reason::PathBroken,
            format!(
                "golden path {} {} cannot render this; tell its publisher: {errors}",
                request.path.address, request.path.version
            ),
        ),
    })
}

/// The organisation's rules see everything; the path's own see its inputs only.
pub(super) fn judge(
    organisation: &PolicyBundle,
    own: Option<&PolicyBundle>,
    mut input: PolicyInput<'_>,
) -> Result<Vec<Verdict>, PolicyError> {
    let mut verdicts = organisation.evaluate(&input)?;
    if let Some(own) = own {
        input.objects.clear();
        verdicts.extend(own.evaluate(&input)?);
    }
    verdicts.sort_by_key(|verdict| verdict.effect);
    Ok(verdicts)
}

fn revision(draft: &Draft<'_>, path: GoldenPathRef, rendered: &Rendered) -> Revision {
    let files = rendered_files(rendered);
    let changes = changes(&files, draft.current, draft.observed);
    let mut outputs = rendered.outputs.clone();
    outputs.gitops.repository.clone_from(&draft.scope.place.facts.gitops.repository);
    let same = draft.current.filter(|current| changes.is_empty() && current.files == files);
    outputs.gitops.commit = same.and_then(|current| current.outputs.gitops.commit.clone());
    Revision {
        owner: draft.scope.owner.name.clone(),
        spec: draft.spec.clone(),
        golden_path_version: draft.selection.constraint.clone(),
        golden_path: path,
        deletion_protection: draft.deletion_protection,
        running_image: draft.image.clone(),
        rendered_sha256: rendered.rendered_sha256.clone(),
        files,
        outputs,
        changes,
        environment_revision: draft.scope.place.revision.clone(),
    }
}

/// Every file with its digest and the objects in it.
fn rendered_files(rendered: &Rendered) -> Vec<RenderedFile> {
    let mut objects: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for object in &rendered.objects {
        let name = format!("{}/{}", object.kind, object.name);
        objects.entry(&object.path).or_default().push(name);
    }
    rendered
        .files
        .iter()
        .map(|(path, content)| RenderedFile {
            path: path.clone(),
            sha256: hex_sha256(content),
            object: objects.get(path.as_str()).map(|names| names.join(", ")),
        })
        .collect()
}

/// Refuses what a policy refuses, unless the token may approve it.
pub fn enforce(token: &Token, scope: Scope<'_>, verdicts: &[Verdict]) -> Result<(), PlatformError> {
    let with = |effect: Effect| -> Vec<&Verdict> {
        verdicts.iter().filter(|verdict| verdict.effect == effect).collect()
    };
    let told = |verdicts: &[&Verdict]| {
        let texts: Vec<_> =
            verdicts.iter().map(|v| format!("{} ({})", v.message, v.rule)).collect();
        texts.join("; ")
    };
    let denied = with(Effect::Deny);
    if !denied.is_empty() {
        let detail = format!("policy refuses this: {}", told(&denied));
        return Err(judged(Reason::PolicyDenied, detail, &denied));
    }
    let held = with(Effect::RequireApproval);
    let (environment, owner) = (scope.place.name(), &scope.owner.name);
    if held.is_empty()
        || token.rights.allows(&Action::Approve, environment.as_str(), owner.as_str())
    {
        return Ok(());
    }
    let PlatformError::Refused(lack) = lacks(token, &format!("approve:{environment}:{owner}"))
    else {
        return Ok(());
    };
    let detail = format!("policy wants an approval for this: {}; {}", told(&held), lack.detail);
    Err(judged(Reason::ApprovalRequired, detail, &held))
}
