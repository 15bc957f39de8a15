//! What the OpenAPI document says of our extractors and answers.

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response, SchemaObject};
use aide::operation::{OperationInput, OperationOutput};
use aide::transform::TransformOperation;
use registry_api::Problem;
use schemars::JsonSchema;

use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};

/// An operation that answers 200, or a problem.
pub(super) fn answers<'t, T: JsonSchema>(
    operation: TransformOperation<'t>,
    id: &str,
) -> TransformOperation<'t> {
    described(operation, id).response::<200, Json<T>>()
}

/// An operation that answers 202 with what is to be waited for, or a problem.
pub(super) fn accepted<'t, T: JsonSchema>(
    operation: TransformOperation<'t>,
    id: &str,
) -> TransformOperation<'t> {
    described(operation, id).response::<202, Json<T>>()
}

fn described<'t>(operation: TransformOperation<'t>, id: &str) -> TransformOperation<'t> {
    operation
        .id(id)
        .security_requirement(super::openapi::TOKEN)
        .default_response_with::<ApiError, _>(|response| {
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
