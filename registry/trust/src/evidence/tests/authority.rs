//! The root, the snapshot, and the keys that they vouch for.

use super::*;
use crate::statement::{KeyChange, SnapshotDocument};

#[test]
fn the_root_is_the_one_that_is_pinned() {
    let log = published().0;
    let stranger = Policy { root: pin(1, &[&key()]), ..log.policy() };
    let two = Policy { root: pin(2, &[&log.root, &key()]), ..log.policy() };
    for policy in [stranger, two] {
        let error = log.evidence().verify(&policy, None, NOW).unwrap_err();

        assert_eq!(error.code(), "root_not_pinned");
        assert!(error.to_string().contains(&id(&log.root).to_string()), "{error}");
    }
}

#[test]
fn the_evidence_is_of_the_policys_registry() {
    let log = published().0;
    let policy = Policy { registry: "other.example.com".to_owned(), ..log.policy() };

    let error = log.evidence().verify(&policy, None, NOW).unwrap_err();

    assert_eq!(error.code(), "other_registry");
    let expected =
        format!("the evidence is of the registry {HOST}, the policy is about other.example.com");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_snapshot_is_the_registrys_and_about_this_log() {
    let (mut log, publisher) = published();
    let old = log.evidence();
    log.state("1.0.0", State::Revoked, &publisher);
    let new = log.evidence();
    let signed = |snapshot: &Snapshot, by: &SigningKey| bundle(snapshot, by);
    let with = |snapshot: String| Evidence { snapshot, ..new.clone() };
    let elsewhere = Snapshot { registry: "other.example.com".to_owned(), ..log.snapshot() };
    let statement = bundle(&publish("1.0.0"), &log.registry);

    for (evidence, expected) in [
        (with(old.snapshot.clone()), "of the log with 5 entries, shown is the log with 6"),
        (Evidence { snapshot: new.snapshot.clone(), ..old.clone() }, "with 6 entries, shown"),
        (
            Evidence { document: old.document.clone(), ..new.clone() },
            "its document is another than the one that was signed",
        ),
        (with(signed(&log.snapshot(), &publisher)), "not signed by the registry's key, but by"),
        (with(signed(&log.snapshot(), &log.root)), "not signed by the registry's key"),
        (with(signed(&elsewhere, &log.registry)), "it is of the registry other.example.com"),
        (with(statement), "predicateType"),
        (with("{}".to_owned()), "the bundle is malformed"),
        (with(String::new()), "the bundle is malformed"),
    ] {
        let (code, text) = refusal(&log, &evidence);

        assert_eq!(code, "snapshot_invalid");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_snapshot_of_another_payload_type_is_none() {
    let log = published().0;
    let payload = crate::statement::to_payload(&log.snapshot()).unwrap();
    let envelope = Envelope::sign("text/plain", payload, &log.registry);
    let snapshot = Bundle::new(envelope).unwrap().to_json();

    let (code, text) = refusal(&log, &Evidence { snapshot, ..log.evidence() });

    assert_eq!(code, "snapshot_invalid");
    assert!(text.contains("payloadType"), "{text}");
}

#[test]
fn a_document_that_was_changed_is_refused() {
    let log = published().0;
    for change in [
        |document: &mut SnapshotDocument| document.modules.clear(),
        |document: &mut SnapshotDocument| document.namespaces.clear(),
        |document: &mut SnapshotDocument| document.root = 0,
        |document: &mut SnapshotDocument| {
            document.modules.insert("a/b/c".to_owned(), 1);
        },
    ] {
        let mut evidence = log.evidence();
        change(&mut evidence.document);

        assert_eq!(refusal(&log, &evidence).0, "snapshot_invalid");
    }
}

/// Without any key: whoever stands between could leave out the root that replaced a stolen one, or whose keys revoked.
#[test]
fn a_root_that_is_left_out_is_missed() {
    let (mut log, publisher) = published();
    let old = copy(&log.root);
    let rotated = log.next_root(1, &[&publisher]);
    let second = log.append(&sign_all(&rotated, &[&old, &publisher]));
    let whole = log.evidence();
    assert!(log.verify(&whole).is_ok());

    let (code, text) = refusal(&log, &without(whole, &[second]));

    assert_eq!(code, "root_hidden");
    assert!(text.contains("newest root is version 2, but version 1 is shown"), "{text}");
}

#[test]
fn an_older_root_than_before_is_refused() {
    let log = published().0;
    let seen = Seen { root_version: 2, ..log.trusted().seen };

    let error = log.evidence().verify(&log.policy(), Some(&seen), NOW).unwrap_err();

    assert_eq!(error.code(), "root_rolled_back");
    assert!(error.to_string().contains("root version 2 was seen before"), "{error}");
}

#[test]
fn keys_that_were_replaced_say_nothing_more() {
    let mut log = published().0;
    let (old_registry, old_log) = (copy(&log.registry), copy(&log.head_key));
    (log.registry, log.head_key) = (key(), key());
    let next = log.next_root(1, &[&log.root]);
    log.sign(&next, &copy(&log.root));
    let good = log.evidence();
    assert!(log.verify(&good).is_ok());

    let snapshot = bundle(&log.snapshot(), &old_registry);
    assert_eq!(refusal(&log, &Evidence { snapshot, ..good.clone() }).0, "snapshot_invalid");
    let checkpoint = log.head().sign(&old_log).unwrap();
    assert_eq!(refusal(&log, &Evidence { checkpoint, ..good }).0, "note_unverified");
}

#[test]
fn a_key_change_that_is_left_out_is_missed() {
    let (mut log, publisher) = published();
    let added = log.change(add(&key()), &publisher);
    let revoked = log.change(revoke(&publisher, log.size()), &publisher);

    let (code, text) = refusal(&log, &without(log.evidence(), &[revoked]));
    assert_eq!(code, "keys_hidden");
    assert!(text.contains("namespace acme has 3 key changes, but 2 are shown"), "{text}");
    assert_eq!(refusal(&log, &without(log.evidence(), &[added])).0, "keys_incomplete");
    assert_eq!(refusal(&log, &without(log.evidence(), &[1, added, revoked])).0, "keys_hidden");
    // Also where only statuses are shown, which these keys signed.
    assert_eq!(
        refusal(&log, &without(log.evidence(), &[1, 2, 3, added, revoked])).0,
        "keys_hidden"
    );
}

#[test]
fn a_key_change_by_nobody_does_not_stand_in_for_one_that_is_left_out() {
    let (mut log, publisher) = published();
    let decoy = sign(&change(NAMESPACE, 2, add(&key())), &key()).unwrap();
    log.append_silently(&decoy);
    let revoked = log.change(revoke(&publisher, 0), &publisher);
    assert!(log.verify(&log.evidence()).is_ok());

    assert_eq!(refusal(&log, &without(log.evidence(), &[revoked])).0, "keys_hidden");
}

#[test]
fn a_namespace_that_is_not_asked_for_need_not_be_shown() {
    let mut log = published().0;
    let other = log.sign(&change("other", 1, add(&key())), &copy(&log.root));

    assert!(log.verify(&without(log.evidence(), &[other])).is_ok());
}

#[test]
fn no_key_of_the_registry_makes_a_publisher() {
    let (mut log, _) = published();
    let evil = key();
    for by in [copy(&log.registry), copy(&log.head_key), evil] {
        log.append_silently(&sign(&change(NAMESPACE, 2, add(&by)), &by).unwrap());
        log.append_silently(
            &sign(&change(NAMESPACE, 2, KeyChange::TrustCi(jobs("74"))), &by).unwrap(),
        );
        log.grant(&by);
        log.append_silently(&sign(&publish("6.6.6"), &by).unwrap());

        let refused = log.trusted().release(&release("6.6.6")).unwrap_err();

        let code = refused.code();
        assert!(matches!(code, "publisher_key_unknown" | "version_rewritten"), "{refused}");
    }
}
