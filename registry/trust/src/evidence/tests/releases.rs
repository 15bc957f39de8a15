//! Who may have signed a release.

use super::*;
use crate::{
    release::ReleaseId,
    statement::{KeyChange, ModulePublish},
};

#[test]
fn a_release_that_is_left_out_has_no_proof() {
    let log = published().0;
    let trusted = log.verify(&without(log.evidence(), &[2])).unwrap();

    let error = trusted.release(&release("1.0.0")).unwrap_err();

    assert_eq!(error.code(), "proof_missing");
    assert!(error.to_string().contains("no proof that anybody published it"), "{error}");
    assert!(trusted.release(&release("1.1.0")).is_ok());
}

#[test]
fn the_statement_of_another_release_says_nothing_of_this_one() {
    let (mut log, publisher) = published();
    let vpn = ReleaseId::new(HOST, NAMESPACE, "vpn", "aws", "1.0.0".parse().unwrap()).unwrap();
    log.sign(&ModulePublish { release: vpn.clone(), ..publish("1.0.0") }, &publisher);

    let trusted = log.trusted();

    assert!(trusted.release(&vpn).is_ok());
    assert_eq!(trusted.release(&release("1.0.1")).unwrap_err().code(), "proof_missing");
    let there = ReleaseId::new(HOST, "other", "vpn", "aws", "1.0.0".parse().unwrap()).unwrap();
    assert_eq!(trusted.release(&there).unwrap_err().code(), "proof_missing");
}

#[test]
fn what_was_signed_for_another_registry_says_nothing_here() {
    let (mut log, publisher) = published();
    let version = "1.0.0".parse().unwrap();
    let there = ReleaseId::new("other.example.com", NAMESPACE, "vpc", "aws", version).unwrap();
    log.sign(&ModulePublish { release: there.clone(), ..publish("1.0.0") }, &publisher);
    let mut restored = status(Some("1.0.0"), 2, State::Active);
    restored.module = there.module().clone();
    log.append_silently(&sign(&restored, &publisher).unwrap());

    let trusted = log.trusted();

    assert_eq!(trusted.release(&there).unwrap_err().code(), "proof_missing");
    assert_eq!(trusted.standing(&there).unwrap_err().code(), "proof_missing");
    assert_eq!(standing(&trusted, "1.0.0"), Ok(State::Deprecated));
}

#[test]
fn only_a_key_of_the_namespace_publishes() {
    let (mut log, publisher) = published();
    let [stranger, other] = [key(), key()];
    log.sign(&change("other", 1, add(&other)), &copy(&log.root));
    for (version, by) in [
        ("2.0.0", &stranger),
        ("2.0.1", &other),
        ("2.0.2", &copy(&log.registry)),
        ("2.0.3", &copy(&log.root)),
    ] {
        log.publish(version, by);

        let (code, text) = distrust(&log, version);

        assert_eq!(code, "publisher_key_unknown");
        let expected = format!(
            "it is signed by key {}, which is not a key of the namespace ({})",
            id(by),
            id(&publisher)
        );
        assert_eq!(text, expected);
    }
}

#[test]
fn a_key_publishes_only_after_it_was_added() {
    let (mut log, publisher) = published();
    let late = key();
    log.publish("2.0.0", &late);
    log.change(add(&late), &publisher);

    let (code, text) = distrust(&log, "2.0.0");

    assert_eq!(code, "publisher_key_unknown");
    assert!(text.contains("became a key of the namespace only with entry 6"), "{text}");
}

#[test]
fn a_signature_that_is_not_the_keys_is_refused() {
    let (mut log, publisher) = published();
    let forged = |by: &SigningKey, version: &str| sign(&publish(version), by).unwrap();
    let mut replaced = forged(&key(), "2.0.0");
    replaced.signatures[0].key_id = id(&publisher);
    let mut transplanted = forged(&publisher, "2.0.1");
    transplanted.payload = forged(&publisher, "2.0.2").payload;
    let mut empty = forged(&publisher, "2.0.3");
    empty.signatures[0].signature.clear();
    for envelope in [&replaced, &transplanted, &empty] {
        log.append_silently(envelope);
    }

    for version in ["2.0.0", "2.0.2", "2.0.3"] {
        let (code, text) = distrust(&log, version);
        assert_eq!(code, "signature_invalid");
        let expected = format!("its signature is not key {}'s", id(&publisher));
        assert!(text.starts_with(&expected), "{text}");
    }
    let twice = sign_all(&publish("2.0.4"), &[&publisher, &publisher]);
    log.append_silently(&twice);
    let (code, text) = distrust(&log, "2.0.4");
    assert_eq!(code, "statement_signatures");
    assert!(text.contains("has 2 signatures"), "{text}");
}

#[test]
fn a_statement_without_its_signature_is_no_leaf() {
    let log = published().0;
    let mut evidence = log.evidence();
    let mut leaf: serde_json::Value = serde_json::from_str(&evidence.entries[2].leaf).unwrap();
    leaf["signatures"] = serde_json::json!([]);
    evidence.entries[2].leaf = leaf.to_string();

    let (code, text) = refusal(&log, &evidence);

    assert_eq!(code, "evidence_malformed");
    assert!(text.contains("what nobody signed is not logged"), "{text}");
}

#[test]
fn a_revoked_key_published_only_what_came_before() {
    let (mut log, publisher) = published();
    log.by_root(revoke(&publisher, 3));

    assert!(log.trusted().release(&release("1.0.0")).is_ok());
    let (code, text) = distrust(&log, "1.1.0");
    assert_eq!(code, "publisher_key_revoked");
    assert!(text.contains("is revoked from entry 3 of the log on"), "{text}");
}

#[test]
fn a_version_that_is_published_twice_is_believed_neither_time() {
    let (mut log, publisher) = published();
    let again = ModulePublish { archive: summary("other"), ..publish("1.0.0") };
    log.sign(&again, &publisher);
    log.publish("1.0.0", &publisher);

    let (code, text) = distrust(&log, "1.0.0");

    assert_eq!(code, "version_rewritten");
    assert!(text.contains("the second time as entry"), "{text}");
}

#[test]
fn a_ci_job_publishes_by_a_grant_that_is_shown() {
    let (mut log, publisher) = published();
    let job = key();
    let trusted_at = log.change(KeyChange::TrustCi(jobs("74")), &publisher);
    let granted = log.grant(&job);
    log.publish("2.0.0", &job);

    let trusted = log.trusted();

    let signed = trusted.release(&release("2.0.0")).unwrap();
    assert_eq!(signed.publisher, id(&job));
    let (issuer, claims) = signed.ci.clone().unwrap();
    assert_eq!(
        (issuer.as_str(), claims["ref"].as_str()),
        ("https://ci.example", "refs/heads/main")
    );

    let hidden = log.verify(&without(log.evidence(), &[granted])).unwrap();
    let error = hidden.release(&release("2.0.0")).unwrap_err();
    assert_eq!(error.code(), "publisher_key_unknown");
    let untrusted = without(log.evidence(), &[trusted_at]);
    assert_eq!(refusal(&log, &untrusted).0, "keys_hidden");
}

#[test]
fn a_ci_job_publishes_only_between_grant_and_distrust() {
    let (mut log, publisher) = published();
    let job = key();
    log.change(KeyChange::TrustCi(jobs("74")), &publisher);
    log.publish("2.0.0", &job);
    log.grant(&job);
    log.publish("2.0.1", &job);
    log.change(KeyChange::DistrustCi(jobs("74")), &publisher);
    log.publish("2.0.2", &job);

    assert_eq!(distrust(&log, "2.0.0").0, "publisher_key_unknown");
    assert!(log.trusted().release(&release("2.0.1")).is_ok());
    assert_eq!(distrust(&log, "2.0.2").0, "publisher_key_unknown");
}

/// The registry alone says whose a CI job's key is: it must not be able to say it of a key that was revoked.
#[test]
fn a_registry_cannot_bring_a_revoked_key_back_as_that_of_a_job() {
    let (mut log, publisher) = published();
    let stolen = key();
    log.change(add(&stolen), &publisher);
    log.change(KeyChange::TrustCi(jobs("74")), &publisher);
    log.change(revoke(&stolen, log.size()), &publisher);
    log.grant(&stolen);
    log.publish("6.6.6", &stolen);

    assert_eq!(distrust(&log, "6.6.6").0, "publisher_key_revoked");
}
