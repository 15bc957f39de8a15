//! Which keys the registry itself has.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Claim, KeyText, StatementError, Subject, expect_subjects, keys_from};
use crate::{digest::Sha256, key::VerifyingKey, log::note::NoteKey, release::check_registry};

/// Most keys of one kind.
const MOST_KEYS: usize = 16;

/// The registry's own keys, signed by the keys that stand above it. Each version is signed by the threshold of the
/// version before and by its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustRoot {
    /// The registry's hostname.
    pub registry: String,
    /// Counts from 1.
    pub version: u64,
    /// Which root it follows: the digest of that one's signed bytes ([`Envelope::signed_bytes`]); none for the first.
    /// Without it, whoever has the later roots could put another beginning before them.
    ///
    /// [`Envelope::signed_bytes`]: crate::dsse::Envelope::signed_bytes
    pub previous: Option<Sha256>,
    /// How many of `keys` must sign.
    pub threshold: usize,
    /// The keys above the registry; kept away from it.
    pub keys: Vec<VerifyingKey>,
    /// The registry's own keys, which sign snapshots, statuses and grants to CI jobs.
    pub registry_keys: Vec<VerifyingKey>,
    /// The key that signs the log's checkpoints.
    pub log: NoteKey,
}

impl Claim for TrustRoot {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/trust-root/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        self.keys.iter().map(|key| Subject::key(key.id())).collect()
    }

    fn predicate(&self) -> Predicate {
        Predicate {
            registry: self.registry.clone(),
            version: self.version,
            previous: self.previous,
            threshold: self.threshold,
            keys: self.keys.iter().map(KeyText::from).collect(),
            registry_keys: self.registry_keys.iter().map(KeyText::from).collect(),
            log: self.log.to_string(),
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let Predicate { registry, version, previous, threshold, keys, registry_keys, log } =
            predicate;
        check_registry(&registry)?;
        let (keys, registry_keys) = (keys_from(keys)?, keys_from(registry_keys)?);
        let log =
            log.parse().map_err(|error| StatementError::malformed(&format!("log: {error}")))?;
        let root = Self { registry, version, previous, threshold, keys, registry_keys, log };
        root.check()?;
        expect_subjects(root, &subjects)
    }
}

impl TrustRoot {
    fn check(&self) -> Result<(), StatementError> {
        if self.version == 0 {
            return Err(StatementError::malformed("version counts from 1"));
        }
        if self.previous.is_some() != (self.version > 1) {
            return Err(StatementError::malformed(
                "previous must be the digest of the root before; only version 1 has none",
            ));
        }
        for (what, keys) in [("keys", &self.keys), ("registryKeys", &self.registry_keys)] {
            let distinct: BTreeSet<_> = keys.iter().map(VerifyingKey::id).collect();
            if distinct.len() != keys.len() || keys.is_empty() || keys.len() > MOST_KEYS {
                let rule = format!("{what} must be 1 to {MOST_KEYS} keys, each once");
                return Err(StatementError::malformed(&rule));
            }
        }
        if !(1..=self.keys.len()).contains(&self.threshold) {
            return Err(StatementError::malformed("threshold must be 1 to the number of keys"));
        }
        Ok(())
    }
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    version: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Sha256>,
    threshold: usize,
    keys: Vec<KeyText>,
    registry_keys: Vec<KeyText>,
    log: String,
}
