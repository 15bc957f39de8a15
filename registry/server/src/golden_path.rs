//! Golden paths: read from an archive, checked, and rendered into the files of a GitOps repository.
//!
//! Pure: no clock, randomness or network; everything it may know is in its arguments. Only [`read_directory`] touches
//! files, for the command line. Knows nothing of HTTP,
//! SQL, git or who is allowed to do what.
//!
//! - [`path`]: reads `golden-path.yaml` and everything beside it; [`manifest`], [`inputs`], [`template`],
//!   [`expression`], [`skeleton`] are its parts
//! - [`render`]: inputs in, files out; [`slo`], [`layout`] and [`check`] are its parts
//! - [`fixtures`]: a path's own tests
//! - [`yaml`], [`decimal`]: documents and numbers without surprises

mod check;
mod decimal;
mod directory;
mod error;
mod expression;
mod fixtures;
mod inputs;
mod layout;
mod manifest;
mod path;
mod render;
mod skeleton;
mod slo;
mod template;
mod yaml;

pub use directory::{DirectoryError, read_directory, shared_partials};
/// JSON in the form that rendered files have.
pub(crate) fn to_yaml(value: &serde_json::Value) -> String {
    yaml::write(&yaml::Tree::from_json(value))
}

pub use error::{PathError, PathErrors};
pub use fixtures::{Outcome, request as fixtures_request, run as run_fixtures};
pub use layout::{
    Files, MACHINE_FILE, RenderedObject, directory, hex_sha256, is_machine_file, rendered_sha256,
    rendered_sha256_of_digests,
};
pub use manifest::{Control, MANIFEST, Manifest, Support};
pub use path::GoldenPath;
pub use render::{RenderError, RenderRequest, Rendered};

#[cfg(test)]
mod tests;
