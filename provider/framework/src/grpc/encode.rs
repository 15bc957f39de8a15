//! To the protocol's messages.

use super::msgpack;
use super::tfplugin6 as wire;
use crate::Timestamp;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::function::FunctionError;
use crate::path::{AttributePath, AttributePathStep};
use crate::schema::Type;
use crate::value::Value;

/// Encodes a value of a type.
pub(super) fn value(value: &Value, ty: &Type) -> wire::DynamicValue {
    let msgpack = msgpack::encode(value, ty).into();
    wire::DynamicValue { msgpack, json: prost::bytes::Bytes::new() }
}

/// Encodes reports, errors first.
pub(super) fn diagnostics(diagnostics: Diagnostics) -> Vec<wire::Diagnostic> {
    use wire::diagnostic::Severity;
    let errors = diagnostics.errors.into_iter().map(|error| diagnostic(error, Severity::Error));
    let warnings =
        diagnostics.warnings.into_iter().map(|warning| diagnostic(warning, Severity::Warning));
    errors.chain(warnings).collect()
}

fn diagnostic(diagnostic: Diagnostic, severity: wire::diagnostic::Severity) -> wire::Diagnostic {
    wire::Diagnostic {
        severity: severity.into(),
        summary: diagnostic.summary.into_owned(),
        detail: diagnostic.detail.into_owned(),
        attribute: (!diagnostic.attribute.steps.is_empty()).then(|| path(diagnostic.attribute)),
    }
}

/// Encodes a path.
pub(super) fn path(path: AttributePath) -> wire::AttributePath {
    use wire::attribute_path::Step;
    use wire::attribute_path::step::Selector;
    let step = |step| {
        let selector = match step {
            AttributePathStep::Attribute(name) => Selector::AttributeName(name.into_owned()),
            AttributePathStep::Key(key) => Selector::ElementKeyString(key.into_owned()),
            AttributePathStep::Index(index) => Selector::ElementKeyInt(index),
        };
        Step { selector: Some(selector) }
    };
    wire::AttributePath { steps: path.steps.into_iter().map(step).collect() }
}

/// Encodes why a function has no result.
pub(super) fn function_error(error: FunctionError) -> wire::FunctionError {
    wire::FunctionError {
        text: error.text,
        function_argument: error.argument.and_then(|position| i64::try_from(position).ok()),
    }
}

/// Encodes a point in time.
pub(super) fn timestamp(time: Timestamp) -> prost_types::Timestamp {
    // The protocol counts fractions forward, also before 1970.
    let (second, nanosecond) = (time.as_second(), time.subsec_nanosecond());
    if nanosecond < 0 {
        return prost_types::Timestamp { seconds: second - 1, nanos: nanosecond + 1_000_000_000 };
    }
    prost_types::Timestamp { seconds: second, nanos: nanosecond }
}
