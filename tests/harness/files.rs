//! Copying folders, and waiting for things to become so.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Copies everything under `from` into `to`, which may be there.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries {
        let entry = entry.expect("a folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}

/// As [`copy_tree`], but files in folders named `blobs`, which never change, are only linked.
pub(crate) fn copy_or_link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder can be read") {
        let entry = entry.expect("a folder can be read");
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let immutable = path.components().any(|part| part.as_os_str() == "blobs");
        if path.is_dir() {
            copy_or_link_tree(&path, &target);
        } else if !immutable || fs::hard_link(&path, &target).is_err() {
            // A link cannot cross file systems.
            fs::copy(&path, target).expect("a file can be copied");
        }
    }
}

/// Waits until `condition` gives something; fails the test after half a minute, saying what was awaited.
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
