//! `terraform-provider-idp`: golden-path resources for Terraform and OpenTofu.
//!
//! Resources do not compute; the platform does. What happens here: reading configuration and state, asking the
//! platform what a change would do, keeping the promise that a plan is, and telling people what came of it.
//!
//! - [`client`]: the platform API

pub mod client;
