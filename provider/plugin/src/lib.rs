//! `terraform-provider-idp`: golden-path resources for Terraform and OpenTofu.
//!
//! Resources do not compute; the platform does. What happens here: reading configuration and state, asking the
//! platform what a change would do, keeping the promise that a plan is, and telling people what came of it.
//!
//! - [`client`]: the platform API
//! - [`settings`]: the provider's own configuration, and what it makes
//! - [`resources`], [`data_sources`]: what configurations use
//! - [`report`]: problems, verdicts and notices as diagnostics
//! - [`json`], [`duration`]: between Terraform's values and the platform's

pub mod client;
pub mod duration;
pub mod json;
pub mod report;
pub mod resources;
pub mod settings;
