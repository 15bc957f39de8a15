//! A path as it lies in a folder, before it is packed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::PathError;
use super::layout::Files;
use super::manifest::{self, MANIFEST};
use super::yaml;

/// Largest file that is read.
const MAX_BYTES: u64 = 4 << 20;
/// Most files that are read.
const MAX_FILES: usize = 2000;

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    #[error("{path} could not be read")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} has no place in a golden path: {reason}")]
    Refused { path: PathBuf, reason: &'static str },
    #[error("{0}")]
    Path(#[from] PathError),
}

/// Reads the files of a path: everything below the folder except hidden entries, and the shared partials that its
/// manifest names, from `shared/` two levels up, so that the result is self-contained.
pub fn read_directory(directory: &Path) -> Result<Files, DirectoryError> {
    let mut files = Files::new();
    collect(directory, "", &mut files)?;
    if let Some(bytes) = files.get(MANIFEST) {
        let manifest =
            yaml::read(MANIFEST, bytes).and_then(|node| manifest::parse(&node))?.manifest;
        for name in manifest.partials {
            let inside = format!("partials/{name}.yaml");
            let shared = directory.join("../../shared").join(format!("{name}.yaml"));
            if files.contains_key(&inside) {
                let message = format!("the partial {name:?} is both shared and the path's own");
                return Err(PathError::new(
                    &inside,
                    0,
                    "partial_twice",
                    message,
                    "rename one of them",
                )
                .into());
            }
            files.insert(inside, read_file(&shared)?);
        }
    }
    Ok(files)
}

fn collect(directory: &Path, prefix: &str, files: &mut Files) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: directory.to_owned(), source };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(DirectoryError::Refused { path, reason: "its name is not UTF-8" });
        };
        // Editors, version control and terraform keep their own things in hidden entries; a skeleton needs its own.
        let is_ours = prefix.starts_with("skeleton/") || prefix.starts_with("tests/rendered/");
        if name.starts_with('.') && !is_ours {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        let inside = format!("{prefix}{name}");
        if kind.is_dir() {
            collect(&path, &format!("{inside}/"), files)?;
        } else if kind.is_file() {
            files.insert(inside, read_file(&path)?);
        } else {
            return Err(DirectoryError::Refused {
                path,
                reason: "it is neither a file nor a folder",
            });
        }
        if files.len() > MAX_FILES {
            return Err(DirectoryError::Refused { path, reason: "there are more than 2000 files" });
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_BYTES {
        return Err(DirectoryError::Refused {
            path: path.to_owned(),
            reason: "it is larger than 4 MiB",
        });
    }
    fs::read(path).map_err(failed)
}
