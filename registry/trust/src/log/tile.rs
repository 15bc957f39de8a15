//! The files of a log, as C2SP tlog-tiles lays them out: tiles of 256 hashes, bundles of 256 entries.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use super::merkle::{NodeId, complete_root};
use crate::digest::{Sha256, shortened};

/// How many hashes a full tile has, and how many entries a full bundle.
pub const WIDTH: u16 = 256;
/// The largest entry: its length is written in two bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;
/// The highest level of tiles that a path can name.
pub const MAX_LEVEL: u8 = 63;

/// How many levels of the tree one level of tiles spans.
const HEIGHT: u8 = 8;
const HASH: usize = 32;
/// Seven groups of digits hold any index; no path comes near it.
const MAX_PATH: usize = 64;

/// Why bytes are not a log's file, or a path does not name one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not the path of a tile.
    #[error(
        "{given:?} is not the path of a tile; it must be tile/LEVEL/INDEX or tile/entries/INDEX, as in tile/0/x001/x234/067 or tile/entries/000.p/12"
    )]
    Path {
        /// What was given, shortened.
        given: String,
    },
    /// An entry that a bundle cannot hold.
    #[error(
        "the entry is {size} bytes, more than the {MAX_ENTRY_BYTES} that a log's entry may have"
    )]
    EntryTooLarge {
        /// Its size.
        size: usize,
    },
    /// Ends within an entry.
    #[error("the bundle ends within its entry {entry}, counted from zero; fetch it again")]
    Truncated {
        /// Which entry.
        entry: usize,
    },
    /// More entries than a bundle has.
    #[error("the bundle has more than {WIDTH} entries")]
    TooManyEntries,
}

impl TileError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Path { .. } => "tile_path",
            Self::EntryTooLarge { .. } => "entry_too_large",
            Self::Truncated { .. } => "entries_truncated",
            Self::TooManyEntries => "entries_too_many",
        }
    }
}

/// What a file of the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Entries, each after its length.
    Entries,
    /// Hashes: roots of subtrees of 256^`level` leaves.
    Hashes {
        /// At most [`MAX_LEVEL`].
        level: u8,
    },
}

impl TileKind {
    /// How high above the leaves its hashes are, in levels of the tree.
    fn height(self) -> u32 {
        match self {
            Self::Entries => 0,
            Self::Hashes { level } => u32::from(level) * u32::from(HEIGHT),
        }
    }
}

/// The path of a tile or of a bundle of entries, below the log's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

impl TilePath {
    /// Names a file that holds `width` hashes or entries; none if that is not 1 to 256, or the level above 63.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let level_fits = !matches!(kind, TileKind::Hashes { level } if level > MAX_LEVEL);
        (level_fits && (1..=WIDTH).contains(&width)).then_some(Self { kind, index, width })
    }

    /// Names the file at `index` as a tree of `size` leaves has it: full, or partial at the tree's right edge.
    ///
    /// None if that tree has nothing there.
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(kind.height()).unwrap_or(0);
        let before = index.checked_mul(u64::from(WIDTH))?;
        let width = hashes.checked_sub(before)?.min(u64::from(WIDTH));
        Self::new(kind, index, u16::try_from(width).ok()?)
    }

    /// What the file holds.
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Which of its kind it is.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    pub fn width(&self) -> u16 {
        self.width
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
        }
        write_groups(f, self.index / 1000)?;
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// All groups of three digits but the last have an `x` before them, so that no file has the name of a folder.
fn write_groups(f: &mut fmt::Formatter<'_>, groups: u64) -> fmt::Result {
    if groups == 0 {
        return Ok(());
    }
    write_groups(f, groups / 1000)?;
    write!(f, "x{:03}/", groups % 1000)
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        // Reads loosely, then accepts only what is written the same way: one file has one path.
        let read = if text.len() <= MAX_PATH { read_path(text) } else { None };
        read.filter(|path| path.to_string() == text)
            .ok_or_else(|| TileError::Path { given: shortened(text) })
    }
}

fn read_path(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: level.parse().ok()? },
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok().filter(|width| *width < WIDTH)?),
        None => (rest, WIDTH),
    };
    let index = groups.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group).parse::<u16>().ok()?;
        index.checked_mul(1000)?.checked_add(u64::from(digits))
    })?;
    TilePath::new(kind, index, width)
}

/// Where the hash of a complete subtree is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The level of the tile.
    pub level: u8,
    /// The index of the tile within its level.
    pub index: u64,
    /// The first hash of the subtree in the tile, counted in hashes.
    pub first: usize,
    /// How many hashes it is computed from: 1 if it is stored itself, else 2, 4, … 128.
    pub count: usize,
}

impl Place {
    /// Finds a node: every eighth level is stored, the levels between are computed from the one below them.
    pub fn of(node: NodeId) -> Self {
        let above = node.level % HEIGHT;
        let in_tile = 1_u64 << (HEIGHT - above);
        // Below 256: the remainder is below 2^(8 - above).
        let first = usize::try_from((node.index % in_tile) << above).unwrap_or(usize::MAX);
        Self { level: node.level / HEIGHT, index: node.index / in_tile, first, count: 1 << above }
    }

    /// The path of the tile in a tree of `size` leaves; none if that tree has no such node.
    pub fn path(&self, size: u64) -> Option<TilePath> {
        let path = TilePath::in_tree(TileKind::Hashes { level: self.level }, self.index, size)?;
        (self.first + self.count <= usize::from(path.width())).then_some(path)
    }
}

/// The hash of `node` from the tile where its [`Place`] is; none if the tile does not reach so far or is not one.
pub fn hash_in_tile(tile: &[u8], node: NodeId) -> Option<Sha256> {
    let place = Place::of(node);
    let hashes = hashes(tile)?;
    complete_root(hashes.get(place.first..place.first.checked_add(place.count)?)?)
}

/// The hashes of a tile; none if it is not 1 to 256 hashes of 32 bytes.
pub fn hashes(tile: &[u8]) -> Option<Vec<Sha256>> {
    let (hashes, rest) = tile.as_chunks::<HASH>();
    let is_tile = rest.is_empty() && (1..=usize::from(WIDTH)).contains(&hashes.len());
    is_tile.then(|| hashes.iter().copied().map(Sha256::from_bytes).collect())
}

/// Appends an entry to a bundle.
pub fn encode_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileError> {
    let length = u16::try_from(entry.len())
        .map_err(|_| TileError::EntryTooLarge { size: entry.len() })?
        .to_be_bytes();
    bundle.extend_from_slice(&length);
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle. How many there must be, the [width](TilePath::width) of its path says.
pub fn entries(mut bundle: &[u8]) -> Result<Vec<&[u8]>, TileError> {
    let mut entries = Vec::new();
    while !bundle.is_empty() {
        if entries.len() == usize::from(WIDTH) {
            return Err(TileError::TooManyEntries);
        }
        let (entry, rest) =
            split_entry(bundle).ok_or(TileError::Truncated { entry: entries.len() })?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}

fn split_entry(bundle: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bundle.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}
