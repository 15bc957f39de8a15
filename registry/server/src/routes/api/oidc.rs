//! CI jobs exchange their ID tokens here.

use axum::extract::State;
use axum::http::StatusCode;
use registry_api::oidc::{ExchangeRequest, Exchanged, TrustedPublisher, TrustedPublisherList};
use registry_trust::statement::TrustedCi;

use crate::app::App;
use crate::auth::oidc::TokenError;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Query};
use crate::ops::ci_key::GrantError;
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
    let authority = app.trust.authority(&mut *app.store.read().await?).await?;
    let trusted_publishers = authority
        .namespaces()
        .filter(|name| namespace.as_ref().is_none_or(|namespace| namespace == name))
        .filter(|name| caller.require_read(&app, name).is_ok())
        .flat_map(|name| describe(&app, name, &authority.held(name).ci))
        .collect();
    Ok(Json(TrustedPublisherList { trusted_publishers }))
}

/// Jobs whose issuer is configured no longer are nobody's: no token of theirs is believed.
fn describe(app: &App, namespace: &str, kinds: &[&TrustedCi]) -> Vec<TrustedPublisher> {
    let describe = |ci: &&TrustedCi| {
        let issuer = app.config.oidc_issuer(&ci.issuer)?;
        Some(TrustedPublisher {
            namespace: namespace.to_owned(),
            issuer: ci.issuer.clone(),
            audience: issuer.audience.clone(),
            claims: ci.claims.clone(),
            refuse_claims: issuer.refuse_claims.clone(),
        })
    };
    kinds.iter().filter_map(describe).collect()
}

impl From<ExchangeError> for ApiError {
    fn from(error: ExchangeError) -> Self {
        let detail = error.to_string();
        let unauthorized = |code, detail| Self::refused(StatusCode::UNAUTHORIZED, code, detail);
        match error {
            ExchangeError::Token(error) | ExchangeError::Grant(GrantError::Distrusted(error)) => {
                Self::refused(status(&error), error.code(), detail)
            }
            ExchangeError::Grant(error) => match error {
                GrantError::Again(_) => Self::conflict("oidc_key_granted", detail),
                GrantError::Publisher { .. } => Self::conflict("oidc_key_taken", detail),
                GrantError::Trust(error) => error.into(),
                GrantError::Store(error) => error.into(),
                GrantError::Statement(_) | GrantError::Distrusted(_) => Self::internal(error),
            },
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
            ExchangeError::Trust(error) => error.into(),
            ExchangeError::Store(error) => error.into(),
        }
    }
}

fn status(error: &TokenError) -> StatusCode {
    match error {
        TokenError::Malformed(_) => StatusCode::BAD_REQUEST,
        TokenError::Mismatch(_) | TokenError::Event { .. } => StatusCode::FORBIDDEN,
        TokenError::Algorithm { .. }
        | TokenError::Signature { .. }
        | TokenError::Expired(_)
        | TokenError::Audience { .. } => StatusCode::UNAUTHORIZED,
    }
}
