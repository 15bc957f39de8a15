//! placeholder
mod decimal;
mod error;
mod expression;
mod template;
mod yaml;
pub use error::{PathError, PathErrors};
