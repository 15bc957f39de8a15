//! The least that a growing tree must remember.

use super::{empty_root, join, node_hash};
use crate::digest::Sha256;

/// A tree of which only the roots of its complete subtrees are kept: enough to append and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    nodes: Vec<Sha256>,
}

impl Frontier {
    /// The tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a tree from its size and [`nodes`](Self::nodes): as many as the size has bits set.
    ///
    /// None for another number of nodes, and for a size above [`i64::MAX`], which no table holds and no log reaches.
    pub fn from_nodes(size: u64, nodes: Vec<Sha256>) -> Option<Self> {
        let is_whole = nodes.len() == size.count_ones() as usize && i64::try_from(size).is_ok();
        is_whole.then_some(Self { size, nodes })
    }

    /// Appends a leaf by its hash.
    pub fn append(&mut self, leaf: Sha256) {
        // Each bit that the size ends with is a complete subtree that the new leaf completes to one twice as large.
        let completed = self.size.trailing_ones() as usize;
        let left = self.nodes.split_off(self.nodes.len() - completed);
        self.nodes.push(left.iter().rfold(leaf, |right, left| node_hash(left, &right)));
        self.size += 1;
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> Sha256 {
        join(&self.nodes).unwrap_or_else(empty_root)
    }

    /// The roots of the complete subtrees, from the largest (left) to the smallest (right).
    pub fn nodes(&self) -> &[Sha256] {
        &self.nodes
    }
}
