//! A Terraform provider engine: plugin protocol 6.

#![warn(missing_docs)]

pub mod context;
pub mod data_source;
pub mod diagnostics;
pub mod function;
pub mod path;
pub mod provider;
pub mod resource;
pub mod schema;
pub mod value;

pub use async_trait::async_trait;

pub use crate::diagnostics::{Diagnostic, Diagnostics, Failed, Report};
pub use crate::path::{AttributePath, AttributePathStep};
