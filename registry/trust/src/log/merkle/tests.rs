use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

fn leaves(count: u64) -> Vec<Sha256> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// The definition of RFC 6962 §2.1, word for word and slow.
fn naive_root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        several => {
            let middle = several.len().next_power_of_two() / 2;
            let (left, right) = several.split_at(middle);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// Complete subtrees within the leaves, and a failure for whatever else is asked.
fn reader(leaves: &[Sha256]) -> impl Fn(NodeId) -> Result<Sha256, Infallible> {
    move |node| {
        let width = 1 << node.level;
        let begin = usize::try_from(node.index).unwrap() * width;
        Ok(naive_root(&leaves[begin..begin + width]))
    }
}

proptest! {
    #[test]
    fn a_frontier_has_the_root_of_the_definition(size in 0..600_u64) {
        let leaves = leaves(size);
        let mut frontier = Frontier::new();
        for leaf in &leaves {
            frontier.append(*leaf);
        }

        prop_assert_eq!(frontier.size(), size);
        prop_assert_eq!(frontier.root(), naive_root(&leaves));
        prop_assert_eq!(root(size, reader(&leaves)), Ok(naive_root(&leaves)));
        prop_assert_eq!(Frontier::from_nodes(size, frontier.nodes().to_vec()), Some(frontier));
    }

    #[test]
    fn a_proof_that_is_made_verifies(size in 1..600_u64, at in any::<prop::sample::Index>()) {
        let leaves = leaves(size);
        let index = at.index(leaves.len());
        let root = naive_root(&leaves);

        let index_number = index as u64;
        let proof = inclusion_proof(index_number, size, reader(&leaves)).unwrap();
        prop_assert_eq!(verify_inclusion(&leaves[index], index_number, size, &proof, &root), Ok(()));

        let old_root = naive_root(&leaves[..index]);
        let proof = consistency_proof(index_number, size, reader(&leaves)).unwrap();
        prop_assert_eq!(verify_consistency(index_number, &old_root, size, &root, &proof), Ok(()));
    }
}
