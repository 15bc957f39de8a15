//! The hash of a tree of files, as Go's `dirhash.Hash1` and Terraform's `h1:` have it.
//!
//! After `terraform init` only the unpacked tree is left to check, so releases sign this hash beside the archive's.
//! Terraform adds nothing to an unpacked package (init, validate, test, plan and apply of 1.11 were watched), so every
//! file that was not published is somebody's doing.

mod difference;
mod list;
mod look_alike;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use sha2::{Digest, Sha256 as Hasher};

pub use self::{
    difference::{Difference, LookAlike, Renamed},
    list::{FileList, FileListError},
};
pub use crate::walk::WalkError;
use crate::{
    archive::Limits,
    digest::{DirHash1, Sha256},
    walk::{self, Bounds},
};

/// Hashes a tree whose files come sorted by path.
#[derive(Default)]
pub(crate) struct TreeHasher(Hasher);

impl TreeHasher {
    pub(crate) fn add(&mut self, path: &str, sha256: &Sha256) {
        let mut digits = [0; 64];
        // Cannot fail: the buffer has the digest's size.
        let _ = hex::encode_to_slice(sha256.as_bytes(), &mut digits);
        self.0.update(digits);
        self.0.update("  ");
        self.0.update(path);
        self.0.update("\n");
    }

    pub(crate) fn finish(self) -> DirHash1 {
        DirHash1::from_sha256(Sha256::from_bytes(self.0.finalize().into()))
    }
}

/// The hash of a tree given as paths and digests, in any order. Paths hold no line breaks.
pub fn dir_hash1<'a>(files: impl IntoIterator<Item = (&'a str, Sha256)>) -> DirHash1 {
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable_by_key(|(path, _)| *path);
    let mut tree = TreeHasher::default();
    for (path, sha256) in &files {
        tree.add(path, sha256);
    }
    tree.finish()
}

/// What lies in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The files.
    pub files: FileList,
    /// Links, which no canonical archive unpacks to, by path. They are no part of the hash.
    pub links: Vec<String>,
}

/// The hash of everything under `root`.
///
/// Links and special files are refused: no canonical archive unpacks to one. The limits on entries, depth and
/// unpacked bytes apply.
pub fn hash_dir(root: &Path, limits: &Limits) -> Result<DirHash1, WalkError> {
    let tree = read_tree(root, limits)?;
    match tree.links.first() {
        None => Ok(tree.files.hash()),
        Some(link) => Err(WalkError::Link { path: root.join(link) }),
    }
}

/// Everything under `root`, with the digest of each file. Special files are refused; the limits apply as to
/// [`hash_dir`].
pub fn read_tree(root: &Path, limits: &Limits) -> Result<Tree, WalkError> {
    let bounds = Bounds { entries: limits.entries, depth: limits.depth };
    let (found, links) = walk::files_and_links(root, bounds, |_, _| false)?;
    let mut files = FileList::default();
    let mut left = limits.unpacked_bytes as u64;
    let mut buffer = vec![0; 64 * 1024];
    for file in found {
        let sha256 = hash_file(&file.path, &mut buffer, &mut left)?.ok_or_else(|| {
            WalkError::TooLarge { root: root.into(), limit: limits.unpacked_bytes }
        })?;
        files.insert(file.relative, sha256);
    }
    Ok(Tree { files, links: links.into_iter().map(|link| link.relative).collect() })
}

/// [`read_tree`] for many folders at once, by as many threads as the machine has for us. In the order of `roots`.
pub fn read_trees(roots: &[PathBuf], limits: &Limits) -> Vec<Result<Tree, WalkError>> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(roots.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(root) = roots.get(index)
        {
            done.push((index, read_tree(root, limits)));
        }
        done
    };
    let mut trees: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for worker in workers {
            // Reading does not panic; if it did, so would the caller.
            done.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    trees.sort_unstable_by_key(|(index, _)| *index);
    trees.into_iter().map(|(_, tree)| tree).collect()
}

/// Nothing when the file is larger than what is `left`.
fn hash_file(path: &Path, buffer: &mut [u8], left: &mut u64) -> Result<Option<Sha256>, WalkError> {
    let mut file = File::open(path).map_err(WalkError::io(path))?;
    let mut hasher = Hasher::new();
    loop {
        let read = match file.read(buffer) {
            Ok(0) => return Ok(Some(Sha256::from_bytes(hasher.finalize().into()))),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(WalkError::io(path)(error)),
        };
        let Some(rest) = left.checked_sub(read as u64) else { return Ok(None) };
        *left = rest;
        hasher.update(&buffer[..read]);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Computed with coreutils, which is how Go documents the hash:
    /// `printf 'a\n' > a.tf; mkdir m; printf 'b\n' > m/b.tf; sha256sum a.tf m/b.tf | sha256sum`, then
    /// `… | xxd -r -p | base64` for the `h1:` form.
    const HEX: &str = "8997422720a9a4564936369c6d3d43457d0bd0818d0f1899a829c25660ac9232";
    const H1: &str = "h1:iZdCJyCppFZJNjacbT1DRX0L0IGNDxiZqCnCVmCskjI=";

    #[test]
    fn the_hash_is_the_sha256_of_sha256sum_lines() {
        let lines = "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7  a.tf\n\
                     0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f  m/b.tf\n";

        let hash = dir_hash1([("m/b.tf", Sha256::of(b"b\n")), ("a.tf", Sha256::of(b"a\n"))]);

        assert_eq!(hash.as_sha256(), &Sha256::of(lines.as_bytes()));
        assert_eq!(hash.to_hex(), HEX);
        assert_eq!(hash.to_h1(), H1);
    }

    #[test]
    fn a_folder_hashes_like_its_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("m")).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        fs::write(folder.path().join("a.tf"), "a\n").unwrap();
        fs::write(folder.path().join("m/b.tf"), "b\n").unwrap();

        let hash = hash_dir(folder.path(), &Limits::default()).unwrap();

        assert_eq!(hash.to_hex(), HEX);
    }

    #[test]
    fn folders_sort_by_the_bytes_of_the_whole_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for path in ["a/x", "a.tf", "a-b"] {
            fs::write(folder.path().join(path), "").unwrap();
        }
        let empty = Sha256::of(b"");

        let hash = hash_dir(folder.path(), &Limits::default()).unwrap();

        assert_eq!(hash, dir_hash1([("a-b", empty), ("a.tf", empty), ("a/x", empty)]));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_tree_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("main.tf")).unwrap();

        let error = hash_dir(folder.path(), &Limits::default()).unwrap_err();

        assert!(matches!(error, WalkError::Link { .. }), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_listed_apart_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.tf"), "a\n").unwrap();
        fs::create_dir(folder.path().join("m")).unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("m/etc")).unwrap();

        let tree = read_tree(folder.path(), &Limits::default()).unwrap();

        assert_eq!(tree.links, ["m/etc"]);
        assert_eq!(tree.files.paths().collect::<Vec<_>>(), ["a.tf"]);
    }

    #[test]
    fn many_folders_come_back_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let roots: Vec<PathBuf> = (0..40).map(|n| folder.path().join(n.to_string())).collect();
        for (number, root) in roots.iter().enumerate().filter(|(number, _)| number % 7 != 3) {
            fs::create_dir(root).unwrap();
            fs::write(root.join("main.tf"), number.to_string()).unwrap();
        }

        let trees = read_trees(&roots, &Limits::default());

        assert_eq!(trees.len(), roots.len());
        for (number, tree) in trees.iter().enumerate() {
            let expected = Sha256::of(number.to_string().as_bytes());
            match tree {
                Ok(tree) => assert_eq!(tree.files.get("main.tf"), Some(&expected)),
                Err(error) => assert!(number % 7 == 3, "{number}: {error}"),
            }
        }
        assert!(read_trees(&[], &Limits::default()).is_empty());
    }

    #[test]
    fn a_tree_over_its_limits_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), "1234").unwrap();
        fs::write(folder.path().join("a/b/d"), "").unwrap();
        let hash = |limits: Limits| hash_dir(folder.path(), &limits);
        let limits = Limits::default();

        let large = hash(Limits { unpacked_bytes: 3, ..limits.clone() });
        let many = hash(Limits { entries: 1, ..limits.clone() });
        let deep = hash(Limits { depth: 2, ..limits });

        assert!(matches!(large, Err(WalkError::TooLarge { .. })));
        assert!(matches!(many, Err(WalkError::TooManyFiles { .. })));
        assert!(matches!(deep, Err(WalkError::TooDeep { .. })));
    }
}
