//! A copy of a log in a folder, as the static files of C2SP tlog-tiles: any web server can serve it as a mirror.
//!
//! What is under its checkpoint is there; files beyond it are of a copy that was interrupted, and are believed only once
//! a checkpoint covers them.

use std::io;
use std::path::{Path, PathBuf};

use registry_trust::log::edge::TileFile;
use registry_trust::log::tile::{TileError, TileKind, TilePath, WIDTH, entries};

use crate::files;

/// The name of the signed head.
pub const CHECKPOINT: &str = "checkpoint";
/// How many of the newest unfinished files stay, for readers of the checkpoint before.
const KEPT_PARTIALS: usize = 2;

/// Why a copy cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file or folder.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file that should be there.
    #[error("the log has no {path}; is it a copy of a log, and whole?")]
    Missing {
        /// Which.
        path: String,
    },
    /// A bundle that does not have its entries.
    #[error("{path} of the log is damaged: {reason}")]
    Damaged {
        /// Which.
        path: String,
        /// How.
        reason: String,
    },
}

impl CopyError {
    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source }
    }
}

/// A folder with the files of a log.
#[derive(Debug, Clone)]
pub struct LogCopy {
    folder: PathBuf,
}

impl LogCopy {
    /// The copy in a folder, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file by its path below the log's address; nothing if it is not there.
    pub fn file(&self, path: &str) -> Result<Option<Vec<u8>>, CopyError> {
        let file = self.folder.join(path);
        match std::fs::read(&file) {
            Ok(bytes) => Ok(Some(bytes)),
            // A folder in which there is nothing yet may have a file where another has a folder.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(CopyError::io("read", &file, source)),
        }
    }

    /// The signed head; nothing where there is no copy yet.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, CopyError> {
        self.file(CHECKPOINT)
    }

    /// The entries of bundle `index` in a log of `size` entries.
    pub fn leaves(&self, index: u64, size: u64) -> Result<Vec<Vec<u8>>, CopyError> {
        let path = bundle_path(index, size)?;
        for path in [Some(path), full(&path)].into_iter().flatten() {
            if let Some(bytes) = self.file(&path.to_string())? {
                return leaves_in(&bytes, &path, index, size);
            }
        }
        Err(CopyError::Missing { path: path.to_string() })
    }

    /// Writes files; each is whole, or as it was before.
    pub fn write(&self, written: &[TileFile]) -> Result<(), CopyError> {
        written.iter().try_for_each(|file| self.put(&file.path.to_string(), &file.bytes))
    }

    /// Writes the signed head, under which all files must be there by now; then removes unfinished files that nobody
    /// needs any more.
    pub fn write_checkpoint(&self, note: &[u8], partial: &[TileFile]) -> Result<(), CopyError> {
        self.put(CHECKPOINT, note)?;
        partial.iter().try_for_each(|file| self.prune(&file.path))
    }

    /// Writes a file by its path in the folder.
    pub fn put(&self, path: &str, content: &[u8]) -> Result<(), CopyError> {
        let file = self.folder.join(path);
        let failed = |source| CopyError::io("write", &file, source);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        files::replace(&file, content, 0o644).map_err(failed)
    }

    /// Removes all but the newest unfinished files beside this one, and those of the full file before it.
    fn prune(&self, path: &TilePath) -> Result<(), CopyError> {
        if let Some(before) =
            path.index().checked_sub(1).and_then(|index| partials(path.kind(), index))
        {
            self.keep_newest(&before, 0)?;
        }
        match partials(path.kind(), path.index()) {
            Some(folder) => self.keep_newest(&folder, KEPT_PARTIALS),
            None => Ok(()),
        }
    }

    fn keep_newest(&self, folder: &str, kept: usize) -> Result<(), CopyError> {
        let folder = self.folder.join(folder);
        let failed = |source| CopyError::io("tidy", &folder, source);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
        let names: Vec<_> = names.collect::<Result<_, _>>().map_err(failed)?;
        let width = |name: &std::ffi::OsString| name.to_str()?.parse::<u16>().ok();
        let mut widths: Vec<u16> = names.iter().filter_map(width).collect();
        widths.sort_unstable();
        widths.truncate(widths.len().saturating_sub(kept));
        for width in &widths {
            std::fs::remove_file(folder.join(width.to_string())).map_err(failed)?;
        }
        if kept == 0 {
            // Somebody else's files keep it.
            let _ = std::fs::remove_dir(&folder);
        }
        Ok(())
    }
}

/// The folder of a tile's unfinished files.
fn partials(kind: TileKind, index: u64) -> Option<String> {
    Some(format!("{}.p", TilePath::new(kind, index, WIDTH)?))
}

/// Where bundle `index` of a log of `size` entries is.
pub fn bundle_path(index: u64, size: u64) -> Result<TilePath, CopyError> {
    TilePath::in_tree(TileKind::Entries, index, size)
        .ok_or_else(|| CopyError::Missing { path: format!("bundle {index} among {size} entries") })
}

/// The full file of an unfinished one, which may have taken its place.
pub fn full(path: &TilePath) -> Option<TilePath> {
    (path.width() < WIDTH).then(|| TilePath::new(path.kind(), path.index(), WIDTH)).flatten()
}

/// The entries in the file `path` that a log of `size` entries has.
pub fn leaves_in(
    bytes: &[u8],
    path: &TilePath,
    index: u64,
    size: u64,
) -> Result<Vec<Vec<u8>>, CopyError> {
    let damaged = |reason: String| CopyError::Damaged { path: path.to_string(), reason };
    let found = entries(bytes).map_err(|error: TileError| damaged(error.to_string()))?;
    let wanted = usize::from(bundle_path(index, size)?.width());
    if found.len() != usize::from(path.width()) {
        let (found, named) = (found.len(), path.width());
        return Err(damaged(format!("it has {found} entries, its name says {named}")));
    }
    Ok(found.into_iter().take(wanted).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use registry_trust::log::edge::Edge;

    use super::*;

    /// Appends up to `size` entries as a monitor does.
    fn grow(copy: &LogCopy, edge: &mut Edge, size: u64) {
        while edge.size() < size {
            let leaf = format!("entry {}", edge.size());
            copy.write(&edge.append(leaf.as_bytes()).unwrap()).unwrap();
        }
        copy.write(&edge.partial()).unwrap();
        copy.write_checkpoint(format!("{size}").as_bytes(), &edge.partial()).unwrap();
    }

    fn all(copy: &LogCopy, size: u64) -> Vec<Vec<u8>> {
        (0..size.div_ceil(256)).flat_map(|index| copy.leaves(index, size).unwrap()).collect()
    }

    fn files_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_copied_is_read_back_at_every_size_and_little_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let copy = LogCopy::new(folder.path());
        let mut edge = Edge::new();
        assert!(copy.checkpoint().unwrap().is_none());
        for size in [1, 2, 3, 250, 256, 257, 600] {
            grow(&copy, &mut edge, size);

            assert_eq!(all(&copy, size).len() as u64, size);
            assert_eq!(copy.checkpoint().unwrap().unwrap(), size.to_string().as_bytes());
        }
        // A reader with an older head still finds all that is under it.
        assert_eq!(all(&copy, 300).last().unwrap(), b"entry 299");
        let entries = folder.path().join("tile/entries");
        assert_eq!(files_in(&entries), ["000", "001", "002.p"]);
        assert_eq!(files_in(&entries.join("002.p")), ["88"]);
    }

    #[test]
    fn a_copy_that_lacks_something_or_is_damaged_says_which_file() {
        let folder = tempfile::tempdir().unwrap();
        let copy = LogCopy::new(folder.path());
        grow(&copy, &mut Edge::new(), 3);

        let missing = copy.leaves(0, 4).unwrap_err().to_string();
        assert!(missing.contains("tile/entries/000.p/4"), "{missing}");
        copy.put("tile/entries/000.p/4", &[0, 9, 1]).unwrap();
        let damaged = copy.leaves(0, 4).unwrap_err().to_string();
        assert!(damaged.contains("ends within its entry 0"), "{damaged}");
        let few = copy.file("tile/entries/000.p/3").unwrap().unwrap();
        copy.put("tile/entries/000.p/4", &few).unwrap();
        let few = copy.leaves(0, 4).unwrap_err().to_string();
        assert!(few.contains("it has 3 entries, its name says 4"), "{few}");
        assert!(copy.leaves(1, 3).is_err());
    }
}
