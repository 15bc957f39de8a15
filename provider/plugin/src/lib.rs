//! `terraform-provider-idp`: golden-path resources for Terraform and OpenTofu.
//!
//! Resources do not compute; the platform does. What happens here: reading configuration and state, asking the
//! platform what a change would do, keeping the promise that a plan is, and telling people what came of it.
//!
//! - [`provider`]: what it offers
//! - [`settings`]: the provider block, and what configuring makes of it
//! - [`resources`], [`data_sources`], [`ephemeral_resources`]: what configurations use; `golden`: what resources on golden paths do alike
//! - [`verification`]: whether what is installed is what was published, told when the provider is configured
//! - [`client`]: the platform API
//! - [`report`]: problems, verdicts and notices as diagnostics
//! - [`json`], [`duration`]: between Terraform's values and the platform's
//! - [`cli`], [`docs`]: what the program does when a person starts it

mod check;
pub mod cli;
pub mod client;
pub mod data_sources;
pub mod docs;
pub mod duration;
pub mod ephemeral_resources;
mod golden;
mod hidden;
mod import;
pub mod json;
pub mod provider;
pub mod report;
pub mod resources;
pub mod settings;
pub mod verification;
