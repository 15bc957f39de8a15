//! The first entries of a log: the root, and the keys that it lets publish.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use registry_trust::bundle::Bundle;
use registry_trust::key::{Algorithm, KeyError, KeyId, SigningKey, VerifyingKey};
use registry_trust::log::note::{NoteError, NoteKey};
use registry_trust::statement::{
    KeyChange, NamespaceKeys, Statement, StatementError, TrustRoot, sign,
};

use super::{append, origin};
use crate::config::Config;
use crate::files::write_new;
use crate::store::modules::{ModuleVersionRow, all_module_versions};
use crate::store::{Connection, Store, StoreError, log};

/// The key that signs snapshots, statuses and grants to CI jobs.
pub(super) const REGISTRY_KEY: &str = "registry.pem";
/// The key that signs the log's head.
pub(super) const LOG_KEY: &str = "log.pem";

/// A key that may publish from the beginning.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// Into which namespace.
    pub namespace: String,
    /// The key.
    pub key: VerifyingKey,
}

/// Why a registry's log could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum EstablishError {
    /// It was.
    #[error("this registry has its root keys already; `idp keys root rotate` changes them")]
    Established,
    /// A namespace that nobody configured.
    #[error("there is no namespace {0:?}; add a [[namespace]] to the configuration first")]
    Namespace(String),
    /// Releases from before there was a log, signed by keys that would not count.
    #[error(
        "releases that were published before there was a log are signed by keys that may not publish:{}\n\
         Name the public half of each, as the configuration did: --publisher NAMESPACE=PUBLIC_KEY. One that is not \
         trusted any more is revoked afterwards: idp keys revoke",
        signers(.0)
    )]
    Strangers(BTreeMap<(String, KeyId), Vec<String>>),
    /// A release that is not what its row says.
    #[error("{release}, which was published before there was a log, cannot be logged: {reason}")]
    Release {
        /// Which.
        release: String,
        /// Why.
        reason: String,
    },
    /// A file.
    #[error("cannot write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A key.
    #[error("cannot make the registry's keys")]
    Key(#[from] KeyError),
    /// A key of the trust folder that cannot be used.
    #[error(transparent)]
    Unusable(Box<super::TrustError>),
    /// The log's key.
    #[error("cannot make the log's key")]
    Note(#[from] NoteError),
    /// A statement.
    #[error("cannot make the first statements")]
    Statement(#[from] StatementError),
    /// The database.
    #[error("cannot write the first entries of the log")]
    Store(#[from] StoreError),
}

/// Each key with what it signed, a line for each.
fn signers(strangers: &BTreeMap<(String, KeyId), Vec<String>>) -> String {
    let mut text = String::new();
    for ((namespace, key), releases) in strangers {
        let first = releases.first().map_or("", String::as_str);
        let others = match releases.len() - 1 {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {namespace}: key {key} signed {first}{others}");
    }
    text
}

/// Makes the registry's own keys and logs the root and the first publishers, all signed by `root`. What was published
/// before there was a log follows.
pub async fn establish(
    config: &Config,
    store: &Store,
    root: &SigningKey,
    enrolments: &[Enrolment],
    now: i64,
) -> Result<(), EstablishError> {
    let folder = &config.trust.directory;
    let hostname = &config.server.hostname;
    let unknown = enrolments.iter().find(|one| config.namespace(&one.namespace).is_none());
    if let Some(Enrolment { namespace, .. }) = unknown {
        return Err(EstablishError::Namespace(namespace.clone()));
    }
    let mut tx = store.write().await?;
    if log::newest_authority(&mut tx).await?.is_some() {
        return Err(EstablishError::Established);
    }
    make_folder(folder)?;
    let registry = own_key(&folder.join(REGISTRY_KEY), Algorithm::EcdsaP256)?;
    let log_key = own_key(&folder.join(LOG_KEY), Algorithm::Ed25519)?;
    let first = TrustRoot {
        registry: hostname.clone(),
        version: 1,
        previous: None,
        threshold: 1,
        keys: vec![root.verifying_key()],
        registry_keys: vec![registry.verifying_key()],
        log: NoteKey::new(&origin(hostname), log_key.verifying_key())?,
    };
    append(&mut tx, &sign(&first, root)?, &Statement::Root(first), now).await?;
    for keys in changes(hostname, enrolments) {
        append(&mut tx, &sign(&keys, root)?, &Statement::Keys(keys), now).await?;
    }
    log_releases(&mut tx, hostname, enrolments, now).await?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(())
}

/// One addition for each key, numbered within its namespace; a key that is named twice is added once.
fn changes(hostname: &str, enrolments: &[Enrolment]) -> Vec<NamespaceKeys> {
    let mut changes: Vec<NamespaceKeys> = Vec::new();
    for Enrolment { namespace, key } in enrolments {
        let change = KeyChange::Add(Box::new(key.clone()));
        let before = changes.iter().filter(|change| change.namespace == *namespace);
        let sequence = before.clone().count() as u64 + 1;
        if before.clone().any(|known| known.change == change) {
            continue;
        }
        changes.push(NamespaceKeys {
            registry: hostname.to_owned(),
            namespace: namespace.clone(),
            sequence,
            change,
        });
    }
    changes
}

/// Logs what was published before there was a log, in the order of publishing. Each release must be signed by a key that
/// may publish from the beginning, or no client would believe it.
async fn log_releases(
    tx: &mut Connection,
    hostname: &str,
    enrolments: &[Enrolment],
    now: i64,
) -> Result<(), EstablishError> {
    let mut strangers: BTreeMap<(String, KeyId), Vec<String>> = BTreeMap::new();
    for row in all_module_versions(tx).await? {
        let release = format!("{} {}", row.address, row.version);
        let namespace = row.address.namespace();
        let (bundle, statement) = read_release(hostname, &row)
            .map_err(|reason| EstablishError::Release { release: release.clone(), reason })?;
        let keys = enrolments.iter().filter(|one| one.namespace == namespace);
        let keys: Vec<VerifyingKey> = keys.map(|one| one.key.clone()).collect();
        if bundle.envelope().verified_signers(&keys).is_empty() {
            let signer = (namespace.to_owned(), bundle.signer());
            strangers.entry(signer).or_default().push(release);
        } else {
            append(tx, bundle.envelope(), &statement, now).await?;
        }
    }
    if strangers.is_empty() { Ok(()) } else { Err(EstablishError::Strangers(strangers)) }
}

/// The signed statement of a release, which must be about what the row is about.
fn read_release(hostname: &str, row: &ModuleVersionRow) -> Result<(Bundle, Statement), String> {
    let bundle = Bundle::parse(row.bundle.as_bytes()).map_err(|error| error.to_string())?;
    let statement = Statement::parse(bundle.envelope()).map_err(|error| error.to_string())?;
    let Statement::Publish(publish) = &statement else {
        return Err("its signed statement is not that of a release".to_owned());
    };
    let signed = publish.release.to_string();
    let expected = format!("{hostname}/{}@{}", row.address, row.version);
    if signed != expected {
        return Err(format!("what is signed is {signed}, not {expected}"));
    }
    if publish.archive.sha256.to_string() != row.archive_sha256 {
        return Err("what is signed has another archive".to_owned());
    }
    Ok((bundle, statement))
}

fn make_folder(folder: &Path) -> Result<(), EstablishError> {
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| EstablishError::File { path: folder.to_owned(), source })
}

/// The key in a file, which an interrupted beginning may have left; else a new one.
fn own_key(path: &Path, algorithm: Algorithm) -> Result<SigningKey, EstablishError> {
    if path.exists() {
        return super::read_key(path).map_err(|error| EstablishError::Unusable(Box::new(error)));
    }
    let key = SigningKey::generate(algorithm)?;
    let pem = key.to_pem()?;
    write_new(path, pem.as_bytes(), 0o600)
        .map_err(|source| EstablishError::File { path: path.to_owned(), source })?;
    Ok(key)
}
