//! Where resources may live and whose they may be.

use serde::{Deserialize, Serialize};

use crate::Name;

/// Answer of `GET /environments`: those in which the caller may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct EnvironmentList {
    /// By name.
    pub environments: Vec<Environment>,
}

/// One environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Environment {
    /// What configurations write as `environment`.
    pub name: Name,
    /// `development`, `staging` or `production`.
    pub tier: String,
    /// Domain under which its services are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Name of its GitOps repository in the server's configuration.
    pub gitops_repository: String,
    /// Revision of its configuration.
    pub revision: String,
}

/// Answer of `GET /owners`: those for whom the caller may do something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct OwnerList {
    /// By name.
    pub owners: Vec<Owner>,
}

/// One owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct Owner {
    /// What configurations write as `owner`.
    pub name: Name,
    /// For people.
    pub title: String,
    /// Where to reach them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}
