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
    if let Some(manifest) = files.get(MANIFEST) {
        files.extend(shared_partials(directory, manifest)?);
    }
    Ok(files)
}

/// The shared partials that a manifest names, by the place they take in the archive of the path.
pub fn shared_partials(directory: &Path, manifest: &[u8]) -> Result<Files, DirectoryError> {
    let node = yaml::read(MANIFEST, manifest)?;
    let mut files = Files::new();
    for name in manifest::parse(&node)?.manifest.partials {
        let inside = format!("partials/{name}.yaml");
        if directory.join(&inside).exists() {
            let message = format!("the partial {name:?} is both shared and the path's own");
            let fix = "rename one of them";
            return Err(PathError::new(&inside, 0, "partial_twice", message, fix).into());
        }
        let shared = directory.join("../../shared").join(format!("{name}.yaml"));
        if shared.is_symlink() {
            let reason = "it is a link, which could lead to any file of this machine";
            return Err(DirectoryError::Refused { path: shared, reason });
        }
        files.insert(inside, read_file(&shared)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "format: 1\nkind: service\nversion: \"1.0.0\"\ntitle: T\ndescription: D\nsupport: {tier: beta, owner: platform}\ninputs: {type: object}\noutputs: {catalog_ref: x}\npartials: [labels]\n";

    fn modules() -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("api/nodejs");
        fs::create_dir_all(path.join("partials")).unwrap();
        fs::create_dir(root.path().join("shared")).unwrap();
        fs::write(root.path().join("shared/labels.yaml"), "a: b\n").unwrap();
        fs::write(path.join(MANIFEST), PATH).unwrap();
        (root, path)
    }

    #[test]
    fn shared_partials_become_part_of_the_path() {
        let (_root, path) = modules();

        let files = read_directory(&path).unwrap();

        assert_eq!(files["partials/labels.yaml"], b"a: b\n");
    }

    #[test]
    fn a_partial_is_shared_or_the_paths_own_and_not_both() {
        let (_root, path) = modules();
        fs::write(path.join("partials/labels.yaml"), "c: d\n").unwrap();

        let error = read_directory(&path).unwrap_err();

        assert!(error.to_string().contains("partial_twice"), "{error}");
    }

    #[test]
    fn a_shared_partial_is_no_link() {
        let (root, path) = modules();
        let shared = root.path().join("shared/labels.yaml");
        fs::rename(&shared, root.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("../elsewhere", &shared).unwrap();

        let error = read_directory(&path).unwrap_err();

        assert!(matches!(error, DirectoryError::Refused { .. }), "{error}");
    }

    #[test]
    fn a_shared_partial_that_is_not_there_is_named() {
        let (root, path) = modules();
        fs::remove_file(root.path().join("shared/labels.yaml")).unwrap();

        let error = read_directory(&path).unwrap_err();

        assert!(error.to_string().contains("shared/labels.yaml"), "{error}");
    }
}
