//! Tokens, for admins.

use axum::extract::State;
use axum::http::StatusCode;
use registry_api::tokens::{CreatedToken, NewToken, Token, TokenList};

use crate::app::App;
use crate::auth::{self, Maker};
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path};
use crate::model::right::Rights;
use crate::store::tokens::{TokenRow, tokens};

/// `POST /api/v1/tokens`: makes a token; the answer tells its secret, once.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(wanted): Json<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    let admin = caller.require_admin()?;
    let new = check(wanted, admin.into(), app.clock.now())?;
    let (row, secret) = auth::create_token(&app.store, &app.clock, new).await?;
    tracing::info!(token.id = %row.id, token.name = %row.name, by = %admin.id, "made a token");
    Ok((StatusCode::CREATED, Json(CreatedToken { token: secret, info: describe(&row) })))
}

/// `GET /api/v1/tokens`: every token, without secrets.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Json<TokenList>, ApiError> {
    caller.require_admin()?;
    let rows = tokens(&mut *app.store.read().await?).await?;
    Ok(Json(TokenList { tokens: rows.iter().map(describe).collect() }))
}

/// Which token.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct TokenPath {
    /// Its id.
    id: String,
}

/// `DELETE /api/v1/tokens/:id`: the token stops working at once.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(TokenPath { id }): Path<TokenPath>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.require_admin()?;
    if !auth::revoke_token(&app.store, &app.clock, &id, &admin.into()).await? {
        return Err(ApiError::not_found(
            "token_not_found",
            "there is no token with that id; `idp token list` shows them",
        ));
    }
    tracing::info!(token.id = %id, by = %admin.id, "revoked a token");
    Ok(StatusCode::NO_CONTENT)
}

/// Checks what a new token may be.
pub(crate) fn check(wanted: NewToken, maker: Maker, now: i64) -> Result<auth::NewToken, ApiError> {
    if wanted.rights.is_empty() {
        return Err(ApiError::unprocessable(
            "invalid_right",
            "a token without rights does nothing; give at least one, such as plan:staging:payments",
        ));
    }
    let rights = Rights::parse(&wanted.rights)
        .map_err(|error| ApiError::unprocessable("invalid_right", error.to_string()))?;
    let expires_at = wanted.expires_in_seconds.map(|seconds| {
        let millis = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        now.saturating_add(millis)
    });
    Ok(auth::NewToken { name: wanted.name, rights, expires_at, maker })
}

/// A row as clients see it.
pub(crate) fn describe(row: &TokenRow) -> Token {
    Token {
        id: row.id.clone(),
        name: row.name.clone(),
        rights: row.rights.texts(),
        created_at: rfc3339(row.created_at),
        created_by: row.created_by.clone(),
        expires_at: row.expires_at.map(rfc3339),
        revoked_at: row.revoked_at.map(rfc3339),
        last_used_at: row.last_used_at.map(rfc3339),
    }
}
