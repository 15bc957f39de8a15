use std::convert::Infallible;

use proptest::prelude::*;

use super::*;
use crate::log::merkle::{Frontier, leaf_hash, root};

const LEVEL_0: TileKind = TileKind::Hashes { level: 0 };

fn path(kind: TileKind, index: u64, width: u16) -> TilePath {
    TilePath::new(kind, index, width).unwrap()
}

fn hash_tile(level: u8) -> TileKind {
    TileKind::Hashes { level }
}

fn bundle(entries: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bundle = Vec::new();
    for entry in entries {
        encode_entry(&mut bundle, entry.as_ref()).unwrap();
    }
    bundle
}

/// The tiles that a log of these leaves has: the first level is the leaves, each next one the roots of full tiles.
fn tiles(leaves: &[Sha256]) -> Vec<Vec<Vec<u8>>> {
    let mut levels = Vec::new();
    let mut hashes = leaves.to_vec();
    while !hashes.is_empty() {
        let tiles = hashes.chunks(256);
        levels.push(
            tiles.map(|tile| tile.iter().flat_map(Sha256::as_bytes).copied().collect()).collect(),
        );
        hashes = hashes.chunks_exact(256).filter_map(complete_root).collect();
    }
    levels
}

#[test]
fn a_path_has_groups_of_three_digits() {
    for (path, text) in [
        (path(LEVEL_0, 0, 256), "tile/0/000"),
        (path(LEVEL_0, 999, 256), "tile/0/999"),
        (path(LEVEL_0, 1000, 256), "tile/0/x001/000"),
        // The specification's own example.
        (path(LEVEL_0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (path(hash_tile(63), 5, 1), "tile/63/005.p/1"),
        (path(TileKind::Entries, 1_234_067, 255), "tile/entries/x001/x234/067.p/255"),
        (path(TileKind::Entries, 1_000_000, 256), "tile/entries/x001/x000/000"),
        (path(LEVEL_0, u64::MAX, 256), "tile/0/x018/x446/x744/x073/x709/x551/615"),
    ] {
        assert_eq!(path.to_string(), text);
        assert_eq!(text.parse(), Ok(path));
    }
}

#[test]
fn a_path_that_is_written_another_way_is_refused() {
    for text in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/01/000",
        "tile/+1/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x001",
        "tile/0/001/002",
        "tile/0/x1/002",
        "tile/0/X001/002",
        "tile/0/+01",
        "tile/0/1000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/000.p/256",
        "tile/0/000.p/1.p/1",
        "tile/0/000.p/1/",
        "tile/0/000 ",
        "tile/0/..",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/x001/x018/x446/x744/x073/x709/x551/615",
    ] {
        let error = text.parse::<TilePath>().unwrap_err();
        assert_eq!(error.code(), "tile_path", "{text}");
    }
    let long = format!("tile/0/{}000", "x001/".repeat(10_000)).parse::<TilePath>().unwrap_err();
    assert!(long.to_string().len() < 400, "{long}");
}

#[test]
fn a_path_outside_the_scheme_cannot_be_named() {
    assert_eq!(TilePath::new(LEVEL_0, 0, 0), None);
    assert_eq!(TilePath::new(LEVEL_0, 0, 257), None);
    assert_eq!(TilePath::new(hash_tile(64), 0, 1), None);
}

/// The specification's own example: the tiles of a tree of 70,000 leaves.
#[test]
fn a_tree_has_full_tiles_and_one_partial_one_on_each_level() {
    let width = |kind, index| TilePath::in_tree(kind, index, 70_000).map(|path| path.width());

    assert_eq!(width(LEVEL_0, 272), Some(256));
    assert_eq!(width(LEVEL_0, 273), Some(112));
    assert_eq!(width(LEVEL_0, 274), None);
    assert_eq!(width(TileKind::Entries, 273), Some(112));
    assert_eq!(width(hash_tile(1), 0), Some(256));
    assert_eq!(width(hash_tile(1), 1), Some(17));
    assert_eq!(width(hash_tile(1), 2), None);
    assert_eq!(width(hash_tile(2), 0), Some(1));
    assert_eq!(width(hash_tile(3), 0), None);
    assert_eq!(width(hash_tile(63), u64::MAX), None);
    assert_eq!(TilePath::in_tree(LEVEL_0, 0, 0), None);
    assert_eq!(TilePath::in_tree(LEVEL_0, 0, 256).unwrap().to_string(), "tile/0/000");
    assert_eq!(TilePath::in_tree(hash_tile(1), 0, 256).unwrap().to_string(), "tile/1/000.p/1");
}

#[test]
fn a_node_is_stored_on_every_eighth_level_and_computed_between() {
    let place = |level, index| Place::of(NodeId { level, index });

    assert_eq!(place(0, 257), Place { level: 0, index: 1, first: 1, count: 1 });
    assert_eq!(place(1, 129), Place { level: 0, index: 1, first: 2, count: 2 });
    assert_eq!(place(7, 3), Place { level: 0, index: 1, first: 128, count: 128 });
    assert_eq!(place(8, 3), Place { level: 1, index: 0, first: 3, count: 1 });
    assert_eq!(place(9, 200), Place { level: 1, index: 1, first: 144, count: 2 });
    assert_eq!(place(8, 3).path(1024).unwrap().to_string(), "tile/1/000.p/4");
    assert_eq!(place(8, 3).path(1023), None);
}

#[test]
fn a_hash_is_found_only_in_a_tile_that_has_it() {
    let leaves: Vec<_> = (0..4_u8).map(|leaf| leaf_hash(&[leaf])).collect();
    let tile = &tiles(&leaves)[0][0];
    let found = |tile: &[u8], level, index| hash_in_tile(tile, NodeId { level, index });

    assert_eq!(found(tile, 0, 3), Some(leaves[3]));
    assert_eq!(found(tile, 1, 1), complete_root(&leaves[2..]));
    assert_eq!(found(tile, 2, 0), complete_root(&leaves));
    assert_eq!(found(tile, 0, 4), None);
    assert_eq!(found(tile, 3, 0), None);
    assert_eq!(found(&tile[1..], 0, 0), None);
    assert_eq!(found(&[], 0, 0), None);
    assert_eq!(found(&[0; 257 * 32], 0, 0), None);
    assert_eq!(found(tile, u8::MAX, u64::MAX), None);
}

#[test]
fn entries_are_read_as_they_were_written() {
    let largest = vec![7; MAX_ENTRY_BYTES];
    let written: [&[u8]; 3] = [b"one", b"", &largest];

    let bytes = bundle(&written);

    assert_eq!(bytes[..7], *b"\0\x03one\0\0");
    assert_eq!(entries(&bytes).unwrap(), written);
    assert_eq!(entries(b"").unwrap(), Vec::<&[u8]>::new());
    assert_eq!(entries(&bundle(&[b"x"; 256])).unwrap().len(), 256);
}

#[test]
fn what_is_not_a_bundle_is_refused() {
    let code = |bytes: &[u8]| entries(bytes).unwrap_err().code();
    let too_large = encode_entry(&mut Vec::new(), &vec![0; MAX_ENTRY_BYTES + 1]).unwrap_err();

    assert_eq!(code(b"\0"), "entries_truncated");
    assert_eq!(code(b"\0\x01a\0"), "entries_truncated");
    assert_eq!(code(b"\0\x02a"), "entries_truncated");
    assert_eq!(code(&bundle(&[b"x"; 257])), "entries_too_many");
    assert_eq!(code(&[0; 2 * 257]), "entries_too_many");
    assert_eq!(too_large.code(), "entry_too_large");
    assert!(too_large.to_string().contains("65536"), "{too_large}");
}

fn any_kind() -> impl Strategy<Value = TileKind> {
    prop_oneof![
        Just(TileKind::Entries),
        (0..=MAX_LEVEL).prop_map(|level| TileKind::Hashes { level })
    ]
}

proptest! {
    #[test]
    fn every_path_is_read_as_it_was_written(kind in any_kind(), index: u64, small in 0..3_000_u64, width in 1..=WIDTH) {
        for index in [index, small] {
            let path = path(kind, index, width);
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn a_path_that_parses_has_one_text(text in "(tile/)?(entries|data|[0-9]{1,2})/(x?[0-9]{1,4}/){0,3}[0-9]{1,4}(\\.p/[0-9]{1,3})?", any in ".*") {
        for text in [text, any] {
            if let Ok(path) = text.parse::<TilePath>() {
                prop_assert_eq!(path.to_string(), text);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_are_the_bundle_they_say(bytes in proptest::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..700)) {
        if let Ok(entries) = entries(&bytes) {
            prop_assert_eq!(bundle(&entries), bytes.clone());
        }
        let _ = hash_in_tile(&bytes, NodeId { level: 0, index: 1 });
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written(written in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..=256)) {
        let written: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
        let bytes = bundle(&written);
        prop_assert_eq!(entries(&bytes), Ok(written));
        if let [shorter @ .., _] = bytes.as_slice() {
            prop_assert!(entries(shorter).is_err());
        }
    }

    #[test]
    fn no_node_makes_its_place_panic(level: u8, index: u64, size: u64, tile in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let node = NodeId { level, index };
        let _ = Place::of(node).path(size);
        let _ = hash_in_tile(&tile, node);
    }

    #[test]
    fn the_tiles_of_a_tree_give_its_root(size in 1..2000_usize) {
        let leaves: Vec<_> = (0..size).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect();
        let tiles = tiles(&leaves);
        let mut frontier = Frontier::new();
        for leaf in &leaves {
            frontier.append(*leaf);
        }
        let read = |node| {
            let place = Place::of(node);
            let path = place.path(size as u64).unwrap();
            let tile = &tiles[usize::from(place.level)][usize::try_from(place.index).unwrap()];
            assert_eq!(tile.len(), usize::from(path.width()) * 32);
            Ok::<_, Infallible>(hash_in_tile(tile, node).unwrap())
        };

        prop_assert_eq!(root(size as u64, read), Ok(frontier.root()));
    }
}
