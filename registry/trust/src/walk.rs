//! Lists the regular files of a folder, in one order on every machine; never follows a link.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// How far a walk may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) depth: usize,
}

/// A file that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// Relative to the root, with `/` between segments.
    pub(crate) relative: String,
    pub(crate) path: PathBuf,
}

/// Why a folder cannot be packed or hashed.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    /// The system refuses.
    #[error("{}: cannot be read", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A symbolic link.
    #[error("{}: is a link; links are not allowed, put a copy in its place", path.display())]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A device, pipe or socket.
    #[error("{}: is neither a file nor a folder; remove it", path.display())]
    Special {
        /// The entry.
        path: PathBuf,
    },
    /// A name that is not UTF-8.
    #[error("{}: the name is not UTF-8; rename it", path.display())]
    NotUtf8 {
        /// The entry.
        path: PathBuf,
    },
    /// A name that would forge a line of the tree hash.
    #[error("{}: the name contains a line break; rename it", path.display())]
    LineBreak {
        /// The entry.
        path: PathBuf,
    },
    /// Too many files.
    #[error("{}: holds more than {limit} files", root.display())]
    TooManyFiles {
        /// The folder walked.
        root: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// Too many folders within each other.
    #[error("{}: is deeper than {limit} levels", path.display())]
    TooDeep {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// More bytes than the limit.
    #[error("{}: holds more than {limit} bytes", root.display())]
    TooLarge {
        /// The folder walked.
        root: PathBuf,
        /// The limit.
        limit: usize,
    },
}

impl WalkError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Lists `root`, sorted by relative path; `skip` sees each relative path and whether it is a folder.
pub(crate) fn files(
    root: &Path,
    bounds: Bounds,
    skip: impl FnMut(&str, bool) -> bool,
) -> Result<Vec<Found>, WalkError> {
    let (files, links) = files_and_links(root, bounds, skip)?;
    match links.into_iter().next() {
        None => Ok(files),
        Some(link) => Err(WalkError::Link { path: link.path }),
    }
}

/// The same, with links listed apart from files; none is followed.
pub(crate) fn files_and_links(
    root: &Path,
    bounds: Bounds,
    mut skip: impl FnMut(&str, bool) -> bool,
) -> Result<(Vec<Found>, Vec<Found>), WalkError> {
    let (mut found, mut links) = (Vec::new(), Vec::new());
    let mut folders = vec![(root.to_owned(), String::new(), 1)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        if depth > bounds.depth {
            return Err(WalkError::TooDeep { path: folder, limit: bounds.depth });
        }
        for entry in fs::read_dir(&folder).map_err(WalkError::io(&folder))? {
            let entry = entry.map_err(WalkError::io(&folder))?;
            let path = entry.path();
            let relative = relative(&prefix, &entry)?;
            let kind = entry.file_type().map_err(WalkError::io(&path))?;
            if skip(&relative, kind.is_dir()) {
                continue;
            }
            if kind.is_symlink() {
                links.push(Found { relative, path });
            } else if kind.is_dir() {
                folders.push((path, relative, depth + 1));
            } else if kind.is_file() {
                found.push(Found { relative, path });
            } else {
                return Err(WalkError::Special { path });
            }
            if found.len().max(folders.len()).max(links.len()) > bounds.entries {
                return Err(WalkError::TooManyFiles { root: root.into(), limit: bounds.entries });
            }
        }
    }
    for list in [&mut found, &mut links] {
        list.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
    }
    Ok((found, links))
}

fn relative(prefix: &str, entry: &fs::DirEntry) -> Result<String, WalkError> {
    let name = entry.file_name();
    let name = name.to_str().ok_or_else(|| WalkError::NotUtf8 { path: entry.path() })?;
    if name.contains('\n') {
        return Err(WalkError::LineBreak { path: entry.path() });
    }
    Ok(if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") })
}
