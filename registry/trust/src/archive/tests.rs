use std::{collections::BTreeMap, fs};

use proptest::prelude::*;

use super::*;

type Files = BTreeMap<String, File>;

fn files(entries: &[(&str, &str)]) -> Files {
    entries.iter().map(|(path, text)| ((*path).into(), text.as_bytes().to_vec().into())).collect()
}

fn packed(entries: &[(&str, &str)]) -> Vec<u8> {
    pack_files(&files(entries), &Limits::default()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    Archive::open(bytes, &Limits::default())
}

/// A tar made of raw headers and contents, in the order given, ended by two zero blocks.
fn raw_tar(entries: &[([u8; BLOCK], &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (block, content) in entries {
        tar.extend_from_slice(block);
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn block(path: &str, size: u64) -> [u8; BLOCK] {
    Header { path: path.into(), size, executable: false }.encode().unwrap()
}

fn open_tar(tar: &[u8]) -> ArchiveError {
    open(&gzip::compress(tar)).unwrap_err()
}

fn contents(archive: &Archive) -> Files {
    archive
        .entries()
        .map(|entry| {
            let file = File { content: entry.content.to_vec(), executable: entry.executable };
            (entry.path.to_owned(), file)
        })
        .collect()
}

#[test]
fn an_archive_gives_back_its_files_and_digests() {
    let mut tree = files(&[("main.tf", "a\n"), ("m/b.tf", ""), ("m/z", &"x".repeat(2000))]);
    tree.insert("run".into(), File { content: b"#!/bin/sh\n".to_vec(), executable: true });
    let bytes = pack_files(&tree, &Limits::default()).unwrap();

    let archive = open(&bytes).unwrap();

    assert_eq!(contents(&archive), tree);
    assert_eq!(archive.get("main.tf").unwrap().content, b"a\n");
    assert_eq!(archive.get("main"), None);
    let summary = archive.summary();
    assert_eq!(summary.sha256, Sha256::of(&bytes));
    assert_eq!(summary.size, bytes.len() as u64);
    assert_eq!((summary.files, summary.unpacked_size), (4, 2012));
    let digests = archive.entries().map(|entry| (entry.path, Sha256::of(entry.content)));
    assert_eq!(summary.dir_hash1, crate::tree::dir_hash1(digests));
}

/// The bytes are part of the format: an update of the compressor that changes them must be a decision.
#[test]
fn packing_gives_the_same_bytes_for_ever() {
    let tree =
        files(&[("main.tf", &"variable \"name\" {}\n".repeat(200)), ("README.md", "# Module\n")]);

    let bytes = pack_files(&tree, &Limits::default()).unwrap();

    assert_eq!(
        Sha256::of(&bytes).to_string(),
        "526920733bb2b9313dc91499070c016b76966f70ee2897f4ae33d11a651571fd"
    );
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = packed(&[("main.tf", "a\n"), ("m/b.tf", "b\n")]);

    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "{length}");
    }
}

#[test]
fn trailing_bytes_are_refused_wherever_they_trail() {
    let bytes = packed(&[("main.tf", "a\n")]);
    let tar = raw_tar(&[(block("main.tf", 2), b"a\n")]);

    let after_member = open(&[&bytes[..], b"x"].concat()).unwrap_err();
    let second_member = open(&[&bytes[..], &bytes[..]].concat()).unwrap_err();
    let after_tar = open_tar(&[&tar[..], &[0; BLOCK]].concat());

    assert_eq!(after_member, ArchiveError::TrailingBytes { after: "the gzip member" });
    assert_eq!(second_member, ArchiveError::SecondMember);
    assert_eq!(after_tar, ArchiveError::TrailingBytes { after: "the tar's two end blocks" });
    assert_eq!(after_tar.code(), "archive_trailing_bytes");
}

#[test]
fn a_tar_without_both_end_blocks_is_truncated() {
    let tar = raw_tar(&[(block("main.tf", 2), b"a\n")]);

    for missing in [BLOCK, 2 * BLOCK] {
        let error = open_tar(&tar[..tar.len() - missing]);
        assert_eq!(error.code(), "archive_truncated", "{error}");
    }
    let mut lone = tar.clone();
    let end = lone.len() - BLOCK;
    lone[end..].copy_from_slice(&block("x", 0));
    assert_eq!(open_tar(&lone).code(), "archive_truncated");
}

#[test]
fn gzip_header_fields_are_fixed() {
    let bytes = packed(&[("main.tf", "a\n")]);
    for (offset, name) in
        [(2, "method"), (3, "flags"), (4, "mtime"), (8, "extra flags"), (9, "operating system")]
    {
        let mut changed = bytes.clone();
        changed[offset] = 3;

        let error = open(&changed).unwrap_err();

        assert!(
            matches!(error, ArchiveError::GzipHeader { field, .. } if field == name),
            "{error}"
        );
    }
    assert_eq!(open(b"PK\x03\x04").unwrap_err(), ArchiveError::NotGzip);
}

#[test]
fn a_wrong_checksum_is_damage() {
    let mut bytes = packed(&[("main.tf", "a\n")]);
    let length = bytes.len();
    bytes[length - 8] ^= 1;

    assert_eq!(open(&bytes).unwrap_err().code(), "archive_damaged");
}

#[test]
fn hostile_paths_are_refused_by_entry_and_rule() {
    for path in [
        "../evil.tf",
        "/etc/passwd",
        "a\\b.tf",
        "C:x",
        "nul.tf",
        ".git/config",
        "a/.terraform/x",
        "x.tfstate",
    ] {
        let error = open_tar(&raw_tar(&[(block(path, 0), b"")]));

        assert_eq!(error.code(), "archive_entry_path", "{error}");
        assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
    }
}

#[test]
fn duplicates_order_and_collisions_are_refused() {
    let two = |first: &str, second: &str| {
        open_tar(&raw_tar(&[(block(first, 0), b""), (block(second, 0), b"")])).code()
    };

    assert_eq!(two("main.tf", "main.tf"), "archive_duplicate_entry");
    assert_eq!(two("b.tf", "a.tf"), "archive_unsorted");
    assert_eq!(two("MAIN.tf", "main.tf"), "archive_colliding_entries");
    assert_eq!(two("a", "a/b"), "archive_colliding_entries");
}

#[test]
fn padding_must_be_zero() {
    let mut tar = raw_tar(&[(block("main.tf", 2), b"a\n")]);
    tar[BLOCK + 2] = 1;

    assert_eq!(open_tar(&tar).code(), "archive_not_canonical_tar");
}

#[test]
fn an_archive_without_files_is_refused() {
    assert_eq!(open_tar(&raw_tar(&[])), ArchiveError::Empty);
    assert_eq!(pack_files(&Files::new(), &Limits::default()), Err(ArchiveError::Empty));
}

#[test]
fn a_bomb_stops_at_its_limit() {
    let zeros = vec![0; 8 << 20];
    let tar = raw_tar(&[(block("main.tf", zeros.len() as u64), &zeros)]);
    let bytes = gzip::compress(&tar);

    let ratio = open(&bytes).unwrap_err();
    let unpacked = Archive::open(
        &bytes,
        &Limits { unpacked_bytes: 4 << 20, ratio: 10_000, ..Limits::default() },
    );
    let large = Archive::open(&bytes, &Limits { packed_bytes: 100, ..Limits::default() });

    assert_eq!(ratio, ArchiveError::Ratio { ratio: 100 });
    assert_eq!(unpacked.unwrap_err(), ArchiveError::UnpackedTooLarge { limit: 4 << 20 });
    assert_eq!(large.unwrap_err(), ArchiveError::PackedTooLarge { size: bytes.len(), limit: 100 });
}

#[test]
fn a_size_that_lies_is_not_believed() {
    let huge = raw_tar(&[(block("main.tf", 0o77_777_777_777), b"a")]);
    let long = raw_tar(&[(block("main.tf", 5000), b"a")]);

    assert_eq!(open_tar(&huge).code(), "archive_bomb");
    assert_eq!(open_tar(&long).code(), "archive_truncated");
}

#[test]
fn limits_without_an_end_do_not_overflow() {
    let unlimited = Limits {
        packed_bytes: usize::MAX,
        unpacked_bytes: usize::MAX,
        entries: usize::MAX,
        ratio: usize::MAX,
        depth: usize::MAX,
    };
    let lie = gzip::compress(&raw_tar(&[(block("main.tf", 0o77_777_777_777), b"a")]));

    let bytes = pack_files(&files(&[("main.tf", "a\n")]), &unlimited).unwrap();

    assert!(Archive::open(&bytes, &unlimited).is_ok());
    assert_eq!(Archive::open(&lie, &unlimited).unwrap_err().code(), "archive_truncated");
}

#[test]
fn limits_hold_when_packing_too() {
    let tree = files(&[("a/b/c", "1234"), ("d", "")]);
    let code = |limits: Limits| pack_files(&tree, &limits).unwrap_err().code();
    let limits = Limits::default();

    assert_eq!(code(Limits { entries: 1, ..limits.clone() }), "archive_too_many_entries");
    assert_eq!(code(Limits { depth: 2, ..limits.clone() }), "archive_entry_path");
    assert_eq!(code(Limits { unpacked_bytes: 100, ..limits.clone() }), "archive_unpacks_too_large");
    assert_eq!(code(Limits { packed_bytes: 10, ..limits.clone() }), "archive_too_large");
    let many = Archive::open(&packed(&[("a", ""), ("b", "")]), &Limits { entries: 1, ..limits });
    assert_eq!(many.unwrap_err().code(), "archive_too_many_entries");
}

#[test]
fn packing_a_folder_leaves_out_what_is_not_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("main.tf", "a\n");
    write("m/b.tf", "b\n");
    write(".git/config", "x");
    write(".terraform/modules/modules.json", "{}");
    write("m/terraform.tfstate", "secret");
    write(".terraform.lock.hcl", "x");

    let result = pack(folder.path(), &Limits::default()).unwrap();

    assert_eq!(result.archive, packed(&[("main.tf", "a\n"), ("m/b.tf", "b\n")]));
    assert_eq!(
        result.ignored,
        [".git/", ".terraform.lock.hcl", ".terraform/", "m/terraform.tfstate"]
    );
}

#[cfg(unix)]
#[test]
fn packing_keeps_the_executable_bit_and_refuses_links() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("run");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();

    let archive = pack(folder.path(), &Limits::default()).unwrap().archive;
    symlink("run", folder.path().join("link")).unwrap();
    let refused = pack(folder.path(), &Limits::default()).unwrap_err();

    assert!(open(&archive).unwrap().get("run").unwrap().executable);
    assert!(matches!(refused, PackError::Walk(crate::tree::WalkError::Link { .. })), "{refused}");
}

fn some_files() -> impl Strategy<Value = Files> {
    let file = (proptest::collection::vec(any::<u8>(), 0..1500), any::<bool>())
        .prop_map(|(content, executable)| File { content, executable });
    proptest::collection::btree_map("[a-z]{1,8}(/[a-zé_-]{1,60}){0,4}\\.tf", file, 1..8)
}

proptest! {
    #[test]
    fn what_is_packed_opens_to_the_same_tree(tree in some_files()) {
        let Ok(bytes) = pack_files(&tree, &Limits::default()) else { return Ok(()) };

        let archive = open(&bytes).unwrap();

        prop_assert_eq!(contents(&archive), tree);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = open(&bytes);
        let _ = open(&gzip::compress(&bytes));
    }

    #[test]
    fn a_changed_archive_fails_or_holds_the_same_tree(
        tree in some_files(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let Ok(bytes) = pack_files(&tree, &Limits::default()) else { return Ok(()) };
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1 << bit;

        if let Ok(archive) = open(&changed) {
            prop_assert_eq!(contents(&archive), tree);
        }
    }

    /// Without the gzip checksum in the way: any accepted tar is the one that packing its files writes.
    #[test]
    fn a_changed_tar_fails_or_is_canonical(
        tree in some_files(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let Ok(bytes) = pack_files(&tree, &Limits::default()) else { return Ok(()) };
        let mut tar = open(&bytes).unwrap().tar;
        let at = at.index(tar.len());
        tar[at] ^= 1 << bit;

        if let Ok(archive) = open(&gzip::compress(&tar)) {
            let again = pack_files(&contents(&archive), &Limits::default()).unwrap();
            prop_assert_eq!(open(&again).unwrap().tar, tar);
        }
    }
}
