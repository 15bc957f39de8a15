//! `skeleton/`: the files a new service repository starts with.
//!
//! Text files are minijinja templates with `[[ … ]]` and `[% … %]`, because workflows and Makefiles use braces
//! themselves. The same strictness and bounds as elsewhere; includes do not exist. A file whose template yields nothing
//! for a request is left out.

use minijinja::Value;

use super::error::PathError;
use super::expression::{Scope, TEXT, explain};
use super::layout::Files;
use super::path::GoldenPath;
use super::render::{RenderError, RenderRequest};

/// Largest file of a skeleton.
const MAX_BYTES: usize = 256 * 1024;

/// The text files, checked.
#[derive(Debug)]
pub(super) struct Skeleton(Vec<(String, String)>);

impl Skeleton {
    pub(super) fn parse(files: &Files) -> Result<Self, PathError> {
        let mut texts = Vec::new();
        for (path, bytes) in files {
            let Some(name) = path.strip_prefix("skeleton/") else { continue };
            let refuse =
                |rule, message: &str, fix: &str| PathError::new(path, 0, rule, message, fix);
            if bytes.len() > MAX_BYTES {
                return Err(refuse(
                    "skeleton_size",
                    "the file is too large",
                    "keep it under 256 KiB",
                ));
            }
            let text = std::str::from_utf8(bytes).map_err(|_| {
                refuse("skeleton_text", "the file is not UTF-8 text", "a skeleton holds text only")
            })?;
            TEXT.template_from_named_str(path, text).map_err(|error| {
                let line = error.line().unwrap_or_default();
                PathError::new(
                    path,
                    line,
                    "skeleton_syntax",
                    explain(&error),
                    "correct the [[ … ]] or [% … %]",
                )
            })?;
            texts.push((name.to_owned(), text.to_owned()));
        }
        Ok(Self(texts))
    }
}

impl GoldenPath {
    /// The files a new service repository starts with, by their path in it.
    pub fn render_skeleton(&self, request: &RenderRequest) -> Result<Files, RenderError> {
        let scope = self.prepare(request)?.scope;
        let mut files = Files::new();
        for (name, text) in &self.skeleton.0 {
            let bytes = render(name, text, &scope)?;
            if !bytes.is_empty() || text.is_empty() {
                files.insert(name.clone(), bytes);
            }
        }
        Ok(files)
    }
}

fn render(name: &str, text: &str, scope: &Scope) -> Result<Vec<u8>, PathError> {
    let file = format!("skeleton/{name}");
    let render = |root: Value| TEXT.template_from_named_str(&file, text)?.render(root);
    render(scope.root()).map(String::into_bytes).map_err(|error| {
        let line = error.line().unwrap_or_default();
        PathError::new(&file, line, "skeleton_value", explain(&error), "correct the expression")
    })
}
