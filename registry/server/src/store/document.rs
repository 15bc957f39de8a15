//! How values that are not plain columns are kept: documents as JSON, enumerations as the wire's word.

use registry_api::Name;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// A value as JSON. Ours always serialize: string keys, finite numbers.
pub(super) fn text<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A value from JSON that we wrote.
pub(super) fn document<T: DeserializeOwned>(
    what: &'static str,
    text: String,
) -> Result<T, StoreError> {
    serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what, value: text })
}

/// The word of a fieldless enumeration.
pub(super) fn word<T: Serialize>(value: T) -> String {
    text(&value).trim_matches('"').to_owned()
}

/// A fieldless enumeration from its word.
pub(super) fn enumerated<T: DeserializeOwned>(
    what: &'static str,
    word: String,
) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(word.clone()))
        .map_err(|_| StoreError::Corrupt { what, value: word })
}

/// A name from a column.
pub(super) fn name(text: String) -> Result<Name, StoreError> {
    text.parse().map_err(|_| StoreError::Corrupt { what: "name", value: text })
}

/// A count for a column.
pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count from a column.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
