//! The specification of a database, and what one gives.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an application team writes about a database.
///
/// `engine` chooses the golden path `golden/database/<engine>`, whose input schema has the last word on every other
/// field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct DatabaseSpec {
    /// What it runs on: `postgres`.
    pub engine: String,
    /// Resource class: `small`, `medium` or `large`, as the path defines them.
    #[serde(default = "super::service::default_size")]
    pub size: String,
    /// Extensions to have; the environment says which may be asked for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extensions: BTreeSet<String>,
    /// Most connections at once, of all roles together; the path has a default per size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
    /// Longest that a statement may run, as a duration such as `30s`; the path has a default. Migrations have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_timeout: Option<String>,
    /// What becomes of the data when the resource is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Whether a delete first writes a dump on the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub final_dump: bool,
    /// Gives every consumer new credentials when its trigger changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Inputs that only this path knows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Value>,
}

/// What becomes of the data of a database that is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum DeletionPolicy {
    /// It is dropped.
    #[default]
    Delete,
    /// It stays on its server, and the platform lets go of it.
    Retain,
}

/// When credentials or generated values are made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Rotation {
    /// Any text; another one than before rotates.
    pub trigger: String,
}

/// What a login may do in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub enum Access {
    /// Read every table.
    Read,
    /// Read and change rows.
    Write,
    /// Change the schema, as its owner.
    Migrate,
}

impl Access {
    /// Every access, least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Migrate];

    /// The word used in configurations, rights and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Migrate => "migrate",
        }
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a database is reached; never with a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct DatabaseOutputs {
    /// Host of its server, as applications reach it.
    pub host: String,
    /// Port of its server.
    pub port: u16,
    /// Its name on the server.
    pub database: String,
    /// The role that owns it; nobody logs in as it.
    pub owner_role: String,
    /// Where its own credentials are in the secret store: `database/staging/orders`.
    pub secret_ref: String,
    /// Names it in requests for ephemeral credentials; absent until it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
    /// Version of its server, such as `15.8`; absent until it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
}
