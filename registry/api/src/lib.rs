//! Wire types shared by the server, the provider and the tests.
//!
//! Addresses, names and version constraints parse here because both sides must agree on them. The rest are
//! plain serde structs whose field names are exactly those of the published protocols. Knows nothing of HTTP
//! clients, storage or rendering.
//!
//! - [`address`], [`name`], [`constraint`]: what a configuration writes
//! - [`discovery`], [`modules`], [`providers`]: Terraform's registry protocols
//! - [`platform`]: our own API under `/api/v1`
//! - [`problem`]: `application/problem+json`, the body of every error of our own API

#![warn(missing_docs)]

pub mod address;
pub mod constraint;
pub mod discovery;
pub mod modules;
pub mod name;
pub mod platform;
pub mod problem;
pub mod providers;

pub use address::{ModuleAddress, Platform, ProviderAddress};
pub use constraint::VersionConstraint;
pub use name::Name;
pub use problem::Problem;
