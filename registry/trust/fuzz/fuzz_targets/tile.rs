//! A tile's path has one text, a bundle of entries one form; a tile has a hash or not, without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use registry_trust::log::{
    merkle::NodeId,
    tile::{Place, TilePath, encode_entry, entries, hash_in_tile},
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(path) = text.parse::<TilePath>()
    {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(entries) = entries(bytes) {
        let mut bundle = Vec::new();
        for entry in entries {
            encode_entry(&mut bundle, entry).expect("what was read fits");
        }
        assert_eq!(bundle, bytes);
    }
    if let Some(([level, index @ ..], tile)) = bytes.split_first_chunk::<9>() {
        let node = NodeId { level: *level, index: u64::from_be_bytes(*index) };
        let _ = (Place::of(node).path(u64::MAX), hash_in_tile(tile, node));
    }
});
