//! The registry's word that a CI job may publish with a key of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Claim, KeyText, StatementError, Subject, TrustedCi, expect_subjects, keys::unique};
use crate::{
    key::VerifyingKey,
    release::{check_namespace, check_registry},
    time::Moment,
};

/// The statement that the registry saw a CI job's token, and that the job holds this key.
///
/// It counts only where the namespace trusts such jobs ([`super::KeyChange::TrustCi`]), for releases that come after
/// it in the log and before the trust ends. The registry takes none after the grant ended; nothing but its own word says
/// so, as nothing but its own word says that it saw the token: whoever trusts CI jobs trusts the registry to know them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiKey {
    /// The registry's hostname.
    pub registry: String,
    /// The one namespace.
    pub namespace: String,
    /// The job's key.
    pub key: VerifyingKey,
    /// Who vouched for the job: the `iss` of its token.
    pub issuer: String,
    /// What the token said; the registry keeps what says where the job comes from, and no more.
    pub claims: BTreeMap<String, String>,
    /// When the grant ends.
    pub expires_at: Moment,
}

impl Claim for CiKey {
    const PREDICATE_TYPE: &'static str = "https://idp.example/attestation/ci-key/v1";
    type Predicate = Predicate;

    fn subjects(&self) -> Vec<Subject> {
        vec![Subject::key(self.key.id())]
    }

    fn predicate(&self) -> Predicate {
        Predicate {
            registry: self.registry.clone(),
            namespace: self.namespace.clone(),
            key: KeyText::from(&self.key),
            issuer: self.issuer.clone(),
            claims: self.claims.clone(),
            expires_at: self.expires_at,
        }
    }

    fn read(subjects: Vec<Subject>, predicate: Predicate) -> Result<Self, StatementError> {
        let Predicate { registry, namespace, key, issuer, claims, expires_at } = predicate;
        check_registry(&registry)?;
        check_namespace(&namespace)?;
        let ci = TrustedCi { issuer, claims };
        ci.check()?;
        let TrustedCi { issuer, claims } = ci;
        let key = key.try_into()?;
        expect_subjects(Self { registry, namespace, key, issuer, claims, expires_at }, &subjects)
    }
}

/// The predicate on the wire.
#[doc(hidden)]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Predicate {
    registry: String,
    namespace: String,
    key: KeyText,
    issuer: String,
    #[serde(deserialize_with = "unique")]
    claims: BTreeMap<String, String>,
    expires_at: Moment,
}
