use super::*;
use crate::{key::SigningKey, statement::NamespaceKeys, testing::copy};

fn refusal(log: &Log, keys: &NamespaceKeys, by: &SigningKey) -> (&'static str, String) {
    let envelope = sign(keys, by).unwrap();
    let refusal = log.authority().admit(&envelope, keys, log.size()).unwrap_err();
    (refusal.code(), refusal.to_string())
}

fn next(log: &Log, what: KeyChange) -> NamespaceKeys {
    change(NAMESPACE, log.authority().sequence(NAMESPACE) + 1, what)
}

#[test]
fn the_root_and_a_key_of_the_namespace_may_change_its_keys() {
    let first = key();
    let mut log = Log::new();
    let begin = change(NAMESPACE, 1, add(&first));
    let root = copy(&log.root);
    assert_eq!(log.authority().admit(&sign(&begin, &root).unwrap(), &begin, 1), Ok(()));
    log.sign(&begin, &root);

    for by in [&first, &root] {
        for what in
            [add(&key()), revoke(&first, 0), revoke(&first, 2), KeyChange::TrustCi(jobs("74"))]
        {
            let keys = next(&log, what);
            let envelope = sign(&keys, by).unwrap();
            assert_eq!(log.authority().admit(&envelope, &keys, log.size()), Ok(()));
        }
    }
}

#[test]
fn strangers_and_keys_of_other_namespaces_may_not() {
    let [first, stranger, other, revoked] = [key(), key(), key(), key()];
    let mut log = Log::with(&first);
    log.sign(&change("other", 1, add(&other)), &copy(&log.root));
    log.change(add(&revoked), &first);
    log.change(revoke(&revoked, 4), &first);
    let keys = next(&log, add(&key()));

    for by in [&stranger, &other, &revoked, &copy(&log.registry)] {
        let (code, text) = refusal(&log, &keys, by);

        assert_eq!(code, "signer_not_allowed");
        let expected = format!(
            "signed by {}, but the keys of namespace acme are changed by one of its keys ({}) or by the root ({})",
            id(by),
            id(&first),
            id(&log.root)
        );
        assert_eq!(text, expected);
    }
    let (code, text) = refusal(&log, &change("new", 1, add(&stranger)), &stranger);
    assert_eq!(code, "signer_not_allowed");
    assert!(text.contains("one of its keys (none)"), "{text}");
}

#[test]
fn a_change_has_the_next_number() {
    let first = key();
    let log = Log::with(&first);
    for number in [1, 3, 1 << 53] {
        let (code, text) = refusal(&log, &change(NAMESPACE, number, add(&key())), &first);

        assert_eq!(code, "sequence");
        let expected = format!("is change {number} of namespace acme, the next is 2");
        assert!(text.contains(&expected) && text.contains("idp keys list acme"), "{text}");
    }
}

#[test]
fn a_change_for_another_registry_is_refused() {
    let first = key();
    let log = Log::with(&first);
    let mut keys = next(&log, add(&key()));
    keys.registry = "other.example.com".to_owned();

    let (code, text) = refusal(&log, &keys, &first);

    assert_eq!(code, "other_registry");
    assert_eq!(text, format!("the statement is for registry other.example.com, this is {HOST}"));
}

#[test]
fn what_makes_no_sense_is_refused_and_says_why() {
    let [first, second, revoked] = [key(), key(), key()];
    let mut log = Log::with(&first);
    log.change(add(&second), &first);
    log.change(add(&revoked), &first);
    log.change(revoke(&revoked, 3), &first);
    log.change(KeyChange::TrustCi(jobs("74")), &first);
    for (what, expected) in [
        (add(&second), "is a key of the namespace already"),
        (add(&revoked), "was revoked, and a revoked key does not come back: make a new one"),
        (revoke(&key(), 0), "is not a key of the namespace"),
        (revoke(&second, 7), "a revocation cannot begin after its own entry, 6"),
        (revoke(&second, 1 << 53), "cannot begin after its own entry"),
        (revoke(&revoked, 3), "is revoked already, from entry 3 on"),
        (revoke(&revoked, 4), "is revoked already, from entry 3 on"),
        (KeyChange::TrustCi(jobs("74")), "such CI jobs are trusted already"),
        (KeyChange::DistrustCi(jobs("75")), "no CI jobs with exactly this issuer"),
    ] {
        let (code, text) = refusal(&log, &next(&log, what), &first);

        assert_eq!(code, "key_change_invalid");
        assert!(text.contains(expected), "{text}");
    }
    // Reaching further back is news.
    let keys = next(&log, revoke(&revoked, 2));
    assert_eq!(log.authority().admit(&sign(&keys, &first).unwrap(), &keys, 6), Ok(()));
}

#[test]
fn what_is_admitted_counts_once_it_is_logged() {
    let [first, second] = [key(), key()];
    let mut log = Log::with(&first);
    let keys = next(&log, add(&second));
    let envelope = sign(&keys, &first).unwrap();
    assert_eq!(log.authority().admit(&envelope, &keys, log.size()), Ok(()));

    log.append(&envelope);

    assert_eq!(living(&log.authority()), [id(&first), id(&second)].into());
}
