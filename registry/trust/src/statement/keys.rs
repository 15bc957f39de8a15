//! Whose signatures count in a namespace.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{Claim, KeyText, StatementError, Subject, check_text, expect_subjects};
use crate::{
    digest::Sha256,
    key::{KeyId, VerifyingKey},
    release::{check_namespace, check_registry},
};

/// One change of whose signatures count in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceKeys {
    /// The registry's hostname.
    pub registry: String,
    /// The namespace.
    pub namespace: String,
    /// Counts the changes of the namespace from 1.
    pub sequence: u64,
    /// What changes.
    pub change: KeyChange,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// From this statement on, the key counts.
    Add(Box<VerifyingKey>),
    /// From a position of the log on, the key does not count. What it signed before stands.
    Revoke {
        /// Which key.
        key: KeyId,
        /// Why.
        reason: RevocationReason,
        /// From which position: that of this statement, or an earlier one where the key was stolen before.
        from: u64,
    },
    /// From this statement on, keys that the registry grants to CI jobs of this kind count.
    TrustCi(TrustedCi),
    /// From this statement on, they do not.
    DistrustCi(TrustedCi),
}

/// Why a key is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RevocationReason {
    /// Another takes its place.
    Superseded,
    /// Somebody else may have it.
    Compromised,
}

/// Which CI jobs may publish.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedCi {
    /// Who vouches for them: the `iss` of their tokens.
    pub issuer: String,
    /// Which claims their tokens have, each with this very value. At least one.
    #[serde(deserialize_with = "unique")]
    pub claims: BTreeMap<String, String>,
}

impl TrustedCi {
    /// Whether a job with these claims is one of them.
    pub fn covers(&self, issuer: &str, claims: &BTreeMap<String, String>) -> bool {
        self.issuer == issuer
            && self.claims.iter().all(|(name, value)| claims.get(name) == Some(value))
    }

    /// Whether a statement can say it: how many claims, and how long and how plain they are.
    pub fn check(&self) -> Result<(), StatementError> {
        check_text("issuer", &self.issuer, 300)?;
        if self.claims.is_empty() || self.claims.len() > 32 {
            return Err(StatementError::malformed("claims must be 1 to 32"));
        }
        self.claims.iter().try_for_each(|(name, value)| {
            check_text("the name of a claim", name, 100)?;
            check_text("a claim", value, 500)
        })
    }

    /// Names it: the digest of its canonical JSON.
    pub(super) fn digest(&self) -> Sha256 {
        Sha256::of(&serde_json_canonicalizer::to_vec(self).unwrap_or_default())
    }
}

/// A claim that is there twice would be read as one by us and as the other by somebody else.
pub(super) fn unique<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct Claims;

    impl<'de> de::Visitor<'de> for Claims {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("claims, each a text")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut claims = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                if claims.insert(name, value).is_some() {
                    return Err(de::Error::custom("a claim is there twice"));
                }
            }
            Ok(claims)
        }
    }

    deserializer.deserialize_map(Claims)
}

impl Claim for NamespaceKeys {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/namespace-keys/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        vec![match &self.change {
            KeyChange::Add(key) => Subject::key(key.id()),
            KeyChange::Revoke { key, .. } => Subject::key(*key),
            KeyChange::TrustCi(ci) | KeyChange::DistrustCi(ci) => {
                Subject::new(ci.issuer.clone(), ci.digest())
            }
        }]
    }

    fn predicate(&self) -> Predicate {
        Predicate {
            registry: self.registry.clone(),
            namespace: self.namespace.clone(),
            sequence: self.sequence,
            change: Change::from(&self.change),
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let Predicate { registry, namespace, sequence, change } = predicate;
        check_registry(&registry)?;
        check_namespace(&namespace)?;
        if sequence == 0 {
            return Err(StatementError::malformed("sequence counts from 1"));
        }
        let change = KeyChange::try_from(change)?;
        expect_subjects(Self { registry, namespace, sequence, change }, &subjects)
    }
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    namespace: String,
    sequence: u64,
    change: Change,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
enum Change {
    Add { key: KeyText },
    Revoke { key: KeyId, reason: RevocationReason, from: u64 },
    TrustCi(TrustedCi),
    DistrustCi(TrustedCi),
}

impl From<&KeyChange> for Change {
    fn from(change: &KeyChange) -> Self {
        match change {
            KeyChange::Add(key) => Self::Add { key: key.as_ref().into() },
            KeyChange::Revoke { key, reason, from } => {
                Self::Revoke { key: *key, reason: *reason, from: *from }
            }
            KeyChange::TrustCi(ci) => Self::TrustCi(ci.clone()),
            KeyChange::DistrustCi(ci) => Self::DistrustCi(ci.clone()),
        }
    }
}

impl TryFrom<Change> for KeyChange {
    type Error = StatementError;

    fn try_from(change: Change) -> Result<Self, StatementError> {
        Ok(match change {
            Change::Add { key } => Self::Add(Box::new(key.try_into()?)),
            Change::Revoke { key, reason, from } => Self::Revoke { key, reason, from },
            Change::TrustCi(ci) => {
                ci.check()?;
                Self::TrustCi(ci)
            }
            Change::DistrustCi(ci) => {
                ci.check()?;
                Self::DistrustCi(ci)
            }
        })
    }
}
