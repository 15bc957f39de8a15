//! What core demands of a provider's answers.
//!
//! Core checks these after the fact and blames "a bug in the provider" in words that only its authors understand. The
//! engine checks first, so that the report names the attribute and nothing is lost. Pure: schemas and values in,
//! problems out.

mod compatible;
mod conform;
mod place;
mod plan_valid;
mod write_only;

pub use compatible::object_compatible;
pub use conform::{conform, empty_object, forget_unknowns, mend_path, path_exists};
pub use plan_valid::{ephemeral_valid, plan_valid};
pub use write_only::{strip_write_only, write_only_paths};

use std::fmt;

use crate::path::{AttributePath, show};
use crate::value::Value;

/// A demand that is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub path: AttributePath,
    /// What.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(path: &AttributePath, message: impl Into<String>) -> Self {
        Self { path: path.clone(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.steps.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", show(&self.path), self.message)
    }
}

/// A value for a message: short, and hidden if it is sensitive.
fn shown(value: &Value, sensitive: bool) -> String {
    const LONGEST: usize = 200;
    if sensitive {
        return "(sensitive value)".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
