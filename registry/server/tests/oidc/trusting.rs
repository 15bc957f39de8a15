//! Which CI jobs a namespace trusts is signed by a key of it, and judged when it is logged.

use registry_trust::statement::{KeyChange, NamespaceKeys, TrustedCi, sign};
use serde_json::json;

use super::super::support::HOSTNAME;
use super::World;

#[tokio::test]
async fn jobs_that_nobody_or_anybody_could_be_are_not_trusted() {
    let world = World::start().await;
    let elsewhere = TrustedCi { issuer: "https://ci.example".to_owned(), ..world.jobs() };
    for (ci, code, words) in [
        (elsewhere, "ci_issuer_unknown", "there is no [[oidc_issuer]] with the url"),
        (world.jobs_with(&[("ref", "refs/heads/main")]), "ci_claims_invalid", "anybody's job"),
        (world.jobs_with(&[("repository_id", "*")]), "ci_claims_invalid", "write the whole value"),
        (
            world.jobs_with(&[("repository_id", "74"), ("aud", HOSTNAME)]),
            "ci_claims_invalid",
            "claim aud: is checked for every token",
        ),
        (world.jobs(), "key_change_invalid", "are trusted already"),
    ] {
        World::refused(world.change("golden", KeyChange::TrustCi(ci)).await, 422, code, words);
    }
}

#[tokio::test]
async fn trust_needs_a_key_of_the_namespace_and_a_right_in_it() {
    let world = World::start().await;
    let job = world.job("1").await;
    let change = NamespaceKeys {
        registry: HOSTNAME.to_owned(),
        namespace: "golden".to_owned(),
        sequence: 3,
        change: KeyChange::TrustCi(world.jobs_with(&[("repository_id", "75")])),
    };
    let by = |key| json!({ "statement": sign(&change, key).unwrap().to_canonical_json() });

    // A job cannot bring in its friends, whatever token it has.
    let answer = world.registry.json("POST", "/api/v1/statements", &by(&job.key)).await;
    answer.assert_problem(422, "signer_not_allowed");
    let good = by(&world.registry.publisher);
    world.registry.json("POST", "/api/v1/statements", &good).await.assert(201);
    world.exchange(&world.token(&[("repository_id", json!("75"))])).await.assert(200);
}

#[tokio::test]
async fn what_jobs_must_say_is_told_to_whoever_may_install() {
    let world = World::start().await;
    let path = "/api/v1/oidc/trusted-publishers";
    world.change("private", KeyChange::TrustCi(world.jobs())).await.assert(201);

    let list = world.registry.get(path).await.assert(200).json();

    let list = list["trusted_publishers"].as_array().unwrap().clone();
    assert_eq!(list.len(), 1, "what a private namespace trusts is told to strangers");
    assert_eq!(list[0]["namespace"], "golden");
    assert_eq!(list[0]["audience"], HOSTNAME);
    assert_eq!(list[0]["claims"], json!({ "repository_id": "74", "ref": "refs/heads/main" }));
    assert_eq!(list[0]["refuse_claims"]["pipeline_source"], json!(["merge_request_event"]));
    let private = format!("{path}?namespace=private");
    world.registry.get(&private).await.assert_problem(401, "unauthorized");
    let one = world.registry.get_as(&private, &world.registry.admin).await.assert(200).json();
    assert_eq!(one["trusted_publishers"][0]["namespace"], "private");
    world.change("private", KeyChange::DistrustCi(world.jobs())).await.assert(201);
    let none = world.registry.get_as(&private, &world.registry.admin).await.assert(200).json();
    assert_eq!(none["trusted_publishers"], json!([]));
}
