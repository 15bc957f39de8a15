use super::*;
use crate::{key::SigningKey, statement::TrustRoot};

/// A log whose roots are of these keys: (threshold, keys).
fn chain(roots: &[(usize, &[&SigningKey])]) -> Log {
    let mut log = Log::empty();
    let mut signers: Vec<&SigningKey> = Vec::new();
    for (threshold, keys) in roots {
        signers.extend(*keys);
        let root = log.next_root(*threshold, keys);
        log.append(&sign_all(&root, &signers));
        signers = keys.to_vec();
    }
    log
}

fn refusal(log: &Log) -> String {
    let error = log.fold(None).unwrap_err();
    assert_eq!(error.code(), "root_invalid");
    error.to_string()
}

#[test]
fn the_first_root_is_signed_by_its_own_threshold() {
    let [one, two] = [key(), key()];
    assert!(chain(&[(2, &[&one, &two])]).fold(None).is_ok());

    let mut twice = Log::empty();
    let root = twice.next_root(2, &[&one, &two]);
    twice.append(&sign_all(&root, &[&one, &one]));
    let error = refusal(&twice);
    assert!(error.contains("root version 1 (entry 0)"), "{error}");
    assert!(error.contains("1 of the keys of version 1 signed it, 2 must"), "{error}");

    let mut strange = Log::empty();
    let root = strange.next_root(1, &[&one, &two]);
    strange.append(&sign_all(&root, &[&key(), &key()]));
    assert!(refusal(&strange).contains("0 of the keys"));
}

#[test]
fn a_root_is_signed_by_those_before_and_by_its_own() {
    let [old, new] = [key(), key()];
    for (signers, expected) in [
        (vec![&new], "0 of the keys of version 1 signed it"),
        (vec![&old], "0 of the keys of version 2 signed it"),
        (vec![&old, &old], "0 of the keys of version 2 signed it"),
    ] {
        let mut log = chain(&[(1, &[&old])]);
        let root = log.next_root(1, &[&new]);
        log.append(&sign_all(&root, &signers));

        let error = refusal(&log);

        assert!(error.contains(expected), "{error}");
    }
    let log = chain(&[(1, &[&old]), (1, &[&new])]);
    assert_eq!(log.authority().root().version, 2);
    assert_eq!(log.authority().root_at(1).version, 1);
    assert_eq!(log.authority().root_at(2).version, 2);
    assert_eq!(log.authority().root_digest(), log.root_digest);
}

#[test]
fn versions_have_no_gap_and_keep_the_registry() {
    let old = key();
    let next = |change: &dyn Fn(&mut TrustRoot)| {
        let mut log = chain(&[(1, &[&old])]);
        let mut root = log.next_root(1, &[&old]);
        change(&mut root);
        log.append(&sign_all(&root, &[&old]));
        refusal(&log)
    };

    assert!(next(&|root| root.version = 3).contains("does not follow version 1"));
    let other = next(&|root| root.registry = "other.example.com".to_owned());
    assert!(other.contains("it is for other.example.com, not registry.example.com"), "{other}");
    let mut late = Log::empty();
    late.document.root = 1;
    let root = late.next_root(1, &[&old]);
    late.append(&sign_all(&root, &[&old]));
    assert!(refusal(&late).contains("version 1 is missing"));
    let mut twice = chain(&[(1, &[&old])]);
    twice.leaves.push(twice.leaves[0].clone());
    assert!(refusal(&twice).contains("does not follow version 1"));
}

/// Signatures can be added to an envelope: were the second root not to name the first, a registry could begin a log
/// with a root of its own making, lead it to the real one, and in between give any key to any namespace.
#[test]
fn another_beginning_does_not_lead_to_the_same_root() {
    let [old, new, evil] = [key(), key(), key()];
    let honest = chain(&[(1, &[&old]), (1, &[&new])]);
    let mut forged = chain(&[(1, &[&evil])]);
    let mut second = honest.entries().pop().unwrap().envelope;
    second.signatures.extend(sign_all(&honest.next_root(1, &[&evil]), &[&evil]).signatures);
    let payload = second.payload.clone();
    let by_evil = Envelope::sign(&second.payload_type, payload, &evil);
    second.signatures.extend(by_evil.signatures);
    forged.append(&second);

    let error = forged.fold(Some(&pin(1, &[&new]))).unwrap_err();

    assert_eq!(error.code(), "root_invalid");
    assert!(error.to_string().contains("it follows another root than this version 1"), "{error}");
}

#[test]
fn a_pin_on_any_root_of_the_chain_accepts_it() {
    let keys = [key(), key(), key()];
    let [first, second, third] = &keys;
    let log = chain(&[(1, &[first]), (1, &[second]), (1, &[third])]);

    for key in &keys {
        assert_eq!(log.fold(Some(&pin(1, &[key]))).unwrap().root().version, 3);
    }
    let stranger = key();
    let error = log.fold(Some(&pin(1, &[&stranger]))).unwrap_err();
    assert_eq!(error.code(), "root_not_pinned");
    let text = error.to_string();
    assert!(text.contains(&id(&stranger).to_string()), "{text}");
    assert!(text.contains(&format!("the newest is signed by {}", id(third))), "{text}");
}

#[test]
fn a_pin_counts_keys_that_signed_one_root() {
    let [one, two, three] = [key(), key(), key()];
    let log = chain(&[(1, &[&one]), (2, &[&two, &three])]);

    assert!(log.fold(Some(&pin(2, &[&two, &three]))).is_ok());
    // They signed, but each another root.
    assert_eq!(log.fold(Some(&pin(2, &[&one, &two]))).unwrap_err().code(), "root_not_pinned");
    assert!(log.fold(Some(&pin(usize::MAX, &[&two, &three]))).is_err());
    // A pin of nothing accepts nothing.
    assert!(log.fold(Some(&pin(0, &[]))).is_err());
    assert!(log.fold(Some(&pin(0, &[&key()]))).is_err());
}

#[test]
fn a_key_that_is_pinned_must_have_signed_and_not_only_be_named() {
    let [real, evil] = [key(), key()];
    let mut log = Log::empty();
    let root = log.next_root(1, &[&evil, &real]);
    log.append(&sign_all(&root, &[&evil]));

    assert_eq!(log.fold(Some(&pin(1, &[&real]))).unwrap_err().code(), "root_not_pinned");
}

#[test]
fn a_log_without_a_root_follows_from_nothing() {
    let error = Log::empty().fold(None).unwrap_err();

    assert_eq!(error.code(), "root_not_pinned");
    assert!(error.to_string().contains("signed by none"), "{error}");
}

#[test]
fn a_key_of_the_root_counts_while_its_root_is_in_force() {
    let [old, new, first, second] = [key(), key(), key(), key()];
    let mut log = chain(&[(1, &[&old])]);
    log.change(add(&first), &old);
    let root = log.next_root(1, &[&new]);
    log.append(&sign_all(&root, &[&old, &new]));
    log.append_silently(&sign(&change(NAMESPACE, 2, add(&key())), &old).unwrap());
    assert_eq!(living(&log.authority()), [id(&first)].into());

    log.change(add(&second), &new);

    assert_eq!(living(&log.authority()), [id(&first), id(&second)].into());
}

#[test]
fn one_key_of_a_root_with_a_threshold_changes_nothing() {
    let [one, two, first] = [key(), key(), key()];
    let mut log = chain(&[(2, &[&one, &two])]);
    let added = change(NAMESPACE, 1, add(&first));
    log.append_silently(&sign_all(&added, &[&one, &one]));
    assert!(living(&log.authority()).is_empty());

    log.append(&sign_all(&added, &[&one, &two]));

    assert_eq!(living(&log.authority()), [id(&first)].into());
}

#[test]
fn the_next_root_is_admitted_only_if_it_follows() {
    let [old, new] = [key(), key()];
    let log = chain(&[(1, &[&old])]);
    let authority = log.authority();
    let next = log.next_root(1, &[&new]);
    let unlinked = TrustRoot { previous: Some(crate::digest::Sha256::of(b"x")), ..next.clone() };
    let admit =
        |root: &TrustRoot, keys: &[&SigningKey]| authority.admit_root(&sign_all(root, keys), root);

    assert_eq!(admit(&next, &[&old, &new]), Ok(()));
    assert!(admit(&next, &[&new]).unwrap_err().contains("0 of the keys of version 1"));
    assert!(admit(&unlinked, &[&old, &new]).unwrap_err().contains("follows another root"));
}
