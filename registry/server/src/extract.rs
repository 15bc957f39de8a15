//! What handlers take: the caller, and JSON, path and query with our rejections.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use crate::app::App;
use crate::auth::{self, Presented, Token};
use crate::error::ApiError;
use crate::model::right::Action;

/// JSON of a request or an answer.
#[derive(Debug, Clone, Copy, Default, FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

/// Parts of the path.
#[derive(Debug, Clone, Copy, Default, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// Parameters of the query.
#[derive(Debug, Clone, Copy, Default, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

impl<T: serde::Serialize> axum::response::IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match &rejection {
            JsonRejection::MissingJsonContentType(_) => Self::refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "send the body as JSON, with Content-Type: application/json",
            ),
            _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Self::refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                "the body is larger than limits.request_bytes allows",
            ),
            _ => Self::bad_request("invalid_json", rejection.body_text()),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::bad_request("invalid_path", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request("invalid_query", rejection.body_text())
    }
}

/// Who asks. A handler that takes one and calls none of its methods lets everyone in, visibly.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Presented nothing.
    Anonymous,
    /// Presented a token that does not work, and why. As good as anonymous where anonymous is enough.
    Rejected(String),
    /// Presented a token that works.
    Token(Token),
}

impl Caller {
    /// Reads `Authorization` and looks the token up.
    pub async fn identify(app: &App, headers: &HeaderMap) -> Result<Self, ApiError> {
        match bearer(headers) {
            Bearer::None => Ok(Self::Anonymous),
            Bearer::Unusable(why) => Ok(Self::Rejected(why.to_owned())),
            Bearer::Secret(secret) => match auth::present(&app.store, &app.clock, secret).await? {
                Presented::Valid(token) => Ok(Self::Token(token)),
                Presented::Invalid(why) => Ok(Self::Rejected(why)),
            },
        }
    }

    /// The token, or 401 saying why there is none.
    pub fn token(&self) -> Result<&Token, ApiError> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Anonymous => Err(unauthorized(
                "this needs a token; send Authorization: Bearer TOKEN (terraform: a credentials block or \
                 TF_TOKEN_… for this host; idp: IDP_TOKEN)",
            )),
            Self::Rejected(why) => Err(unauthorized(why)),
        }
    }

    /// The token, when it may do `action` on resources of `owner` in `environment`; else 401 or 403.
    pub fn require(
        &self,
        action: &Action,
        environment: &str,
        owner: &str,
    ) -> Result<&Token, ApiError> {
        let token = self.token()?;
        if token.rights.allows(action, environment, owner) {
            return Ok(token);
        }
        Err(forbidden(token, &format!("{action}:{environment}:{owner}")))
    }

    /// The token, when it may do everything; else 401 or 403.
    pub fn require_admin(&self) -> Result<&Token, ApiError> {
        let token = self.token()?;
        if token.rights.is_admin() { Ok(token) } else { Err(forbidden(token, "admin")) }
    }

    /// The token, when it may publish into `namespace`; else 401 or 403.
    pub fn require_publish(&self, namespace: &str) -> Result<&Token, ApiError> {
        let token = self.token()?;
        if token.rights.may_publish(namespace) {
            return Ok(token);
        }
        Err(forbidden(token, &format!("publish:{namespace}")))
    }

    /// Whether the caller may install from `namespace`: open to everyone, or named by a right.
    pub fn require_read(&self, app: &App, namespace: &str) -> Result<(), ApiError> {
        if app.config.namespace(namespace).is_some_and(|namespace| namespace.anonymous_read) {
            return Ok(());
        }
        let token = self.token()?;
        if token.rights.may_read(namespace) {
            return Ok(());
        }
        Err(forbidden(token, &format!("read:{namespace}")))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Self::identify(app, &parts.headers).await
    }
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::refused(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn forbidden(token: &Token, needed: &str) -> ApiError {
    ApiError::refused(
        StatusCode::FORBIDDEN,
        "forbidden",
        format!(
            "token {:?} lacks the right {needed}; it has: {}",
            token.name,
            if token.rights.is_empty() {
                "none".to_owned()
            } else {
                token.rights.texts().join(", ")
            }
        ),
    )
}

enum Bearer<'a> {
    None,
    Unusable(&'static str),
    Secret(&'a str),
}

/// Terraform sends `Bearer ` with nothing after it for an empty variable: that is no token.
fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Bearer::None };
    if values.next().is_some() {
        return Bearer::Unusable("there is more than one Authorization header");
    }
    let Ok(text) = value.to_str() else {
        return Bearer::Unusable("the Authorization header is not text");
    };
    let (scheme, secret) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    let secret = secret.trim();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Bearer::Unusable("the Authorization header is not of the form Bearer TOKEN");
    }
    if secret.is_empty() { Bearer::None } else { Bearer::Secret(secret) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn kind(value: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        match bearer(&headers) {
            Bearer::None => "none",
            Bearer::Unusable(_) => "unusable",
            Bearer::Secret(_) => "secret",
        }
    }

    #[test]
    fn an_empty_bearer_is_no_token() {
        assert_eq!(kind("Bearer "), "none");
        assert_eq!(kind("Bearer"), "none");
        assert_eq!(kind("bearer  idp_x "), "secret");
        assert_eq!(kind("Basic eA=="), "unusable");
    }
}
