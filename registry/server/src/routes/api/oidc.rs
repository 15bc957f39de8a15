//! CI jobs exchange their ID tokens here.

use axum::extract::State;
use axum::http::StatusCode;
use registry_api::oidc::{ExchangeRequest, Exchanged, TrustedPublisher, TrustedPublisherList};

use crate::app::App;
use crate::auth::oidc::TokenError;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Query};
use crate::ops::oidc::{ExchangeError, exchange as exchange_token};

/// `POST /api/v1/oidc/exchange`: answers everyone who has a token of a CI system that is trusted.
pub async fn exchange(
    State(app): State<App>,
    Json(wanted): Json<ExchangeRequest>,
) -> Result<Json<Exchanged>, ApiError> {
    Ok(Json(exchange_token(&app, wanted).await?))
}

/// Of which namespace.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct PublishersQuery {
    /// Every one that the caller may install from where absent.
    namespace: Option<String>,
}

/// `GET /api/v1/oidc/trusted-publishers`: what a job's token must say, for whoever may install from the namespace.
pub async fn trusted_publishers(
    State(app): State<App>,
    caller: Caller,
    Query(PublishersQuery { namespace }): Query<PublishersQuery>,
) -> Result<Json<TrustedPublisherList>, ApiError> {
    if let Some(namespace) = &namespace {
        caller.require_read(&app, namespace)?;
    }
    let describe = |one: &crate::config::TrustedPublisher| {
        let issuer = app.config.oidc_issuer(&one.issuer)?;
        Some(TrustedPublisher {
            namespace: one.namespace.clone(),
            issuer: one.issuer.clone(),
            audience: issuer.audience.clone(),
            claims: one.claims.clone(),
            refuse_claims: issuer.refuse_claims.clone(),
            modules: one.modules.clone(),
        })
    };
    let publishers = app.config.trusted_publishers.iter();
    let trusted_publishers = publishers
        .filter(|one| namespace.as_ref().is_none_or(|namespace| *namespace == one.namespace))
        .filter(|one| caller.require_read(&app, &one.namespace).is_ok())
        .filter_map(describe)
        .collect();
    Ok(Json(TrustedPublisherList { trusted_publishers }))
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        let detail = error.to_string();
        let unauthorized = |code, detail| Self::refused(StatusCode::UNAUTHORIZED, code, detail);
        match error {
            ExchangeError::Token(error) => {
                let status = match error {
                    TokenError::Malformed(_) => StatusCode::BAD_REQUEST,
                    TokenError::Mismatch(_) | TokenError::Event { .. } => StatusCode::FORBIDDEN,
                    TokenError::Algorithm { .. }
                    | TokenError::Signature { .. }
                    | TokenError::Expired(_)
                    | TokenError::Audience { .. } => StatusCode::UNAUTHORIZED,
                };
                Self::refused(status, error.code(), detail)
            }
            ExchangeError::Issuer { .. } => unauthorized("oidc_issuer_unknown", detail),
            ExchangeError::Key { .. } => unauthorized("oidc_key_unknown", detail),
            ExchangeError::Unreachable(away) => {
                Self::refused(StatusCode::SERVICE_UNAVAILABLE, "oidc_issuer_unreachable", detail)
                    .with_retry_after(away.retry_seconds)
            }
            ExchangeError::Used => Self::conflict("oidc_token_used", detail),
            ExchangeError::PublicKey(_) => Self::unprocessable("oidc_public_key_invalid", detail),
            ExchangeError::Proof { .. } => Self::unprocessable("oidc_proof_invalid", detail),
            ExchangeError::Right(_) => Self::unprocessable("invalid_right", detail),
            ExchangeError::Store(error) => error.into(),
        }
    }
}
