//! An archive that opens is the one that packing its files would write, tar for tar.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use registry_trust::archive::{Archive, File, Limits, pack_files};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let Ok(archive) = Archive::open(bytes, &limits) else { return };
    let files: BTreeMap<_, _> = archive
        .entries()
        .map(|entry| {
            let file = File { content: entry.content.to_vec(), executable: entry.executable };
            (entry.path.to_owned(), file)
        })
        .collect();

    // The ratio depends on how well the bytes were compressed, which packing does in its own way.
    let packed = pack_files(&files, &Limits { ratio: usize::MAX, ..limits.clone() })
        .expect("what opens can be packed");

    let again = Archive::open(&packed, &Limits { ratio: usize::MAX, ..limits })
        .expect("what was packed opens");
    assert_eq!(again.summary().dir_hash1, archive.summary().dir_hash1);
    assert!(again.entries().eq(archive.entries()));
});
