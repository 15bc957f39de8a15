//! What is signed: in-toto statements, each with a type of its own.
//!
//! - [`ModulePublish`]: a release is this archive. By a publisher.
//! - [`ModuleStatus`]: a version or a module is deprecated, yanked, revoked, or active again. By a publisher or the registry.
//! - [`NamespaceKeys`]: whose signatures count in a namespace. By one of them, or by the root.
//! - [`CiKey`]: a CI job may publish for a while. By the registry.
//! - [`TrustRoot`]: which keys the registry itself has. By the root.
//! - [`Snapshot`]: what the latest statements are. By the registry.

mod ci_key;
mod keys;
mod publish;
mod root;
mod snapshot;
mod status;
#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::{
    ci_key::CiKey,
    keys::{KeyChange, NamespaceKeys, RevocationReason, TrustedCi},
    publish::{ModulePublish, Source, SourceDigest},
    root::TrustRoot,
    snapshot::{Snapshot, SnapshotDocument},
    status::{ModuleStatus, State},
};
use crate::{
    archive::Summary,
    digest::{DirHash1, Sha256, is_deceptive, shortened, shortened_to},
    dsse::Envelope,
    key::{KeyId, SigningKey, VerifyingKey},
    release::InvalidRelease,
};

/// The type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The type of every payload.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The largest statement that is read: with its envelope it must fit an entry of the log.
pub const MAX_BYTES: usize = 32 * 1024;

/// Why a payload is not the statement that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Larger than [`MAX_BYTES`].
    #[error("the statement is {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not JSON, or not of the statement's shape.
    #[error("the statement is malformed: {reason}")]
    Malformed {
        /// What and where.
        reason: String,
    },
    /// A statement about something else.
    #[error("the statement's {field} is {found:?}, expected {expected:?}")]
    Type {
        /// `_type` or `predicateType`.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A kind that this release does not know.
    #[error(
        "the statement's predicateType {found:?} is none that a registry has; a newer release may know it"
    )]
    Unknown {
        /// What it is.
        found: String,
    },
    /// None or several subjects.
    #[error("the statement has {count} subjects, it must have exactly one")]
    Subjects {
        /// How many.
        count: usize,
    },
    /// A part of the release's address is not valid.
    #[error("the statement's address is not valid: {0}")]
    Release(#[from] InvalidRelease),
    /// Two parts of the statement contradict each other.
    #[error("the statement contradicts itself: {field} is {found:?}, the rest says {expected:?}")]
    Contradiction {
        /// The field.
        field: &'static str,
        /// What it is.
        found: String,
        /// What the rest of the statement says.
        expected: String,
    },
}

impl StatementError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "statement_too_large",
            Self::Malformed { .. } | Self::Subjects { .. } | Self::Release(_) => {
                "statement_malformed"
            }
            Self::Type { .. } | Self::Unknown { .. } => "statement_type",
            Self::Contradiction { .. } => "statement_contradiction",
        }
    }

    pub(crate) fn malformed(reason: &(impl ToString + ?Sized)) -> Self {
        Self::Malformed { reason: shortened_to(300, &reason.to_string()) }
    }
}

/// A kind of statement.
pub trait Claim: Sized + PartialEq {
    /// The type of its predicate.
    const PREDICATE_TYPE: &'static str;
    /// The predicate on the wire.
    type Predicate: Serialize + DeserializeOwned;

    /// What it is about.
    fn subjects(&self) -> Vec<Subject>;

    /// What it says.
    fn predicate(&self) -> Self::Predicate;

    /// Reads both back; refuses what contradicts itself.
    fn read(subjects: Vec<Subject>, predicate: Self::Predicate) -> Result<Self, StatementError>;
}

/// Any statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A release is this archive.
    Publish(ModulePublish),
    /// How a version or a module stands.
    Status(ModuleStatus),
    /// A change of a namespace's keys.
    Keys(NamespaceKeys),
    /// A CI job's key.
    CiKey(CiKey),
    /// The registry's own keys.
    Root(TrustRoot),
}

impl Statement {
    /// Reads a statement of any kind that the log has.
    pub fn parse(envelope: &Envelope) -> Result<Self, StatementError> {
        check_payload_type(envelope)?;
        let payload = &envelope.payload;
        let head = Head::parse(payload)?;
        match head.predicate_type.as_str() {
            ModulePublish::PREDICATE_TYPE => parse(payload).map(Self::Publish),
            ModuleStatus::PREDICATE_TYPE => parse(payload).map(Self::Status),
            NamespaceKeys::PREDICATE_TYPE => parse(payload).map(Self::Keys),
            CiKey::PREDICATE_TYPE => parse(payload).map(Self::CiKey),
            TrustRoot::PREDICATE_TYPE => parse(payload).map(Self::Root),
            other => Err(StatementError::Unknown { found: shortened(other) }),
        }
    }
}

/// A claim as a statement in canonical JSON (RFC 8785).
pub fn to_payload<C: Claim>(claim: &C) -> Result<Vec<u8>, StatementError> {
    let wire = Wire {
        statement_type: STATEMENT_TYPE.to_owned(),
        subject: claim.subjects(),
        predicate_type: C::PREDICATE_TYPE.to_owned(),
        predicate: claim.predicate(),
    };
    let payload = serde_json_canonicalizer::to_vec(&wire)
        .map_err(|error| StatementError::malformed(&error))?;
    // What does not read back as it was said must not be signed: canonical JSON rounds numbers beyond 2^53.
    if parse::<C>(&payload)? != *claim {
        return Err(StatementError::malformed(
            "it would not read back as it was said; its numbers must be below 2^53",
        ));
    }
    Ok(payload)
}

/// A claim as a statement that `key` signed.
pub fn sign<C: Claim>(claim: &C, key: &SigningKey) -> Result<Envelope, StatementError> {
    Ok(Envelope::sign(PAYLOAD_TYPE, to_payload(claim)?, key))
}

/// Reads a statement of one kind. Every field must be known, and none may contradict another.
pub fn parse<C: Claim>(payload: &[u8]) -> Result<C, StatementError> {
    let head = Head::parse(payload)?;
    expect_type("predicateType", &head.predicate_type, C::PREDICATE_TYPE)?;
    let wire: Wire<C::Predicate> =
        serde_json::from_slice(payload).map_err(|error| StatementError::malformed(&error))?;
    C::read(wire.subject, wire.predicate)
}

/// Refuses an envelope whose payload is no statement.
pub(crate) fn check_payload_type(envelope: &Envelope) -> Result<(), StatementError> {
    expect_type("payloadType", &envelope.payload_type, PAYLOAD_TYPE)
}

fn expect_type(
    field: &'static str,
    found: &str,
    expected: &'static str,
) -> Result<(), StatementError> {
    if found == expected {
        Ok(())
    } else {
        Err(StatementError::Type { field, found: shortened(found), expected })
    }
}

fn expect_same(field: &'static str, found: &str, expected: &str) -> Result<(), StatementError> {
    if found == expected {
        Ok(())
    } else {
        let (found, expected) = (shortened(found), shortened(expected));
        Err(StatementError::Contradiction { field, found, expected })
    }
}

/// The subjects must be those that follow from the predicate.
fn expect_subjects<C: Claim>(claim: C, found: &[Subject]) -> Result<C, StatementError> {
    let text = |subjects: &[Subject]| serde_json::to_string(subjects).unwrap_or_default();
    expect_same("subject", &text(found), &text(&claim.subjects()))?;
    Ok(claim)
}

fn only(subjects: Vec<Subject>) -> Result<Subject, StatementError> {
    let count = subjects.len();
    let [only] =
        <[Subject; 1]>::try_from(subjects).map_err(|_| StatementError::Subjects { count })?;
    Ok(only)
}

/// Text for people: short, and nothing that would play tricks on a terminal.
fn check_text(field: &'static str, text: &str, most: usize) -> Result<(), StatementError> {
    let is_plain = !text.contains(is_deceptive) && text == text.trim() && !text.is_empty();
    if is_plain && text.chars().count() <= most {
        return Ok(());
    }
    Err(StatementError::malformed(&format!(
        "{field} must be 1 to {most} characters on one line, without space at its ends and invisible characters"
    )))
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "_type")]
    statement_type: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

impl Head {
    fn parse(payload: &[u8]) -> Result<Self, StatementError> {
        if payload.len() > MAX_BYTES {
            return Err(StatementError::TooLarge { size: payload.len() });
        }
        let head: Self =
            serde_json::from_slice(payload).map_err(|error| StatementError::malformed(&error))?;
        expect_type("_type", &head.statement_type, STATEMENT_TYPE)?;
        Ok(head)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wire<P> {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<Subject>,
    predicate_type: String,
    predicate: P,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubjectDigest {
    sha256: Sha256,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dir_hash1: Option<DirHash1>,
}

impl Subject {
    fn new(name: String, sha256: Sha256) -> Self {
        Self { name, digest: SubjectDigest { sha256, dir_hash1: None } }
    }

    fn key(id: KeyId) -> Self {
        Self::new(id.to_string(), *id.as_sha256())
    }

    fn archive(name: String, archive: &Summary) -> Self {
        let digest = SubjectDigest { sha256: archive.sha256, dir_hash1: Some(archive.dir_hash1) };
        Self { name, digest }
    }
}

/// A public key in a statement: the base64 of its `SubjectPublicKeyInfo` in DER.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct KeyText(String);

impl From<&VerifyingKey> for KeyText {
    fn from(key: &VerifyingKey) -> Self {
        Self(STANDARD.encode(key.spki_der()))
    }
}

impl TryFrom<KeyText> for VerifyingKey {
    type Error = StatementError;

    fn try_from(text: KeyText) -> Result<Self, StatementError> {
        let key = STANDARD.decode(&text.0).ok().and_then(|der| Self::from_spki_der(&der).ok());
        // One key has one text: another encoding of it would be another statement about the same.
        key.filter(|key| KeyText::from(key).0 == text.0).ok_or_else(|| {
            StatementError::malformed("a key must be the base64 of its SubjectPublicKeyInfo in DER")
        })
    }
}

fn keys_from(texts: Vec<KeyText>) -> Result<Vec<VerifyingKey>, StatementError> {
    texts.into_iter().map(TryInto::try_into).collect()
}
