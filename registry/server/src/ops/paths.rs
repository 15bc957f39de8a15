//! Golden paths of this registry: which one a request means, and the verified, parsed path itself.
//!
//! A path is used only after its publisher's signature verified over the very bytes that are in the blob store.
//! Archives are immutable, so a path that verified and parsed once is kept.

use std::sync::Arc;

use registry_api::ModuleAddress;
use registry_api::platform::{GoldenPathRef, Kind, Selection};
use registry_api::problem::FieldError;
use registry_trust::archive::{Archive, Limits};
use registry_trust::key::{KeyError, VerifyingKey};
use registry_trust::release::ReleaseId;
use registry_trust::verify::{Content, verify_release};

use super::age;
use super::module_status::{said, standing};
use super::refusal::{PlatformError, Reason, invalid, refuse};
use crate::app::App;
use crate::blobs::BlobError;
use crate::clock::rfc3339;
use crate::golden_path::GoldenPath;
use crate::model::selection::{Candidate, Choice, choose};
use crate::model::spec::{Chosen, chosen};
use crate::store::golden_paths::{self, PathVersion};
use crate::store::{Connection, log, modules};

/// The namespace of golden paths.
pub const NAMESPACE: &str = "golden";

/// A published version of a path.
#[derive(Debug, Clone)]
pub struct Published {
    /// The version, and whether somebody new may have it.
    pub candidate: Candidate,
    /// When it was published.
    pub at: i64,
}

/// Every version of a path, with how it stands; empty where there is no such path.
pub async fn published(
    app: &App,
    address: &ModuleAddress,
) -> Result<Vec<Published>, PlatformError> {
    let mut conn = app.store.read().await?;
    let versions = golden_paths::path_versions(&mut conn, address).await?;
    let (said, _) = said(&app.trust, &mut conn, address).await?;
    let now = app.clock.now();
    let published = |PathVersion { path, published_at }| {
        let standing = standing(&said, &path.version);
        let candidate = Candidate {
            is_past_sunset: standing.is_past_sunset(now),
            standing,
            young_until: age::waits_until(app, NAMESPACE, published_at).map(rfc3339),
            path,
        };
        Published { candidate, at: published_at }
    };
    Ok(versions.into_iter().map(published).collect())
}

/// Every golden path of this registry.
pub async fn addresses(app: &App) -> Result<Vec<ModuleAddress>, PlatformError> {
    let mut conn = app.store.read().await?;
    Ok(modules::modules_in(&mut conn, NAMESPACE).await?)
}

/// The path and version that a request means. `current` is the one in use.
pub async fn select(
    app: &App,
    kind: Kind,
    name: &str,
    system: &str,
    selection: &Selection,
    current: Option<&GoldenPathRef>,
) -> Result<Choice, PlatformError> {
    let Ok(address) = ModuleAddress::new(NAMESPACE, name, system) else {
        return Err(unknown_path(app, kind, name, system).await?);
    };
    let published = published(app, &address).await?;
    if published.is_empty() {
        return Err(unknown_path(app, kind, name, system).await?);
    }
    let candidates: Vec<Candidate> = published.into_iter().map(|one| one.candidate).collect();
    choose(&address, &candidates, selection, current).map_err(|error| invalid(vec![error.field()]))
}

/// Names what is wrong, such as template or language of a service, and lists what there is.
async fn unknown_path(
    app: &App,
    kind: Kind,
    name: &str,
    system: &str,
) -> Result<PlatformError, PlatformError> {
    let known = addresses(app).await?;
    let mut names: Vec<&str> = known.iter().map(ModuleAddress::name).collect();
    names.dedup();
    let systems: Vec<&str> =
        known.iter().filter(|address| address.name() == name).map(ModuleAddress::system).collect();
    let wrong = match chosen(kind) {
        (Chosen::By(attribute), _) if systems.is_empty() => {
            not_offered(attribute, name, &names, "")
        }
        (_, Chosen::By(attribute)) => {
            not_offered(attribute, system, &systems, &format!(" for {name}"))
        }
        (_, Chosen::Fixed(_)) => not_offered("engine", system, &systems, ""),
    };
    Ok(invalid(vec![wrong]))
}

fn not_offered(attribute: &str, given: &str, offered: &[&str], among: &str) -> FieldError {
    let given: String = given.chars().take(80).collect();
    FieldError::new(
        format!("/spec/{attribute}"),
        format!("unknown_{attribute}"),
        format!("there is no {attribute} {given:?}{among}; there are: {}", listed(offered)),
        format!("use one of them, or publish a golden path for that {attribute}"),
    )
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The path itself, verified and parsed; the second use of the same bytes is free.
pub async fn load(app: &App, path: &GoldenPathRef) -> Result<Arc<GoldenPath>, PlatformError> {
    signer(app, &mut *app.store.read().await?, path).await?;
    let cell = app.platform.paths.cell(path);
    cell.get_or_try_init(|| open(app, path)).await.map(Arc::clone)
}

/// The same, for resources of a `kind`: a path of another kind takes other specifications.
pub async fn load_for(
    app: &App,
    kind: Kind,
    path: &GoldenPathRef,
) -> Result<Arc<GoldenPath>, PlatformError> {
    let loaded = load(app, path).await?;
    let offered = loaded.manifest().kind;
    if offered == kind {
        return Ok(loaded);
    }
    Err(invalid(vec![FieldError::new(
        "/golden_path",
        "golden_path_kind",
        format!("golden path {} makes a {offered}, not a {kind}", path.address),
        format!("use idp_{offered}, or a golden path of another name"),
    )]))
}

async fn open(app: &App, path: &GoldenPathRef) -> Result<Arc<GoldenPath>, PlatformError> {
    let packed = match app.blobs.read_all(&path.sha256).await {
        Err(error @ (BlobError::Damaged { .. } | BlobError::Missing { .. })) => {
            tracing::error!(%error, "a published archive is not what it was");
            return Err(refuse(
                Reason::PathUntrusted,
                format!(
                    "golden path {} {} is not used: the archive that this server keeps is not the one that was signed \
                     (SHA-256 {}); the operator restores it from a backup",
                    path.address, path.version, path.sha256
                ),
            ));
        }
        read => read?,
    };
    let mut conn = app.store.read().await?;
    let row = modules::module_version(&mut conn, &path.address, &path.version).await?;
    let bundle = row.map(|row| row.bundle).unwrap_or_default();
    let key = signer(app, &mut conn, path).await?;
    drop(conn);
    let hostname = app.platform.facts.hostname.clone();
    let path = path.clone();
    tokio::task::spawn_blocking(move || verified(&packed, &bundle, &key, &hostname, &path)).await?
}

/// The key that signed a path, if it counts where the log has it. Asked each time: a key may be revoked afterwards.
async fn signer(
    app: &App,
    conn: &mut Connection,
    path: &GoldenPathRef,
) -> Result<VerifyingKey, PlatformError> {
    let untrusted = |why: String| {
        let GoldenPathRef { address, version, .. } = path;
        refuse(Reason::PathUntrusted, format!("golden path {address} {version} is not used: {why}"))
    };
    let (module, version) = (path.address.to_string(), path.version.to_string());
    let Some(logged) = log::release(conn, &module, &version).await? else {
        return Err(untrusted("the registry's log does not have it".to_owned()));
    };
    let signer = path.publisher.parse().map_err(|error: KeyError| untrusted(error.to_string()))?;
    let publisher = app.trust.publisher(conn, NAMESPACE, signer, logged.position).await?;
    match publisher {
        Ok(publisher) => Ok(publisher.key),
        Err(problem) => Err(untrusted(format!("key {signer}, which signed it, {problem}"))),
    }
}

fn verified(
    packed: &[u8],
    bundle: &str,
    key: &VerifyingKey,
    hostname: &str,
    path: &GoldenPathRef,
) -> Result<Arc<GoldenPath>, PlatformError> {
    let name = format!("golden path {} {}", path.address, path.version);
    let untrusted =
        |why: String| refuse(Reason::PathUntrusted, format!("{name} is not used: {why}"));
    let archive =
        Archive::open(packed, &Limits::default()).map_err(|e| untrusted(e.to_string()))?;
    let address = &path.address;
    let release = ReleaseId::new(
        hostname,
        address.namespace(),
        address.name(),
        address.system(),
        path.version.clone(),
    )
    .map_err(|error| untrusted(error.to_string()))?;
    verify_release(
        bundle.as_bytes(),
        &release,
        Content::Archive(&archive),
        std::slice::from_ref(key),
    )
    .map_err(|error| untrusted(crate::error::chain(&error)))?;
    let parsed = GoldenPath::parse(&archive.contents()).map_err(|errors| {
        refuse(Reason::PathBroken, format!("{name} cannot be used; tell its publisher: {errors}"))
    })?;
    Ok(Arc::new(parsed))
}
