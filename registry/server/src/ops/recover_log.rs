//! Brings back the entries that a restored database lacks, from a copy of the log.
//!
//! What was signed cannot be taken back, so a database that is older than the last signed head does not serve
//! ([`crate::trust`]). Somebody else has what it forgot: every copy of the log. An entry is brought back only as what it
//! was: the copy must have this registry's signature, continue this database, and be what was signed last.

use registry_trust::authority::{Authority, Entry};
use registry_trust::digest::Sha256;
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::log::merkle::{Frontier, leaf_hash};
use registry_trust::log::tile::WIDTH;
use registry_trust::statement::Statement;
use serde_json::json;

use super::log_copy::{CopyError, LogCopy};
use crate::app::{Alone, StartError, open_store};
use crate::auth::Maker;
use crate::config::Config;
use crate::model::audit::Event;
use crate::request_id;
use crate::store::{Connection, StoreError, Tx, audit, log, modules};
use crate::trust::{self, LogKey, TrustError};

/// What keeps a log from being recovered. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// A server runs.
    #[error("{0} (nothing was changed)")]
    Start(#[from] StartError),
    /// The copy.
    #[error("{0} (nothing was changed)")]
    Copy(#[from] CopyError),
    /// No checkpoint in it.
    #[error(
        "{folder} has no checkpoint: it is no copy of a log; `idp log monitor` makes one (nothing was changed)"
    )]
    NoCopy {
        /// Where.
        folder: String,
    },
    /// A copy of something else.
    #[error(
        "the copy's head is not signed by this registry's log key: {reason}. It is of another log, or was tampered with \
         (nothing was changed)"
    )]
    NotOurs {
        /// Why.
        reason: String,
    },
    /// A copy whose entries are not those under its head.
    #[error(
        "the copy is damaged: its entries do not make the tree that its own head says; take another copy (nothing was \
         changed)"
    )]
    Damaged,
    /// Too old.
    #[error(
        "the copy has {copy} entries, but {signed} were signed and given out: it is too old to recover from. Take the \
         newest copy that any monitor or mirror has (nothing was changed)"
    )]
    TooOld {
        /// How many it has.
        copy: u64,
        /// How many there must be.
        signed: u64,
    },
    /// Another history.
    #[error(
        "the copy does not continue {what}: the two have different entries among the first {size}, so one of them is \
         forked. Restore the database that belongs to these keys (nothing was changed)"
    )]
    Forked {
        /// This database, or what was signed.
        what: &'static str,
        /// How many they should have in common.
        size: u64,
    },
    /// An entry that this program cannot read.
    #[error("entry {index} of the copy cannot be recovered: {reason} (nothing was changed)")]
    Entry {
        /// Which.
        index: u64,
        /// Why.
        reason: String,
    },
    /// The keys of the log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The database.
    #[error("the entries could not be recorded (nothing was changed)")]
    Store(#[from] StoreError),
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recovered {
    /// How many entries the log had.
    pub before: u64,
    /// How many it has.
    pub after: u64,
    /// Releases that are in the log and not here: publishing the same archive again brings each back.
    pub without_archive: Vec<String>,
}

/// Appends to the log of the server of `config`, which must not run, what `copy` has and it lacks.
pub async fn recover(config: &Config, copy: &LogCopy, now: i64) -> Result<Recovered, RecoverError> {
    let _alone = Alone::hold(&config.server.data_dir)?;
    let key = LogKey::read(config)?;
    let store = open_store(config).await?;
    let mut tx = store.write().await?;
    let own = log::frontier(&mut tx).await?;
    let head = head(copy, &key)?;
    let signed = trust::signed_last(config)?;
    let signed_size = signed.as_ref().map_or(0, |signed| signed.size);
    if head.size < signed_size.max(own.size()) {
        let signed = signed_size.max(own.size());
        return Err(RecoverError::TooOld { copy: head.size, signed });
    }
    let anchors = [
        Some(Anchor { what: "this database", size: own.size(), root: own.root() }),
        signed.map(|signed| Anchor {
            what: "what was signed last",
            size: signed.size,
            root: signed.root,
        }),
    ];
    let anchors: Vec<Anchor> = anchors.into_iter().flatten().collect();
    let missing = read(copy, &head, &anchors, own.size())?;
    append(&mut tx, &missing, own.size(), now).await?;
    require_whole(&mut tx, &head).await?;
    let without_archive = without_archive(&mut tx, &missing).await?;
    note(&mut tx, own.size(), &head, &without_archive, now).await?;
    commit(tx).await?;
    store.close().await;
    Ok(Recovered { before: own.size(), after: head.size, without_archive })
}

/// A tree that must be the beginning of the copy.
struct Anchor {
    what: &'static str,
    size: u64,
    root: Sha256,
}

/// The copy's head, if this registry signed it.
fn head(copy: &LogCopy, key: &LogKey) -> Result<Checkpoint, RecoverError> {
    let no_copy = || RecoverError::NoCopy { folder: copy.folder().display().to_string() };
    let note = copy.checkpoint()?.ok_or_else(no_copy)?;
    key.open(&note).map_err(|error| RecoverError::NotOurs { reason: error.to_string() })
}

/// Reads the whole copy, checks that each anchor and the head are on its way, and gives what comes after `from`.
fn read(
    copy: &LogCopy,
    head: &Checkpoint,
    anchors: &[Anchor],
    from: u64,
) -> Result<Vec<String>, RecoverError> {
    let (mut tree, mut missing) = (Frontier::new(), Vec::new());
    check(&tree, anchors)?;
    for index in 0..head.size.div_ceil(u64::from(WIDTH)) {
        for leaf in copy.leaves(index, head.size)? {
            let position = tree.size();
            tree.append(leaf_hash(&leaf));
            check(&tree, anchors)?;
            if position >= from {
                let reason = |error: std::string::FromUtf8Error| error.to_string();
                let leaf = String::from_utf8(leaf).map_err(|error| RecoverError::Entry {
                    index: position,
                    reason: reason(error),
                })?;
                missing.push(leaf);
            }
        }
    }
    if tree.root() == head.root { Ok(missing) } else { Err(RecoverError::Damaged) }
}

fn check(tree: &Frontier, anchors: &[Anchor]) -> Result<(), RecoverError> {
    let wrong =
        anchors.iter().find(|anchor| anchor.size == tree.size() && anchor.root != tree.root());
    match wrong {
        Some(Anchor { what, size, .. }) => Err(RecoverError::Forked { what, size: *size }),
        None => Ok(()),
    }
}

async fn append(
    tx: &mut Connection,
    missing: &[String],
    from: u64,
    now: i64,
) -> Result<(), RecoverError> {
    for (index, leaf) in (from..).zip(missing) {
        let entry = Entry::parse(index, leaf.as_bytes())
            .map_err(|error| RecoverError::Entry { index, reason: error.problem.to_string() })?;
        log::append(tx, leaf, &entry.statement, now).await?;
    }
    Ok(())
}

/// The database must now have the copy's tree, and a server must be able to start on it.
async fn require_whole(tx: &mut Connection, head: &Checkpoint) -> Result<(), RecoverError> {
    let tree = log::frontier(tx).await?;
    if (tree.size(), tree.root()) != (head.size, head.root) {
        return Err(RecoverError::Damaged);
    }
    let entries = trust::read_all(&log::authorities(tx).await?)?;
    Authority::fold(None, &entries).map_err(TrustError::from)?;
    Ok(())
}

/// The releases among these entries of which there is no row.
async fn without_archive(
    tx: &mut Connection,
    leaves: &[String],
) -> Result<Vec<String>, RecoverError> {
    let mut missing = Vec::new();
    for leaf in leaves {
        let Ok(Statement::Publish(publish)) =
            Entry::parse(0, leaf.as_bytes()).map(|entry| entry.statement)
        else {
            continue;
        };
        let (module, version) = (publish.release.module().path(), publish.release.version());
        let Ok(address) = module.parse() else { continue };
        if modules::module_version(tx, &address, version).await?.is_none() {
            missing.push(format!("{module}@{version}"));
        }
    }
    Ok(missing)
}

async fn note(
    tx: &mut Connection,
    before: u64,
    head: &Checkpoint,
    without_archive: &[String],
    now: i64,
) -> Result<(), StoreError> {
    let event = Event {
        at: now,
        actor: Maker::local().name,
        action: "log.recover".to_owned(),
        subject: head.origin.clone(),
        detail: json!({
            "before": before,
            "after": head.size,
            "root": head.root,
            "without_archive": without_archive,
        }),
        request_id: request_id::current(),
    };
    audit::append(tx, event).await
}

async fn commit(tx: Tx) -> Result<(), StoreError> {
    Ok(tx.commit().await?)
}
