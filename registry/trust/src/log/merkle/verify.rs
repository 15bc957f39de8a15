//! Verifying proofs: from hashes that a stranger sent to a root that is trusted.

use super::{empty_root, node_hash};
use crate::digest::Sha256;

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A leaf that the tree does not have.
    #[error(
        "the proof is of leaf {index}, but a tree of {size} leaves has only those below {size}"
    )]
    Index {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// A log that became smaller.
    #[error(
        "the log went back from {old} leaves to {new}; an append-only log never shrinks: keep the older checkpoint and tell the log's operator"
    )]
    Sizes {
        /// The size that was seen before.
        old: u64,
        /// The size that is offered.
        new: u64,
    },
    /// Too many or too few hashes.
    #[error("the proof has {found} hashes, a proof of these sizes has exactly {expected}")]
    Length {
        /// How many belong in it.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The leaf is not in the tree.
    #[error("the proof leads to the root {computed}, not to the log's root {root}")]
    Root {
        /// Where the proof leads.
        computed: Sha256,
        /// The root of the tree.
        root: Sha256,
    },
    /// The older tree is not a beginning of the newer one.
    #[error(
        "the log of {new} leaves does not continue the log of {old} leaves that was seen before: its history was rewritten; keep both checkpoints as evidence"
    )]
    History {
        /// The size that was seen before.
        old: u64,
        /// The size that is offered.
        new: u64,
    },
    /// A tree without leaves whose root is another.
    #[error("a log without leaves has the root {}, got {root}", empty_root())]
    EmptyRoot {
        /// The root that was given.
        root: Sha256,
    },
}

impl ProofError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Index { .. } => "proof_index",
            Self::Sizes { .. } => "proof_sizes",
            Self::Length { .. } => "proof_length",
            Self::Root { .. } => "proof_root",
            Self::History { .. } => "proof_history",
            Self::EmptyRoot { .. } => "proof_empty_root",
        }
    }
}

/// Checks that the leaf with hash `leaf` is the one at `index` of the tree with `size` leaves and `root`.
///
/// `size` and `root` are believed together, from one signed checkpoint: sizes between which the leaf's way to the root
/// is the same (3 and 4 for the first leaf) have the same proof, so a proof does not show which of them a root has.
pub fn verify_inclusion(
    leaf: &Sha256,
    index: u64,
    size: u64,
    proof: &[Sha256],
    root: &Sha256,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let path = Path::to(index, size);
    let (inner, border) = path.split(proof)?;
    let computed = path.climb(*leaf, inner, border);
    if computed == *root { Ok(()) } else { Err(ProofError::Root { computed, root: *root }) }
}

/// Checks that the tree with `old_size` leaves is the beginning of the one with `new_size`.
///
/// Equal sizes have equal roots and an empty proof. The tree without leaves begins every tree: its proof is empty,
/// and nothing is said about the newer root.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Sha256,
    new_size: u64,
    new_root: &Sha256,
    proof: &[Sha256],
) -> Result<(), ProofError> {
    let history = ProofError::History { old: old_size, new: new_size };
    if old_size > new_size {
        return Err(ProofError::Sizes { old: old_size, new: new_size });
    }
    if old_size == 0 && *old_root != empty_root() {
        return Err(ProofError::EmptyRoot { root: *old_root });
    }
    if old_size == 0 || old_size == new_size {
        check_length(0, proof.len())?;
        let said = old_size != new_size || old_root == new_root;
        return if said { Ok(()) } else { Err(history) };
    }
    // The walk starts at the older tree's last complete subtree, which lies as a whole in both trees. The proof
    // begins with its hash, unless it is the older tree itself, whose root is known.
    let level = old_size.trailing_zeros();
    let path = Path::to((old_size - 1) >> level, ((new_size - 1) >> level) + 1);
    let (start, rest) = if old_size.is_power_of_two() {
        path.split(proof)?;
        (*old_root, proof)
    } else {
        check_length(path.length() + 1, proof.len())?;
        (proof[0], &proof[1..])
    };
    let (inner, border) = path.split(rest)?;
    if path.climb_old(start, inner, border) == *old_root
        && path.climb(start, inner, border) == *new_root
    {
        Ok(())
    } else {
        Err(history)
    }
}

fn check_length(expected: usize, found: usize) -> Result<(), ProofError> {
    if expected == found { Ok(()) } else { Err(ProofError::Length { expected, found }) }
}

/// The way from a leaf (or a complete subtree, counted as one) to the root.
///
/// Below the point where it meets the tree's right edge there is a sibling at each level, left or right as the bit of
/// the index says. Above it only left siblings remain, one for each bit that is set.
struct Path {
    index: u64,
    inner: usize,
    border: usize,
}

impl Path {
    /// Wants `index < size`.
    fn to(index: u64, size: u64) -> Self {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let above = index.checked_shr(inner).unwrap_or(0);
        Self { index, inner: inner as usize, border: above.count_ones() as usize }
    }

    fn length(&self) -> usize {
        self.inner + self.border
    }

    fn split<'p>(&self, proof: &'p [Sha256]) -> Result<(&'p [Sha256], &'p [Sha256]), ProofError> {
        check_length(self.length(), proof.len())?;
        Ok(proof.split_at(self.inner))
    }

    fn is_right(&self, level: usize) -> bool {
        self.index >> level & 1 == 1
    }

    fn climb(&self, start: Sha256, inner: &[Sha256], border: &[Sha256]) -> Sha256 {
        let hash = inner.iter().enumerate().fold(start, |hash, (level, sibling)| {
            if self.is_right(level) { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
        });
        border.iter().fold(hash, |hash, left| node_hash(left, &hash))
    }

    /// The same in the older tree, which ends at the start: only what lies left of it exists.
    fn climb_old(&self, start: Sha256, inner: &[Sha256], border: &[Sha256]) -> Sha256 {
        let left = inner.iter().enumerate().filter(|(level, _)| self.is_right(*level));
        let left = left.map(|(_, sibling)| sibling).chain(border);
        left.fold(start, |hash, left| node_hash(left, &hash))
    }
}
