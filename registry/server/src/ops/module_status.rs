//! How modules stand: saying it, and what was said.

use registry_api::ModuleAddress;
use registry_api::trust::{self as api, ModuleState, NewModuleStatus};
use registry_trust::authority::Authority;
use registry_trust::dsse::Envelope;
use registry_trust::key::{KeyId, VerifyingKey};
use registry_trust::release::{InvalidRelease, ModuleId};
use registry_trust::standing::Standing;
use registry_trust::statement::{ModuleStatus, State, Statement, StatementError};
use registry_trust::time::InvalidTime;
use semver::Version;
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Token;
use crate::model::audit::Event;
use crate::store::modules::module_version;
use crate::store::{Connection, StoreError, audit, log};
use crate::trust::{self, Trust, TrustError};
use crate::{failpoint, request_id};

/// Why a status is refused.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A module of which no version is published.
    #[error("there is no module {0} here; publish a version of it first")]
    NoModule(String),
    /// A version that is not published.
    #[error("there is no version {version} of {module} here")]
    NoVersion {
        /// Which module.
        module: String,
        /// Which version.
        version: Version,
    },
    /// A statement about other bytes.
    #[error(
        "the status is about version {version} with SHA-256 {signed}, published is {published}"
    )]
    OtherBytes {
        /// Which version.
        version: Version,
        /// As signed.
        signed: String,
        /// As published.
        published: String,
    },
    /// Not the next number.
    #[error(
        "the statement is status {found} of {module}, the next is {expected}: somebody else set one meanwhile"
    )]
    Sequence {
        /// Which module.
        module: String,
        /// As signed.
        found: u64,
        /// The next.
        expected: u64,
    },
    /// Something else was said of the same than the caller knew.
    #[error(
        "the last status of {subject} is number {found}, expected was {expected}: somebody else set one meanwhile; look at \
         it and decide again"
    )]
    Overtaken {
        /// Which module or version.
        subject: String,
        /// The number of the last status, 0 for none.
        found: u64,
        /// The number that the caller knew.
        expected: u64,
    },
    /// For another registry.
    #[error("the statement is for registry {found}, this is {expected}")]
    Registry {
        /// As signed.
        found: String,
        /// This one.
        expected: String,
    },
    /// Signed by nobody who may.
    #[error(
        "the status is not signed by a key of the namespace {namespace:?} ({}) nor by the registry",
        list(keys)
    )]
    Signer {
        /// Which namespace.
        namespace: String,
        /// Whose signature would do.
        keys: Vec<KeyId>,
    },
    /// A day that is none.
    #[error("sunset: {0}")]
    Day(#[from] InvalidTime),
    /// Something that cannot be said.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// An address that cannot be signed for.
    #[error(transparent)]
    Address(#[from] InvalidRelease),
    /// The log.
    #[error("the status could not be logged")]
    Trust(#[from] TrustError),
    /// The database.
    #[error("the status could not be recorded")]
    Store(#[from] StoreError),
    /// The work itself failed.
    #[error("setting the status ended early")]
    Work(#[from] tokio::task::JoinError),
}

fn list(keys: &[KeyId]) -> String {
    let ids: Vec<String> = keys.iter().map(ToString::to_string).collect();
    if ids.is_empty() { "it has none".to_owned() } else { ids.join(", ") }
}

/// Something that was said, and still counts.
#[derive(Debug, Clone)]
pub struct Said {
    /// What.
    pub status: ModuleStatus,
    /// Where in the log.
    pub index: u64,
    /// Who signed.
    pub signed_by: Option<KeyId>,
}

/// Everything that was said of a module and still counts, in the log's order, and the number of the newest.
pub async fn said(
    trust: &Trust,
    conn: &mut Connection,
    address: &ModuleAddress,
) -> Result<(Vec<Said>, u64), TrustError> {
    let logged = log::statuses(conn, &address.to_string()).await?;
    if logged.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let authority = trust.authority(conn).await?;
    let (mut said, mut newest) = (Vec::new(), 0);
    for entry in trust::read_all(&logged)? {
        let Statement::Status(status) = entry.statement else { continue };
        newest = status.sequence;
        // The signature was verified when it was accepted; the key may have been revoked from before it since.
        let keys = authority.status_keys(&status.module, entry.index);
        let signers = entry.envelope.signatures.iter().map(|signature| signature.key_id);
        let signed_by = signers.into_iter().find(|id| keys.iter().any(|key| key.id() == *id));
        if signed_by.is_some() {
            said.push(Said { status, index: entry.index, signed_by });
        }
    }
    Ok((said, newest))
}

/// How a version stands, from what was said.
pub fn standing(said: &[Said], version: &Version) -> Standing {
    Standing::of(said.iter().map(|said| &said.status), version)
}

/// What stands of a module: as a whole, and each version of which something was said.
pub async fn list_statuses(
    app: &App,
    address: &ModuleAddress,
) -> Result<api::ModuleStatusList, StatusError> {
    let mut conn = app.store.read().await?;
    if crate::store::modules::module_versions(&mut conn, address).await?.is_empty() {
        return Err(StatusError::NoModule(address.to_string()));
    }
    let (said, sequence) = said(&app.trust, &mut conn, address).await?;
    let mut latest: Vec<Said> = Vec::new();
    for said in said {
        let version =
            |said: &Said| said.status.version.as_ref().map(|(version, _)| version.clone());
        latest.retain(|before| version(before) != version(&said));
        latest.push(said);
    }
    latest.sort_by_key(|said| said.status.version.as_ref().map(|(version, _)| version.clone()));
    let statuses = latest.iter().map(|said| wire(address, said)).collect();
    Ok(api::ModuleStatusList { address: address.clone(), sequence, statuses })
}

fn wire(address: &ModuleAddress, said: &Said) -> api::ModuleStatus {
    let Said { status, index, signed_by } = said;
    api::ModuleStatus {
        address: address.clone(),
        version: status.version.as_ref().map(|(version, _)| version.clone()),
        status: wire_standing(Standing::from(status)),
        sequence: status.sequence,
        index: Some(*index),
        signed_by: signed_by.map(|id| id.to_string()),
    }
}

/// How a version stands, as the platform API has it.
pub fn wire_standing(standing: Standing) -> NewModuleStatus {
    NewModuleStatus {
        state: wire_state(standing.state),
        reason: standing.reason,
        replacement: standing.replacement,
        contact: standing.contact,
        sunset: standing.sunset.map(|day| day.to_string()),
    }
}

/// The state as the platform API has it.
pub fn wire_state(state: State) -> ModuleState {
    match state {
        State::Active => ModuleState::Active,
        State::Deprecated => ModuleState::Deprecated,
        State::Yanked => ModuleState::Yanked,
        State::Revoked => ModuleState::Revoked,
    }
}

fn state(state: ModuleState) -> State {
    match state {
        ModuleState::Active => State::Active,
        ModuleState::Deprecated => State::Deprecated,
        ModuleState::Yanked => State::Yanked,
        ModuleState::Revoked => State::Revoked,
    }
}

/// What shall be said.
#[derive(Debug, Clone)]
pub struct NewStatus {
    /// Of which version; of the module as a whole where there is none.
    pub version: Option<Version>,
    /// What.
    pub status: NewModuleStatus,
    /// The number of what was last said of the same, where the caller decided by that.
    pub expected_sequence: Option<u64>,
}

/// Says how a version, or a module, stands, in the registry's name. What stands so already is left alone.
pub async fn set(
    app: &App,
    address: &ModuleAddress,
    new: NewStatus,
    by: &Token,
) -> Result<api::ModuleStatus, StatusError> {
    let (app, address, by) = (app.clone(), address.clone(), by.clone());
    request_id::to_the_end(async move { record(&app, &address, new, &by).await }).await?
}

async fn record(
    app: &App,
    address: &ModuleAddress,
    NewStatus { version, status: new, expected_sequence }: NewStatus,
    by: &Token,
) -> Result<api::ModuleStatus, StatusError> {
    let module =
        ModuleId::new(app.trust.hostname(), address.namespace(), address.name(), address.system())?;
    let mut tx = app.store.write().await?;
    let (before, newest) = said(&app.trust, &mut tx, address).await?;
    let status = ModuleStatus {
        version: with_digest(&mut tx, address, version).await?,
        module,
        sequence: newest + 1,
        state: state(new.state),
        reason: new.reason,
        replacement: new.replacement,
        contact: new.contact,
        sunset: new.sunset.map(|day| day.parse()).transpose()?,
    };
    let same = before.iter().rev().find(|said| said.status.version == status.version);
    if let Some(said) = same.filter(|said| says_the_same(&said.status, &status)) {
        return Ok(wire(address, said));
    }
    if let Some(expected) = expected_sequence {
        check_expected(&status, same.map_or(0, |said| said.status.sequence), expected)?;
    }
    let envelope = app.trust.sign(&status)?;
    let signed_by = envelope.signatures.first().map(|signature| signature.key_id);
    let now = app.clock.now();
    let statement = Statement::Status(status.clone());
    let index = trust::append(&mut tx, &envelope, &statement, now).await?;
    let (action, subject, mut detail) = audited(&status);
    detail["index"] = json!(index);
    detail["token"] = json!(by.id);
    let event = Event {
        at: now,
        actor: by.name.clone(),
        action: action.to_owned(),
        subject,
        detail,
        request_id: request_id::current(),
    };
    audit::append(&mut tx, event).await?;
    failpoint::hit("statement.logged");
    tx.commit().await.map_err(StoreError::from)?;
    forget(app, &status.module);
    // The answer comes when the log's head says it too.
    app.trust.head(&app.store, index + 1).await?;
    Ok(wire(address, &Said { status, index, signed_by }))
}

fn check_expected(status: &ModuleStatus, found: u64, expected: u64) -> Result<(), StatusError> {
    if found == expected {
        return Ok(());
    }
    let (_, subject, _) = audited(status);
    Err(StatusError::Overtaken { subject, found, expected })
}

fn says_the_same(before: &ModuleStatus, after: &ModuleStatus) -> bool {
    ModuleStatus { sequence: after.sequence, ..before.clone() } == *after
}

async fn with_digest(
    conn: &mut Connection,
    address: &ModuleAddress,
    version: Option<Version>,
) -> Result<Option<(Version, registry_trust::digest::Sha256)>, StatusError> {
    let module = address.to_string();
    let Some(version) = version else {
        let is_there = !crate::store::modules::module_versions(conn, address).await?.is_empty();
        return if is_there { Ok(None) } else { Err(StatusError::NoModule(module)) };
    };
    let row = module_version(conn, address, &version).await?;
    let Some(row) = row else { return Err(StatusError::NoVersion { module, version }) };
    let sha256 = row
        .archive_sha256
        .parse()
        .map_err(|_| StoreError::Corrupt { what: "digest", value: row.archive_sha256 })?;
    Ok(Some((version, sha256)))
}

/// Checks a status that somebody signed and that is to become entry `next`.
pub(super) async fn check(
    tx: &mut Connection,
    authority: &Authority,
    envelope: &Envelope,
    status: &ModuleStatus,
    next: u64,
) -> Result<(), StatusError> {
    let (module, expected) = (&status.module, &authority.root().registry);
    if module.registry() != expected {
        let (found, expected) = (module.registry().to_owned(), expected.clone());
        return Err(StatusError::Registry { found, expected });
    }
    let keys = authority.status_keys(module, next);
    // Each of them: what is read later goes by the name of the key alone.
    if envelope.verified_signers(&keys).len() != envelope.signatures.len() {
        let namespace = module.namespace().to_owned();
        let keys = authority.valid_keys(&namespace, next).iter().map(VerifyingKey::id).collect();
        return Err(StatusError::Signer { namespace, keys });
    }
    let address = ModuleAddress::new(module.namespace(), module.name(), module.system())
        .map_err(|_| StatusError::NoModule(module.path()))?;
    let version = status.version.as_ref().map(|(version, _)| version.clone());
    let published = with_digest(tx, &address, version).await?;
    if let (Some((version, signed)), Some((_, published))) = (&status.version, published)
        && *signed != published
    {
        let (signed, published) = (signed.to_string(), published.to_string());
        return Err(StatusError::OtherBytes { version: version.clone(), signed, published });
    }
    let newest = log::newest_status(tx, &address.to_string()).await?;
    if status.sequence != newest + 1 {
        return Err(StatusError::Sequence {
            module: module.path(),
            found: status.sequence,
            expected: newest + 1,
        });
    }
    Ok(())
}

/// What the audit log says of a status: action, subject, detail.
pub(super) fn audited(status: &ModuleStatus) -> (&'static str, String, Value) {
    let subject = match &status.version {
        Some((version, _)) => format!("{}@{version}", status.module.path()),
        None => status.module.path(),
    };
    let detail = json!({
        "state": status.state,
        "reason": status.reason,
        "replacement": status.replacement,
        "sunset": status.sunset,
        "sequence": status.sequence,
    });
    ("module.status", subject, detail)
}

/// Forgets what was answered about a module.
pub(super) fn forget(app: &App, module: &ModuleId) {
    if let Ok(address) = ModuleAddress::new(module.namespace(), module.name(), module.system()) {
        app.module_lists.forget(&address);
    }
}
