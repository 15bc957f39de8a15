//! What the OpenAPI document says of our extractors and answers.

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response, SchemaObject};
use aide::operation::{OperationInput, OperationOutput};
use aide::transform::TransformOperation;
use registry_api::Problem;
use schemars::JsonSchema;

use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};

/// An operation for callers with a token that answers `STATUS`, or a problem.
pub(super) fn answers<'t, const STATUS: u16, T: JsonSchema>(
    operation: TransformOperation<'t>,
    id: &str,
    summary: &str,
) -> TransformOperation<'t> {
    described(operation, id, summary)
        .security_requirement(super::openapi::TOKEN)
        .response::<STATUS, Json<T>>()
}

/// An operation that also answers without a token where the namespace is open.
pub(super) fn open<'t, T: JsonSchema>(
    operation: TransformOperation<'t>,
    id: &str,
    summary: &str,
) -> TransformOperation<'t> {
    described(operation, id, summary).response::<200, Json<T>>()
}

/// An operation that answers with plain text, without a token where the namespace is open.
pub(super) fn open_text<'t>(
    operation: TransformOperation<'t>,
    id: &str,
    summary: &str,
) -> TransformOperation<'t> {
    described(operation, id, summary).response::<200, String>()
}

/// An operation that answers 204, or a problem.
pub(super) fn answers_nothing<'t>(
    operation: TransformOperation<'t>,
    id: &str,
    summary: &str,
) -> TransformOperation<'t> {
    described(operation, id, summary)
        .security_requirement(super::openapi::TOKEN)
        .response::<204, ()>()
}

fn described<'t>(
    operation: TransformOperation<'t>,
    id: &str,
    summary: &str,
) -> TransformOperation<'t> {
    operation.id(id).summary(summary).default_response_with::<ApiError, _>(|response| {
        response.description(
            "Refused or failed; `code` is a stable name, `detail` says how to mend it.",
        )
    })
}

impl OperationInput for Caller {}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(context, operation);
    }
}

impl<T: JsonSchema> OperationInput for Path<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        axum::extract::Path::<T>::operation_input(context, operation);
    }
}

impl<T: JsonSchema> OperationInput for Query<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        axum::extract::Query::<T>::operation_input(context, operation);
    }
}

impl<T: JsonSchema> OperationOutput for Json<T> {
    type Inner = T;

    fn operation_response(context: &mut GenContext, operation: &mut Operation) -> Option<Response> {
        axum::Json::<T>::operation_response(context, operation)
    }
}

impl OperationOutput for ApiError {
    type Inner = Problem;

    fn operation_response(context: &mut GenContext, _: &mut Operation) -> Option<Response> {
        let json_schema = context.schema.subschema_for::<Problem>();
        let schema = SchemaObject { json_schema, external_docs: None, example: None };
        let body = MediaType { schema: Some(schema), ..MediaType::default() };
        Some(Response {
            content: [(Problem::CONTENT_TYPE.to_owned(), body)].into_iter().collect(),
            ..Response::default()
        })
    }
}
