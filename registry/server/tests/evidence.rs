//! What clients judge modules by, as the server gathers it and the library judges it.

use std::sync::Arc;

use registry_trust::evidence::{EvidenceError, Now, ReleaseError};
use registry_trust::policy::Policy;
use registry_trust::statement::State;
use serde_json::{Value, json};

use super::support::{MODULE, Registry, addition, authorised, evidence_of, new_key, release};

const ADDRESS: &str = "golden/greeting/test";
const ONE: &str = "golden/greeting/test@1.0.0";

async fn with_one() -> Registry {
    let registry = Registry::start().await;
    registry.publish(ADDRESS, "1.0.0", MODULE).await.assert(201);
    registry
}

fn now(registry: &Registry) -> Now {
    Now { millis: registry.app.clock.now(), refuses_old: true }
}

async fn policy(registry: &Registry) -> Policy {
    registry.trust().await.policy.parse().unwrap()
}

#[tokio::test]
async fn the_log_only_grew_since_a_client_saw_it() {
    let registry = with_one().await;
    let (policy, now) = (policy(&registry).await, now(&registry));
    let mut seen = registry.evidence(&[ONE], 0).await.verify(&policy, None, now).unwrap().seen;

    for number in 0..9 {
        registry.publish(ADDRESS, &format!("1.0.{}", number + 1), MODULE).await.assert(201);
        let evidence = registry.evidence(&[ONE], seen.checkpoint.size).await;
        let trusted = evidence.verify(&policy, Some(&seen), now).unwrap();
        assert_eq!(trusted.seen.checkpoint.size, seen.checkpoint.size + 1);
        trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
        if number % 2 == 0 {
            seen = trusted.seen;
        } else {
            registry.say(ONE.split('@').next().unwrap(), "deprecated", "old").await.assert(200);
            let evidence = registry.evidence(&[ONE], seen.checkpoint.size).await;
            seen = evidence.verify(&policy, Some(&seen), now).unwrap().seen;
        }
    }
    // Nothing new: the same head, and nothing to prove.
    let evidence = registry.evidence(&[ONE], seen.checkpoint.size).await;
    assert!(evidence.consistency.is_empty());
    evidence.verify(&policy, Some(&seen), now).unwrap();
    // Who saw more than there is learns that, and not an error of the server.
    let mut ahead = seen.clone();
    ahead.checkpoint.size += 1;
    let error =
        registry.evidence(&[ONE], ahead.checkpoint.size).await.verify(&policy, Some(&ahead), now);
    assert!(matches!(error, Err(EvidenceError::Rollback { .. })), "{error:?}");
    registry.evidence(&[ONE], u64::MAX).await.verify(&policy, None, now).unwrap();
}

#[tokio::test]
async fn what_is_not_published_is_not_in_the_evidence() {
    let registry = with_one().await;

    let trusted =
        registry.judged(&[ONE, "golden/other/test@1.0.0", "golden/greeting/test@9.9.9"]).await;

    trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    for (address, version) in [("golden/other/test", "1.0.0"), (ADDRESS, "9.9.9")] {
        let error = trusted.release(&release(address, version)).unwrap_err();
        assert_eq!(error, ReleaseError::Missing);
    }
    // Also without anything to judge it verifies: a client may only want the head.
    registry.judged(&[]).await;
    registry.judged(&["nowhere/other/test@1.0.0"]).await;
}

#[tokio::test]
async fn everything_that_was_said_of_a_module_comes_with_each_of_its_versions() {
    let registry = with_one().await;
    registry.publish(ADDRESS, "1.1.0", MODULE).await.assert(201);
    registry.publish("golden/other/test", "1.0.0", MODULE).await.assert(201);
    registry.say("golden/greeting/test/1.0.0", "yanked", "old").await.assert(200);
    registry.say("golden/greeting/test/1.1.0", "revoked", "leaks").await.assert(200);
    registry.say("golden/other/test", "deprecated", "old").await.assert(200);

    let trusted = registry.judged(&[ONE, "golden/other/test@1.0.0"]).await;

    for (address, version, state) in [
        (ADDRESS, "1.0.0", State::Yanked),
        (ADDRESS, "1.1.0", State::Revoked),
        ("golden/other/test", "1.0.0", State::Deprecated),
    ] {
        let standing = trusted.standing(&release(address, version)).unwrap();
        assert_eq!(standing.state, state, "{address} {version}");
    }
}

#[tokio::test]
async fn evidence_that_leaves_something_out_does_not_verify() {
    let registry = with_one().await;
    registry.say("golden/greeting/test/1.0.0", "revoked", "leaks").await.assert(200);
    registry.change("golden", addition(&new_key()), &registry.publisher).await.assert(201);
    let (policy, now) = (policy(&registry).await, now(&registry));
    let whole = registry.evidence(&[ONE], 0).await;
    whole.verify(&policy, None, now).unwrap();
    // root, two keys of which one is golden's, release, status, key
    assert_eq!(whole.entries.len(), 5);

    for left_out in 0..whole.entries.len() {
        let mut evidence = whole.clone();
        evidence.entries.remove(left_out);
        let judged = evidence.verify(&policy, None, now);
        let of = release(ADDRESS, "1.0.0");
        let is_trusted = judged
            .is_ok_and(|trusted| trusted.release(&of).is_ok() && trusted.standing(&of).is_ok());
        assert!(!is_trusted, "without entry {left_out} it is believed");
    }
}

#[tokio::test]
async fn evidence_is_open_where_every_namespace_that_is_named_is() {
    let registry = with_one().await;
    registry.publish("private/greeting/test", "1.0.0", MODULE).await.assert(201);
    let (reader, other) =
        (registry.token(&["read:private"]).await, registry.token(&["read:golden"]).await);
    let ask = async |token: Option<&str>, releases: &[&str]| {
        let request = axum::http::Request::post("/api/v1/evidence")
            .header("content-type", "application/json");
        let request = match token {
            Some(token) => authorised(request, token),
            None => request,
        };
        let body = evidence_of(releases, 0).to_string();
        registry.send(request.body(body.into()).unwrap()).await
    };

    ask(None, &[ONE]).await.assert(200);
    let both = [ONE, "private/greeting/test@1.0.0"];
    ask(None, &both).await.assert_problem(401, "unauthorized");
    ask(Some(&other), &both).await.assert_problem(403, "forbidden");
    ask(Some(&reader), &both).await.assert(200);
}

#[tokio::test]
async fn a_thousand_releases_are_judged_at_once_and_not_more() {
    let registry = with_one().await;
    let releases: Vec<String> = (0..1001).map(|number| format!("{ADDRESS}@1.{number}.0")).collect();
    let releases: Vec<&str> = releases.iter().map(String::as_str).collect();

    let trusted = registry.judged(&releases[..1000]).await;
    trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    let body = evidence_of(&releases, 0);
    registry.json("POST", "/api/v1/evidence", &body).await.assert_problem(422, "too_many_modules");
    for wrong in [json!({}), json!({"modules": [{"address": "a", "version": "1"}]}), json!([])] {
        let answer = registry.json("POST", "/api/v1/evidence", &wrong).await;
        assert!(answer.status.is_client_error(), "{}", answer.text());
    }
}

#[tokio::test]
async fn what_is_gathered_while_others_write_always_verifies() {
    let registry = Arc::new(with_one().await);
    let policy = policy(&registry).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..3 {
        let registry = Arc::clone(&registry);
        writers.spawn(async move {
            for number in 0..12 {
                let version = format!("{}.{number}.0", writer + 2);
                let address = format!("golden/greeting{writer}/test");
                registry.publish(&address, &version, MODULE).await.assert(201);
                registry.say(ADDRESS, "deprecated", &version).await.assert(200);
                let key = addition(&new_key());
                // Two may have taken the same number; one of them then tries no more.
                registry.change("golden", key, &registry.publisher).await;
            }
        });
    }
    let now = now(&registry);
    let mut seen = None;
    let mut judged = 0;
    while !writers.is_empty() {
        let since =
            seen.as_ref().map_or(0, |seen: &registry_trust::evidence::Seen| seen.checkpoint.size);
        let evidence = registry.evidence(&[ONE, "golden/greeting1/test@3.5.0"], since).await;
        let trusted = evidence.verify(&policy, seen.as_ref(), now).unwrap();
        trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
        trusted.standing(&release(ADDRESS, "1.0.0")).unwrap();
        seen = Some(trusted.seen);
        judged += 1;
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
    }
    assert!(judged > 3, "it was asked {judged} times only");
}

#[tokio::test]
async fn a_snapshot_is_renewed_before_it_is_too_old() {
    let registry = with_one().await;
    let policy = policy(&registry).await;
    let first = registry.evidence(&[ONE], 0).await;
    let trusted = first.verify(&policy, None, now(&registry)).unwrap();

    for _ in 0..30 {
        registry.app.clock.advance(12 * 3_600_000);
        let evidence = registry.evidence(&[ONE], 0).await;
        let newer = evidence.verify(&policy, None, now(&registry)).unwrap();
        assert!(newer.issued_at > trusted.issued_at);
    }
    let stale = first.verify(&policy, None, now(&registry)).unwrap_err();
    assert!(matches!(stale, EvidenceError::Stale { .. }), "{stale}");
}

#[tokio::test]
async fn trust_says_what_to_pin_to_everyone() {
    let registry = with_one().await;

    let trust: Value = registry.get("/api/v1/trust").await.assert(200).json();

    assert_eq!(trust["hostname"], super::support::HOSTNAME);
    assert_eq!(trust["root_keys"], json!([registry.root.verifying_key().id()]));
    let policy: Policy = trust["policy"].as_str().unwrap().parse().unwrap();
    assert_eq!(policy.root.keys, [registry.root.verifying_key().id()].into());
    assert!(policy.max_age.is_some());
}
