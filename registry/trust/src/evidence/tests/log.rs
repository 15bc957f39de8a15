//! The log's head, what was seen before, and what is in it.

use super::*;
use crate::log::note::NoteKey;

fn verify_after(
    log: &Log,
    evidence: &Evidence,
    seen: &Checkpoint,
) -> Result<(), (&'static str, String)> {
    let verified = evidence.verify(&log.policy(), Some(&first_root(seen)), NOW);
    verified.map(|_| ()).map_err(|error| (error.code(), error.to_string()))
}

#[test]
fn the_log_that_was_seen_may_grow() {
    let log = published().0;
    for since in 0..=log.size() {
        let evidence = log.evidence_since(since);
        assert_eq!(verify_after(&log, &evidence, &log.checkpoint(since)), Ok(()), "{since}");
    }
    let unproven = log.evidence_since(1);
    let (code, _) = verify_after(&log, &unproven, &log.checkpoint(3)).unwrap_err();
    assert_eq!(code, "two_histories");
}

#[test]
fn a_log_that_is_smaller_than_before_is_refused() {
    let (mut log, publisher) = published();
    let old = log.evidence();
    log.state("1.0.0", State::Revoked, &publisher);

    let (code, text) = verify_after(&log, &old, &log.head()).unwrap_err();

    assert_eq!(code, "log_rolled_back");
    assert!(text.contains("had 6 entries when it was last seen, now it shows 5"), "{text}");
}

#[test]
fn a_log_with_another_history_is_refused() {
    let (mut log, publisher) = published();
    let mut fork = Log { root: copy(&log.root), ..published().0 };
    fork.leaves.clone_from(&log.leaves);
    (fork.head_key, fork.registry) = (copy(&log.head_key), copy(&log.registry));
    fork.document = log.document.clone();
    log.state("1.0.0", State::Revoked, &publisher);
    let seen = log.head();

    // As large, and larger.
    for version in ["1.2.0", "1.3.0"] {
        fork.publish(version, &publisher);
        let evidence = fork.evidence_since(seen.size);
        assert!(fork.verify(&evidence).is_ok(), "who saw nothing cannot tell");

        let (code, text) = verify_after(&fork, &evidence, &seen).unwrap_err();

        assert_eq!(code, "two_histories");
        assert!(text.contains("does not begin with the 6 that were seen before"), "{text}");
    }
}

#[test]
fn another_log_than_before_is_refused() {
    let log = published().0;
    let seen = Checkpoint { origin: "old.example.com/log".to_owned(), ..log.checkpoint(1) };

    let (code, text) = verify_after(&log, &log.evidence_since(1), &seen).unwrap_err();

    assert_eq!(code, "other_log");
    assert!(text.contains("the log old.example.com/log was seen before"), "{text}");
}

#[test]
fn a_checkpoint_is_signed_by_the_log_that_the_root_names() {
    let log = published().0;
    let good = log.evidence();
    let by_other = log.head().sign(&key()).unwrap();
    let of_other = Checkpoint { origin: "other.example.com/log".to_owned(), ..log.head() };
    let under_its_name = of_other.sign(&log.head_key).unwrap();
    let name = NoteKey::new(&Log::origin(), log.head_key.verifying_key()).unwrap();
    let body = of_other.to_text();
    let renamed = crate::log::note::sign_note(&body, name.name(), &log.head_key).unwrap();
    for (checkpoint, code, text) in [
        (by_other, "note_unverified", "none of the note's signatures is by a known key"),
        (under_its_name, "note_unverified", "none of the note's signatures"),
        (renamed, "checkpoint_origin", "is of the log \"other.example.com/log\""),
        (good.checkpoint.replacen("\n5\n", "\n6\n", 1), "note_signature", "does not verify"),
        (String::new(), "note_malformed", "the checkpoint cannot be used"),
    ] {
        let refused = refusal(&log, &Evidence { checkpoint, ..good.clone() });

        assert_eq!(refused.0, code);
        assert!(refused.1.contains(text), "{}", refused.1);
    }
}

#[test]
fn an_entry_is_in_the_log_where_it_says() {
    let log = published().0;
    let good = log.evidence();
    let changed = |change: &dyn Fn(&mut [ProvenEntry])| {
        let mut evidence = good.clone();
        change(&mut evidence.entries);
        refusal(&log, &evidence)
    };
    let other_proof = good.entries[3].proof.clone();
    let other_leaf = sign(&publish("6.6.6"), &key()).unwrap().to_canonical_json();

    for (code, text) in [
        changed(&|entries| entries[2].proof.clone_from(&other_proof)),
        changed(&|entries| entries[2].proof.clear()),
        changed(&|entries| entries[2].proof.push(Sha256::of(b"x"))),
        changed(&|entries| entries[2].leaf.clone_from(&other_leaf)),
    ] {
        assert_eq!(code, "not_in_log");
        assert!(text.starts_with("entry 2 is not in the registry's log: the proof"), "{text}");
    }
    let (code, text) = changed(&|entries| entries[4].index = 7);
    assert_eq!(code, "not_in_log");
    assert!(text.contains("the proof is of leaf 7, but a tree of 5 leaves"), "{text}");
    assert_eq!(changed(&|entries| entries[4].index = u64::MAX).0, "not_in_log");
    let gap = without(good.clone(), &[2]);
    let mut moved = gap.clone();
    moved.entries[2].index = 2;
    assert_eq!(refusal(&log, &moved).0, "not_in_log");
}

#[test]
fn entries_come_in_the_logs_order_each_once() {
    let log = published().0;
    let good = log.evidence();
    let mut unsorted = good.clone();
    unsorted.entries.swap(2, 3);
    let mut doubled = good;
    doubled.entries.insert(2, doubled.entries[2].clone());

    for evidence in [unsorted, doubled] {
        let (code, text) = refusal(&log, &evidence);
        assert_eq!(code, "evidence_malformed");
        assert!(text.contains("not in the log's order"), "{text}");
    }
}

#[test]
fn a_leaf_that_is_no_statement_is_refused() {
    let log = published().0;
    for leaf in ["", "{}", "null"] {
        let mut evidence = log.evidence();
        evidence.entries[2].leaf = leaf.to_owned();

        let (code, text) = refusal(&log, &evidence);

        assert_eq!(code, "evidence_malformed");
        assert!(text.starts_with("entry 2 of the log: "), "{text}");
    }
    // The same envelope in another text would be another leaf.
    let mut evidence = log.evidence();
    evidence.entries[2].leaf.push(' ');
    assert!(refusal(&log, &evidence).1.contains("not canonical"));
}
