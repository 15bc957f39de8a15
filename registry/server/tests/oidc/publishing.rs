//! What a CI job's key is worth: in the log, at publishing, and to whoever judges its releases later.

use std::sync::Arc;
use std::time::Duration;

use registry_server::trust::append;
use registry_trust::dsse::Envelope;
use registry_trust::evidence::{Evidence, Now, Trusted};
use registry_trust::key::{Algorithm, SigningKey};
use registry_trust::policy::Policy;
use registry_trust::statement::{
    KeyChange, NamespaceKeys, RevocationReason, Statement, TrustRoot, sign,
};
use serde_json::{Value, json};

use super::super::support::{
    Answer, Form, HOSTNAME, MODULE, NOW, Registry, archive, bundle, release,
};
use super::{World, body};

const ADDRESS: &str = "golden/greeting/test";

/// What a job gets.
pub(super) struct Job {
    pub(super) key: SigningKey,
    pub(super) token: String,
    pub(super) index: u64,
}

impl World {
    pub(super) async fn job(&self, id: &str) -> Job {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let token = self.token(&[("jti", json!(id))]);
        let made = self.post(&body(&token, "golden", &key, &token)).await.assert(200).json();
        let token = made["token"].as_str().unwrap().to_owned();
        Job { key, token, index: made["index"].as_u64().unwrap() }
    }

    /// Publishes with the key of one and the token of perhaps another.
    async fn publish(&self, address: &str, version: &str, key: &SigningKey, token: &str) -> Answer {
        let archive = archive(MODULE);
        let bundle = bundle(address, version, &archive, key);
        let form = Form::new().part("archive", "a.tar.gz", &archive).part(
            "bundle",
            "b.json",
            bundle.as_bytes(),
        );
        self.registry.put_form(&format!("/api/v1/modules/{address}/{version}"), form, token).await
    }

    /// Judges releases as somebody elsewhere does, who knows only what to pin.
    async fn judge(&self, versions: &[&str]) -> Trusted {
        let info = self.registry.get("/api/v1/trust").await.assert(200).json();
        let policy: Policy = info["policy"].as_str().unwrap().parse().unwrap();
        let modules: Vec<Value> = versions
            .iter()
            .map(|version| json!({ "address": ADDRESS, "version": version }))
            .collect();
        let wanted = json!({ "modules": modules });
        let answer = self.registry.json("POST", "/api/v1/evidence", &wanted).await.assert(200);
        let now = Now { millis: self.registry.app.clock.now(), refuses_old: true };
        Evidence::parse(&answer.body).unwrap().verify(&policy, None, now).unwrap()
    }

    /// The grant as the log has it.
    async fn leaf(&self, index: u64) -> Statement {
        let sql = "SELECT leaf FROM log_entry WHERE position = $1";
        let leaf: String = sqlx::query_scalar(sql)
            .bind(i64::try_from(index).unwrap())
            .fetch_one(&mut *self.registry.app.store.read().await.unwrap())
            .await
            .unwrap();
        Statement::parse(&Envelope::parse_canonical(leaf.as_bytes()).unwrap()).unwrap()
    }
}

#[tokio::test]
async fn a_grant_is_a_statement_of_the_registry_in_its_log() {
    let world = World::start().await;

    let job = world.job("1").await;

    let Statement::CiKey(grant) = world.leaf(job.index).await else { panic!("no grant") };
    assert_eq!(grant.registry, HOSTNAME);
    assert_eq!(grant.namespace, "golden");
    assert_eq!(grant.key, job.key.verifying_key());
    assert_eq!(grant.expires_at.millis(), NOW + 15 * 60 * 1000);
    assert!(world.jobs().covers(&grant.issuer, &grant.claims));
    assert_eq!(grant.claims["sub"], "repo:acme/greeting:ref:refs/heads/main");
    assert!(!grant.claims.contains_key("actor"), "a person's name is in the log for ever");
}

#[tokio::test]
async fn a_release_of_a_job_is_judged_as_that_jobs() {
    let world = World::start().await;
    let job = world.job("1").await;

    world.publish(ADDRESS, "1.0.0", &job.key, &job.token).await.assert(201);

    let trusted = world.judge(&["1.0.0"]).await;
    let release = trusted.release(&release(ADDRESS, "1.0.0")).unwrap();
    assert_eq!(release.publisher, job.key.verifying_key().id());
    let (issuer, claims) = release.ci.as_ref().unwrap();
    assert_eq!(issuer, world.issuer.url());
    assert_eq!(claims["repository_id"], "74");
    assert_eq!(claims["ref"], "refs/heads/main");
    assert_eq!(claims["repository"], "acme/greeting");
}

#[tokio::test]
async fn a_jobs_key_counts_in_its_namespace_alone() {
    let world = World::start().await;
    let job = world.job("1").await;
    let admin = &world.registry.admin;

    for namespace in ["private", "platform"] {
        let address = format!("{namespace}/greeting/test");
        let answer = world.publish(&address, "1.0.0", &job.key, admin).await;
        answer.assert_problem(422, "publisher_key_unknown");
        world
            .publish(&address, "1.0.0", &job.key, &job.token)
            .await
            .assert_problem(403, "forbidden");
    }
}

#[tokio::test]
async fn a_jobs_key_signs_until_its_end() {
    let world = World::start().await;
    let job = world.job("1").await;
    world.registry.app.clock.advance(15 * 60 * 1000 - 1);
    world.publish(ADDRESS, "1.0.0", &job.key, &job.token).await.assert(201);

    world.registry.app.clock.advance(1);

    world.publish(ADDRESS, "1.0.1", &job.key, &job.token).await.assert_problem(401, "unauthorized");
    let late = world.publish(ADDRESS, "1.0.1", &job.key, &world.registry.admin).await;
    let problem = late.assert_problem(422, "publisher_key_expired");
    assert!(problem["detail"].as_str().unwrap().contains("ended at 2025-06-15T15:21:40Z"));
    assert!(world.judge(&["1.0.0"]).await.release(&release(ADDRESS, "1.0.0")).is_ok());
}

#[tokio::test]
async fn jobs_that_are_distrusted_do_nothing_more_and_what_they_did_stands() {
    let world = World::start().await;
    let job = world.job("1").await;
    world.publish(ADDRESS, "1.0.0", &job.key, &job.token).await.assert(201);

    world.change("golden", KeyChange::DistrustCi(world.jobs())).await.assert(201);

    let words = "namespace \"golden\" trusts no jobs";
    World::refused(world.exchange(&world.token(&[])).await, 403, "oidc_claims_mismatch", words);
    world.publish(ADDRESS, "1.0.1", &job.key, &job.token).await.assert_problem(401, "unauthorized");
    let with_other_token = world.publish(ADDRESS, "1.0.1", &job.key, &world.registry.admin).await;
    with_other_token.assert_problem(422, "publisher_key_unknown");
    // Trust that comes back is for new grants.
    world.change("golden", KeyChange::TrustCi(world.jobs())).await.assert(201);
    let old = world.publish(ADDRESS, "1.0.1", &job.key, &world.registry.admin).await;
    old.assert_problem(422, "publisher_key_unknown");
    let next = world.job("2").await;
    world.publish(ADDRESS, "1.0.1", &next.key, &next.token).await.assert(201);

    let trusted = world.judge(&["1.0.0", "1.0.1"]).await;
    for version in ["1.0.0", "1.0.1"] {
        assert!(trusted.release(&release(ADDRESS, version)).unwrap().ci.is_some(), "{version}");
    }
}

#[tokio::test]
async fn a_grant_counts_no_longer_than_the_registry_key_that_signed_it() {
    let world = World::start().await;
    let job = world.job("1").await;
    let Registry { app, root, .. } = &world.registry;
    let mut tx = app.store.write().await.unwrap();
    let authority = app.trust.authority(&mut tx).await.unwrap();
    let next = TrustRoot {
        version: 2,
        previous: Some(authority.root_digest()),
        registry_keys: vec![SigningKey::generate(Algorithm::EcdsaP256).unwrap().verifying_key()],
        ..authority.root().clone()
    };
    let envelope = sign(&next, root).unwrap();
    authority.admit_root(&envelope, &next).unwrap();
    append(&mut tx, &envelope, &Statement::Root(next), NOW).await.unwrap();
    tx.commit().await.unwrap();

    let answer = world.publish(ADDRESS, "1.0.0", &job.key, &job.token).await;

    answer.assert_problem(422, "publisher_key_unknown");
}

#[tokio::test]
async fn a_key_is_for_one_job_and_never_a_publishers() {
    let world = World::start().await;
    let job = world.job("1").await;
    let token = world.token(&[("jti", json!("2"))]);

    let again = world.post(&body(&token, "golden", &job.key, &token)).await;
    World::refused(again, 409, "oidc_key_granted", "was granted to a CI job before");
    // The publisher of the harness has the same key in another namespace too.
    let publisher = &world.registry.publisher;
    let held = world.post(&body(&token, "golden", publisher, &token)).await;
    World::refused(held, 409, "oidc_key_taken", "is a key of the namespace");
    let id = publisher.verifying_key().id();
    let spare = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    world.change("golden", KeyChange::Add(Box::new(spare.verifying_key()))).await.assert(201);
    let from = job.index + 2;
    let revoke = KeyChange::Revoke { key: id, reason: RevocationReason::Superseded, from };
    world.change("golden", revoke).await.assert(201);
    let revoked = world.post(&body(&token, "golden", publisher, &token)).await;
    World::refused(revoked, 409, "oidc_key_taken", "is a key of the namespace");

    let new = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
    world.post(&body(&token, "golden", &new, &token)).await.assert(200);
}

#[tokio::test]
async fn what_no_statement_can_say_does_not_stand_in_the_way_of_a_grant() {
    let world = World::start().await;
    let odd = [("sub", json!("x".repeat(600))), ("environment", json!("a\u{202e}b"))];
    let token = world.token(&odd);

    let made = world.exchange(&token).await.assert(200).json();

    let index = made["index"].as_u64().unwrap();
    let Statement::CiKey(grant) = world.leaf(index).await else { panic!("no grant") };
    assert!(!grant.claims.contains_key("sub") && !grant.claims.contains_key("environment"));
}

#[tokio::test(flavor = "multi_thread")]
async fn distrust_that_comes_between_looking_and_granting_prevents_the_grant() {
    let world = Arc::new(World::start().await);
    // Whoever distrusts has the database, and the job has been looked at and waits for it.
    let app = &world.registry.app;
    let mut tx = app.store.write().await.unwrap();
    let exchange = tokio::spawn({
        let world = world.clone();
        async move { world.exchange(&world.token(&[])).await }
    });
    while world.issuer.asked() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let change = NamespaceKeys {
        registry: HOSTNAME.to_owned(),
        namespace: "golden".to_owned(),
        sequence: 3,
        change: KeyChange::DistrustCi(world.jobs()),
    };
    let envelope = sign(&change, &world.registry.publisher).unwrap();
    append(&mut tx, &envelope, &Statement::Keys(change), NOW).await.unwrap();
    tx.commit().await.unwrap();

    let answer = exchange.await.unwrap();

    World::refused(answer, 403, "oidc_claims_mismatch", "does not trust such jobs any more");
}
