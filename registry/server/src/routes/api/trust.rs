//! Keys, signed statements, and what clients judge modules by.

use std::io::ErrorKind;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use registry_api::modules::LogProof;
use registry_api::trust::{
    EvidenceRequest, NamespaceKeys, PublisherKey, SignedStatement, TrustInfo, TrustedCi,
};
use registry_trust::authority::Pin;
use registry_trust::key::VerifyingKey;
use registry_trust::policy::Policy;
use registry_trust::statement::RevocationReason;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::ops::evidence::{MOST_MODULES, gather};
use crate::ops::statements::{AcceptError, accept};
use crate::store::log;
use crate::trust::TrustError;

/// `GET /trust`: what to pin.
pub async fn get_trust(State(app): State<App>, _: Caller) -> Result<Json<TrustInfo>, ApiError> {
    let mut conn = app.store.read().await?;
    let authority = app.trust.authority(&mut conn).await?;
    let root = authority.root();
    let signed = log::root(&mut conn, root.version).await?;
    let ids = root.keys.iter().map(VerifyingKey::id);
    let policy = Policy {
        registry: root.registry.clone(),
        root: Pin { threshold: root.threshold, keys: ids.clone().collect() },
        max_age: Some(app.config.trust.snapshot_milliseconds()),
    };
    Ok(Json(TrustInfo {
        hostname: root.registry.clone(),
        policy: policy.to_string(),
        root_version: root.version,
        threshold: root.threshold,
        root_keys: ids.map(|id| id.to_string()).collect(),
        registry_keys: root.registry_keys.iter().map(VerifyingKey::to_pem).collect(),
        log_key: root.log.to_string(),
        root: signed.map(|entry| entry.leaf).unwrap_or_default(),
    }))
}

/// Which namespace.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct NamespacePath {
    /// Its name.
    namespace: String,
}

/// `GET /namespaces/{namespace}/keys`: whose signatures count.
pub async fn get_keys(
    State(app): State<App>,
    caller: Caller,
    Path(NamespacePath { namespace }): Path<NamespacePath>,
) -> Result<Json<NamespaceKeys>, ApiError> {
    caller.require_read(&app, &namespace)?;
    let mut conn = app.store.read().await?;
    let log_size = log::frontier(&mut conn).await?.size();
    let authority = app.trust.authority(&mut conn).await?;
    let held = authority.held(&namespace);
    let keys = held.keys.into_iter().map(|(key, added, revoked)| PublisherKey {
        id: key.id().to_string(),
        algorithm: key.algorithm().to_string(),
        public_key: key.to_pem(),
        added,
        revoked_from: revoked.map(|revoked| revoked.from),
        reason: revoked.map(|revoked| reason(revoked.reason).to_owned()),
    });
    let ci = held
        .ci
        .into_iter()
        .map(|ci| TrustedCi { issuer: ci.issuer.clone(), claims: ci.claims.clone() });
    Ok(Json(NamespaceKeys {
        sequence: authority.sequence(&namespace),
        log_size,
        keys: keys.collect(),
        ci: ci.collect(),
        namespace,
    }))
}

fn reason(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Superseded => "superseded",
        RevocationReason::Compromised => "compromised",
    }
}

/// `POST /statements`: accepts and logs what somebody signed.
pub async fn post_statement(
    State(app): State<App>,
    caller: Caller,
    Json(SignedStatement { statement }): Json<SignedStatement>,
) -> Result<(StatusCode, Json<LogProof>), ApiError> {
    let proof = accept(&app, &statement, caller.token()?).await?;
    Ok((StatusCode::CREATED, Json(proof)))
}

/// `POST /evidence`: what to judge releases by, offline.
pub async fn post_evidence(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<EvidenceRequest>,
) -> Result<Response, ApiError> {
    if request.modules.len() > MOST_MODULES {
        return Err(ApiError::unprocessable(
            "too_many_modules",
            format!("ask for at most {MOST_MODULES} releases at once"),
        ));
    }
    for module in &request.modules {
        caller.require_read(&app, module.address.namespace())?;
    }
    Ok(Json(gather(&app, &request).await?).into_response())
}

impl From<TrustError> for ApiError {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Store(error) => error.into(),
            TrustError::File { ref source, .. } if source.kind() == ErrorKind::StorageFull => {
                Self::no_space(error)
            }
            error => Self::internal(error),
        }
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        let detail = error.to_string();
        match error {
            AcceptError::Form(..) => Self::bad_request("statement_malformed", detail),
            AcceptError::Statement(error) => Self::unprocessable(error.code(), detail),
            AcceptError::Kind(_) => Self::unprocessable("statement_kind", detail),
            AcceptError::Namespace(_) => Self::not_found("namespace_unknown", detail),
            AcceptError::Keys(error @ registry_trust::authority::Refusal::Sequence { .. }) => {
                Self::conflict(error.code(), detail)
            }
            AcceptError::Keys(error) => Self::unprocessable(error.code(), detail),
            AcceptError::Ci(error) => Self::unprocessable(error.code(), detail),
            AcceptError::Root(_) => Self::unprocessable("root_invalid", detail),
            AcceptError::Status(error) => error.into(),
            AcceptError::Forbidden { .. } => {
                Self::refused(StatusCode::FORBIDDEN, "forbidden", detail)
            }
            AcceptError::Trust(error) => error.into(),
            AcceptError::Store(error) => error.into(),
            AcceptError::Work(_) => Self::internal(error),
        }
    }
}
