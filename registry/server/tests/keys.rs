//! Whose signatures count in a namespace, and who may say so.

use registry_api::platform::GoldenPathRef;
use registry_server::ops::paths;
use registry_trust::authority::Distrust;
use registry_trust::bundle::Bundle;
use registry_trust::digest::Sha256;
use registry_trust::dsse::Envelope;
use registry_trust::evidence::ReleaseError;
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::statement::{
    KeyChange, NamespaceKeys, RevocationReason, TrustRoot, TrustedCi, parse, sign,
};
use serde_json::json;

use super::support::{
    Answer, HOSTNAME, MODULE, Registry, addition, archive, authorised, bundle, change_of, new_key,
    release, revocation,
};

const ADDRESS: &str = "golden/greeting/test";

/// Publishes signed by another key than usual.
async fn publish_by(registry: &Registry, key: &SigningKey, version: &str) -> Answer {
    let archive = archive(MODULE);
    let bundle = bundle(ADDRESS, version, &archive, key);
    registry.upload(ADDRESS, version, &archive, bundle.as_bytes()).await
}

async fn size(registry: &Registry) -> u64 {
    registry.checkpoint().await.size
}

#[tokio::test]
async fn the_root_and_the_keys_of_a_namespace_add_keys_and_nobody_else() {
    let registry = Registry::start().await;
    let [second, third, stranger] = [new_key(), new_key(), new_key()];

    registry.change("golden", addition(&second), &registry.root).await.assert(201);
    registry.change("golden", addition(&third), &second).await.assert(201);
    let refused = registry
        .change("golden", addition(&stranger), &stranger)
        .await
        .assert_problem(422, "signer_not_allowed");

    let detail = refused["detail"].as_str().unwrap();
    let ids = [&stranger, &second, &registry.publisher, &registry.root];
    for key in ids {
        assert!(detail.contains(&key.verifying_key().id().to_string()), "{detail}");
    }
    publish_by(&registry, &second, "1.0.0").await.assert(201);
    publish_by(&registry, &third, "1.0.1").await.assert(201);
    publish_by(&registry, &stranger, "1.0.2").await.assert_problem(422, "publisher_key_unknown");
    let keys = registry.get("/api/v1/namespaces/golden/keys").await.assert(200).json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 3);
    assert_eq!(keys["log_size"], size(&registry).await);
}

#[tokio::test]
async fn the_first_key_of_a_namespace_comes_from_the_root() {
    let registry = Registry::start().await;
    let key = new_key();
    let none = registry.get("/api/v1/namespaces/platform/keys").await.assert(200).json();
    assert_eq!((&none["sequence"], &none["keys"]), (&json!(0), &json!([])));

    registry
        .change("platform", addition(&key), &key)
        .await
        .assert_problem(422, "signer_not_allowed");
    registry
        .change("platform", addition(&key), &registry.publisher)
        .await
        .assert_problem(422, "signer_not_allowed");
    registry.change("platform", addition(&key), &registry.root).await.assert(201);

    let unknown = change_of("nowhere", 1, addition(&key), &registry.root);
    registry.log(&unknown).await.assert_problem(404, "namespace_unknown");
}

#[tokio::test]
async fn a_change_with_another_number_than_the_next_is_refused_and_the_same_again_succeeds() {
    let registry = Registry::start().await;
    let key = new_key();
    let right = change_of("golden", 2, addition(&key), &registry.publisher);
    for wrong in [1, 3, u64::MAX >> 11] {
        let wrong = change_of("golden", wrong, addition(&key), &registry.publisher);
        let refused = registry.log(&wrong).await.assert_problem(409, "sequence");
        assert!(refused["detail"].as_str().unwrap().contains("the next is 2"), "{refused:#}");
    }

    let first = registry.log(&right).await.assert(201).json();
    let again = registry.log(&right).await.assert(201).json();

    assert_eq!(first["index"], again["index"]);
    assert_eq!(size(&registry).await, first["index"].as_u64().unwrap() + 1);
    // Signed anew it is another statement, whose number is taken.
    let other = change_of("golden", 2, addition(&new_key()), &registry.publisher);
    registry.log(&other).await.assert_problem(409, "sequence");
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused() {
    let issuer = "[[oidc_issuer]]\nurl = \"https://ci.example.com\"\n";
    let registry = Registry::start_with(issuer).await;
    let (publisher, stranger) = (&registry.publisher, new_key());
    let next = size(&registry).await;
    let refused = async |change: KeyChange, words: &str| {
        let answer = registry.change("golden", change, publisher).await;
        let problem = answer.assert_problem(422, "key_change_invalid");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem:#}");
    };
    let ci = TrustedCi {
        issuer: "https://ci.example.com".to_owned(),
        claims: [("repository_id".to_owned(), "74".to_owned())].into(),
    };

    refused(addition(publisher), "already").await;
    refused(revocation(&stranger, next), "is not a key of the namespace").await;
    refused(revocation(publisher, next + 1), "cannot begin after its own entry").await;
    refused(KeyChange::DistrustCi(ci.clone()), "no CI jobs").await;
    registry.change("golden", KeyChange::TrustCi(ci.clone()), publisher).await.assert(201);
    refused(KeyChange::TrustCi(ci), "trusted already").await;

    let elsewhere = NamespaceKeys {
        registry: "registry.other.example".to_owned(),
        namespace: "golden".to_owned(),
        sequence: 3,
        change: addition(&stranger),
    };
    let elsewhere = sign(&elsewhere, publisher).unwrap();
    registry.log(&elsewhere).await.assert_problem(422, "other_registry");
}

#[tokio::test]
async fn a_token_without_the_right_brings_no_statement_whoever_signed() {
    let registry = Registry::start().await;
    let change = change_of("golden", 2, addition(&new_key()), &registry.publisher);
    let body = json!({ "statement": change.to_canonical_json() }).to_string();
    let send = async |token: &str| {
        let request = axum::http::Request::post("/api/v1/statements");
        let request = authorised(request, token).header("content-type", "application/json");
        registry.send(request.body(body.clone().into()).unwrap()).await
    };
    let (other, right) =
        (registry.token(&["publish:private"]).await, registry.token(&["publish:golden"]).await);

    let refused = send(&other).await.assert_problem(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("publish:golden"), "{refused:#}");
    send("idp_unknown").await.assert_problem(401, "unauthorized");
    send(&right).await.assert(201);
}

#[tokio::test]
async fn what_is_no_statement_is_refused_in_words() {
    let registry = Registry::start().await;
    let post = async |statement: &str| {
        registry.json("POST", "/api/v1/statements", &json!({ "statement": statement })).await
    };
    for text in ["", "{}", "null", "[]", "{\"payload\":\"\"}", &"x".repeat(200_000)] {
        post(text).await.assert_problem(400, "statement_malformed");
    }
    let release = bundle(ADDRESS, "1.0.0", &archive(MODULE), &registry.publisher);
    post(&release).await.assert_problem(422, "statement_kind");
    let mut envelope = change_of("golden", 2, addition(&new_key()), &registry.publisher);
    envelope.payload.push(b' ');
    let answer = registry.log(&envelope).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
}

#[tokio::test]
async fn a_revoked_key_publishes_nothing_more_and_what_it_published_stands() {
    let registry = Registry::start().await;
    let (old, new) = (&registry.publisher, new_key());
    publish_by(&registry, old, "1.0.0").await.assert(201);
    registry.change("golden", addition(&new), old).await.assert(201);
    let from = size(&registry).await;

    registry.change("golden", revocation(old, from), &new).await.assert(201);

    let refused =
        publish_by(&registry, old, "1.1.0").await.assert_problem(422, "publisher_key_revoked");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("revoked from entry {from} of the log on")), "{detail}");
    publish_by(&registry, &new, "1.1.0").await.assert(201);
    let trusted =
        registry.judged(&["golden/greeting/test@1.0.0", "golden/greeting/test@1.1.0"]).await;
    trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    trusted.release(&release(ADDRESS, "1.1.0")).unwrap();
    // Gone for ever, by nobody's word, and it cannot speak for itself.
    registry.change("golden", addition(old), &new).await.assert_problem(422, "key_change_invalid");
    registry
        .change("golden", addition(&new_key()), old)
        .await
        .assert_problem(422, "signer_not_allowed");
}

#[tokio::test]
async fn a_revocation_that_reaches_back_takes_releases_and_statuses_with_it() {
    let registry = Registry::start().await;
    let (stolen, new) = (&registry.publisher, new_key());
    publish_by(&registry, stolen, "1.0.0").await.assert(201);
    registry.change("golden", addition(&new), &registry.root).await.assert(201);
    let theft = size(&registry).await;
    publish_by(&registry, stolen, "1.1.0").await.assert(201);
    let by_thief = super::statuses::status(1, Some("1.0.0"), "revoked", MODULE);
    registry.log(&sign(&by_thief, stolen).unwrap()).await.assert(201);
    let download = "/v1/modules/golden/greeting/test/1.0.0/download";
    registry.get(download).await.assert(410);
    let list = "/v1/modules/golden/greeting/test/versions";
    registry.get(list).await.assert(200);

    registry.change("golden", revocation(stolen, theft), &new).await.assert(201);

    registry.get(download).await.assert(200);
    let trusted =
        registry.judged(&["golden/greeting/test@1.0.0", "golden/greeting/test@1.1.0"]).await;
    trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    let error = trusted.release(&release(ADDRESS, "1.1.0")).unwrap_err();
    assert!(
        matches!(error, ReleaseError::Publisher { problem: Distrust::Revoked(_), .. }),
        "{error}"
    );
    assert_eq!(
        trusted.standing(&release(ADDRESS, "1.0.0")).unwrap().state,
        registry_trust::statement::State::Active
    );
    // The number of the fallen status stays taken.
    let status = registry.say("golden/greeting/test/1.0.0", "yanked", "old").await.assert(200);
    assert_eq!(status.json()["sequence"], 2);
}

#[tokio::test]
async fn a_list_that_was_answered_before_does_not_outlive_the_key_it_goes_back_to() {
    let registry = Registry::start().await;
    let (stolen, new) = (&registry.publisher, new_key());
    publish_by(&registry, stolen, "1.0.0").await.assert(201);
    registry.change("golden", addition(&new), &registry.root).await.assert(201);
    let theft = size(&registry).await;
    let by_thief = super::statuses::status(1, None, "yanked", MODULE);
    registry.log(&sign(&by_thief, stolen).unwrap()).await.assert(201);
    let list = "/v1/modules/golden/greeting/test/versions";
    assert!(!registry.get(list).await.assert(200).text().contains("1.0.0"));

    registry.change("golden", revocation(stolen, theft), &new).await.assert(201);

    assert!(registry.get(list).await.assert(200).text().contains("1.0.0"));
}

#[tokio::test]
async fn a_golden_path_in_use_is_not_used_any_more_once_its_key_is_revoked_from_before() {
    let registry = Registry::start().await;
    let files = [
        ("main.tf", include_str!("platform/path/main.tf")),
        ("golden-path.yaml", include_str!("platform/path/golden-path.yaml")),
        ("templates/10-config.yaml", include_str!("platform/path/templates/10-config.yaml")),
        ("templates/20-service.yaml", include_str!("platform/path/templates/20-service.yaml")),
        (
            "templates/80-application.yaml",
            include_str!("platform/path/templates/80-application.yaml"),
        ),
        ("templates/90-catalog.yaml", include_str!("platform/path/templates/90-catalog.yaml")),
    ];
    let files = files.map(|(path, text)| (path, text.replace("VERSION", "1.0.0")));
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let published = registry.publish("golden/api/nodejs", "1.0.0", &files).await.assert(201).json();
    let path = GoldenPathRef {
        address: "golden/api/nodejs".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        sha256: published["sha256"].as_str().unwrap().to_owned(),
        publisher: published["publisher"].as_str().unwrap().to_owned(),
    };
    paths::load(&registry.app, &path).await.unwrap();
    let from = published["log"]["index"].as_u64().unwrap();

    registry
        .change("golden", revocation(&registry.publisher, from + 1), &registry.root)
        .await
        .assert(201);
    paths::load(&registry.app, &path).await.unwrap();
    registry
        .change("golden", revocation(&registry.publisher, from), &registry.root)
        .await
        .assert(201);

    let refused = paths::load(&registry.app, &path).await.unwrap_err().to_string();
    assert!(refused.contains("golden path golden/api/nodejs 1.0.0 is not used"), "{refused}");
    assert!(refused.contains(&format!("is revoked from entry {from} of the log on")), "{refused}");
}

#[tokio::test]
async fn the_key_of_another_namespace_signs_nothing_here() {
    let registry = Registry::start().await;
    let other = new_key();
    registry.change("private", addition(&other), &registry.root).await.assert(201);

    publish_by(&registry, &other, "1.0.0").await.assert_problem(422, "publisher_key_unknown");
    registry
        .change("golden", addition(&new_key()), &other)
        .await
        .assert_problem(422, "signer_not_allowed");
    registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201);
    let status = super::statuses::status(1, None, "revoked", MODULE);
    registry.log(&sign(&status, &other).unwrap()).await.assert_problem(422, "signer_not_allowed");
}

#[tokio::test]
async fn the_keys_of_a_private_namespace_are_shown_to_its_readers() {
    let registry = Registry::start().await;
    let (reader, other) =
        (registry.token(&["read:private"]).await, registry.token(&["read:golden"]).await);
    let path = "/api/v1/namespaces/private/keys";

    registry.get(path).await.assert_problem(401, "unauthorized");
    registry.get_as(path, &other).await.assert_problem(403, "forbidden");
    registry.get_as(path, &reader).await.assert(200);
}

#[tokio::test]
async fn every_change_is_in_the_audit_log() {
    let registry = Registry::start().await;
    let key = new_key();
    registry.change("golden", addition(&key), &registry.publisher).await.assert(201);
    registry.change("golden", revocation(&key, 3), &registry.publisher).await.assert(201);

    let events = registry.audit("keys.").await;

    let id = key.verifying_key().id().to_string();
    let actions: Vec<&str> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["keys.add", "keys.revoke"]);
    assert_eq!(events[1]["detail"]["key"], id);
    assert_eq!(events[1]["detail"]["from"], 3);
    assert_eq!(events[1]["detail"]["reason"], json!(RevocationReason::Compromised));
    let signers = json!([registry.publisher.verifying_key().id()]);
    assert_eq!(events[0]["detail"]["signers"], signers);
}

/// The root that follows, with changes, not signed.
async fn next_root(registry: &Registry, edit: impl FnOnce(&mut TrustRoot)) -> TrustRoot {
    let text = registry.trust().await.root;
    let envelope = Envelope::parse_canonical(text.as_bytes()).unwrap();
    let mut root: TrustRoot = parse(&envelope.payload).unwrap();
    root.version += 1;
    root.previous = Some(Sha256::of(&envelope.signed_bytes()));
    edit(&mut root);
    root
}

fn signed_by(root: &TrustRoot, keys: &[&SigningKey]) -> Envelope {
    let mut envelope = sign(root, keys[0]).unwrap();
    for key in &keys[1..] {
        envelope.signatures.extend(sign(root, key).unwrap().signatures);
    }
    envelope
}

#[tokio::test]
async fn a_root_of_two_of_three_is_signed_by_two_keys_and_one_key_counts_once() {
    let registry = Registry::start().await;
    let [second, third] = [new_key(), new_key()];
    registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201);
    let pinned_before = registry.trust().await.policy;
    let root = next_root(&registry, |root| {
        root.keys.extend([second.verifying_key(), third.verifying_key()]);
        root.threshold = 2;
    })
    .await;

    for keys in [&[&registry.root][..], &[&second, &third], &[&registry.root, &registry.root]] {
        let refused = registry.log(&signed_by(&root, keys)).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    registry.log(&signed_by(&root, &[&registry.root, &second])).await.assert(201);

    let trust = registry.trust().await;
    assert_eq!((trust.root_version, trust.threshold, trust.root_keys.len()), (2, 2, 3));
    // One key of the root is not the root any more.
    let key = new_key();
    registry
        .change("platform", addition(&key), &registry.root)
        .await
        .assert_problem(422, "signer_not_allowed");
    let mut change = change_of("platform", 1, addition(&key), &registry.root);
    let other = change_of("platform", 1, addition(&key), &third);
    change.signatures.extend(other.signatures);
    registry.log(&change).await.assert(201);
    // Whoever pinned the first root follows the chain.
    for policy in [pinned_before, trust.policy] {
        let evidence = registry.evidence(&["golden/greeting/test@1.0.0"], 0).await;
        let now =
            registry_trust::evidence::Now { millis: registry.app.clock.now(), refuses_old: true };
        let trusted = evidence.verify(&policy.parse().unwrap(), None, now).unwrap();
        trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    }
    registry.restart().await.unwrap();
}

#[tokio::test]
async fn a_root_that_leaves_the_server_without_its_keys_is_refused() {
    let registry = Registry::start().await;
    let other = SigningKey::generate(Algorithm::Ed25519).unwrap();
    let without_registry_key = next_root(&registry, |root| {
        root.registry_keys = vec![new_key().verifying_key()];
    })
    .await;
    let with_other_log = next_root(&registry, |root| {
        root.log = registry_trust::log::note::NoteKey::new(
            &format!("{HOSTNAME}/log"),
            other.verifying_key(),
        )
        .unwrap();
    })
    .await;

    for (root, words) in [(without_registry_key, "registry key"), (with_other_log, "log key")] {
        let answer = registry.log(&signed_by(&root, &[&registry.root])).await;
        let problem = answer.assert_problem(422, "root_invalid");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem:#}");
    }
    registry.restart().await.unwrap();
}

#[tokio::test]
async fn a_root_that_does_not_follow_is_refused_and_only_an_admin_brings_one() {
    let registry = Registry::start().await;
    let cases: [fn(&mut TrustRoot); 4] = [
        |root| root.version += 1,
        |root| root.version -= 1,
        |root| root.previous = Some(Sha256::of(b"another")),
        |root| root.registry = "registry.other.example".to_owned(),
    ];
    for edit in cases {
        let root = next_root(&registry, edit).await;
        let Ok(envelope) = sign(&root, &registry.root) else { continue };
        let answer = registry.log(&envelope).await;
        assert_eq!(answer.status, 422, "{}", answer.text());
    }
    let root = sign(&next_root(&registry, |_| {}).await, &registry.root).unwrap();
    let publisher = registry.token(&["publish:golden"]).await;
    let request = axum::http::Request::post("/api/v1/statements");
    let body = json!({ "statement": root.to_canonical_json() }).to_string();
    let request = authorised(request, &publisher)
        .header("content-type", "application/json")
        .body(body.into())
        .unwrap();
    registry.send(request).await.assert_problem(403, "forbidden");
    registry.log(&root).await.assert(201);
}

#[tokio::test]
async fn one_signature_is_taken_as_a_bundle_too() {
    let registry = Registry::start().await;
    let change = change_of("golden", 2, addition(&new_key()), &registry.publisher);
    let statement = Bundle::new(change.clone()).unwrap().to_json();

    let body = json!({ "statement": statement });
    let first = registry.json("POST", "/api/v1/statements", &body).await.assert(201).json();
    let again = registry.log(&change).await.assert(201).json();

    assert_eq!(first["index"], again["index"]);
}
