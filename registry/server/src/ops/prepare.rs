//! From what a client asks for to what would be: choose the path, render it, judge it, compare it.
//!
//! The one engine behind plans, changes and deployments, so that a plan cannot show anything else than what a
//! change does. Side-effect free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use registry_api::Name;
use registry_api::platform::{
    Cost, DatabaseOutputs, Effect, GoldenPathRef, Notice, PlanAction, ResourceRef, Selection,
    Verdict,
};
use registry_api::problem::FieldError;

use super::places::{Scope, lacks};
use super::refusal::{PlatformError, Reason, invalid, judged, refuse};
use super::{databases, paths, uses};
use crate::app::App;
use crate::auth::Token;
use crate::drivers::postgres::Options;
use crate::golden_path::{GoldenPath, RenderError, RenderRequest, Rendered, hex_sha256};
use crate::model::names::owner_role;
use crate::model::provision::{Provision, own_secret};
use crate::model::provisioned::{self, Provisioned};
use crate::model::revision::{RenderedFile, Revision, changes};
use crate::model::right::Action;
use crate::model::spec::Spec;
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
    pub spec: &'a Spec,
    /// The image to render, which a pipeline may have moved; none where there is none.
    pub image: Option<String>,
    /// Which version of the path.
    pub selection: &'a Selection,
    /// Whether a later delete is refused.
    pub deletion_protection: bool,
    /// Who asks.
    pub token: &'a Token,
    /// What stands.
    pub current: Option<&'a Revision>,
    /// What a create asked for that has not finished yet.
    pub begun: Option<&'a Revision>,
    /// What is in the repository now.
    pub observed: Option<&'a BTreeMap<String, String>>,
    /// Whether it takes over what exists already, or goes on doing so.
    pub adopt: bool,
    /// Whether what is there of that name goes first: the change starts from nothing.
    pub anew: bool,
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
    /// What is on database servers now.
    pub provisioned_now: Provisioned,
    /// What it uses and is not there: fine for a plan, as the same apply may make it first.
    pub missing: Vec<FieldError>,
    /// Other owners of what it uses and did not use before.
    pub lenders: BTreeSet<Name>,
}

/// Chooses, renders, judges and compares.
pub async fn prepare(app: &App, draft: Draft<'_>) -> Result<Prepared, PlatformError> {
    let (name, system) = draft.spec.path();
    let current_path = draft.current.map(|current| &current.golden_path);
    let choice =
        paths::select(app, draft.reference.kind, name, system, draft.selection, current_path)
            .await?;
    if let Some(sunset) = choice.sunset.filter(|_| !is_as_it_was(&draft, &choice.path)) {
        return Err(invalid(vec![sunset.refusal().field()]));
    }
    let path = paths::load_for(app, draft.reference.kind, &choice.path).await?;
    let (rendered, verdicts) = render_and_judge(app, &draft, path, &choice.path).await?;
    let provision =
        Provision::of(draft.reference, draft.spec, &rendered.spec, &draft.scope.place.facts)
            .map_err(invalid)?;
    let schema = schema(&draft, &provision).await?;
    let provision = provision.with_schema(schema);
    require_same_place(&draft, &provision)?;
    let uses::Checked { missing, lenders } = uses::check(app, &draft).await?;
    let notices = choice.notices.into_iter().chain(rendered.notices.iter().cloned()).collect();
    let cost = rendered.cost.clone();
    let provisioned_now = observe(app, &draft, &provision).await?;
    let revision = revision(&draft, choice.path, &rendered, provision, &provisioned_now)?;
    Ok(Prepared { revision, verdicts, notices, cost, provisioned_now, missing, lenders })
}

/// Whether somebody asks for what they have: what drifted may be put back, and a pipeline may go on moving the image.
fn is_as_it_was(draft: &Draft<'_>, path: &GoldenPathRef) -> bool {
    draft.current.is_some_and(|current| current.golden_path == *path && current.spec == *draft.spec)
}

/// Data does not move: where names or servers changed in the configuration, nothing is made beside what stands.
fn require_same_place(draft: &Draft<'_>, provision: &Provision) -> Result<(), PlatformError> {
    let before = draft.current.or(draft.begun);
    match before.and_then(|before| provision.moved_from(&before.provision)) {
        Some(moved) => Err(refuse(Reason::EnvironmentMoved, moved)),
        None => Ok(()),
    }
}

/// The schema that a database works in, where that is not the usual one.
async fn schema(draft: &Draft<'_>, provision: &Provision) -> Result<Option<String>, PlatformError> {
    let before = draft.current.or(draft.begun.filter(|begun| begun.adopted));
    match before.and_then(|before| before.provision.database.as_ref()) {
        Some(before) => Ok(before.schema.clone()),
        None if draft.adopt => databases::schema_to_adopt(draft.scope.place, provision).await,
        None => Ok(None),
    }
}

async fn observe(
    app: &App,
    draft: &Draft<'_>,
    provision: &Provision,
) -> Result<Provisioned, PlatformError> {
    if draft.anew {
        return Ok(Provisioned::new());
    }
    let nothing = Provisioned::new();
    let before = draft.current.map_or(&nothing, |current| &current.provisioned);
    let options = Options { adopt: draft.adopt };
    let (place, reference) = (draft.scope.place, draft.reference);
    databases::observe(app, place, reference, provision, before, options).await
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
        spec: draft.spec.with_image(draft.image.as_deref()),
        path: reference.clone(),
    };
    let (action, caller) = (draft.action, draft.token.name.clone());
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

fn revision(
    draft: &Draft<'_>,
    path: GoldenPathRef,
    rendered: &Rendered,
    provision: Provision,
    now: &Provisioned,
) -> Result<Revision, PlatformError> {
    let files = rendered_files(rendered);
    let provisioned = databases::wanted(draft.reference, &provision)?;
    let nothing = Provisioned::new();
    let before = draft.current.map_or(&nothing, |current| &current.provisioned);
    let mut changes = changes(&files, draft.current, draft.observed);
    changes.extend(provisioned::changes(&provisioned, before, now));
    let mut outputs = rendered.outputs.clone();
    outputs.database = database_outputs(draft, &provision);
    outputs.gitops.repository.clone_from(&draft.scope.place.facts.gitops.repository);
    let same = draft.current.filter(|current| changes.is_empty() && current.files == files);
    outputs.gitops.commit = same.and_then(|current| current.outputs.gitops.commit.clone());
    Ok(Revision {
        owner: draft.scope.owner.name.clone(),
        spec: draft.spec.clone(),
        golden_path_version: draft.selection.constraint.clone(),
        golden_path: path,
        deletion_protection: draft.deletion_protection,
        running_image: draft.image.clone(),
        rendered_sha256: rendered.rendered_sha256.clone(),
        files,
        provision,
        provisioned,
        adopted: draft.adopt || draft.current.is_some_and(|current| current.adopted),
        outputs,
        changes,
        environment_revision: draft.scope.place.revision.clone(),
    })
}

/// How a database is reached; what only its server knows stays as it was.
fn database_outputs(draft: &Draft<'_>, provision: &Provision) -> Option<DatabaseOutputs> {
    let (wish, postgres) =
        (provision.database.as_ref()?, draft.scope.place.facts.postgres.as_ref()?);
    let before = draft.current.and_then(|current| current.outputs.database.as_ref());
    Some(DatabaseOutputs {
        host: postgres.host.clone(),
        port: postgres.port,
        database: wish.name.clone(),
        owner_role: owner_role(&wish.name),
        secret_ref: own_secret(draft.reference).to_string(),
        connection_id: before.and_then(|before| before.connection_id.clone()),
        engine_version: before.and_then(|before| before.engine_version.clone()),
    })
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
