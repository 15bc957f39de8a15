//! The append-only tree of RFC 6962 with SHA-256: its hashes, and proofs about it.

mod frontier;
mod prove;
#[cfg(test)]
mod tests;
mod verify;

pub use frontier::Frontier;
pub use prove::{NodeId, ProveError, consistency_proof, inclusion_proof, root};
pub use verify::{ProofError, verify_consistency, verify_inclusion};

use sha2::{Digest, Sha256 as Hasher};

use crate::digest::Sha256;

/// What keeps a leaf from passing for a node (RFC 6962 §2.1).
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// The hash of a leaf: SHA-256 of a zero byte and the entry.
pub fn leaf_hash(entry: &[u8]) -> Sha256 {
    Sha256::from_bytes(Hasher::new().chain_update(LEAF).chain_update(entry).finalize().into())
}

/// The hash of a node: SHA-256 of a one byte and both children.
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    let hasher = Hasher::new().chain_update(NODE);
    let hasher = hasher.chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Sha256::from_bytes(hasher.finalize().into())
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Sha256 {
    Sha256::of(b"")
}

/// The root of a complete subtree from the roots of its parts, all of one size and a power of two in number.
pub fn complete_root(parts: &[Sha256]) -> Option<Sha256> {
    if !parts.len().is_power_of_two() {
        return None;
    }
    let mut level = parts.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    level.pop()
}

/// Joins the roots of complete subtrees that lie side by side, ever smaller to the right, as RFC 6962 does.
fn join(parts: &[Sha256]) -> Option<Sha256> {
    let (last, larger) = parts.split_last()?;
    Some(larger.iter().rfold(*last, |right, left| node_hash(left, &right)))
}
