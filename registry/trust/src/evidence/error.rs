//! Why evidence is not believed.

use crate::{
    authority::{AuthorityError, Distrust, EntryError},
    digest::shortened_to,
    key::KeyId,
    log::{checkpoint::CheckpointError, merkle::ProofError},
    time::Moment,
};

/// Why nothing of what a registry gave is believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// Larger than [`super::MAX_BYTES`].
    #[error("the registry's evidence is {size} bytes, more than the {} allowed", super::MAX_BYTES)]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not JSON, or not of the shape.
    #[error("the registry's evidence is malformed: {reason}")]
    Malformed {
        /// What and where.
        reason: String,
    },
    /// A leaf that is no statement.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The root keys or the namespaces' keys.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Of another registry.
    #[error("the evidence is of the registry {found}, the policy is about {expected}")]
    Registry {
        /// As shown.
        found: String,
        /// As pinned.
        expected: String,
    },
    /// The log's head.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// An entry that is not in the log.
    #[error("entry {index} is not in the registry's log: {problem}")]
    NotInLog {
        /// Its position.
        index: u64,
        /// Why.
        problem: ProofError,
    },
    /// Another log than before.
    #[error(
        "the log {seen} was seen before, now the registry shows the log {shown}; ask its operator before you go on"
    )]
    OtherLog {
        /// The origin before.
        seen: String,
        /// The origin now.
        shown: String,
    },
    /// A log that is shorter than before.
    #[error(
        "the registry's log had {seen} entries when it was last seen, now it shows {shown}: an older state is served, \
         which hides what came since; ask its operator before you go on"
    )]
    Rollback {
        /// The size before.
        seen: u64,
        /// The size now.
        shown: u64,
    },
    /// A log whose beginning is another than before.
    #[error(
        "the registry shows two histories: the log with {shown} entries does not begin with the {seen} that were seen \
         before ({problem}). Somebody is shown another one than you; keep both and ask its operator"
    )]
    TwoHistories {
        /// The size before.
        seen: u64,
        /// The size now.
        shown: u64,
        /// Why.
        problem: ProofError,
    },
    /// The registry's word on what is newest.
    #[error("the registry's snapshot is not accepted: {reason}")]
    Snapshot {
        /// Why.
        reason: String,
    },
    /// Old.
    #[error(
        "the registry's word on what is deprecated or revoked is of {issued_at} and ended at {expired_at}; what was \
         said since is not known. Ask the registry again"
    )]
    Stale {
        /// When it was made.
        issued_at: Moment,
        /// Until when it is believed.
        expired_at: Moment,
    },
    /// From the future.
    #[error(
        "the registry's snapshot is of {issued_at}, but here it is {now}: one of the two clocks is wrong"
    )]
    Future {
        /// When it was made.
        issued_at: Moment,
        /// The reader's time.
        now: Moment,
    },
    /// A root is held back.
    #[error(
        "the registry's newest root is version {newest}, but version {shown} is shown: a root is hidden"
    )]
    RootHidden {
        /// The version that is shown.
        shown: u64,
        /// The version that there is.
        newest: u64,
    },
    /// A root that is older than before.
    #[error(
        "root version {seen} was seen before, now the registry shows version {shown} as the newest: keys that were \
         replaced may speak for it; ask its operator before you go on"
    )]
    RootRolledBack {
        /// The version before.
        seen: u64,
        /// The version now.
        shown: u64,
    },
    /// Key changes are held back.
    #[error(
        "namespace {namespace} has {newest} key changes, but {shown} are shown: a change is hidden"
    )]
    KeysHidden {
        /// Which namespace.
        namespace: String,
        /// How many are shown.
        shown: u64,
        /// How many there are.
        newest: u64,
    },
}

impl EvidenceError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "evidence_too_large",
            Self::Malformed { .. } | Self::Entry(_) => "evidence_malformed",
            Self::Authority(error) => error.code(),
            Self::Registry { .. } => "other_registry",
            Self::Checkpoint(error) => error.code(),
            Self::NotInLog { .. } => "not_in_log",
            Self::OtherLog { .. } => "other_log",
            Self::Rollback { .. } => "log_rolled_back",
            Self::TwoHistories { .. } => "two_histories",
            Self::Snapshot { .. } => "snapshot_invalid",
            Self::Stale { .. } => "snapshot_stale",
            Self::Future { .. } => "clock",
            Self::RootHidden { .. } => "root_hidden",
            Self::RootRolledBack { .. } => "root_rolled_back",
            Self::KeysHidden { .. } => "keys_hidden",
        }
    }

    pub(super) fn malformed(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Malformed { reason: shortened_to(300, &reason.to_string()) }
    }
}

/// Why a release is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing was shown of it.
    #[error("the registry gives no proof that anybody published it")]
    Missing,
    /// Published twice.
    #[error(
        "the log has it twice, the second time as entry {second}: a published version never changes"
    )]
    Rewritten {
        /// The position of the second.
        second: u64,
    },
    /// None or several signatures.
    #[error("its statement has {count} signatures, it must have exactly one")]
    Signatures {
        /// How many.
        count: usize,
    },
    /// Signed by a key that does not count there.
    #[error("it is signed by key {signer}, which {problem}")]
    Publisher {
        /// The key that the statement names.
        signer: KeyId,
        /// Why it does not count.
        problem: Distrust,
    },
    /// Not the key's signature.
    #[error("its signature is not key {signer}'s: the statement was changed after it was signed")]
    Signature {
        /// The key that the statement names.
        signer: KeyId,
    },
    /// Statuses are held back.
    #[error(
        "the registry made {newest} statements on how its versions stand, but shows {shown}: a deprecation or a \
         revocation may be hidden"
    )]
    StatusHidden {
        /// How many are shown.
        shown: u64,
        /// How many there are.
        newest: u64,
    },
}

impl ReleaseError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "proof_missing",
            Self::Rewritten { .. } => "version_rewritten",
            Self::Signatures { .. } => "statement_signatures",
            Self::Publisher { problem: Distrust::Revoked(_), .. } => "publisher_key_revoked",
            Self::Publisher { .. } => "publisher_key_unknown",
            Self::Signature { .. } => "signature_invalid",
            Self::StatusHidden { .. } => "status_hidden",
        }
    }
}
