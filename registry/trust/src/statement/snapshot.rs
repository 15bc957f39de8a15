//! What the latest statements are, as the registry says for a while.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Claim, Statement, StatementError, Subject, expect_subjects, only};
use crate::{digest::Sha256, log::checkpoint::Checkpoint, release::check_registry, time::Moment};

/// The statement that a document is what follows from the log up to a checkpoint, and that it is recent.
///
/// Not in the log: whoever has the log works the document out ([`SnapshotDocument`]) and compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The registry's hostname.
    pub registry: String,
    /// The state of the log.
    pub checkpoint: Checkpoint,
    /// The digest of the document.
    pub document: Sha256,
    /// When it was made.
    pub issued_at: Moment,
    /// When it is too old to be believed.
    pub expires_at: Moment,
}

/// The newest root, and the highest sequence of each module's statuses and of each namespace's key changes. What has none
/// is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDocument {
    /// The version of the newest root.
    pub root: u64,
    /// By `namespace/name/system`.
    pub modules: BTreeMap<String, u64>,
    /// By name.
    pub namespaces: BTreeMap<String, u64>,
}

impl SnapshotDocument {
    /// The document that follows from all that a log has.
    pub fn of<'a>(statements: impl IntoIterator<Item = &'a Statement>) -> Self {
        let mut document = Self::default();
        for statement in statements {
            document.note(statement);
        }
        document
    }

    /// Goes on with one more statement of the log.
    pub fn note(&mut self, statement: &Statement) {
        let (newest, number) = match statement {
            Statement::Root(root) => (&mut self.root, root.version),
            Statement::Keys(keys) => {
                (self.namespaces.entry(keys.namespace.clone()).or_default(), keys.sequence)
            }
            Statement::Status(status) => {
                (self.modules.entry(status.module.path()).or_default(), status.sequence)
            }
            Statement::Publish(_) | Statement::CiKey(_) => return,
        };
        *newest = number.max(*newest);
    }

    /// The digest of its canonical JSON.
    pub fn digest(&self) -> Sha256 {
        // Texts and numbers only: nothing that JSON cannot hold.
        Sha256::of(&serde_json_canonicalizer::to_vec(self).unwrap_or_default())
    }
}

impl Claim for Snapshot {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/registry-snapshot/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::new(self.registry.clone(), self.document)]
    }

    fn predicate(&self) -> Predicate {
        let Checkpoint { origin, size, root } = &self.checkpoint;
        Predicate {
            registry: self.registry.clone(),
            log: WireCheckpoint { origin: origin.clone(), size: *size, root: *root },
            issued_at: self.issued_at,
            expires_at: self.expires_at,
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let Predicate { registry, log, issued_at, expires_at } = predicate;
        check_registry(&registry)?;
        let document = only(subjects.clone())?.digest.sha256;
        if expires_at <= issued_at {
            return Err(StatementError::malformed("expiresAt must come after issuedAt"));
        }
        let checkpoint = Checkpoint { origin: log.origin, size: log.size, root: log.root };
        let snapshot = Self { registry, checkpoint, document, issued_at, expires_at };
        expect_subjects(snapshot, &subjects)
    }
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    log: WireCheckpoint,
    issued_at: Moment,
    expires_at: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireCheckpoint {
    origin: String,
    size: u64,
    root: Sha256,
}
