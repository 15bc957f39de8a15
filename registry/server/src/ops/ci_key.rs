//! The key of a CI job becomes one that may sign for a namespace, for a while: the registry says so in the log.

use registry_trust::key::KeyId;
use registry_trust::statement::{CiKey, Statement, StatementError};

use crate::app::App;
use crate::auth::oidc::TokenError;
use crate::failpoint;
use crate::store::{Connection, StoreError, log};
use crate::trust::{self, TrustError};

/// Why a key was not granted.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// A key that had its time.
    #[error(
        "public_key: {0} was granted to a CI job before; a key is for one job, so make a new one"
    )]
    Again(KeyId),
    /// A key that may sign for longer than a job.
    #[error(
        "public_key: {key} is a key of the namespace {namespace:?}, which a CI job should not have; make one for the job"
    )]
    Publisher {
        /// Which key.
        key: KeyId,
        /// Whose it is or was.
        namespace: String,
    },
    /// The namespace changed its mind since the job was looked at.
    #[error(transparent)]
    Distrusted(TokenError),
    /// What cannot be said.
    #[error("the grant cannot be signed")]
    Statement(#[from] StatementError),
    /// The log.
    #[error("the grant could not be logged")]
    Trust(#[from] TrustError),
    /// The database.
    #[error("the grant could not be logged")]
    Store(#[from] StoreError),
}

/// Grants, and says where in the log; it stands or falls with the caller's transaction.
pub async fn grant(
    app: &App,
    tx: &mut Connection,
    grant: CiKey,
    now: i64,
) -> Result<u64, GrantError> {
    let key = grant.key.id();
    if log::ci_key(tx, &key.to_string()).await?.is_some() {
        return Err(GrantError::Again(key));
    }
    let authority = app.trust.authority(tx).await?;
    let has =
        |namespace: &&str| authority.held(namespace).keys.iter().any(|(held, ..)| held.id() == key);
    if let Some(namespace) = authority.namespaces().find(has) {
        return Err(GrantError::Publisher { key, namespace: namespace.to_owned() });
    }
    // In the transaction that appends: whoever distrusts such jobs has either seen this grant or prevented it.
    let trusted = authority.held(&grant.namespace).ci;
    if !trusted.iter().any(|ci| ci.covers(&grant.issuer, &grant.claims)) {
        return Err(GrantError::Distrusted(TokenError::Mismatch(format!(
            "the namespace {:?} does not trust such jobs any more",
            grant.namespace
        ))));
    }
    let envelope = app.trust.sign(&grant)?;
    let position = trust::append(tx, &envelope, &Statement::CiKey(grant), now).await?;
    failpoint::hit("oidc.granted");
    Ok(position)
}
