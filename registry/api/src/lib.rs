//! Wire types shared by the server, the provider and the tests.
//!
//! Addresses, names and version constraints parse here because both sides must agree on them. The rest are
//! plain serde structs whose field names are exactly those of the published protocols. Knows nothing of HTTP
//! clients, storage or rendering.
//!
//! - [`address`], [`name`], [`constraint`]: what a configuration writes
//! - [`discovery`], [`modules`], [`providers`]: Terraform's registry protocols
//! - [`interface`]: what a module promises its callers, and how that changes
//! - [`oidc`]: publishing from CI
//! - [`tokens`]: tokens, and facts about the server
//! - [`platform`]: our own API under `/api/v1`
//! - [`problem`]: `application/problem+json`, the body of every error of our own API

#![warn(missing_docs)]

/// In the OpenAPI document these types are plain strings: their rules are in their parsers.
macro_rules! text_schema {
    ($($kind:ident),+) => {$(
        #[cfg(feature = "schemars")]
        impl schemars::JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                String::json_schema(generator)
            }
        }
    )+};
}

pub(crate) use text_schema;

pub mod address;
pub mod constraint;
pub mod discovery;
pub mod interface;
pub mod modules;
pub mod name;
pub mod oidc;
pub mod platform;
pub mod problem;
pub mod providers;
pub mod tokens;
pub mod trust;

pub use address::{ModuleAddress, Platform, ProviderAddress};
pub use constraint::VersionConstraint;
pub use name::Name;
pub use problem::Problem;
