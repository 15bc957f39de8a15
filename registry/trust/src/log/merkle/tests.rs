use std::convert::Infallible;

use proptest::{prelude::*, sample::Index};

use super::*;

/// The leaves that Certificate Transparency's own tests have always used: SHA-256 over prefix and bytes gives all below.
const CT_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The roots of the trees of the first 1, 2, … 8 of them.
const CT_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Nodes of the tree of eight: `L` leaves, `N_4_8` the one over the leaves 4 to 7, and so on.
const L0: &str = CT_ROOTS[0];
const L1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const L4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const L6: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";
const N_0_2: &str = CT_ROOTS[1];
const N_0_4: &str = CT_ROOTS[3];
const N_2_4: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N_4_6: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const N_4_8: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const N_6_8: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

/// Published inclusion proofs: index, size, proof.
const CT_INCLUSION: [(u64, u64, &[&str]); 5] = [
    (0, 1, &[]),
    (0, 8, &[L1, N_2_4, N_4_8]),
    (5, 8, &[L4, N_6_8, N_0_4]),
    (2, 3, &[N_0_2]),
    (1, 5, &[L0, N_2_4, L4]),
];

/// Published consistency proofs: older size, newer size, proof.
const CT_CONSISTENCY: [(u64, u64, &[&str]); 5] = [
    (1, 1, &[]),
    (1, 8, &[L1, N_2_4, N_4_8]),
    (6, 8, &[N_4_6, N_6_8, N_0_4]),
    (2, 5, &[N_2_4, L4]),
    (6, 7, &[N_4_6, L6, N_0_4]),
];

fn hash(text: &str) -> Sha256 {
    text.parse().unwrap()
}

fn hashes(texts: &[&str]) -> Vec<Sha256> {
    texts.iter().map(|text| hash(text)).collect()
}

fn ct_leaves() -> Vec<Sha256> {
    CT_LEAVES.iter().map(|leaf| leaf_hash(&hex::decode(leaf).unwrap())).collect()
}

fn ct_root(size: u64) -> Sha256 {
    hash(CT_ROOTS[usize::try_from(size).unwrap() - 1])
}

fn leaves(count: usize) -> Vec<Sha256> {
    (0..count).map(|index| leaf_hash(index.to_string().as_bytes())).collect()
}

/// Where the definitions divide two or more leaves.
fn division(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// `MTH` of RFC 6962 §2.1, word for word and slow.
fn naive_root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => empty_root(),
        [only] => *only,
        several => {
            let (left, right) = several.split_at(division(several.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// On which side of the way to the root a hash of a proof lies; `Start` is the older tree's last complete subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    Start,
}

/// `PATH` of RFC 6962 §2.1.1.
fn naive_inclusion(index: usize, leaves: &[Sha256]) -> Vec<(Side, Sha256)> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(division(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_inclusion(index, left), (Side::Right, naive_root(right)))
    } else {
        (naive_inclusion(index - left.len(), right), (Side::Left, naive_root(left)))
    };
    path.push(sibling);
    path
}

/// `SUBPROOF` of RFC 6962 §2.1.2.
fn naive_consistency(old: usize, leaves: &[Sha256], is_known: bool) -> Vec<(Side, Sha256)> {
    if old == leaves.len() {
        return if is_known { Vec::new() } else { vec![(Side::Start, naive_root(leaves))] };
    }
    let (left, right) = leaves.split_at(division(leaves.len()));
    let (mut path, sibling) = if old <= left.len() {
        (naive_consistency(old, left, is_known), (Side::Right, naive_root(right)))
    } else {
        (naive_consistency(old - left.len(), right, false), (Side::Left, naive_root(left)))
    };
    path.push(sibling);
    path
}

fn sides(path: &[(Side, Sha256)]) -> Vec<Side> {
    path.iter().map(|(side, _)| *side).collect()
}

fn only_hashes(path: &[(Side, Sha256)]) -> Vec<Sha256> {
    path.iter().map(|(_, hash)| *hash).collect()
}

/// Answers for complete subtrees within the leaves; panics when anything else is asked.
fn reader(leaves: &[Sha256]) -> impl Fn(NodeId) -> Result<Sha256, Infallible> {
    move |node| {
        let width = 1 << node.level;
        let begin = usize::try_from(node.index).unwrap() * width;
        Ok(naive_root(&leaves[begin..begin + width]))
    }
}

fn flipped(hash: &Sha256, bit: usize) -> Sha256 {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Sha256::from_bytes(bytes)
}

#[test]
fn hashes_are_those_of_rfc_6962() {
    // printf '\x00L123456' | sha256sum
    let leaf = "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56";
    let node = Sha256::of(&[&[1_u8][..], &[b'N'; 32], &[b'M'; 32]].concat());

    assert_eq!(leaf_hash(b"L123456"), hash(leaf));
    assert_eq!(leaf_hash(b""), hash(L0));
    let (left, right) = (Sha256::from_bytes([b'N'; 32]), Sha256::from_bytes([b'M'; 32]));
    assert_eq!(node_hash(&left, &right), node);
    assert_eq!(empty_root(), Sha256::of(b""));
}

#[test]
fn the_known_tree_of_eight_leaves_grows_through_its_known_roots() {
    let leaves = ct_leaves();
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), empty_root());

    for (leaf, root_text) in leaves.iter().zip(CT_ROOTS) {
        frontier.append(*leaf);

        assert_eq!(frontier.root(), hash(root_text));
        assert_eq!(root(frontier.size(), reader(&leaves)), Ok(hash(root_text)));
    }
    assert_eq!(complete_root(&leaves), Some(hash(CT_ROOTS[7])));
    assert_eq!(complete_root(&leaves[..7]), None);
    assert_eq!(complete_root(&[]), None);
}

#[test]
fn the_known_proofs_are_made_and_verify() {
    let leaves = ct_leaves();

    for (index, size, proof) in CT_INCLUSION {
        let proof = hashes(proof);
        let leaf = leaves[usize::try_from(index).unwrap()];
        assert_eq!(inclusion_proof(index, size, reader(&leaves)), Ok(proof.clone()));
        assert_eq!(verify_inclusion(&leaf, index, size, &proof, &ct_root(size)), Ok(()));
    }
    for (old, new, proof) in CT_CONSISTENCY {
        let proof = hashes(proof);
        assert_eq!(consistency_proof(old, new, reader(&leaves)), Ok(proof.clone()));
        assert_eq!(verify_consistency(old, &ct_root(old), new, &ct_root(new), &proof), Ok(()));
    }
}

/// RFC 6962 §2.1.3 draws a tree of seven leaves and names the nodes of its proofs; here by the leaves they span.
#[test]
fn the_examples_of_rfc_6962_are_made() {
    let leaves = leaves(7);
    let span = |begin: usize, end: usize| naive_root(&leaves[begin..end]);
    let inclusion = |index| inclusion_proof(index, 7, reader(&leaves)).unwrap();
    let consistency = |old| consistency_proof(old, 7, reader(&leaves)).unwrap();
    let (a_to_c, d) = (span(2, 3), span(3, 4));

    assert_eq!(inclusion(0), [span(1, 2), span(2, 4), span(4, 7)]);
    assert_eq!(inclusion(3), [a_to_c, span(0, 2), span(4, 7)]);
    assert_eq!(inclusion(4), [span(5, 6), span(6, 7), span(0, 4)]);
    assert_eq!(inclusion(6), [span(4, 6), span(0, 4)]);
    assert_eq!(consistency(3), [a_to_c, d, span(0, 2), span(4, 7)]);
    assert_eq!(consistency(4), [span(4, 7)]);
    assert_eq!(consistency(6), [span(4, 6), span(6, 7), span(0, 4)]);
}

/// The changes that other verifiers are probed with, on every known proof.
#[test]
fn known_inclusion_proofs_that_are_changed_do_not_verify() {
    let leaves = ct_leaves();
    let stray = Sha256::of(b"stray");

    for (index, size, proof) in CT_INCLUSION {
        let proof = hashes(proof);
        let leaf = leaves[usize::try_from(index).unwrap()];
        let root = ct_root(size);
        let with = |before: &[Sha256], after: &[Sha256]| [before, &proof, after].concat();
        let refused = |leaf, index, size, proof: &[Sha256], root| {
            assert!(verify_inclusion(&leaf, index, size, proof, &root).is_err());
        };

        for other in [index.wrapping_sub(1), index + 1, index ^ 2, u64::MAX] {
            refused(leaf, other, size, &proof, root);
        }
        for other in [size * 2, size / 2, 0, u64::MAX] {
            refused(leaf, index, other, &proof, root);
        }
        refused(stray, index, size, &proof, root);
        refused(leaf, index, size, &proof, empty_root());
        refused(leaf, index, size, &proof, stray);
        refused(leaf, index, size, &with(&[], &[root]), root);
        refused(leaf, index, size, &with(&[root], &[]), root);
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at] = flipped(&changed[at], 3);
            refused(leaf, index, size, &changed, root);
            changed.remove(at);
            refused(leaf, index, size, &changed, root);
            changed.insert(at, stray);
            refused(leaf, index, size, &changed, root);
        }
    }
}

#[test]
fn known_consistency_proofs_that_are_changed_do_not_verify() {
    for (old, new, proof) in CT_CONSISTENCY {
        let proof = hashes(proof);
        let (old_root, new_root) = (ct_root(old), ct_root(new));
        let stray = Sha256::of(b"stray");
        let with = |before: &[Sha256], after: &[Sha256]| [before, &proof, after].concat();
        let refused = |old, old_root, new, new_root, proof: &[Sha256]| {
            assert!(verify_consistency(old, &old_root, new, &new_root, proof).is_err());
        };

        for garbage in [old_root, new_root, stray] {
            refused(old, old_root, new, new_root, &with(&[], &[garbage]));
            refused(old, old_root, new, new_root, &with(&[garbage], &[]));
        }
        refused(old, stray, new, new_root, &proof);
        refused(old, old_root, new, stray, &proof);
        // What follows changes nothing in a proof between equal sizes.
        if old == new {
            continue;
        }
        refused(old, new_root, new, old_root, &proof);
        for other in [old - 1, old + 1, old ^ 2, new + 1, u64::MAX] {
            refused(other, old_root, new, new_root, &proof);
        }
        for other in [new * 2, new / 2, 0, u64::MAX] {
            refused(old, old_root, other, new_root, &proof);
        }
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at] = flipped(&changed[at], 4);
            refused(old, old_root, new, new_root, &changed);
            changed.remove(at);
            refused(old, old_root, new, new_root, &changed);
        }
    }
}

#[test]
fn the_edges_are_decided_one_by_one() {
    let [one, two] = [leaf_hash(b"1"), leaf_hash(b"2")];
    let empty = empty_root();
    let consistency = |old, old_root, new, new_root, proof: &[Sha256]| {
        verify_consistency(old, &old_root, new, &new_root, proof).map_err(|error| error.code())
    };
    let inclusion = |index, size, proof: &[Sha256]| {
        verify_inclusion(&one, index, size, proof, &one).map_err(|error| error.code())
    };

    assert_eq!(consistency(0, empty, 0, empty, &[]), Ok(()));
    assert_eq!(consistency(0, empty, 5, two, &[]), Ok(()));
    assert_eq!(consistency(5, two, 5, two, &[]), Ok(()));
    assert_eq!(consistency(0, one, 0, one, &[]), Err("proof_empty_root"));
    assert_eq!(consistency(0, one, 5, two, &[]), Err("proof_empty_root"));
    assert_eq!(consistency(0, empty, 0, one, &[]), Err("proof_history"));
    assert_eq!(consistency(5, one, 5, two, &[]), Err("proof_history"));
    assert_eq!(consistency(1, one, 2, two, &[two]), Err("proof_history"));
    assert_eq!(consistency(0, empty, 0, empty, &[one]), Err("proof_length"));
    assert_eq!(consistency(0, empty, 5, two, &[one]), Err("proof_length"));
    assert_eq!(consistency(5, one, 5, one, &[one]), Err("proof_length"));
    assert_eq!(consistency(1, one, 2, two, &[]), Err("proof_length"));
    assert_eq!(consistency(3, one, 4, two, &[]), Err("proof_length"));
    assert_eq!(consistency(2, one, 1, two, &[]), Err("proof_sizes"));
    assert_eq!(consistency(1, one, 0, empty, &[]), Err("proof_sizes"));

    assert_eq!(inclusion(0, 1, &[]), Ok(()));
    assert_eq!(inclusion(0, 0, &[]), Err("proof_index"));
    assert_eq!(inclusion(1, 1, &[]), Err("proof_index"));
    assert_eq!(inclusion(u64::MAX, u64::MAX, &[]), Err("proof_index"));
    assert_eq!(inclusion(0, 1, &[two]), Err("proof_length"));
    assert_eq!(inclusion(0, 2, &[two]), Err("proof_root"));
}

#[test]
fn a_refusal_says_what_and_what_to_do() {
    let one = leaf_hash(b"1");

    let shrunk = verify_consistency(9, &one, 7, &one, &[]).unwrap_err().to_string();
    let short = verify_inclusion(&one, 0, 8, &[], &one).unwrap_err().to_string();

    assert!(shrunk.contains("from 9 leaves to 7") && shrunk.contains("operator"), "{shrunk}");
    assert!(short.contains("0 hashes") && short.contains("exactly 3"), "{short}");
}

#[test]
fn what_cannot_be_proved_is_an_error() {
    let no_read = |_| -> Result<Sha256, Infallible> { unreachable!("nothing is asked") };
    let broken = |_| Err(std::fmt::Error);

    assert_eq!(inclusion_proof(3, 3, no_read), Err(ProveError::Index { index: 3, size: 3 }));
    assert_eq!(inclusion_proof(0, 0, no_read), Err(ProveError::Index { index: 0, size: 0 }));
    assert_eq!(consistency_proof(4, 3, no_read), Err(ProveError::Sizes { old: 4, new: 3 }));
    assert_eq!(consistency_proof(0, 3, no_read), Ok(Vec::new()));
    assert_eq!(consistency_proof(3, 3, no_read), Ok(Vec::new()));
    assert_eq!(root(0, no_read), Ok(empty_root()));
    assert_eq!(inclusion_proof(1, 3, broken), Err(ProveError::Read(std::fmt::Error)));
}

#[test]
fn a_frontier_is_continued_only_with_as_many_nodes_as_its_size_has() {
    let nodes = leaves(64);

    assert!(Frontier::from_nodes(6, nodes[..2].to_vec()).is_some());
    assert!(Frontier::from_nodes(6, nodes[..3].to_vec()).is_none());
    assert!(Frontier::from_nodes(0, nodes[..1].to_vec()).is_none());
    assert_eq!(Frontier::from_nodes(0, Vec::new()), Some(Frontier::new()));
    let largest = i64::MAX.unsigned_abs();
    let mut frontier = Frontier::from_nodes(largest, nodes[..63].to_vec()).unwrap();
    frontier.append(nodes[63]);
    assert_eq!(frontier.nodes().len(), 1);
    assert!(Frontier::from_nodes(largest + 1, nodes[..1].to_vec()).is_none());
    assert!(Frontier::from_nodes(u64::MAX, nodes).is_none());
}

/// An implementation that others wrote makes the same trees and the same proofs.
#[test]
fn another_implementation_makes_the_same_roots_and_proofs() {
    let entries: Vec<String> = (0..70).map(|index| index.to_string()).collect();
    let leaves = leaves(entries.len());
    let mut other = ct_merkle::mem_backed_tree::MemoryBackedTree::<Hasher, String>::new();

    for (size, entry) in (1..).zip(entries) {
        other.push(entry);
        let made = root(size, reader(&leaves)).unwrap();
        assert_eq!(made.as_bytes()[..], other.root().as_bytes()[..]);
        for index in 0..size {
            let before = usize::try_from(index).unwrap();
            let made = inclusion_proof(index, size, reader(&leaves)).unwrap();
            assert_eq!(flat(&made), other.prove_inclusion(before).as_bytes());
            let added = usize::try_from(size).unwrap() - before;
            if index > 0 {
                let made = consistency_proof(index, size, reader(&leaves)).unwrap();
                assert_eq!(flat(&made), other.prove_consistency(added).as_bytes());
            }
        }
    }
}

fn flat(proof: &[Sha256]) -> Vec<u8> {
    proof.iter().flat_map(Sha256::as_bytes).copied().collect()
}

fn any_hashes(most: usize) -> impl Strategy<Value = Vec<Sha256>> {
    proptest::collection::vec(any::<[u8; 32]>().prop_map(Sha256::from_bytes), 0..most)
}

proptest! {
    #[test]
    fn a_frontier_has_the_root_of_the_definition(size in 0..600_usize, more in 0..40_usize) {
        let leaves = leaves(size + more);
        let mut frontier = Frontier::new();
        leaves[..size].iter().for_each(|leaf| frontier.append(*leaf));
        prop_assert_eq!(frontier.root(), naive_root(&leaves[..size]));

        let mut again = Frontier::from_nodes(frontier.size(), frontier.nodes().to_vec()).unwrap();
        leaves[size..].iter().for_each(|leaf| again.append(*leaf));

        prop_assert_eq!(again.root(), naive_root(&leaves));
        prop_assert_eq!(root(again.size(), reader(&leaves)), Ok(naive_root(&leaves)));
    }

    #[test]
    fn an_inclusion_proof_is_the_definitions_and_no_change_of_it_verifies(
        size in 1..600_usize, at in any::<Index>(), place in any::<Index>(), bit in 0..256_usize,
        other_at in any::<Index>(), other_size in 1..700_usize,
    ) {
        let leaves = leaves(700);
        let index = at.index(size);
        let (leaf, tree) = (leaves[index], &leaves[..size]);
        let root = naive_root(tree);
        let defined = naive_inclusion(index, tree);
        let verify = |leaf, index: usize, size: usize, proof: &[Sha256], root| {
            verify_inclusion(&leaf, index as u64, size as u64, proof, &root)
        };

        let proof = inclusion_proof(index as u64, size as u64, reader(&leaves)).unwrap();

        prop_assert_eq!(&proof, &only_hashes(&defined));
        prop_assert_eq!(verify(leaf, index, size, &proof, root), Ok(()));
        prop_assert!(verify(flipped(&leaf, bit), index, size, &proof, root).is_err());
        prop_assert!(verify(leaf, index, size, &proof, flipped(&root, bit)).is_err());
        let other_index = other_at.index(size);
        prop_assert_eq!(verify(leaf, other_index, size, &proof, root).is_ok(), other_index == index);
        // Another size verifies only if the leaf's way to the root is the same one.
        let same_way = index < other_size
            && sides(&naive_inclusion(index, &leaves[..other_size])) == sides(&defined);
        prop_assert_eq!(verify(leaf, index, other_size, &proof, root).is_ok(), same_way);
        let place = place.index(proof.len() + 1);
        let mut longer = proof.clone();
        longer.insert(place, root);
        prop_assert!(verify(leaf, index, size, &longer, root).is_err());
        if place < proof.len() {
            let mut changed = proof.clone();
            changed[place] = flipped(&proof[place], bit);
            prop_assert!(verify(leaf, index, size, &changed, root).is_err());
            changed.remove(place);
            prop_assert!(verify(leaf, index, size, &changed, root).is_err());
        }
    }

    #[test]
    fn a_consistency_proof_is_the_definitions_and_no_change_of_it_verifies(
        new in 2..600_usize, at in any::<Index>(), place in any::<Index>(), bit in 0..256_usize,
        other_at in any::<Index>(), other_new in 1..700_usize,
    ) {
        let leaves = leaves(700);
        let old = 1 + at.index(new - 1);
        let (old_root, new_root) = (naive_root(&leaves[..old]), naive_root(&leaves[..new]));
        let defined = naive_consistency(old, &leaves[..new], true);
        let verify = |old: usize, old_root, new: usize, new_root, proof: &[Sha256]| {
            verify_consistency(old as u64, &old_root, new as u64, &new_root, proof)
        };

        let proof = consistency_proof(old as u64, new as u64, reader(&leaves)).unwrap();

        prop_assert_eq!(&proof, &only_hashes(&defined));
        prop_assert_eq!(verify(old, old_root, new, new_root, &proof), Ok(()));
        prop_assert!(verify(old, flipped(&old_root, bit), new, new_root, &proof).is_err());
        prop_assert!(verify(old, old_root, new, flipped(&new_root, bit), &proof).is_err());
        // Other sizes verify only if the way from the older tree's end to the newer root is the same one.
        let same_way = |old: usize, new: usize| {
            old < new && sides(&naive_consistency(old, &leaves[..new], true)) == sides(&defined)
        };
        let other_old = 1 + other_at.index(new - 1);
        let is_ok = verify(other_old, old_root, new, new_root, &proof).is_ok();
        prop_assert_eq!(is_ok, same_way(other_old, new));
        let is_ok = verify(old, old_root, other_new, new_root, &proof).is_ok();
        prop_assert_eq!(is_ok, same_way(old, other_new));
        let place = place.index(proof.len());
        let mut changed = proof.clone();
        changed[place] = flipped(&proof[place], bit);
        prop_assert!(verify(old, old_root, new, new_root, &changed).is_err());
        changed.remove(place);
        prop_assert!(verify(old, old_root, new, new_root, &changed).is_err());
        let mut longer = proof.clone();
        longer.insert(place, new_root);
        prop_assert!(verify(old, old_root, new, new_root, &longer).is_err());
    }

    #[test]
    fn no_number_makes_the_verifiers_panic(
        (a, b) in (any::<u64>(), any::<u64>()), (down, up) in (0..3_u64, 0..64_u32), proof in any_hashes(130),
    ) {
        let root = leaf_hash(b"1");
        for (a, b) in [(a, b), (a, u64::MAX - down), ((1 << up) - down.min(1), b), (1 << up, u64::MAX)] {
            let _ = verify_inclusion(&root, a, b, &proof, &root);
            let _ = verify_consistency(a, &root, b, &root, &proof);
        }
    }

    #[test]
    fn proofs_in_the_largest_trees_verify((index, old) in (any::<u64>(), any::<u64>()), down in 0..3_u64) {
        // All leaves are one, so the hash of a complete subtree depends on its level alone.
        let size = u64::MAX - down;
        let mut levels = vec![leaf_hash(b"")];
        (0..63).for_each(|level| levels.push(node_hash(&levels[level], &levels[level])));
        let read = |node: NodeId| Ok::<_, Infallible>(levels[usize::from(node.level)]);
        let (index, old) = (index % size, old.min(size));
        let whole = root(size, read).unwrap();

        let proof = inclusion_proof(index, size, read).unwrap();
        prop_assert_eq!(verify_inclusion(&levels[0], index, size, &proof, &whole), Ok(()));

        let proof = consistency_proof(old, size, read).unwrap();
        let old_root = root(old, read).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, size, &whole, &proof), Ok(()));
    }
}
