//! The key of a CI job becomes one that may sign for a namespace, for a while.

use std::collections::BTreeMap;

use registry_trust::key::VerifyingKey;

use crate::app::App;
use crate::id;
use crate::store::oidc::{CiKeyRow, insert_ci_key};
use crate::store::{Connection, StoreError};

/// A key, and why it may sign.
#[derive(Debug, Clone)]
pub struct CiKeyGrant {
    /// Where it may sign.
    pub namespace: String,
    /// The only modules, as `NAME/SYSTEM`; every one of the namespace where unset.
    pub modules: Option<Vec<String>>,
    /// The job has proved that it holds the private half.
    pub key: VerifyingKey,
    /// Whose job it is.
    pub issuer: String,
    /// Which job it is, as far as that may be kept.
    pub claims: BTreeMap<String, String>,
    /// Until when, in milliseconds.
    pub expires_at: i64,
}

/// Grants; it stands or falls with the caller's transaction.
pub async fn grant(app: &App, tx: &mut Connection, grant: CiKeyGrant) -> Result<(), StoreError> {
    let now = app.clock.now();
    let row = CiKeyRow {
        id: id::new(now),
        namespace: grant.namespace,
        modules: grant.modules,
        key_id: grant.key.id().to_string(),
        public_key: grant.key.to_pem(),
        issuer: grant.issuer,
        claims: grant.claims,
        granted_at: now,
        expires_at: grant.expires_at,
    };
    insert_ci_key(tx, &row).await
}
