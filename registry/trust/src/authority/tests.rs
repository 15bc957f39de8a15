//! Whose signatures count: what follows from a log, whoever appended to it.

mod admit;
mod ci;
mod property;
mod revocation;
mod roots;

use super::*;
use crate::{
    dsse::Envelope,
    statement::{KeyChange, sign},
    testing::{
        HOST, Log, NAMESPACE, add, change, copy, id, jobs, key, living, pin, revoke, sign_all,
    },
};

fn publisher(log: &Log, signer: &crate::key::SigningKey, index: u64) -> Result<(), String> {
    let authority = log.authority();
    let found = authority.publisher(NAMESPACE, id(signer), index);
    found.map(|key| assert_eq!(key.id(), id(signer))).map_err(|error| error.to_string())
}

#[test]
fn a_key_counts_from_after_its_addition() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    let added = log.change(add(&second), &first);

    assert_eq!(living(&log.authority()), [id(&first), id(&second)].into());
    assert_eq!(publisher(&log, &second, added + 1), Ok(()));
    let early = publisher(&log, &second, added).unwrap_err();
    assert!(early.contains("became a key of the namespace only with entry 2"), "{early}");
    let stranger = publisher(&log, &key(), added).unwrap_err();
    assert!(
        stranger.contains(&format!("not a key of the namespace ({}", id(&first))),
        "{stranger}"
    );
    let nowhere = log.authority().publisher("other", id(&first), 9).unwrap_err().to_string();
    assert!(nowhere.contains("(none)"), "{nowhere}");
}

#[test]
fn what_a_stranger_signs_is_no_change() {
    let [first, stranger, other] = [key(), key(), key()];
    let mut log = Log::with(&first);
    let theirs = change("other", 1, add(&other));
    log.sign(&theirs, &copy(&log.root));
    for by in [&stranger, &other] {
        log.append_silently(&sign(&change(NAMESPACE, 2, add(&stranger)), by).unwrap());
    }

    let authority = log.authority();

    assert_eq!(living(&authority), [id(&first)].into());
    assert_eq!(authority.sequence(NAMESPACE), 1);
    // Neither does it take the place of the next change.
    log.change(add(&key()), &first);
    assert_eq!(log.authority().sequence(NAMESPACE), 2);
    assert_eq!(log.authority().namespaces().collect::<Vec<_>>(), [NAMESPACE, "other"]);
}

#[test]
fn what_a_stranger_says_of_an_unknown_namespace_makes_none() {
    let mut log = Log::new();
    let stranger = key();
    log.append_silently(&sign(&change(NAMESPACE, 1, add(&stranger)), &stranger).unwrap());

    assert_eq!(log.authority().namespaces().count(), 0);
}

#[test]
fn a_signature_under_another_keys_name_does_not_count() {
    let [first, thief] = [key(), key()];
    let mut log = Log::with(&first);
    let mut forged = sign(&change(NAMESPACE, 2, add(&thief)), &thief).unwrap();
    forged.signatures[0].key_id = id(&first);
    log.append_silently(&forged);

    assert_eq!(living(&log.authority()), [id(&first)].into());
}

#[test]
fn a_change_that_was_signed_for_another_registry_is_none() {
    let [first, contractor] = [key(), key()];
    let mut log = Log::with(&first);
    let mut elsewhere = change(NAMESPACE, 2, add(&contractor));
    elsewhere.registry = "other.example.com".to_owned();
    for by in [&first, &copy(&log.root)] {
        log.append_silently(&sign(&elsewhere, by).unwrap());
    }

    assert_eq!(living(&log.authority()), [id(&first)].into());
    assert_eq!(log.authority().sequence(NAMESPACE), 1);
}

#[test]
fn numbers_have_no_gap_and_no_double() {
    let first = key();
    for (number, before) in [(1, 1), (3, 1), ((1 << 53), 1)] {
        let mut log = Log::with(&first);
        log.sign(&change(NAMESPACE, number, add(&key())), &first);

        let error = log.fold(None).unwrap_err();

        assert_eq!(error.code(), "keys_incomplete");
        let expected = format!("number {number} follows number {before} (entry 2)");
        assert!(error.to_string().contains(&expected), "{error}");
    }
    let mut late = Log::new();
    late.sign(&change(NAMESPACE, 2, add(&first)), &copy(&late.root));
    assert_eq!(late.fold(None).unwrap_err().code(), "keys_incomplete");
}

#[test]
fn it_depends_on_nothing_but_the_entries() {
    let [first, second, third] = [key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    log.change(add(&third), &second);
    log.change(KeyChange::TrustCi(jobs("74")), &third);
    log.change(revoke(&second, 3), &first);

    let texts: std::collections::BTreeSet<_> =
        (0..10).map(|_| format!("{:?}", log.authority())).collect();

    assert_eq!(texts.len(), 1);
}

#[test]
fn a_namespace_that_was_robbed_again_and_again_is_followed_in_little_time() {
    let first = key();
    let mut log = Log::with(&first);
    let mut before = first;
    // Each revocation reaches back behind something, so that everything is judged anew.
    for _ in 0..200 {
        let next = key();
        log.change(add(&next), &before);
        let stolen = log.change(KeyChange::TrustCi(jobs("74")), &before);
        log.change(revoke(&before, stolen), &next);
        before = next;
    }

    let authority = log.authority();

    assert_eq!(living(&authority), [id(&before)].into());
    assert!(authority.held(NAMESPACE).ci.is_empty());
}

#[test]
fn an_entry_that_is_no_statement_is_named_by_its_position() {
    let error = Entry::parse(7, b"{}").unwrap_err();
    assert!(error.to_string().starts_with("entry 7 of the log: the signed envelope is malformed"));

    let snapshot = sign(&Log::new().snapshot(), &key()).unwrap();
    let error = Entry::parse(7, snapshot.to_canonical_json().as_bytes()).unwrap_err();
    assert!(matches!(error.problem, EntryProblem::Statement(_)), "{error}");
}
