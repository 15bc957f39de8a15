//! Where in an object a rule looks.

use crate::path::{self, AttributePath};
use crate::schema::dotted;

/// Where in the object, for people and for the schema's extras.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) path: AttributePath,
    pub(super) dotted: String,
    /// Whether values here are hidden.
    pub(super) sensitive: bool,
}

impl Place {
    pub(super) fn attribute(&self, name: &str, sensitive: bool) -> Self {
        Self {
            path: path::attribute(&self.path, name),
            dotted: dotted(&self.dotted, name),
            sensitive: self.sensitive || sensitive,
        }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self { path: path::index(&self.path, index), ..self.clone() }
    }

    pub(super) fn key(&self, key: &str) -> Self {
        Self { path: path::key(&self.path, key), ..self.clone() }
    }
}
