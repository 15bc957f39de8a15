//! Publishing a module version: everything is checked, then everything is stored.
//!
//! The archive becomes a blob before the row that names it; the row is one insert that a number already taken
//! refuses. A kill in between leaves a blob that nothing names and the next publish of the same content uses.

use std::sync::Arc;

use registry_api::ModuleAddress;
use registry_api::interface::ModuleInterface;
use registry_api::modules::Published;
use registry_trust::archive::{Archive, ArchiveError, Limits};
use registry_trust::authority::Distrust;
use registry_trust::bundle::{Bundle, BundleError};
use registry_trust::dsse::Envelope;
use registry_trust::key::{KeyId, VerifyingKey};
use registry_trust::release::{InvalidRelease, ReleaseId};
use registry_trust::statement::{ModulePublish, Statement, StatementError, parse};
use registry_trust::verify::{Content, VerifiedRelease, VerifyError, verify_release};
use semver::Version;
use serde_json::json;

use super::age;
use super::guard::{self, Compared, GuardError};
use super::module_status::{self, said};
use crate::app::App;
use crate::auth::Token;
use crate::blobs::{BlobError, Staged};
use crate::clock::rfc3339;
use crate::golden_path::{self, GoldenPath, PathErrors};
use crate::model::audit::Event;
use crate::model::guard::{BreakingReason, Exception};
use crate::model::interface;
use crate::model::module::{InvalidVersion, parse_version};
use crate::model::source::{self, SyntaxError};
use crate::store::audit;
use crate::store::modules::{ModuleVersionRow, insert_module_version, module_version};
use crate::store::{Connection, Store, StoreError, log};
use crate::trust::{self, TrustError};
use crate::{failpoint, id, request_id};

/// What a publisher uploads.
#[derive(Debug)]
pub struct Upload {
    /// Where it goes.
    pub address: ModuleAddress,
    /// The version, as the publisher wrote it.
    pub version: String,
    /// The archive, not kept yet.
    pub archive: Staged,
    /// The signed statement.
    pub bundle: Vec<u8>,
    /// Why it may break callers without raising the major version; none where it may not.
    pub allow_breaking: Option<BreakingReason>,
    /// The token that uploads.
    pub by: Token,
}

/// Why a version was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// A number that cannot be one.
    #[error(transparent)]
    Version(#[from] InvalidVersion),
    /// An address with capital letters.
    #[error(
        "{0}: write the address in lower case; addresses here are case-sensitive and lower case only"
    )]
    Case(String),
    /// A namespace that nobody configured.
    #[error(
        "there is no namespace {0:?}; the operator adds a [[namespace]] to the configuration, and its first key: idp keys add"
    )]
    Namespace(String),
    /// An archive that is not canonical.
    #[error("the archive is refused: {0}")]
    Archive(Box<ArchiveError>),
    /// An address or hostname that cannot be signed for.
    #[error(transparent)]
    Release(#[from] InvalidRelease),
    /// A statement that does not cover this upload.
    #[error("the signature is refused: {0}")]
    Signature(#[from] VerifyError),
    /// Not a bundle.
    #[error("the signature is refused: {0}")]
    Bundle(#[from] BundleError),
    /// Not a statement.
    #[error("the signature is refused: {0}")]
    Statement(#[from] StatementError),
    /// A key that may not sign here.
    #[error(
        "the signature is refused: key {signer} {problem}; sign with a key of the namespace {namespace:?}, or have this \
         one added: idp keys add {namespace} PUBLIC_KEY"
    )]
    Signer {
        /// The key that the bundle names.
        signer: KeyId,
        /// Where it was to be published.
        namespace: String,
        /// Why it does not count.
        problem: Distrust,
    },
    /// A CI job's key after its time.
    #[error("the signature is refused: the CI job's key {signer} ended at {}; start the job again", rfc3339(*ended))]
    Expired {
        /// The key that the bundle names.
        signer: KeyId,
        /// When it ended.
        ended: i64,
    },
    /// Files that are not configuration.
    #[error("the module does not parse")]
    Syntax(Vec<SyntaxError>),
    /// A golden path that could not be rendered from.
    #[error("the golden path is refused")]
    GoldenPath(#[from] PathErrors),
    /// A golden path that calls itself another version.
    #[error(
        "golden-path.yaml says version {manifest}, published is {version}: `idp publish` writes the version into it"
    )]
    ManifestVersion {
        /// What the manifest says.
        manifest: Version,
        /// What is published.
        version: Version,
    },
    /// It would break those who call the version before it.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The number stands for other content.
    #[error(
        "{release} is published with other content (SHA-256 {sha256}); a published version never changes: raise the \
         version and publish again"
    )]
    VersionTaken {
        /// Which module and version.
        release: String,
        /// What it stands for.
        sha256: String,
    },
    /// The number stands for this content, which nobody gets any more.
    #[error("{release} was revoked: {reason}; fix it and publish the fix under a new version")]
    Revoked {
        /// Which module and version.
        release: String,
        /// Why.
        reason: String,
    },
    /// The blob store.
    #[error("the archive could not be stored")]
    Blobs(#[from] BlobError),
    /// The database.
    #[error("the version could not be recorded")]
    Store(#[from] StoreError),
    /// The log.
    #[error("the version could not be logged")]
    Trust(#[from] TrustError),
    /// The check itself failed.
    #[error("the check of the upload ended early")]
    Check(#[from] tokio::task::JoinError),
}

/// Checks and stores one version. The same content again changes nothing and succeeds.
pub async fn publish_module(app: &App, upload: Upload) -> Result<Published, PublishError> {
    let Upload { address, version, archive, bundle, allow_breaking, by } = upload;
    let version = parse_version(&version)?;
    if address.to_string().bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(PublishError::Case(address.to_string()));
    }
    if app.config.namespace(address.namespace()).is_none() {
        return Err(PublishError::Namespace(address.namespace().to_owned()));
    }
    let mut signed = Signed::read(&bundle)?;
    let key = {
        let mut conn = app.store.read().await?;
        signed.find_logged(&mut conn, &address, &version).await?;
        signer_key(app, &mut conn, address.namespace(), &signed).await?
    };
    let text = signed.text.clone();
    let (verified, interface) =
        check(app, &address, &version, archive.content().await?, text, key).await?;
    let row = ModuleVersionRow {
        id: id::new(app.clock.now()),
        address,
        version,
        archive_sha256: archive.sha256.clone(),
        archive_bytes: i64::try_from(archive.bytes).unwrap_or(i64::MAX),
        tree_h1: verified.archive.dir_hash1.to_h1(),
        bundle: String::from_utf8_lossy(&signed.text).into_owned(),
        publisher: verified.publisher.to_string(),
        published_by: by.id.clone(),
        published_at: app.clock.now(),
        allow_breaking: None,
    };
    if let Some(standing) = standing(&app.store, &row).await? {
        return standing_answer(app, standing, &row).await;
    }
    let mut compared = guard::compare(app, &row, &interface, allow_breaking.clone()).await?;
    archive.keep().await?;
    failpoint::hit("publish.blobs_stored");
    let signed = Arc::new(signed);
    for _ in 0..MOST_OVERTAKEN {
        let work = Work {
            app: app.clone(),
            row: row.clone(),
            signed: Arc::clone(&signed),
            by: by.clone(),
            compared,
        };
        match request_id::to_the_end(record(work)).await? {
            // Another version came in between and is what this one must be compared with.
            Err(PublishError::Guard(GuardError::Overtaken { .. })) => {
                compared = guard::compare(app, &row, &interface, allow_breaking.clone()).await?;
            }
            done => return done,
        }
    }
    let release = format!("{} {}", row.address, row.version);
    Err(GuardError::Overtaken { release }.into())
}

/// How often a publish is compared anew because others come in between.
const MOST_OVERTAKEN: usize = 20;

/// A publish that was checked and is to be recorded.
struct Work {
    app: App,
    row: ModuleVersionRow,
    signed: Arc<Signed>,
    compared: Compared,
    by: Token,
}

/// What the publisher signed, not verified yet.
struct Signed {
    /// As uploaded.
    text: Vec<u8>,
    bundle: Bundle,
    statement: ModulePublish,
    /// Where the log has it already.
    logged: Option<u64>,
}

impl Signed {
    fn read(text: &[u8]) -> Result<Self, PublishError> {
        let bundle = Bundle::parse(text)?;
        let statement = parse::<ModulePublish>(&bundle.envelope().payload)?;
        Ok(Self { text: text.to_vec(), bundle, statement, logged: None })
    }

    fn envelope(&self) -> &Envelope {
        self.bundle.envelope()
    }

    /// A log that was recovered after its database was lost has releases without a row. There the logged statement
    /// stands for the one that was uploaded, if both are about the same archive.
    async fn find_logged(
        &mut self,
        conn: &mut Connection,
        address: &ModuleAddress,
        version: &Version,
    ) -> Result<(), PublishError> {
        if module_version(conn, address, version).await?.is_some() {
            return Ok(());
        }
        let (module, number) = (address.to_string(), version.to_string());
        let Some(logged) = log::release(conn, &module, &number).await? else { return Ok(()) };
        let entry = logged.read()?;
        let Statement::Publish(statement) = entry.statement else { return Ok(()) };
        if statement.archive != self.statement.archive {
            let (release, sha256) =
                (format!("{module} {number}"), statement.archive.sha256.to_string());
            return Err(PublishError::VersionTaken { release, sha256 });
        }
        let bundle = Bundle::new(entry.envelope)?;
        let text = bundle.to_json().into_bytes();
        *self = Self { text, bundle, statement, logged: Some(entry.index) };
        Ok(())
    }
}

/// The key that the bundle names, if it may sign the entry that this is in the log, or the next one.
async fn signer_key(
    app: &App,
    conn: &mut Connection,
    namespace: &str,
    upload: &Signed,
) -> Result<VerifyingKey, PublishError> {
    let signer = upload.bundle.signer();
    let index = match upload.logged {
        Some(index) => index,
        None => log::frontier(conn).await?.size(),
    };
    let publisher = app.trust.publisher(conn, namespace, signer, index).await?;
    let publisher = publisher.map_err(|problem| PublishError::Signer {
        signer,
        namespace: namespace.to_owned(),
        problem,
    })?;
    // What is logged was signed in time.
    let ended =
        publisher.until.filter(|until| upload.logged.is_none() && *until <= app.clock.now());
    match ended {
        Some(ended) => Err(PublishError::Expired { signer, ended }),
        None => Ok(publisher.key),
    }
}

/// Everything that can be said about an upload without the database; not for the async threads.
async fn check(
    app: &App,
    address: &ModuleAddress,
    version: &Version,
    archive: Vec<u8>,
    bundle: Vec<u8>,
    key: VerifyingKey,
) -> Result<(VerifiedRelease, ModuleInterface), PublishError> {
    let release = ReleaseId::new(
        &app.config.server.hostname,
        address.namespace(),
        address.name(),
        address.system(),
        version.clone(),
    )?;
    let packed_bytes = usize::try_from(app.config.limits.archive_bytes).unwrap_or(usize::MAX);
    let limits = Limits {
        packed_bytes: packed_bytes.min(Limits::default().packed_bytes),
        ..Limits::default()
    };
    tokio::task::spawn_blocking(move || inspect(&archive, &bundle, &release, &key, &limits)).await?
}

fn inspect(
    packed: &[u8],
    bundle: &[u8],
    release: &ReleaseId,
    key: &VerifyingKey,
    limits: &Limits,
) -> Result<(VerifiedRelease, ModuleInterface), PublishError> {
    let archive =
        Archive::open(packed, limits).map_err(|error| PublishError::Archive(Box::new(error)))?;
    let verified =
        verify_release(bundle, release, Content::Archive(&archive), std::slice::from_ref(key))?;
    let errors = source::check(archive.entries().map(|entry| (entry.path, entry.content)));
    if !errors.is_empty() {
        return Err(PublishError::Syntax(errors));
    }
    if archive.get(golden_path::MANIFEST).is_some() {
        let path = GoldenPath::parse(&archive.contents())?;
        let manifest = &path.manifest().version;
        if manifest != verified.release.version() {
            return Err(PublishError::ManifestVersion {
                manifest: manifest.clone(),
                version: verified.release.version().clone(),
            });
        }
    }
    let interface = interface::read(archive.entries().map(|entry| (entry.path, entry.content)));
    Ok((verified, interface))
}

async fn standing(
    store: &Store,
    row: &ModuleVersionRow,
) -> Result<Option<ModuleVersionRow>, StoreError> {
    let mut conn = store.read().await?;
    module_version(&mut conn, &row.address, &row.version).await
}

/// Writes the row; where another publish was faster, what it wrote decides.
async fn record(work: Work) -> Result<Published, PublishError> {
    let Work { app, mut row, signed, compared, by } = work;
    let (app, signed, by) = (&app, &*signed, &by);
    let exception = compared.exception.as_ref();
    row.allow_breaking = exception.map(|exception| exception.reason.as_str().to_owned());
    let mut tx = app.store.write().await?;
    // Between the check and now the key may have been revoked; from here on nothing comes in between.
    signer_key(app, &mut tx, row.address.namespace(), signed).await?;
    guard::require_still_next(app, &mut tx, &row, &compared).await?;
    let inserted = insert_module_version(&mut tx, &row).await?;
    failpoint::hit("publish.rows_written");
    if !inserted {
        let found = module_version(&mut tx, &row.address, &row.version).await?;
        tx.rollback().await.map_err(StoreError::from)?;
        return match found {
            Some(standing) => standing_answer(app, standing, &row).await,
            None => Err(StoreError::Corrupt {
                what: "module version",
                value: format!("{}@{}", row.address, row.version),
            }
            .into()),
        };
    }
    let position = if let Some(position) = signed.logged {
        position
    } else {
        let statement = Statement::Publish(signed.statement.clone());
        trust::append(&mut tx, signed.envelope(), &statement, row.published_at).await?
    };
    failpoint::hit("publish.logged");
    audit::append(&mut tx, event(&row, exception, by)).await?;
    tx.commit().await.map_err(StoreError::from)?;
    failpoint::hit("publish.committed");
    app.module_lists.forget(&row.address);
    tracing::info!(
        module.address = %row.address,
        module.version = %row.version,
        archive.sha256 = %row.archive_sha256,
        publisher = %row.publisher,
        "published a module version"
    );
    if let Some(exception) = exception {
        tracing::warn!(
            module.address = %row.address,
            module.version = %row.version,
            reason = exception.reason.as_str(),
            changes = exception.changes.len(),
            "it breaks callers, which was allowed"
        );
    }
    answer(app, row, Some(position), true).await
}

fn event(row: &ModuleVersionRow, exception: Option<&Exception>, by: &Token) -> Event {
    let mut detail = json!({
        "archive_sha256": row.archive_sha256,
        "tree": row.tree_h1,
        "publisher": row.publisher,
        "token": by.id,
    });
    if let Some(Exception { reason, changes }) = exception {
        detail["allow_breaking"] = json!({ "reason": reason.as_str(), "changes": changes });
    }
    Event {
        at: row.published_at,
        actor: by.name.clone(),
        action: "module.publish".to_owned(),
        subject: format!("{}@{}", row.address, row.version),
        detail,
        request_id: request_id::current(),
    }
}

/// What a publish of `new` comes to when its number is taken.
async fn standing_answer(
    app: &App,
    standing: ModuleVersionRow,
    new: &ModuleVersionRow,
) -> Result<Published, PublishError> {
    let release = format!("{} {}", standing.address, standing.version);
    if standing.archive_sha256 != new.archive_sha256 {
        return Err(PublishError::VersionTaken { release, sha256: standing.archive_sha256 });
    }
    let (said, _) = said(&app.trust, &mut *app.store.read().await?, &standing.address).await?;
    let stands = module_status::standing(&said, &standing.version);
    if stands.is_revoked() {
        let reason = stands.reason.unwrap_or_default();
        return Err(PublishError::Revoked { release, reason });
    }
    answer(app, standing, None, false).await
}

async fn answer(
    app: &App,
    row: ModuleVersionRow,
    position: Option<u64>,
    created: bool,
) -> Result<Published, PublishError> {
    let position = match position {
        Some(position) => position,
        None => position_of(app, &row).await?,
    };
    Ok(Published {
        log: app.trust.proof(&app.store, position).await?,
        selectable_from: age::waits_until(app, row.address.namespace(), row.published_at)
            .map(rfc3339),
        address: row.address,
        version: row.version,
        sha256: row.archive_sha256,
        h1: row.tree_h1,
        publisher: row.publisher,
        created,
    })
}

async fn position_of(app: &App, row: &ModuleVersionRow) -> Result<u64, StoreError> {
    let (module, version) = (row.address.to_string(), row.version.to_string());
    let logged = log::release(&mut *app.store.read().await?, &module, &version).await?;
    let logged = logged.ok_or_else(|| StoreError::Corrupt {
        what: "release that is not in the log",
        value: format!("{module}@{version}"),
    })?;
    Ok(logged.position)
}
