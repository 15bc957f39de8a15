//! The files of a log while it grows: what is written once and for ever, and what stands at its right edge.

use super::{
    merkle::{complete_root, leaf_hash},
    tile::{TileError, TileKind, TilePath, WIDTH, encode_entry},
};
use crate::digest::Sha256;

/// A file of the log, below its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Where it goes.
    pub path: TilePath,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The tiles that are not full yet. Full ones are handed out and forgotten.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    bundle: Vec<u8>,
    /// The hashes of the last tile of each level.
    levels: Vec<Vec<Sha256>>,
}

impl Edge {
    /// The log without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends an entry; the files that it makes full.
    pub fn append(&mut self, leaf: &[u8]) -> Result<Vec<TileFile>, TileError> {
        encode_entry(&mut self.bundle, leaf)?;
        self.size += 1;
        let mut full = Vec::new();
        if self.size.is_multiple_of(u64::from(WIDTH)) {
            let bytes = std::mem::take(&mut self.bundle);
            full.extend(file(TileKind::Entries, self.size, bytes));
        }
        let mut hash = leaf_hash(leaf);
        for level in 0.. {
            let index = usize::from(level);
            if self.levels.len() <= index {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[index];
            hashes.push(hash);
            let Some(root) = complete_root(hashes).filter(|_| hashes.len() == usize::from(WIDTH))
            else {
                break;
            };
            let bytes = concatenated(&std::mem::take(hashes));
            full.extend(file(TileKind::Hashes { level }, self.size, bytes));
            hash = root;
        }
        Ok(full)
    }

    /// The files that are not full.
    pub fn partial(&self) -> Vec<TileFile> {
        let bundle = file(TileKind::Entries, self.size, self.bundle.clone());
        let hashes = (0..).zip(&self.levels).filter_map(|(level, hashes)| {
            file(TileKind::Hashes { level }, self.size, concatenated(hashes))
        });
        bundle.into_iter().chain(hashes).collect()
    }
}

/// The last file of its kind in a tree of that size; none if it is empty.
fn file(kind: TileKind, size: u64, bytes: Vec<u8>) -> Option<TileFile> {
    let height = match kind {
        TileKind::Entries => 0,
        TileKind::Hashes { level } => u32::from(level) * 8,
    };
    let last = size.checked_shr(height)?.checked_sub(1)?;
    let path = TilePath::in_tree(kind, last / u64::from(WIDTH), size)?;
    (!bytes.is_empty()).then_some(TileFile { path, bytes })
}

fn concatenated(hashes: &[Sha256]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::{
        merkle::{Frontier, NodeId, root},
        tile::{Place, entries, hash_in_tile},
    };

    fn leaf(index: u64) -> Vec<u8> {
        format!("entry {index}").into_bytes()
    }

    #[test]
    fn the_files_of_a_growing_log_have_its_entries_and_its_root() {
        let (mut edge, mut tree) = (Edge::new(), Frontier::new());
        let mut files: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        let checked = [0, 1, 2, 255, 256, 257, 511, 512, 700];
        for size in 0..=700 {
            if checked.contains(&size) {
                let mut all = files.clone();
                all.extend(edge.partial().into_iter().map(|file| (file.path, file.bytes)));
                let read = |node: NodeId| {
                    let path = Place::of(node).path(size).ok_or(())?;
                    hash_in_tile(all.get(&path).ok_or(())?, node).ok_or(())
                };
                assert_eq!(root(size, read), Ok(tree.root()), "{size}");
                let bundles = all.iter().filter(|(path, _)| path.kind() == TileKind::Entries);
                let read: Vec<&[u8]> =
                    bundles.flat_map(|(_, bytes)| entries(bytes).unwrap()).collect();
                assert!(read.into_iter().eq((0..size).map(leaf).collect::<Vec<_>>()), "{size}");
                for path in all.keys() {
                    assert_eq!(TilePath::in_tree(path.kind(), path.index(), size), Some(*path));
                }
            }
            let full = edge.append(&leaf(size)).unwrap();
            assert!(full.iter().all(|file| file.path.width() == WIDTH));
            files.extend(full.into_iter().map(|file| (file.path, file.bytes)));
            tree.append(leaf_hash(&leaf(size)));
        }
        assert_eq!(edge.size(), 701);
    }

    #[test]
    fn an_entry_that_no_bundle_holds_is_refused() {
        let mut edge = Edge::new();

        assert_eq!(edge.append(&vec![0; 1 << 16]).unwrap_err().code(), "entry_too_large");
        assert_eq!((edge.size(), edge.partial()), (0, vec![]));
    }
}
