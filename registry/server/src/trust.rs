//! The registry's own voice: its log, its keys, and whose statements it accepts.
//!
//! Entries are rows, appended in the transaction that writes what they are about ([`crate::store::log`]). Here is what
//! makes a log of them: the signed checkpoint, which is never over less or other than was signed before ([`guard`]),
//! proofs, and the snapshot that says what is newest.

mod establish;
mod guard;
mod proofs;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use registry_api::modules::LogProof;
use registry_trust::authority::{Authority, AuthorityError, Distrust, Entry};
use registry_trust::bundle::{Bundle, BundleError};
use registry_trust::digest::Sha256;
use registry_trust::dsse::Envelope;
use registry_trust::key::{KeyError, KeyId, SigningKey, VerifyingKey};
use registry_trust::log::checkpoint::{Checkpoint, CheckpointError};
use registry_trust::log::note::NoteKey;
use registry_trust::statement::{
    Claim, Snapshot, SnapshotDocument, Statement, StatementError, TrustRoot, sign,
};
use registry_trust::time::Moment;
use tokio::sync::Mutex;

pub use self::establish::{Enrolment, EstablishError, establish};
pub use self::guard::GuardError;
pub use self::proofs::{consistency, inclusion};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::{Connection, Store, StoreError, log};

/// How long one snapshot is given out before a new one is made, in milliseconds.
const SNAPSHOT_LASTS: i64 = 60 * 60 * 1000;

/// The registry's log, keys and accepted signers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hostname: String,
    origin: String,
    keys: Keys,
    guard: PathBuf,
    snapshot_validity: i64,
    /// The last signed head. Whoever needs a newer one waits here; one signature serves all who waited.
    signed: Mutex<Option<SignedHead>>,
    snapshot: Mutex<Option<SignedSnapshot>>,
    /// Whose statements count, with the position of the newest entry that it follows from.
    authority: RwLock<Option<(u64, Arc<Authority>)>>,
}

#[derive(Debug)]
struct Keys {
    registry: SigningKey,
    log: SigningKey,
}

/// Who may have signed a release.
#[derive(Debug, Clone)]
pub struct Publisher {
    /// The key.
    pub key: VerifyingKey,
    /// Until when it may, where it is a CI job's.
    pub until: Option<i64>,
}

/// A signed head of the log.
#[derive(Debug, Clone)]
pub struct SignedHead {
    /// Size and root.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

/// A signed snapshot.
#[derive(Debug, Clone)]
pub struct SignedSnapshot {
    /// The head that it is about.
    pub head: SignedHead,
    /// What is newest.
    pub document: SnapshotDocument,
    /// The signed statement, as a Sigstore bundle.
    pub bundle: String,
    issued_at: i64,
}

/// Why the log cannot be used, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No root yet.
    #[error(
        "this registry has no root keys yet; make them, and say which keys may publish where:\n  \
         idp keys root init --publisher golden=publisher.pub"
    )]
    NotEstablished,
    /// A key that cannot be read.
    #[error("{} is not a key that the registry can sign with", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A file of the trust folder.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Keys that the root does not name.
    #[error(
        "the newest root does not fit the keys in {}: {reason}. Restore the keys that belong to this database", folder.display()
    )]
    OtherKeys {
        /// The trust folder.
        folder: PathBuf,
        /// Which.
        reason: String,
    },
    /// The log does not follow from what it was.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The log's own entries contradict each other.
    #[error("the log of this registry contradicts itself")]
    Authority(#[from] AuthorityError),
    /// A statement that cannot be made.
    #[error("the registry's own statement cannot be made")]
    Statement(#[from] StatementError),
    /// A bundle that cannot be made.
    #[error("the registry's own statement cannot be made")]
    Bundle(#[from] BundleError),
    /// A checkpoint that cannot be signed.
    #[error("the log's head cannot be signed")]
    Checkpoint(#[from] CheckpointError),
    /// The database.
    #[error("the log could not be read or written")]
    Store(#[from] StoreError),
}

impl Trust {
    /// Opens the log of a registry that has its root keys, and checks that it continues what was signed before.
    pub async fn open(config: &Config, store: &Store) -> Result<Self, TrustError> {
        let folder = &config.trust.directory;
        let mut conn = store.read().await?;
        if log::newest_authority(&mut conn).await?.is_none() {
            return Err(TrustError::NotEstablished);
        }
        let registry = read_key(&folder.join(establish::REGISTRY_KEY))?;
        let log_key = read_key(&folder.join(establish::LOG_KEY))?;
        let hostname = config.server.hostname.clone();
        let trust = Self(Arc::new(Inner {
            origin: origin(&hostname),
            hostname,
            keys: Keys { registry, log: log_key },
            guard: folder.join(guard::FILE),
            snapshot_validity: config.trust.snapshot_milliseconds(),
            signed: Mutex::default(),
            snapshot: Mutex::default(),
            authority: RwLock::default(),
        }));
        let authority = trust.authority(&mut conn).await?;
        trust
            .check_own_keys(authority.root())
            .map_err(|reason| TrustError::OtherKeys { folder: folder.clone(), reason })?;
        guard::check(&trust.0.guard, &trust.0.origin, &mut conn).await?;
        Ok(trust)
    }

    /// Refuses a root that would leave this server without a voice.
    pub fn check_own_keys(&self, root: &TrustRoot) -> Result<(), String> {
        if !root.registry_keys.contains(&self.0.keys.registry.verifying_key()) {
            return Err("it does not name the registry key that this server has".to_owned());
        }
        if root.log.name() != self.0.origin || *root.log.key() != self.0.keys.log.verifying_key() {
            return Err("it does not name the log key that this server has".to_owned());
        }
        Ok(())
    }

    /// The registry's hostname, which every statement names.
    pub fn hostname(&self) -> &str {
        &self.0.hostname
    }

    /// Whose statements count, as of what `conn` sees.
    pub async fn authority(&self, conn: &mut Connection) -> Result<Arc<Authority>, TrustError> {
        let newest = log::newest_authority(conn).await?.unwrap_or(0);
        let known = self.0.authority.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((position, authority)) = known
            && position == newest
        {
            return Ok(authority);
        }
        let entries = read_all(&log::authorities(conn).await?)?;
        let authority = Arc::new(Authority::fold(None, &entries)?);
        let kept = Some((newest, Arc::clone(&authority)));
        *self.0.authority.write().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(authority)
    }

    /// The key by which entry `index` may be signed as a release of `namespace`: one of the namespace's, or one that was
    /// granted to a CI job that it trusts.
    pub async fn publisher(
        &self,
        conn: &mut Connection,
        namespace: &str,
        signer: KeyId,
        index: u64,
    ) -> Result<Result<Publisher, Distrust>, TrustError> {
        let authority = self.authority(conn).await?;
        let problem = match authority.publisher(namespace, signer, index) {
            Ok(key) => return Ok(Ok(Publisher { key: key.clone(), until: None })),
            Err(problem) => problem,
        };
        let Some(logged) = log::ci_key(conn, &signer.to_string()).await? else {
            return Ok(Err(problem));
        };
        let entry = logged.read()?;
        match &entry.statement {
            Statement::CiKey(grant)
                if grant.namespace == namespace
                    && entry.index < index
                    && authority.trusts_grant(entry.index, index, &entry.envelope, grant) =>
            {
                let until = Some(grant.expires_at.millis());
                Ok(Ok(Publisher { key: grant.key.clone(), until }))
            }
            _ => Ok(Err(problem)),
        }
    }

    /// That the entry at `position`, which is committed, is in the log.
    pub async fn proof(&self, store: &Store, position: u64) -> Result<LogProof, TrustError> {
        let head = self.head(store, position + 1).await?;
        let size = head.checkpoint.size;
        let proofs = inclusion(&mut *store.read().await?, &[position], size).await?;
        let proof = proofs.into_iter().flatten().map(|hash| hash.to_string()).collect();
        Ok(LogProof { index: position, checkpoint: head.note, proof })
    }

    /// Signs a statement with the registry's key.
    pub fn sign<C: Claim>(&self, claim: &C) -> Result<Envelope, StatementError> {
        sign(claim, &self.0.keys.registry)
    }

    /// A signed head over at least `size` entries, which are committed.
    pub async fn head(&self, store: &Store, size: u64) -> Result<SignedHead, TrustError> {
        let mut signed = self.0.signed.lock().await;
        if let Some(head) = signed.as_ref().filter(|head| head.checkpoint.size >= size) {
            return Ok(head.clone());
        }
        let frontier = log::frontier(&mut *store.read().await?).await?;
        let checkpoint = Checkpoint {
            origin: self.0.origin.clone(),
            size: frontier.size(),
            root: frontier.root(),
        };
        // Before it is signed: what was signed once must never be denied, whatever happens to the database.
        guard::persist(&self.0.guard, &checkpoint).await?;
        crate::failpoint::hit("log.persisted");
        let note = checkpoint.sign(&self.0.keys.log)?;
        let head = SignedHead { checkpoint, note };
        *signed = Some(head.clone());
        Ok(head)
    }

    /// A signed head over everything that is committed now.
    pub async fn newest_head(&self, store: &Store) -> Result<SignedHead, TrustError> {
        let size = log::frontier(&mut *store.read().await?).await?.size();
        self.head(store, size).await
    }

    /// The registry's word on what is newest, at the newest head.
    pub async fn snapshot(
        &self,
        store: &Store,
        clock: &Clock,
    ) -> Result<SignedSnapshot, TrustError> {
        let head = self.newest_head(store).await?;
        let now = clock.now();
        let mut kept = self.0.snapshot.lock().await;
        if let Some(snapshot) = kept.as_ref()
            && snapshot.head.checkpoint == head.checkpoint
            && now - snapshot.issued_at < SNAPSHOT_LASTS.min(self.0.snapshot_validity / 2)
        {
            return Ok(snapshot.clone());
        }
        let size = head.checkpoint.size;
        let document = log::document(&mut *store.read().await?, size).await?;
        let claim = Snapshot {
            registry: self.0.hostname.clone(),
            checkpoint: head.checkpoint.clone(),
            document: document.digest(),
            issued_at: Moment::of(now),
            expires_at: Moment::of(now + self.0.snapshot_validity),
        };
        let bundle = Bundle::new(self.sign(&claim)?)?.to_json();
        let snapshot = SignedSnapshot { head, document, bundle, issued_at: now };
        *kept = Some(snapshot.clone());
        Ok(snapshot)
    }
}

/// Appends a signed statement; the caller's transaction also writes what it is about.
pub async fn append(
    tx: &mut Connection,
    envelope: &Envelope,
    statement: &Statement,
    now: i64,
) -> Result<u64, StoreError> {
    log::append(tx, &envelope.to_canonical_json(), statement, now).await
}

/// The name of a registry's log.
pub fn origin(hostname: &str) -> String {
    format!("{hostname}/log")
}

/// Reads entries of the log.
pub fn read_all(entries: &[log::Logged]) -> Result<Vec<Entry>, StoreError> {
    entries.iter().map(log::Logged::read).collect()
}

/// The key of this server's log, to know its heads again.
#[derive(Debug, Clone)]
pub struct LogKey(NoteKey);

impl LogKey {
    /// Reads it where the server has it.
    pub fn read(config: &Config) -> Result<Self, TrustError> {
        let path = config.trust.directory.join(establish::LOG_KEY);
        let key = read_key(&path)?.verifying_key();
        let key = NoteKey::new(&origin(&config.server.hostname), key);
        Ok(Self(key.map_err(CheckpointError::from)?))
    }

    /// Reads a head that this key signed.
    pub fn open(&self, note: &[u8]) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(note, &self.0)
    }
}

/// The head that was signed last, if any was.
pub fn signed_last(config: &Config) -> Result<Option<Checkpoint>, TrustError> {
    guard::signed(&config.trust.directory.join(guard::FILE))
}

/// Whether a database continues what was signed last.
pub async fn check_guard(config: &Config, conn: &mut Connection) -> Result<(), TrustError> {
    let file = config.trust.directory.join(guard::FILE);
    guard::check(&file, &origin(&config.server.hostname), conn).await
}

fn read_key(path: &Path) -> Result<SigningKey, TrustError> {
    let pem = std::fs::read_to_string(path)
        .map_err(|source| TrustError::File { path: path.to_owned(), source })?;
    SigningKey::from_pem(&pem).map_err(|source| TrustError::Key { path: path.to_owned(), source })
}

/// The root of the log when it had `size` entries.
pub(crate) async fn root_at(conn: &mut Connection, size: u64) -> Result<Sha256, StoreError> {
    proofs::root(conn, size).await
}
