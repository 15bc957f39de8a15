//! Secrets: what everyone who may see them knows of them, and what only their readers get.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::Name;

/// Names one secret, as `secret_ref` outputs and External Secrets' `remoteRef.key` write it:
/// `secret/ENVIRONMENT/NAME`, `database/ENVIRONMENT/NAME` or `service/ENVIRONMENT/NAME/ALIAS`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretRef {
    /// One that a team keeps, with the single field `value`.
    Secret {
        /// Where it is.
        environment: Name,
        /// What it is called there.
        name: Name,
    },
    /// Credentials of a database for whoever reads them.
    Database {
        /// Where the database is.
        environment: Name,
        /// The database.
        name: Name,
    },
    /// Credentials that the platform makes, so that a service can use something.
    Service {
        /// Where the service is.
        environment: Name,
        /// The service.
        name: Name,
        /// What the service calls the thing it uses.
        alias: Name,
    },
}

/// A text that is not a [`SecretRef`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidSecretRef {
    /// What was given.
    pub given: String,
}

impl SecretRef {
    /// Where it is.
    pub const fn environment(&self) -> &Name {
        match self {
            Self::Secret { environment, .. }
            | Self::Database { environment, .. }
            | Self::Service { environment, .. } => environment,
        }
    }

    /// What it is called there; of credentials, the service.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Secret { name, .. }
            | Self::Database { name, .. }
            | Self::Service { name, .. } => name,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let name = |text: &str| text.parse().ok();
        match parts.as_slice() {
            ["secret", environment, own] => {
                Some(Self::Secret { environment: name(environment)?, name: name(own)? })
            }
            ["database", environment, own] => {
                Some(Self::Database { environment: name(environment)?, name: name(own)? })
            }
            ["service", environment, own, alias] => Some(Self::Service {
                environment: name(environment)?,
                name: name(own)?,
                alias: name(alias)?,
            }),
            _ => None,
        }
    }
}

crate::text_schema!(SecretRef, Sensitive);

impl FromStr for SecretRef {
    type Err = InvalidSecretRef;

    fn from_str(text: &str) -> Result<Self, InvalidSecretRef> {
        let given = || text.chars().take(200).collect();
        Self::parse(text).ok_or_else(|| InvalidSecretRef { given: given() })
    }
}

impl TryFrom<String> for SecretRef {
    type Error = InvalidSecretRef;

    fn try_from(text: String) -> Result<Self, InvalidSecretRef> {
        text.parse()
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.to_string()
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { environment, name } => write!(f, "secret/{environment}/{name}"),
            Self::Database { environment, name } => write!(f, "database/{environment}/{name}"),
            Self::Service { environment, name, alias } => {
                write!(f, "service/{environment}/{name}/{alias}")
            }
        }
    }
}

impl fmt::Display for InvalidSecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} does not name a secret: write secret/ENVIRONMENT/NAME, database/ENVIRONMENT/NAME or \
             service/ENVIRONMENT/NAME/ALIAS",
            self.given
        )
    }
}

impl std::error::Error for InvalidSecretRef {}

/// Text on its way over the wire that nothing else may show: its Debug prints nothing of it, and one that is not text
/// is refused without being quoted.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sensitive(String);

impl Sensitive {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Gives the text away, without a copy.
    pub fn into_inner(self) -> String {
        self.0
    }
}

impl<'de> Deserialize<'de> for Sensitive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("a secret value is not text"))
    }
}

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(…)")
    }
}

/// Body of `PUT /secrets/{environment}/{name}`: exactly one of `value` and `generate`.
///
/// `If-None-Match: *` creates, `If-Match: "<generation>"` changes; one of them is required.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct PutSecret {
    /// For whom.
    pub owner: Name,
    /// The value. It replaces the one that is kept only where `value_version` differs from the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Sensitive>,
    /// What the caller calls this value; raise it to replace the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_version: Option<u64>,
    /// Have the server make the value, so that nobody ever sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// When a generated value is made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<SecretRotation>,
    /// Whether a delete is refused.
    #[serde(default)]
    pub deletion_protection: bool,
}

/// How the server makes a value; other settings make another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Generate {
    /// How many characters, 16 to 128.
    pub length: u32,
    /// Whether it has symbols beside letters and digits.
    pub symbols: bool,
}

impl Default for Generate {
    fn default() -> Self {
        Self { length: 32, symbols: false }
    }
}

/// When a generated value is made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SecretRotation {
    /// Any text, such as `2026-q4`: another one makes a new value.
    pub trigger: String,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum SecretOrigin {
    /// Its owner gave it.
    Given,
    /// The server made it for its owner.
    Generated,
    /// The platform made it for a service.
    Platform,
}

/// What is known of a secret, never its value; the generation is also the `ETag`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Secret {
    /// Which one; where its value is read.
    pub secret_ref: SecretRef,
    /// For whom.
    pub owner: Name,
    /// Grows with every change.
    pub generation: u64,
    /// Grows with every new value.
    pub version: u64,
    /// Where the value comes from.
    pub origin: SecretOrigin,
    /// What its owner calls the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_version: Option<u64>,
    /// How the value was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// When it is made anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<SecretRotation>,
    /// Whether a delete is refused.
    pub deletion_protection: bool,
    /// When it was first written.
    pub created_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// When the value was last read, to within a few minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_read_at: Option<String>,
}

/// Answer of `GET /secrets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SecretList {
    /// What the caller may see, by reference.
    pub secrets: Vec<Secret>,
}

/// Answer of `GET /secret-values/…`, for External Secrets and whoever else may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct SecretValues {
    /// Field to text; a team's own secret has the one field `value`.
    pub data: BTreeMap<String, Sensitive>,
    /// Grows with every new value.
    pub version: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reference_says_its_kind_and_its_place() {
        for text in ["secret/staging/stripe-key", "service/staging/checkout/orders"] {
            let reference: SecretRef = text.parse().unwrap();

            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.environment().as_str(), "staging");
            assert!(text.contains(&format!("/staging/{}", reference.name())));
        }
        for text in [
            "",
            "secret/a",
            "secret/a/b/c",
            "service/a/b",
            "vault/a/b",
            "secret/A/b",
            "/secret/a/b",
        ] {
            let error = text.parse::<SecretRef>().unwrap_err().to_string();
            assert!(error.contains("secret/ENVIRONMENT/NAME"), "{text}: {error}");
        }
    }

    #[test]
    fn a_sensitive_text_is_neither_printed_nor_quoted_in_errors() {
        let value: Sensitive = serde_json::from_str("\"hunter2\"").unwrap();

        assert_eq!(format!("{value:?}"), "Sensitive(…)");
        for wrong in ["4711", "{\"password\": \"hunter2\"}", "[\"hunter2\"]", "1.5", "true"] {
            let error = serde_json::from_str::<Sensitive>(wrong).unwrap_err().to_string();
            assert!(error.starts_with("a secret value is not text"), "{error}");
            assert!(!error.contains("4711") && !error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_no_reference_or_prints_as_it_was_written(text in "(secret|service)(/[a-z-]{0,5}){0,4}|.{0,40}") {
            if let Ok(reference) = text.parse::<SecretRef>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
