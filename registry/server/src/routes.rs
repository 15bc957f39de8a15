//! The HTTP edge: extract, authorise, one call, answer.
//!
//! - [`discovery`], [`modules`], [`providers`], [`archives`]: Terraform's protocols; errors are plain text
//! - [`api`]: our own API; errors are problem documents
//! - [`health`]: for whoever runs it

pub mod api;
pub mod archives;
pub mod discovery;
pub mod health;
pub mod log;
pub mod modules;
mod protocol;
pub mod providers;
mod upload;
