//! Somebody has got at the server's disk.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file below `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

/// The only file below `folder` whose path holds `part`, folders' slashes ignored.
pub(crate) fn file_named(folder: &Path, part: &str) -> PathBuf {
    let name = |path: &PathBuf| path.to_string_lossy().replace('/', "").contains(part);
    let found: Vec<PathBuf> = files(folder).into_iter().filter(name).collect();
    assert_eq!(found.len(), 1, "files named {part}: {found:?}");
    found[0].clone()
}

/// The largest file below `folder`.
pub(crate) fn largest_file(folder: &Path) -> PathBuf {
    let size = |path: &PathBuf| fs::metadata(path).expect("a size").len();
    files(folder).into_iter().max_by_key(size).expect("a file")
}

/// Changes one bit in the middle of a file.
pub(crate) fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("the file can be read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // A new file, because the old one is shared with other tests.
    fs::remove_file(path).expect("the file can be removed");
    fs::write(path, bytes).expect("the file can be written");
}
