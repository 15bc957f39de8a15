//! Taking over a database that exists on the server and belongs to nobody.

use registry_api::platform::{
    Condition, DatabaseOutputs, DatabaseSpec, GitOpsLocation, Kind, Outputs, Resource,
    ResourcePhase, ResourceRef,
};
use registry_api::problem::FieldError;

use super::databases::databases;
use super::places::{Scope, place, require};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use super::standing;
use crate::app::App;
use crate::auth::Token;
use crate::model::names::DatabaseNames;
use crate::model::right::Action;

/// Refuses an adoption to who may not approve one: everybody on a server could take what others made there.
pub(super) fn check(
    token: &Token,
    scope: Scope<'_>,
    reference: &ResourceRef,
    adopt: bool,
) -> Result<(), PlatformError> {
    if !adopt {
        return Ok(());
    }
    if reference.kind != Kind::Database {
        return Err(invalid(vec![FieldError::new(
            "/adopt",
            "adopt",
            format!("a {} cannot be adopted", reference.kind),
            "leave adopt out",
        )]));
    }
    require(token, &Action::Approve, scope.place.name(), &scope.owner.name)
}

/// A database that nobody manages, as a resource that could be: generation 0, its owner `unmanaged`.
pub async fn unmanaged(
    app: &App,
    token: &Token,
    reference: &ResourceRef,
) -> Result<Resource, PlatformError> {
    let (place, environment) = (place(app, reference)?, &reference.environment);
    let may_approve = |owner: &registry_api::Name| {
        token.rights.allows(&Action::Approve, environment.as_str(), owner.as_str())
    };
    if !app.platform.owners.keys().any(may_approve) {
        return Err(super::places::lacks(token, &format!("approve:{environment}:OWNER")));
    }
    let (databases, postgres) = (databases(place)?, place.facts.postgres.as_ref());
    let prefix = postgres.map_or("", |facts| facts.prefix.as_str());
    let names = DatabaseNames::new(prefix, &reference.name)
        .map_err(|cause| refuse(Reason::NotFound, cause.to_string()))?;
    let found = databases.server.observe_unmanaged(&names.database).await?;
    let Some(found) = found.filter(|_| reference.kind == Kind::Database) else {
        return Err(standing::not_found(reference));
    };
    let spec = DatabaseSpec {
        engine: ENGINE.to_owned(),
        size: "small".to_owned(),
        extensions: found.extensions.into_iter().collect(),
        connection_limit: None,
        statement_timeout: None,
        deletion_policy: registry_api::platform::DeletionPolicy::default(),
        final_dump: false,
        rotation: None,
        parameters: std::collections::BTreeMap::new(),
    };
    let (name, system) = ("database", ENGINE);
    let selection = registry_api::platform::Selection::default();
    let choice = super::paths::select(app, Kind::Database, name, system, &selection, None).await?;
    let outputs = Outputs {
        url: None,
        catalog_ref: format!("resource:{environment}/{}", reference.name),
        gitops: GitOpsLocation::default(),
        database: Some(DatabaseOutputs {
            host: postgres.map(|facts| facts.host.clone()).unwrap_or_default(),
            port: postgres.map(|facts| facts.port).unwrap_or_default(),
            database: names.database,
            owner_role: found.owner.clone(),
            secret_ref: crate::model::provision::own_secret(reference).to_string(),
            connection_id: None,
            engine_version: Some(databases.server.version().await?),
        }),
    };
    Ok(Resource {
        reference: reference.clone(),
        owner: unmanaged_owner()?,
        generation: 0,
        spec: crate::model::spec::Spec::Database(spec).to_json(),
        golden_path_version: None,
        golden_path: choice.path,
        deletion_protection: true,
        phase: ResourcePhase::Unfinished,
        conditions: vec![Condition {
            kind: "Managed".to_owned(),
            status: false,
            message: format!(
                "it exists on the server, belongs to role {:?}, has {} bytes, and nobody manages it",
                found.owner, found.bytes
            ),
        }],
        outputs,
        running_image: None,
        changes: Vec::new(),
        rendered_sha256: String::new(),
        desired_rendered_sha256: String::new(),
        provisioned_sha256: None,
        drift: Vec::new(),
        environment_revision: place.revision.clone(),
        operation: None,
        created_at: String::new(),
        updated_at: String::new(),
    })
}

/// The engine of every database there is.
const ENGINE: &str = "postgres";

/// What is shown as the owner of what nobody owns on the platform.
fn unmanaged_owner() -> Result<registry_api::Name, PlatformError> {
    "unmanaged".parse().map_err(|_| refuse(Reason::NotFound, "it has no owner"))
}
