//! The canonical archive of a module: one tree has one tar, byte for byte.
//!
//! A gzip member around a ustar of regular files, sorted by path, with everything but path, content and the
//! executable bit fixed. [`pack()`] and [`pack_files`] write it; [`Archive::open`] accepts nothing else, because a
//! reader that tolerates what another reads differently lets two parties see two trees in one archive.
//! Knows nothing of signatures or modules.

mod error;
mod gzip;
mod header;
mod pack;
mod path;

use std::{collections::BTreeMap, ops::Range};

pub use self::{
    error::{ArchiveError, EntryProblem},
    header::HeaderProblem,
    pack::{File, PackError, Packed, pack, pack_files},
    path::PathProblem,
};
use self::{
    gzip::Inflater,
    header::{BLOCK, Header},
    path::{Collision, Names},
};
use crate::{
    digest::{DirHash1, Sha256},
    tree::TreeHasher,
};

/// What an archive may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest archive, in bytes.
    pub packed_bytes: usize,
    /// Largest tar within it, in bytes.
    pub unpacked_bytes: usize,
    /// Most files.
    pub entries: usize,
    /// Most times that the tar may be larger than the archive, above a floor of 1 MiB.
    pub ratio: usize,
    /// Most segments of a path.
    pub depth: usize,
}

impl Limits {
    /// A few empty files compress better than any bomb: below this, the ratio says nothing.
    const RATIO_FLOOR: usize = 1 << 20;

    /// Keeps sums of positions and sizes from overflowing, whatever an operator configures.
    const ADDRESSABLE: usize = usize::MAX / 4;

    /// The most bytes that an archive of `packed` bytes may unpack to.
    fn most_unpacked(&self, packed: usize) -> usize {
        let by_ratio = packed.saturating_mul(self.ratio).max(Self::RATIO_FLOOR);
        self.unpacked_bytes.min(by_ratio).min(Self::ADDRESSABLE)
    }

    /// Which limit `most` was.
    fn bomb(&self, most: usize) -> ArchiveError {
        if most == self.unpacked_bytes {
            ArchiveError::UnpackedTooLarge { limit: most }
        } else {
            ArchiveError::Ratio { ratio: self.ratio }
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packed_bytes: 20 << 20,
            unpacked_bytes: 100 << 20,
            entries: 10_000,
            ratio: 100,
            depth: 32,
        }
    }
}

/// An archive that was read whole and found canonical.
#[derive(Debug)]
pub struct Archive {
    tar: Vec<u8>,
    entries: Vec<StoredEntry>,
    summary: Summary,
}

/// The facts about an archive that a statement signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The digest of the archive's bytes.
    pub sha256: Sha256,
    /// The hash of the tree within.
    pub dir_hash1: DirHash1,
    /// The archive's size, in bytes.
    pub size: u64,
    /// The size of all files together, in bytes.
    pub unpacked_size: u64,
    /// How many files there are.
    pub files: u64,
}

#[derive(Debug)]
struct StoredEntry {
    path: String,
    executable: bool,
    content: Range<usize>,
    sha256: Sha256,
}

/// A file in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The path relative to the module's root, with `/` between segments.
    pub path: &'a str,
    /// Whether the mode is 0755 rather than 0644.
    pub executable: bool,
    /// The content.
    pub content: &'a [u8],
    /// The digest of the content.
    pub sha256: Sha256,
}

impl Archive {
    /// Reads an archive, in one pass that stops at the first thing wrong.
    pub fn open(packed: &[u8], limits: &Limits) -> Result<Self, ArchiveError> {
        let mut reader = Reader {
            inflater: Inflater::new(packed, limits)?,
            limits,
            entries: Vec::new(),
            names: Names::default(),
            tree: TreeHasher::default(),
            unpacked_size: 0,
        };
        let mut position = 0;
        while let Some(next) = reader.read_entry(position)? {
            position = next;
        }
        let Reader { inflater, entries, tree, unpacked_size, .. } = reader;
        if entries.is_empty() {
            return Err(ArchiveError::Empty);
        }
        let tar = inflater.finish(position + 2 * BLOCK)?;
        let summary = Summary {
            sha256: Sha256::of(packed),
            dir_hash1: tree.finish(),
            size: packed.len() as u64,
            unpacked_size,
            files: entries.len() as u64,
        };
        Ok(Self { tar, entries, summary })
    }

    /// The archive's digests and sizes.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Every file, sorted by path.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        self.entries.iter().map(|entry| self.entry(entry))
    }

    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<Entry<'_>> {
        let found = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        Some(self.entry(&self.entries[found]))
    }

    /// Copies every file's content, by path.
    pub fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.entries().map(|entry| (entry.path.to_owned(), entry.content.to_vec())).collect()
    }

    fn entry<'a>(&'a self, stored: &'a StoredEntry) -> Entry<'a> {
        Entry {
            path: &stored.path,
            executable: stored.executable,
            content: &self.tar[stored.content.clone()],
            sha256: stored.sha256,
        }
    }
}

struct Reader<'a> {
    inflater: Inflater<'a>,
    limits: &'a Limits,
    entries: Vec<StoredEntry>,
    names: Names,
    tree: TreeHasher,
    unpacked_size: u64,
}

impl Reader<'_> {
    /// Reads the entry at `position` and says where the next begins; nothing at the end.
    fn read_entry(&mut self, position: usize) -> Result<Option<usize>, ArchiveError> {
        let block = *self.block(position)?;
        if block == [0; BLOCK] {
            let ended = *self.block(position + BLOCK)? == [0; BLOCK];
            return if ended {
                Ok(None)
            } else {
                Err(ArchiveError::Truncated { part: "end (two zero blocks)" })
            };
        }
        let header = Header::decode(&block)
            .map_err(|problem| ArchiveError::entry(Header::shown_path(&block), problem))?;
        self.check(&header)?;
        let start = position + BLOCK;
        let size = usize::try_from(header.size).unwrap_or(usize::MAX);
        if size > self.inflater.most() {
            return Err(self.limits.bomb(self.inflater.most()));
        }
        let (end, next) = (start + size, start + size.next_multiple_of(BLOCK));
        if !self.inflater.fill(next)? {
            return Err(ArchiveError::Truncated { part: "tar" });
        }
        let bytes = self.inflater.bytes();
        if bytes[end..next].iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::entry(header.path, EntryProblem::Padding));
        }
        let sha256 = Sha256::of(&bytes[start..end]);
        self.tree.add(&header.path, &sha256);
        self.unpacked_size += header.size;
        self.entries.push(StoredEntry {
            path: header.path,
            executable: header.executable,
            content: start..end,
            sha256,
        });
        Ok(Some(next))
    }

    fn block(&mut self, position: usize) -> Result<&[u8; BLOCK], ArchiveError> {
        self.inflater.fill(position + BLOCK)?;
        self.inflater.bytes()[position..]
            .first_chunk()
            .ok_or(ArchiveError::Truncated { part: "tar" })
    }

    fn check(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let path = &header.path;
        path::check(path, self.limits.depth)
            .map_err(|problem| ArchiveError::entry(path, problem))?;
        if self.entries.len() >= self.limits.entries {
            return Err(ArchiveError::TooManyEntries { limit: self.limits.entries });
        }
        add_name(&mut self.names, path)?;
        match self.entries.last() {
            Some(previous) if previous.path > *path => {
                let previous = previous.path.clone();
                Err(ArchiveError::entry(path, EntryProblem::Unsorted { previous }))
            }
            _ => Ok(()),
        }
    }
}

fn add_name(names: &mut Names, path: &str) -> Result<(), ArchiveError> {
    names.add(path).map_err(|collision| {
        let problem = match collision {
            Collision::Duplicate => EntryProblem::Duplicate,
            Collision::Folded { other } => EntryProblem::CaseCollision { other },
            Collision::FileAndFolder { other } => EntryProblem::FileAndFolder { other },
        };
        ArchiveError::entry(path, problem)
    })
}

#[cfg(test)]
mod tests;
