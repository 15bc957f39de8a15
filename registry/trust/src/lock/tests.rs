use proptest::prelude::*;

use super::*;
use crate::key::{Algorithm, SigningKey};

const PUBLISHER: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

fn other_publisher() -> KeyId {
    SigningKey::generate(Algorithm::Ed25519).unwrap().verifying_key().id()
}

fn entry(version: &str, content: &str) -> LockedPath {
    LockedPath {
        version: version.parse().unwrap(),
        sha256: Sha256::of(content.as_bytes()),
        publisher: PUBLISHER.parse().unwrap(),
    }
}

fn lock(entries: &[(&str, &str)]) -> Lock {
    let mut lock = Lock::default();
    for (address, version) in entries {
        lock.insert(address, entry(version, version)).unwrap();
    }
    lock
}

fn release(version: &str) -> ReleaseId {
    format!("registry.example.com/acme/vpc/aws@{version}").parse().unwrap()
}

fn module(content: &str) -> LockedModule {
    LockedModule {
        sha256: Sha256::of(content.as_bytes()),
        h1: DirHash1::from_sha256(Sha256::of(content.as_bytes())),
        publisher: PUBLISHER.parse().unwrap(),
    }
}

fn head(size: u64, root: &str) -> Seen {
    let origin = "registry.example.com/log".to_owned();
    let checkpoint = Checkpoint { origin, size, root: Sha256::of(root.as_bytes()) };
    Seen { checkpoint, root_version: 1 }
}

/// A lock of everything there can be.
fn full() -> Lock {
    let mut lock = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.2.0-rc.1")]);
    lock.insert_module(&release("1.2.0"), module("a")).unwrap();
    lock.insert_module(&release("1.10.0+b1"), module("b")).unwrap();
    lock.remember(head(12, "twelve")).unwrap();
    lock
}

fn error(text: &str) -> String {
    Lock::parse(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn each_entry_is_one_line_and_lines_are_sorted() {
    let text =
        lock(&[("golden/worker/go", "1.0.0"), ("golden/api/nodejs", "1.4.0-rc.1")]).to_json();

    let digest = Sha256::of(b"1.4.0-rc.1");
    let expected = format!(
        r#"{{
  "version": 2,
  "golden_paths": {{
    "golden/api/nodejs": {{ "version": "1.4.0-rc.1", "sha256": "{digest}", "publisher": "{PUBLISHER}" }},
"#
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(text.lines().count(), 8);
    assert!(text.ends_with("\n  },\n  \"modules\": {}\n}\n"), "{text}");
}

#[test]
fn modules_and_the_logs_head_are_one_line_each() {
    let text = full().to_json();

    let (h1, root) = (module("a").h1, Sha256::of(b"twelve"));
    let digest = module("a").sha256;
    let expected = format!(
        r#"  "modules": {{
    "registry.example.com/acme/vpc/aws@1.2.0": {{ "sha256": "{digest}", "h1": "{h1}", "publisher": "{PUBLISHER}" }},
    "registry.example.com/acme/vpc/aws@1.10.0+b1""#
    );
    assert!(text.contains(&expected), "{text}");
    let log = format!(
        "\n  }},\n  \"log\": {{ \"origin\": \"registry.example.com/log\", \"size\": 12, \
         \"root\": \"{root}\", \"root_version\": 1 }}\n}}\n"
    );
    assert!(text.ends_with(&log), "{text}");
}

#[test]
fn a_lock_reads_back_as_it_was_written() {
    for lock in [
        Lock::default(),
        full(),
        lock(&[("golden/api/nodejs", "1.0.0+b1"), ("idp.example:8443/golden/api/go", "2.0.0")]),
    ] {
        assert_eq!(Lock::parse(lock.to_json().as_bytes()), Ok(lock));
    }
}

#[test]
fn inserting_says_what_changed() {
    let mut lock = lock(&[("golden/api/nodejs", "1.0.0")]);

    let same = lock.insert("golden/api/nodejs", entry("1.0.0", "1.0.0")).unwrap();
    let newer = lock.insert("golden/api/nodejs", entry("1.1.0", "x")).unwrap().unwrap();

    assert_eq!(same, None);
    assert_eq!(newer.before, Some(entry("1.0.0", "1.0.0")));
    assert_eq!(lock.golden_path("golden/api/nodejs"), Some(&newer.after));
}

#[test]
fn a_locked_version_cannot_change_its_content() {
    let mut mine = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.0.0")]);
    let before = mine.clone();

    let refused = mine.insert("golden/api/nodejs", entry("1.0.0", "other")).unwrap_err();

    assert!(matches!(refused, LockError::Rewritten(_)), "{refused}");
    assert_eq!(mine, before);
    assert_eq!(mine.remove("golden/api/go"), Some(entry("1.0.0", "1.0.0")));
}

#[test]
fn a_locked_module_changes_neither_content_nor_publisher() {
    let mut lock = Lock::default();
    let locked = module("a");

    assert_eq!(lock.insert_module(&release("1.2.0"), locked), Ok(true));
    assert_eq!(lock.insert_module(&release("1.2.0"), locked), Ok(false));
    assert_eq!(lock.insert_module(&release("1.10.0"), module("b")), Ok(true));
    for other in [
        LockedModule { sha256: Sha256::of(b"x"), ..locked },
        LockedModule { h1: DirHash1::from_sha256(Sha256::of(b"x")), ..locked },
        LockedModule { publisher: other_publisher(), ..locked },
    ] {
        lock.insert_module(&release("1.2.0"), other).unwrap_err();
    }

    assert_eq!(lock.module(&release("1.2.0")), Some(&locked));
    let versions: Vec<_> =
        lock.versions(release("1.2.0").module()).map(ToString::to_string).collect();
    assert_eq!(versions, ["1.2.0", "1.10.0"]);
    assert_eq!(lock.remove_module(&release("1.2.0")), Some(locked));
}

#[test]
fn the_logs_head_never_goes_back() {
    let mut lock = Lock::default();

    assert_eq!(lock.remember(head(5, "five")), Ok(true));
    assert_eq!(lock.remember(head(5, "five")), Ok(false));
    assert_eq!(lock.remember(head(4, "four")), Err(LockError::Backwards { seen: 5, offered: 4 }));
    assert_eq!(lock.remember(head(5, "other")), Err(LockError::TwoHistories { size: 5 }));
    let mut elsewhere = head(9, "nine");
    elsewhere.checkpoint.origin = "other.example/log".to_owned();
    assert!(matches!(lock.remember(elsewhere), Err(LockError::OtherLog { .. })));
    assert_eq!(lock.log(), Some(&head(5, "five")));
    assert_eq!(lock.remember(head(9, "nine")), Ok(true));
}

#[test]
fn the_first_format_is_read_and_the_second_written() {
    let text = lock(&[("golden/api/go", "1.0.0")]).to_json();
    let first =
        text.replace("\"version\": 2", "\"version\": 1").replace(",\n  \"modules\": {}", "");

    let read = Lock::parse(first.as_bytes()).unwrap();

    assert_eq!(read.to_json(), text);
    let mixed = text.replace("\"version\": 2", "\"version\": 1");
    assert!(error(&mixed).contains("unknown field `modules`"), "{}", error(&mixed));
}

#[test]
fn another_publisher_of_the_same_bytes_is_a_change() {
    let mut lock = lock(&[("golden/api/go", "1.0.0")]);
    let other = LockedPath { publisher: other_publisher(), ..entry("1.0.0", "1.0.0") };

    assert!(lock.insert("golden/api/go", other).unwrap().is_some());
}

#[test]
fn errors_name_the_line() {
    let good = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "1.0.0")]).to_json();
    let full = full().to_json();
    let line = |number: usize| good.lines().nth(number - 1).unwrap();
    let repeated = good.replace(line(5), &format!("{},\n{}", line(5), line(5)));
    let conflict = good.replace(line(5), &format!("<<<<<<< HEAD\n{}\n=======\n>>>>>>> x", line(5)));

    for (text, expected) in [
        (good.replace("1.0.0\", \"sha256", "1.0\", \"sha256"), ".idp.lock.json:4:"),
        (repeated, ".idp.lock.json:6:"),
        (conflict, ".idp.lock.json:5: an unresolved merge conflict"),
        (good.replace("golden/api/go\"", "golden/../go\""), ".idp.lock.json:4:"),
        (good.replace("golden_paths", "golden"), "unknown field `golden`"),
        (good.replace("\"version\": 2,", "\"version\": 3,"), "format version 3"),
        (good.replace("\"version\": 2,", ""), "missing field `version`"),
        (full.replace("aws@1.2.0", "aws@1.2"), ".idp.lock.json:8:"),
        (full.replace("aws@1.10.0+b1", "aws@1.2.0"), "locked twice"),
        (full.replace("\"h1\": \"h1:", "\"h1\": \""), "expected `h1:`"),
        (full.replace("\"size\": 12", "\"size\": -12"), "invalid value"),
        (full.replace("\"size\": 12", "\"size\": 0"), "a log without entries"),
        (full.replace("{ \"origin\"", "{ \"x\": 1, \"origin\""), "unknown field `x`"),
        (full.replace("registry.example.com/log", ""), "origin must be"),
        (good.replace("\n}\n", ",\n  \"log\": null\n}\n"), "invalid type: null"),
        (good.clone() + "x", "trailing characters"),
        (String::new(), "EOF"),
    ] {
        assert!(error(&text).contains(expected), "{expected}: {}", error(&text));
    }
    let large = Lock::parse(&vec![b' '; MAX_BYTES + 1]).unwrap_err();
    assert_eq!(large, LockError::TooLarge { size: MAX_BYTES + 1 });
}

/// Both sides of a merge as git leaves them: ours, the common beginning where git shows it, theirs.
fn conflicting(ours: &str, base: Option<&str>, theirs: &str) -> String {
    let base = base.map(|base| format!("||||||| 1234567\n{base}")).unwrap_or_default();
    format!("<<<<<<< HEAD\n{ours}{base}=======\n{theirs}>>>>>>> branch\n")
}

/// Lines that both files have at their ends stand outside of the conflict, as git has it.
fn merged(ours: &Lock, theirs: &Lock, base: Option<&str>) -> String {
    let (ours, theirs) = (ours.to_json(), theirs.to_json());
    let (mine, other): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let before = mine.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let most = mine.len().min(other.len()) - before;
    let after =
        mine.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count().min(most);
    let text = |lines: &[&str]| lines.iter().fold(String::new(), |text, line| text + line + "\n");
    let conflict = conflicting(
        &text(&mine[before..mine.len() - after]),
        base,
        &text(&other[before..other.len() - after]),
    );
    text(&mine[..before]) + &conflict + &text(&mine[mine.len() - after..])
}

#[test]
fn two_branches_that_lock_different_things_come_together() {
    let mut ours = lock(&[("golden/api/go", "1.0.0"), ("golden/api/nodejs", "2.0.0")]);
    ours.insert_module(&release("1.2.0"), module("a")).unwrap();
    ours.remember(head(5, "five")).unwrap();
    let mut theirs = lock(&[("golden/api/nodejs", "1.0.0"), ("golden/worker/go", "1.0.0")]);
    theirs.insert_module(&release("1.10.0"), module("b")).unwrap();
    theirs.remember(head(9, "nine")).unwrap();

    for base in [None, Some("    whatever stood here\n")] {
        let text = merged(&ours, &theirs, base);
        assert!(error(&text).contains("run `idp lock`"), "{}", error(&text));

        let Resolved { lock, earlier } = Lock::resolve_conflict(text.as_bytes()).unwrap();

        let paths: Vec<_> =
            lock.golden_paths().map(|(path, entry)| format!("{path} {}", entry.version)).collect();
        assert_eq!(
            paths,
            ["golden/api/go 1.0.0", "golden/api/nodejs 2.0.0", "golden/worker/go 1.0.0"]
        );
        assert_eq!(lock.modules().len(), 2);
        assert_eq!(lock.log(), Some(&head(9, "nine")));
        assert_eq!(earlier, Some(head(5, "five")));
    }
}

#[test]
fn a_branch_that_still_has_the_first_format_comes_together_with_the_second() {
    let theirs = lock(&[("golden/api/go", "1.0.0"), ("golden/worker/go", "1.0.0")]);
    let text = full().to_json();
    let line = theirs.to_json().lines().nth(4).unwrap().to_owned();
    let nodejs = text.lines().nth(4).unwrap().to_owned() + "\n";
    let conflict = conflicting(&nodejs, None, &(line + "\n"));
    // The lines that only one branch changed, version and sections, merged without a conflict.
    let text = text.replace(&nodejs, &conflict);

    let Resolved { lock, earlier } = Lock::resolve_conflict(text.as_bytes()).unwrap();

    assert_eq!(lock.golden_paths().len(), 3);
    assert_eq!((lock.log(), earlier), (Some(&head(12, "twelve")), None));
}

#[test]
fn what_two_branches_say_differently_of_one_version_is_refused() {
    let side = |content: &str, seen: Seen| {
        let mut lock = lock(&[("golden/api/go", "1.0.0")]);
        lock.insert_module(&release("1.2.0"), module(content)).unwrap();
        lock.remember(seen).unwrap();
        lock
    };
    let ours = side("a", head(5, "five"));
    let mut foreign = head(5, "five");
    foreign.checkpoint.origin = "other.example/log".to_owned();
    let mut path = ours.clone();
    path.golden_paths.get_mut("golden/api/go").unwrap().sha256 = Sha256::of(b"x");
    let mut signed = ours.clone();
    signed.golden_paths.get_mut("golden/api/go").unwrap().publisher = other_publisher();

    for (theirs, expected) in [
        (side("b", head(5, "five")), "locked to sha256"),
        (side("a", head(5, "other")), "two logs with 5 entries"),
        (side("a", foreign), "has seen the log"),
        (path, "locked to sha256"),
        (signed, "locked to the publisher key"),
    ] {
        let error = Lock::resolve_conflict(merged(&ours, &theirs, None).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn torn_conflict_markers_are_named_by_line() {
    let text =
        merged(&lock(&[("golden/api/go", "1.0.0")]), &lock(&[("golden/api/go", "2.0.0")]), None);
    for (from, line) in [("=======\n", 7), (">>>>>>> branch\n", 6), ("<<<<<<< HEAD\n", 5)] {
        let error = Lock::resolve_conflict(text.replacen(from, "", 1).as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with(&format!(".idp.lock.json:{line}:")), "{error}");
    }
}

#[test]
fn an_address_has_three_parts_and_perhaps_a_hostname() {
    for address in ["golden/api/nodejs", "idp.example/golden/api/nodejs"] {
        assert!(check_address(address).is_ok(), "{address}");
    }
    for address in ["", "golden", "golden/api", "a/b/c/d/e", "golden/api/", "golden/a\"/go"] {
        assert!(check_address(address).is_err(), "{address}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = Lock::parse(&bytes);
        let _ = Lock::resolve_conflict(&bytes);
    }

    #[test]
    fn what_comes_together_reads_back(
        ours in proptest::collection::btree_map("[a-c]/[a-c]/go", 1..4_u64, 0..5),
        theirs in proptest::collection::btree_map("[a-c]/[a-c]/go", 1..4_u64, 0..5),
    ) {
        let side = |entries: &BTreeMap<String, u64>| {
            let mut lock = Lock::default();
            for (address, major) in entries {
                let version = format!("{major}.0.0");
                lock.insert(address, entry(&version, &version)).unwrap();
            }
            lock
        };
        let (ours, theirs) = (side(&ours), side(&theirs));

        let resolved = Lock::resolve_conflict(merged(&ours, &theirs, None).as_bytes()).unwrap();

        prop_assert_eq!(Lock::parse(resolved.lock.to_json().as_bytes()), Ok(resolved.lock.clone()));
        for (address, entry) in ours.golden_paths().chain(theirs.golden_paths()) {
            prop_assert!(resolved.lock.golden_path(address).unwrap().version >= entry.version);
        }
    }

    #[test]
    fn a_changed_lock_fails_or_round_trips(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = full().to_json().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;

        let _ = Lock::resolve_conflict(&bytes);
        if let Ok(read) = Lock::parse(&bytes) {
            prop_assert_eq!(Lock::parse(read.to_json().as_bytes()), Ok(read));
        }
    }
}
