//! What a write carries in its headers, and how an accepted one is answered.

use aide::generate::GenContext;
use aide::openapi::{
    HeaderStyle, Operation as Documented, Parameter, ParameterData, ParameterSchemaOrContent,
    SchemaObject,
};
use aide::operation::{OperationInput, OperationOutput, add_parameters};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry_api::platform::{BASE_PATH, IDEMPOTENCY_KEY_HEADER, Operation};
use serde::Serialize;

use crate::error::ApiError;
use crate::extract::Json;
use crate::ops::put_resource::Expected;
use crate::ops::refusal::Reason;

/// The headers of a write.
#[derive(Debug, Clone)]
pub struct WriteHeaders {
    /// `If-Match` or `If-None-Match`.
    pub expected: Option<Expected>,
    /// `Idempotency-Key`.
    pub idempotency_key: Option<String>,
}

impl WriteHeaders {
    /// What the write expects to find, or 428.
    pub fn expected(&self) -> Result<Expected, ApiError> {
        self.expected.ok_or_else(|| {
            ApiError::refused(
                StatusCode::PRECONDITION_REQUIRED,
                Reason::PreconditionRequired.code(),
                "say what you expect to find: If-None-Match: * to create, If-Match: \"GENERATION\" to change",
            )
        })
    }

    /// The generation of what must be there, or 400 or 428.
    pub fn generation(&self) -> Result<u64, ApiError> {
        match self.expected()? {
            Expected::Generation(generation) => Ok(generation),
            Expected::Nothing => {
                Err(wrong("this takes If-Match: \"GENERATION\", not If-None-Match"))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for WriteHeaders {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let headers = &parts.headers;
        let matched = text(headers, &header::IF_MATCH)?;
        let none = text(headers, &header::IF_NONE_MATCH)?;
        let expected = match (matched, none) {
            (None, None) => None,
            (None, Some("*")) => Some(Expected::Nothing),
            (Some(tag), None) => Some(Expected::Generation(generation(tag)?)),
            (None, Some(_)) => return Err(wrong("If-None-Match takes only *")),
            (Some(_), Some(_)) => return Err(wrong("send If-Match or If-None-Match, not both")),
        };
        let key = text(headers, &HeaderName::from_static(IDEMPOTENCY_KEY_HEADER))?;
        Ok(Self { expected, idempotency_key: key.map(checked_key).transpose()? })
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(wrong(&format!("there is more than one {name} header")));
    }
    value.to_str().map(|text| Some(text.trim())).map_err(|_| wrong(&format!("{name} is not text")))
}

fn generation(tag: &str) -> Result<u64, ApiError> {
    let number = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    number.and_then(|number| number.parse().ok()).ok_or_else(|| {
        wrong("If-Match takes one generation in quotes, as the ETag of the resource has it: \"7\"")
    })
}

fn checked_key(key: &str) -> Result<String, ApiError> {
    let ok = (1..=128).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if ok {
        Ok(key.to_owned())
    } else {
        Err(wrong("Idempotency-Key takes 1 to 128 printable characters without spaces"))
    }
}

fn wrong(detail: &str) -> ApiError {
    ApiError::bad_request("invalid_header", detail)
}

impl OperationInput for WriteHeaders {
    fn operation_input(context: &mut GenContext, operation: &mut Documented) {
        let parameters = [
            ("If-None-Match", "`*`: the resource must not be there (a create)."),
            ("If-Match", "The generation, in quotes, that the resource must be at (a change)."),
            (
                "Idempotency-Key",
                "Sent again with the same request, answers with the first one's operation.",
            ),
        ]
        .map(|(name, description)| {
            let json_schema = context.schema.subschema_for::<String>();
            let schema = SchemaObject { json_schema, external_docs: None, example: None };
            Parameter::Header {
                parameter_data: ParameterData {
                    name: name.to_owned(),
                    description: Some(description.to_owned()),
                    required: false,
                    deprecated: None,
                    format: ParameterSchemaOrContent::Schema(schema),
                    example: None,
                    examples: indexmap::IndexMap::default(),
                    explode: None,
                    extensions: indexmap::IndexMap::default(),
                },
                style: HeaderStyle::Simple,
            }
        });
        add_parameters(context, operation, parameters);
    }
}

/// 202 with the operation and where to wait for it.
#[derive(Debug)]
pub struct Accepted(pub Operation);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        let location = format!("{BASE_PATH}/operations/{}", self.0.id);
        let mut response = (StatusCode::ACCEPTED, Json(self.0)).into_response();
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl OperationOutput for Accepted {
    type Inner = Operation;
}

/// What something is, with its generation as `ETag`.
#[derive(Debug)]
pub struct Tagged<T>(pub u64, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0));
        let mut response = Json(self.1).into_response();
        if let Ok(tag) = tag {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl<T> OperationOutput for Tagged<T> {
    type Inner = T;
}

/// An answer that nobody on its way may keep.
#[derive(Debug)]
pub struct Unstored<T>(pub T);

impl<T: Serialize> IntoResponse for Unstored<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.0).into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl<T> OperationOutput for Unstored<T> {
    type Inner = T;
}
