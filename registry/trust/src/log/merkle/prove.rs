//! Making proofs: which hashes of a stored tree belong in one.

use super::{empty_root, join};
use crate::digest::Sha256;

/// The root of a complete subtree: the one of 2^`level` leaves that `index` others of that size precede.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// The height above the leaves, at most 63.
    pub level: u8,
    /// The place among the subtrees of this height.
    pub index: u64,
}

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// A leaf that the tree does not have.
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    Index {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A tree cannot continue a larger one.
    #[error("a tree of {new} leaves cannot continue one of {old}")]
    Sizes {
        /// The older size.
        old: u64,
        /// The newer size.
        new: u64,
    },
    /// A hash could not be read.
    #[error("a hash of the tree could not be read")]
    Read(#[source] E),
}

/// Proves that the leaf at `index` is in the tree of `size` leaves: its siblings on the way to the root.
///
/// `read` is asked only for complete subtrees within `size`. Which ones, follows from the arguments alone: a caller
/// that must fetch them beforehand runs this once with hashes of zeros to learn their names.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut read: impl FnMut(NodeId) -> Result<Sha256, E>,
) -> Result<Vec<Sha256>, ProveError<E>> {
    if index >= size {
        return Err(ProveError::Index { index, size });
    }
    let mut proof = Vec::new();
    let (mut begin, mut end) = (0, size);
    while end - begin > 1 {
        let middle = middle(begin, end);
        if index < middle {
            proof.push(range_root(middle, end, &mut read)?);
            end = middle;
        } else {
            proof.push(range_root(begin, middle, &mut read)?);
            begin = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of `old` leaves is the beginning of the tree of `new` leaves.
///
/// `read` is asked as by [`inclusion_proof`], within `new`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut read: impl FnMut(NodeId) -> Result<Sha256, E>,
) -> Result<Vec<Sha256>, ProveError<E>> {
    if old > new {
        return Err(ProveError::Sizes { old, new });
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let mut proof = Vec::new();
    let (mut begin, mut end) = (0, new);
    while old != end {
        let middle = middle(begin, end);
        if old <= middle {
            proof.push(range_root(middle, end, &mut read)?);
            end = middle;
        } else {
            proof.push(range_root(begin, middle, &mut read)?);
            begin = middle;
        }
    }
    // What remains ends the older tree. If it also begins it, it is that tree, whose root the verifier has.
    if begin > 0 {
        proof.push(range_root(begin, end, &mut read)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree of `size` leaves. `read` is asked as by [`inclusion_proof`].
pub fn root<E>(
    size: u64,
    mut read: impl FnMut(NodeId) -> Result<Sha256, E>,
) -> Result<Sha256, ProveError<E>> {
    range_root(0, size, &mut read)
}

/// Where a range of two or more leaves is divided: the left part is the largest power of two that leaves a right one.
fn middle(begin: u64, end: u64) -> u64 {
    begin + (1 << (end - begin - 1).ilog2())
}

/// The root over the leaves `begin..end`, of which each part begins at a multiple of its size, as in [`middle`].
fn range_root<E>(
    mut begin: u64,
    end: u64,
    read: &mut impl FnMut(NodeId) -> Result<Sha256, E>,
) -> Result<Sha256, ProveError<E>> {
    let mut parts = Vec::new();
    while let Some(log) = (end - begin).checked_ilog2() {
        // A 64-bit number's logarithm is below 64.
        let level = u8::try_from(log).unwrap_or(u8::MAX);
        parts.push(read(NodeId { level, index: begin >> log }).map_err(ProveError::Read)?);
        begin += 1 << log;
    }
    Ok(join(&parts).unwrap_or_else(empty_root))
}
