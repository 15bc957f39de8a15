use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    log::{checkpoint::Checkpoint, merkle::empty_root},
    testing::{self, HOST, Log, add, change, jobs, key, publish, release, revoke, status},
    time::{Day, Moment},
};

/// One of each, by its kind.
fn all() -> Vec<(&'static str, Envelope)> {
    let (signer, log) = (key(), Log::new());
    let sign = |keys| sign(&change("acme", 1, keys), &signer).unwrap();
    let second = log.next_root(2, &[&key(), &key()]);
    vec![
        ("publish", super::sign(&publish("1.2.3"), &signer).unwrap()),
        ("status", super::sign(&full_status(), &signer).unwrap()),
        ("status of a module", super::sign(&status(None, 1, State::Yanked), &signer).unwrap()),
        ("add", sign(add(&key()))),
        ("revoke", sign(revoke(&key(), 7))),
        ("trust", sign(KeyChange::TrustCi(jobs("74")))),
        ("distrust", sign(KeyChange::DistrustCi(jobs("74")))),
        ("grant", super::sign(&Log::ci_key(&key()), &signer).unwrap()),
        ("root", super::sign(&log.next_root(1, &[&key()]), &signer).unwrap()),
        ("later root", super::sign(&second, &signer).unwrap()),
    ]
}

fn full_status() -> ModuleStatus {
    ModuleStatus {
        replacement: Some("acme/network/aws".to_owned()),
        contact: Some("platform@example.com".to_owned()),
        sunset: Some("2027-01-31".parse().unwrap()),
        ..status(Some("1.2.3"), 3, State::Deprecated)
    }
}

fn write(statement: &Statement) -> Result<Vec<u8>, StatementError> {
    match statement {
        Statement::Publish(claim) => to_payload(claim),
        Statement::Status(claim) => to_payload(claim),
        Statement::Keys(claim) => to_payload(claim),
        Statement::CiKey(claim) => to_payload(claim),
        Statement::Root(claim) => to_payload(claim),
    }
}

fn read(payload: Vec<u8>) -> Result<Statement, StatementError> {
    let payload_type = PAYLOAD_TYPE.to_owned();
    Statement::parse(&Envelope { payload_type, payload, signatures: Vec::new() })
}

fn value<C: Claim>(claim: &C) -> Value {
    serde_json::from_slice(&to_payload(claim).unwrap()).unwrap()
}

/// What is said of a claim one of whose values is another.
fn error_with<C: Claim>(claim: &C, path: &str, new: Value) -> StatementError {
    let mut value = value(claim);
    *value.pointer_mut(path).unwrap() = new;
    match parse::<C>(value.to_string().as_bytes()) {
        Ok(_) => panic!("{path} was accepted"),
        Err(error) => error,
    }
}

#[test]
fn every_kind_reads_back_as_it_was_written() {
    for (kind, envelope) in all() {
        let statement = Statement::parse(&envelope).unwrap();

        assert_eq!(write(&statement).as_ref(), Ok(&envelope.payload), "{kind}");
    }
}

#[test]
fn a_snapshot_reads_back_and_is_no_statement_of_the_log() {
    let snapshot = Log::new().snapshot();
    let payload = to_payload(&snapshot).unwrap();

    assert_eq!(parse::<Snapshot>(&payload), Ok(snapshot));
    assert_eq!(read(payload).unwrap_err().code(), "statement_type");
}

#[test]
fn what_is_signed_is_canonical() {
    for (kind, envelope) in all() {
        let value: Value = serde_json::from_slice(&envelope.payload).unwrap();

        let canonical = serde_json_canonicalizer::to_vec(&value).unwrap();

        assert_eq!(canonical, envelope.payload, "{kind}");
    }
}

#[test]
fn one_kind_is_not_taken_for_another() {
    let payload = to_payload(&publish("1.0.0")).unwrap();

    let error = parse::<ModuleStatus>(&payload).unwrap_err();

    assert_eq!(error.code(), "statement_type");
    assert!(error.to_string().contains("module-publish/v1"), "{error}");
}

#[test]
fn what_is_no_statement_is_refused_by_code() {
    let code = |value: Value| read(value.to_string().into_bytes()).unwrap_err().code();
    let kind = "https://idp.example/attestation/module-party/v1";

    assert_eq!(code(json!({"_type": STATEMENT_TYPE, "predicateType": kind})), "statement_type");
    assert_eq!(code(json!({"_type": "x", "predicateType": kind})), "statement_type");
    assert_eq!(code(json!({"predicateType": kind})), "statement_malformed");
    assert_eq!(read(vec![b'['; MAX_BYTES]).unwrap_err().code(), "statement_malformed");
    assert_eq!(read(vec![b' '; MAX_BYTES + 1]).unwrap_err().code(), "statement_too_large");
    let mut envelope = sign(&publish("1.0.0"), &key()).unwrap();
    envelope.payload_type = "text/plain".to_owned();
    assert_eq!(Statement::parse(&envelope).unwrap_err().code(), "statement_type");
}

#[test]
fn fields_that_are_unknown_or_there_twice_are_refused_in_every_kind() {
    for (kind, envelope) in all() {
        let text = String::from_utf8(envelope.payload).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let predicate = value["predicate"].as_object().unwrap();
        let (name, first) = predicate.iter().next().unwrap();
        let repeated = format!("\"predicate\":{{\"{name}\":{first},");
        let mut changed = vec![
            text.replacen('{', "{\"extra\":1,", 1),
            text.replacen("\"predicate\":{", "\"predicate\":{\"extra\":1,", 1),
            text.replacen("\"predicate\":{", &repeated, 1),
            text.replacen("\"digest\":{", "\"digest\":{\"sha1\":\"00\",", 1),
        ];
        if let Some(what) = predicate.get("change") {
            let repeated = format!("\"change\":{{\"action\":{},", what["action"]);
            changed.push(text.replacen("\"change\":{", "\"change\":{\"extra\":1,", 1));
            changed.push(text.replacen("\"change\":{", &repeated, 1));
        }

        for changed in changed {
            assert_ne!(changed, text);
            let error = read(changed.clone().into_bytes()).expect_err(&changed);
            assert_eq!(error.code(), "statement_malformed", "{kind}: {error}");
        }
    }
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    let granted = to_payload(&Log::ci_key(&key())).unwrap();
    let trusted = to_payload(&change("acme", 1, KeyChange::TrustCi(jobs("74")))).unwrap();

    for payload in [granted, trusted] {
        let text = String::from_utf8(payload).unwrap();
        let claim = "\"repository_id\":\"74\"";
        let twice = text.replacen(claim, &format!("{claim},\"repository_id\":\"75\""), 1);
        assert_ne!(twice, text);

        let error = read(twice.into_bytes()).unwrap_err();

        assert!(error.to_string().contains("a claim is there twice"), "{error}");
    }
}

#[test]
fn a_status_that_makes_no_sense_is_refused() {
    let good = status(Some("1.0.0"), 1, State::Deprecated);
    let day: Day = "2027-01-31".parse().unwrap();
    for (wrong, expected) in [
        (ModuleStatus { reason: None, ..good.clone() }, "deprecated needs a reason"),
        (ModuleStatus { sequence: 0, ..good.clone() }, "sequence counts from 1"),
        (
            ModuleStatus { state: State::Yanked, sunset: Some(day), ..good.clone() },
            "only what is deprecated has a sunset",
        ),
        (ModuleStatus { reason: Some("é".repeat(501)), ..good.clone() }, "reason must be 1 to 500"),
        (ModuleStatus { replacement: Some("x".repeat(201)), ..good.clone() }, "replacement"),
        (ModuleStatus { contact: Some("x".repeat(201)), ..good.clone() }, "contact"),
    ] {
        let error = to_payload(&wrong).unwrap_err();

        assert_eq!(error.code(), "statement_malformed");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let longest = ModuleStatus { reason: Some("é".repeat(500)), ..good.clone() };
    assert!(to_payload(&longest).is_ok());
    let silent = ModuleStatus { state: State::Active, reason: None, ..good };
    assert!(to_payload(&silent).is_ok());
}

#[test]
fn text_that_plays_tricks_is_refused() {
    for text in [
        "",
        " a",
        "a ",
        "a\nb",
        "a\rb",
        "\u{1b}[2J",
        "a\u{202e}b",
        "a\u{2028}b",
        "a\u{200b}b",
        "\u{feff}a",
        "a\u{85}b",
        "a\u{e0041}",
    ] {
        let hostile = ModuleStatus {
            reason: Some(text.to_owned()),
            ..status(Some("1.0.0"), 1, State::Revoked)
        };
        let error = to_payload(&hostile).expect_err(text);
        assert!(error.to_string().contains("reason must be"), "{error}");

        let mut grant = Log::ci_key(&key());
        grant.claims.insert("ref".to_owned(), text.to_owned());
        assert!(to_payload(&grant).is_err(), "{text:?}");
        let ci = TrustedCi { issuer: text.to_owned(), ..jobs("74") };
        assert!(to_payload(&change("acme", 1, KeyChange::TrustCi(ci))).is_err(), "{text:?}");
    }
    // Neither scripts that are written from the right nor those that need joiners are hostile.
    for text in ["שלום", "می\u{200c}خواهم", "👩\u{200d}💻"] {
        let plain = ModuleStatus {
            reason: Some(text.to_owned()),
            ..status(Some("1.0.0"), 1, State::Revoked)
        };
        assert!(to_payload(&plain).is_ok(), "{text}");
    }
}

#[test]
fn claims_are_bounded() {
    let trust = |claims: BTreeMap<String, String>| {
        let ci = TrustedCi { claims, ..jobs("74") };
        to_payload(&change("acme", 1, KeyChange::TrustCi(ci))).map_err(|error| error.code())
    };
    let many = |count: usize, length: usize| {
        (0..count).map(|n| (format!("claim-{n}"), "é".repeat(length))).collect()
    };

    assert_eq!(trust(BTreeMap::new()), Err("statement_malformed"));
    assert_eq!(trust(many(33, 1)), Err("statement_malformed"));
    assert_eq!(trust(many(1, 501)), Err("statement_malformed"));
    // Each is allowed, all together are more than a statement may have.
    assert_eq!(trust(many(32, 500)), Err("statement_too_large"));
    assert!(trust(many(32, 100)).is_ok());
}

#[test]
fn a_subject_that_contradicts_the_predicate_is_refused_in_every_kind() {
    for (kind, envelope) in all() {
        let good: Value = serde_json::from_slice(&envelope.payload).unwrap();
        let code = |path: &str, new: Value| {
            let mut value = good.clone();
            *value.pointer_mut(path).unwrap() = new;
            read(value.to_string().into_bytes()).map(|_| ()).map_err(|error| error.code())
        };
        let several = code("/subject", json!([good["subject"][0], good["subject"][0]]));

        assert_eq!(code("/subject/0/name", json!("x")), Err("statement_contradiction"), "{kind}");
        assert!(code("/subject", json!([])).is_err(), "{kind}");
        assert!(several.is_err(), "{kind}");
        if !kind.starts_with("publish") && kind != "status" {
            let digest = json!(Sha256::of(b"x"));
            let other = code("/subject/0/digest/sha256", digest);
            assert_eq!(other, Err("statement_contradiction"), "{kind}");
        }
    }
}

#[test]
fn a_predicate_that_contradicts_the_subject_is_refused() {
    let status = full_status();
    for (path, new) in [
        ("/predicate/version", json!("1.2.4")),
        ("/predicate/version", json!("*")),
        ("/predicate/name", json!("vpn")),
        ("/predicate/registry", json!("other.example.com")),
    ] {
        assert_eq!(error_with(&status, path, new).code(), "statement_contradiction", "{path}");
    }
    let added = change("acme", 1, add(&key()));
    let other = json!(KeyText::from(&key().verifying_key()));
    let error = error_with(&added, "/predicate/change/key", other);
    assert_eq!(error.code(), "statement_contradiction");
    let snapshot = Log::new().snapshot();
    let error = error_with(&snapshot, "/predicate/registry", json!("other.example.com"));
    assert_eq!(error.code(), "statement_contradiction");
}

#[test]
fn a_snapshot_that_makes_no_sense_is_refused() {
    let good = Log::new().snapshot();
    let never = Snapshot { expires_at: good.issued_at, ..good.clone() };

    assert!(to_payload(&never).unwrap_err().to_string().contains("expiresAt"));
    let two = json!({"sha256": Sha256::of(b"a"), "dirHash1": Sha256::of(b"a")});
    assert_eq!(error_with(&good, "/subject/0/digest", two).code(), "statement_contradiction");
    assert_eq!(error_with(&good, "/subject", json!([])).code(), "statement_malformed");
}

#[test]
fn addresses_are_checked() {
    let wrong = [
        ("/predicate/namespace", "../x"),
        ("/predicate/name", "a/b"),
        ("/predicate/system", "A"),
        ("/predicate/registry", "Registry.example.com"),
    ];
    for (path, new) in wrong {
        assert_eq!(error_with(&full_status(), path, json!(new)).code(), "statement_malformed");
    }
    let keys = change("acme", 1, add(&key()));
    assert_eq!(
        error_with(&keys, "/predicate/namespace", json!("a b")).code(),
        "statement_malformed"
    );
    assert_eq!(error_with(&keys, "/predicate/sequence", json!(0)).code(), "statement_malformed");
    assert_eq!(error_with(&keys, "/predicate/sequence", json!(-1)).code(), "statement_malformed");
}

#[test]
fn a_key_has_one_text() {
    let added = change("acme", 1, add(&key()));
    let text = value(&added)["predicate"]["change"]["key"].as_str().unwrap().to_owned();
    for other in [
        text.trim_end_matches('=').to_owned(),
        text.clone() + "\n",
        text.replacen("MC", "Mc", 1),
        String::new(),
    ] {
        let error = error_with(&added, "/predicate/change/key", json!(other));
        assert!(error.to_string().contains("SubjectPublicKeyInfo"), "{error}");
    }
}

#[test]
fn a_root_that_makes_no_sense_is_refused() {
    let (one, two) = (key(), key());
    let log = Log::new();
    let good = log.next_root(1, &[&one, &two]);
    let twice = vec![one.verifying_key(), one.verifying_key()];
    let many: Vec<_> = (0..17).map(|_| key().verifying_key()).collect();
    for (wrong, expected) in [
        (TrustRoot { version: 0, ..good.clone() }, "version counts from 1"),
        (TrustRoot { threshold: 0, ..good.clone() }, "threshold"),
        (TrustRoot { threshold: 3, ..good.clone() }, "threshold"),
        (TrustRoot { threshold: 1 << 40, ..good.clone() }, "threshold"),
        (TrustRoot { keys: twice, ..good.clone() }, "keys must be 1 to 16 keys, each once"),
        (TrustRoot { keys: Vec::new(), ..good.clone() }, "keys must be"),
        (TrustRoot { keys: many.clone(), ..good.clone() }, "keys must be"),
        (TrustRoot { registry_keys: Vec::new(), ..good.clone() }, "registryKeys must be"),
        (TrustRoot { registry_keys: many.clone(), ..good.clone() }, "registryKeys must be"),
        (TrustRoot { previous: None, ..good.clone() }, "previous must be"),
        (TrustRoot { version: 1, ..good.clone() }, "only version 1 has none"),
    ] {
        let error = to_payload(&wrong).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let error = error_with(&good, "/predicate/log", json!("registry.example.com/log+00+AA=="));
    assert!(error.to_string().contains("malformed: log:"), "{error}");
    // The largest that is allowed fits an entry of the log, with the signatures of those before.
    let largest =
        TrustRoot { keys: many[..16].to_vec(), registry_keys: many[1..].to_vec(), ..good };
    let signers: Vec<_> = (0..crate::dsse::MAX_SIGNATURES).map(|_| key()).collect();
    let envelope = testing::sign_all(&largest, &signers.iter().collect::<Vec<_>>());
    let leaf = envelope.to_canonical_json();
    assert_eq!(Envelope::parse_canonical(leaf.as_bytes()), Ok(envelope));
}

#[test]
fn numbers_that_json_does_not_hold_are_not_signed() {
    for sequence in [(1 << 53) + 1, u64::MAX] {
        assert!(to_payload(&status(None, sequence, State::Yanked)).is_err(), "{sequence}");
        assert!(to_payload(&change("acme", sequence, add(&key()))).is_err(), "{sequence}");
    }
    let most = status(None, 1 << 53, State::Yanked);
    assert_eq!(parse(&to_payload(&most).unwrap()), Ok(most));
    let from = change("acme", 1, revoke(&key(), u64::MAX));
    assert!(to_payload(&from).is_err());
}

#[test]
fn hostile_text_is_short_and_plain_in_messages() {
    let long = "\u{1b}[2J\u{202e}".to_owned() + &"x".repeat(20_000);
    let head = json!({"_type": STATEMENT_TYPE, "predicateType": long});
    let errors = [
        read(head.to_string().into_bytes()).unwrap_err(),
        error_with(&full_status(), "/subject/0/name", json!(long)),
        error_with(&full_status(), "/predicate/name", json!(long)),
        error_with(&full_status(), "/predicate/version", json!(long)),
        error_with(&full_status(), "/predicate/state", json!(long)),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.len() < 600 && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
}

#[test]
fn a_leaf_with_more_signatures_than_anybody_needs_is_refused() {
    let mut envelope = sign(&publish("1.0.0"), &key()).unwrap();
    envelope.signatures = vec![envelope.signatures[0].clone(); crate::dsse::MAX_SIGNATURES + 1];

    let error = Envelope::parse_canonical(envelope.to_canonical_json().as_bytes()).unwrap_err();

    assert_eq!(error.code(), "leaf_signatures");
}

#[test]
fn the_document_of_a_snapshot_has_one_digest() {
    let log = Log::with(&key());
    let other = SnapshotDocument { root: 2, ..log.document.clone() };

    assert_ne!(log.document.digest(), other.digest());
    assert_ne!(SnapshotDocument::default().digest(), Sha256::of(b""));
}

fn text() -> impl Strategy<Value = String> {
    "[a-z]([ -~é]{0,30}[a-z])?"
}

fn statuses() -> impl Strategy<Value = ModuleStatus> {
    let version = proptest::option::of((0..9_u64, "[a-z]{1,5}"));
    let texts = (text(), proptest::option::of(text()), proptest::option::of(text()));
    let state = proptest::sample::select(State::ALL.to_vec());
    (version, 1..1_u64 << 53, state, texts, proptest::option::of(0..100_000_i64)).prop_map(
        |(version, sequence, state, (reason, replacement, contact), day)| ModuleStatus {
            module: release("1.0.0").module().clone(),
            version: version.map(|(major, pre)| {
                (format!("{major}.0.0-{pre}").parse().unwrap(), Sha256::of(b"a"))
            }),
            sequence,
            state,
            reason: Some(reason),
            replacement,
            contact,
            sunset: day.filter(|_| state == State::Deprecated).map(|day| Day::of(day * 86_400_000)),
        },
    )
}

proptest! {
    #[test]
    fn any_status_reads_back(status in statuses()) {
        prop_assert_eq!(parse(&to_payload(&status).unwrap()), Ok(status));
    }

    #[test]
    fn any_grant_reads_back(
        claims in proptest::collection::btree_map(text(), text(), 1..32), issuer in text(),
        seconds in 0..253_402_300_800_i64,
    ) {
        let expires_at = Moment::of(seconds * 1000);
        let grant = CiKey { issuer, claims, expires_at, ..Log::ci_key(&key()) };

        prop_assert_eq!(parse(&to_payload(&grant).unwrap()), Ok(grant));
    }

    #[test]
    fn any_snapshot_reads_back(size in 1..1_u64 << 53, seconds in 0..253_402_300_000_i64, more in 1..700_i64) {
        let snapshot = Snapshot {
            registry: HOST.to_owned(),
            checkpoint: Checkpoint { origin: Log::origin(), size, root: empty_root() },
            document: Sha256::of(b"a"),
            issued_at: Moment::of(seconds * 1000),
            expires_at: Moment::of((seconds + more) * 1000),
        };

        prop_assert_eq!(parse(&to_payload(&snapshot).unwrap()), Ok(snapshot));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let _ = read(bytes.clone());
        let _ = parse::<Snapshot>(&bytes);
    }

    #[test]
    fn a_changed_statement_is_refused_or_reads_back(
        kind in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut all = all();
        let (kind, envelope) = all.swap_remove(kind.index(all.len()));
        let mut payload = envelope.payload;
        let at = at.index(payload.len());
        payload[at] = byte;

        if let Ok(statement) = read(payload) {
            prop_assert_eq!(read(write(&statement).unwrap()), Ok(statement), "{}", kind);
        }
    }
}
