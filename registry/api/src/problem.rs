//! `application/problem+json` (RFC 9457), the body of every error of our own API.

use serde::{Deserialize, Serialize};

/// What went wrong, for people (`title`, `detail`) and for programs (`code`, `errors`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Always `about:blank`; [`Problem::code`] is the stable name.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// A short summary of the class of problem.
    pub title: String,
    /// HTTP status, repeated.
    pub status: u16,
    /// What happened this time, and how to mend it.
    pub detail: String,
    /// Stable machine-readable name, such as `already_exists`.
    pub code: String,
    /// The id under which the server logged the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What is wrong with which part of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One wrong part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct FieldError {
    /// JSON pointer into the request body, such as `/spec/port`.
    pub pointer: String,
    /// What is wrong.
    pub detail: String,
    /// The rule it breaks, a stable name.
    pub rule: String,
    /// How to mend it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl FieldError {
    /// A wrong part, by which rule, in words, and how to mend it.
    pub fn new(
        pointer: impl Into<String>,
        rule: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
            rule: rule.into(),
            fix: Some(fix.into()),
        }
    }
}

impl Problem {
    /// Media type of the body.
    pub const CONTENT_TYPE: &'static str = "application/problem+json";
}

fn about_blank() -> String {
    "about:blank".to_owned()
}
