//! The log's signed head, as C2SP tlog-checkpoint has it: whose log, how many leaves, which root.

#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    merkle::empty_root,
    note::{self, NoteError, NoteKey},
};
use crate::{
    digest::{Sha256, shortened},
    key::SigningKey,
};

/// A log's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is of: `<hostname>/log`, the name of the key that signs.
    pub origin: String,
    /// How many leaves the log has.
    pub size: u64,
    /// The root of its tree.
    pub root: Sha256,
}

/// Why a text is not a log's head, or cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a note of the log's key.
    #[error("the checkpoint cannot be used: {0}")]
    Note(#[from] NoteError),
    /// A note about something else.
    #[error("the checkpoint is malformed: {rule}")]
    Malformed {
        /// What it must be.
        rule: &'static str,
    },
    /// The key of one log under the head of another.
    #[error("the checkpoint is of the log {found:?}, the key is that of the log {expected:?}")]
    Origin {
        /// The key's name.
        expected: String,
        /// The checkpoint's origin, shortened.
        found: String,
    },
    /// A log without leaves whose root is another.
    #[error(
        "the checkpoint of a log without leaves must have the root {}, got {root}",
        empty_root()
    )]
    EmptyRoot {
        /// The root that was given.
        root: Sha256,
    },
}

impl CheckpointError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Note(error) => error.code(),
            Self::Malformed { .. } => "checkpoint_malformed",
            Self::Origin { .. } => "checkpoint_origin",
            Self::EmptyRoot { .. } => "checkpoint_empty_root",
        }
    }
}

impl Checkpoint {
    /// The text that is signed: three lines.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.as_bytes()))
    }

    /// Signs under the origin's name.
    pub fn sign(&self, key: &SigningKey) -> Result<String, CheckpointError> {
        self.check()?;
        Ok(note::sign_note(&self.to_text(), &self.origin, key)?)
    }

    /// Reads a checkpoint that `key` signed, whose name must be the origin.
    ///
    /// Signatures of others (witnesses) and lines after the third are ignored: they say nothing that is relied on here.
    pub fn open(
        note: &(impl AsRef<[u8]> + ?Sized),
        key: &NoteKey,
    ) -> Result<Self, CheckpointError> {
        let opened = note::open_note(note, std::slice::from_ref(key))?;
        let checkpoint = Self::parse(opened.body)?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointError::Origin {
                expected: key.name().to_owned(),
                found: shortened(&checkpoint.origin),
            });
        }
        Ok(checkpoint)
    }

    /// Reads a checkpoint without its signature, to know how much there is to fetch. What is fetched must then be compared
    /// with the one that is [opened](Self::open): the key for that may be in the log itself.
    pub fn unverified(note: &(impl AsRef<[u8]> + ?Sized)) -> Result<Self, CheckpointError> {
        Self::parse(note::unverified_body(note)?)
    }

    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = |rule| CheckpointError::Malformed { rule };
        let text = text.strip_suffix('\n').ok_or(malformed("it must end with a line feed"))?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(malformed("it must have three lines: origin, size, root"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(malformed("none of its lines may be empty"));
        }
        // One number has one text: without signs and zeros before it.
        let size = (size.parse().ok())
            .filter(|number: &u64| number.to_string() == size)
            .ok_or(malformed("its size must be a decimal number below 2^64"))?;
        let root = (STANDARD.decode(root).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .map(Sha256::from_bytes)
            .ok_or(malformed("its root must be the base64 of 32 bytes"))?;
        let checkpoint = Self { origin: origin.to_owned(), size, root };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    fn check(&self) -> Result<(), CheckpointError> {
        if self.size == 0 && self.root != empty_root() {
            return Err(CheckpointError::EmptyRoot { root: self.root });
        }
        Ok(())
    }
}
