//! Why it does not follow whose signatures count, and why a change of it is refused.

use std::collections::BTreeSet;

use crate::{dsse::LeafError, key::KeyId, statement::StatementError};

/// Why a leaf of the log is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {index} of the log: {problem}")]
pub struct EntryError {
    /// Its position.
    pub index: u64,
    /// What is wrong.
    pub problem: EntryProblem,
}

/// What is wrong with a leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// Not an envelope.
    #[error(transparent)]
    Envelope(#[from] LeafError),
    /// Not a statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// Why it does not follow from these entries whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No root statement that the pin accepts.
    #[error(
        "none of the registry's roots is signed by the keys that are pinned ({}); the newest is signed by {}",
        list(pinned),
        list(found)
    )]
    RootNotPinned {
        /// The keys that are pinned.
        pinned: Vec<KeyId>,
        /// The keys of the newest root.
        found: Vec<KeyId>,
    },
    /// The chain of roots is broken.
    #[error("root version {version} (entry {index}) is not accepted: {reason}")]
    Root {
        /// Its version.
        version: u64,
        /// Its position.
        index: u64,
        /// Why.
        reason: String,
    },
    /// Key changes are missing, or there are two of one number.
    #[error(
        "the key changes of namespace {namespace} are not complete: number {found} follows number {before} (entry {index})"
    )]
    Sequence {
        /// Which namespace.
        namespace: String,
        /// The position of the second.
        index: u64,
        /// The number of the first.
        before: u64,
        /// The number of the second.
        found: u64,
    },
}

impl AuthorityError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::RootNotPinned { .. } => "root_not_pinned",
            Self::Root { .. } => "root_invalid",
            Self::Sequence { .. } => "keys_incomplete",
        }
    }
}

/// Why a key change is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// For another registry.
    #[error("the statement is for registry {found}, this is {expected}")]
    Registry {
        /// As signed.
        found: String,
        /// This one.
        expected: String,
    },
    /// Not the next number.
    #[error(
        "the statement is change {found} of namespace {namespace}, the next is {expected}; \
         somebody else changed the keys meanwhile: look at `idp keys list {namespace}` and sign again"
    )]
    Sequence {
        /// Which namespace.
        namespace: String,
        /// As signed.
        found: u64,
        /// The next.
        expected: u64,
    },
    /// Signed by nobody who may.
    #[error(
        "signed by {}, but the keys of namespace {namespace} are changed by one of its keys ({}) or by the root ({})",
        list(signers),
        list(keys),
        list(roots)
    )]
    Signer {
        /// Which namespace.
        namespace: String,
        /// Who signed, as the statement claims.
        signers: Vec<KeyId>,
        /// Whose signature would do.
        keys: Vec<KeyId>,
        /// Whose would do too.
        roots: Vec<KeyId>,
    },
    /// Nothing that can be done.
    #[error("{0}")]
    Change(String),
}

impl Refusal {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry { .. } => "other_registry",
            Self::Sequence { .. } => "sequence",
            Self::Signer { .. } => "signer_not_allowed",
            Self::Change(_) => "key_change_invalid",
        }
    }
}

pub(super) fn list(keys: &[KeyId]) -> String {
    if keys.is_empty() {
        return "none".to_owned();
    }
    let distinct: BTreeSet<String> = keys.iter().map(ToString::to_string).collect();
    distinct.into_iter().collect::<Vec<_>>().join(", ")
}
