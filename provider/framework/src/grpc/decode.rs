//! From the protocol's messages.

use super::Refusal;
use super::msgpack;
use super::tfplugin6 as wire;
use crate::context::ClientCapabilities;
use crate::diagnostics::{Diagnostics, Report as _};
use crate::path::show;
use crate::schema::Type;
use crate::value::{Value, from_json};

/// Decodes the value that a request carries under a name.
pub(super) fn value(
    carried: Option<wire::DynamicValue>,
    ty: &Type,
    name: &str,
) -> Result<Value, Refusal> {
    let carried = carried.unwrap_or_default();
    let decoded =
        match (carried.msgpack.is_empty(), carried.json.is_empty()) {
            (false, _) => msgpack::decode(&carried.msgpack, ty)
                .map_err(|error| (error.path(), error.to_string())),
            (true, false) => from_json(&carried.json, ty)
                .map_err(|error| (error.path(), error.message().to_owned())),
            // What is not there is null.
            (true, true) => Ok(Value::Null),
        };
    decoded.map_err(|(path, message)| {
        let mut diagnostics = Diagnostics::default();
        let place = if path.steps.is_empty() { name.to_owned() } else { format!("{name} {}", show(&path)) };
        diagnostics.fail(
            "Request cannot be decoded",
            format!(
                "{place}: {message}. The client and the provider disagree about the schema; running init again may \
                 help."
            ),
        );
        diagnostics
    })
}

/// Decodes stored state, which must be JSON.
pub(super) fn raw_state(carried: Option<wire::RawState>) -> Result<Vec<u8>, Refusal> {
    let carried = carried.unwrap_or_default();
    if carried.json.is_empty() {
        let mut diagnostics = Diagnostics::default();
        let what = if carried.flatmap.is_empty() {
            "is missing"
        } else {
            "is in the format of Terraform 0.11"
        };
        diagnostics
            .fail("State cannot be read", format!("The stored state {what}; JSON is expected."));
        return Err(diagnostics);
    }
    Ok(carried.json.to_vec())
}

impl From<wire::ClientCapabilities> for ClientCapabilities {
    fn from(wire: wire::ClientCapabilities) -> Self {
        Self {
            deferral_allowed: wire.deferral_allowed,
            write_only_attributes_allowed: wire.write_only_attributes_allowed,
        }
    }
}
