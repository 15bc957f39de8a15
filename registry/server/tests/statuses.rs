//! Retiring modules: who says so, what follows, and who is told.

use axum::body::Body;
use axum::http::Request;
use registry_trust::digest::Sha256;
use registry_trust::statement::{ModuleStatus, State, sign};
use registry_trust::time::Day;
use serde_json::{Value, json};

use super::support::{
    Answer, HOSTNAME, MODULE, NOW, Registry, archive, authorised, local, new_key, release,
};

const ADDRESS: &str = "golden/greeting/test";
const LIST: &str = "/v1/modules/golden/greeting/test/versions";
const DAY: i64 = 86_400_000;

/// A statement about `golden/greeting/test`, whose content is `files`.
pub(crate) fn status(
    sequence: u64,
    version: Option<&str>,
    state: &str,
    files: &[(&str, &str)],
) -> ModuleStatus {
    let digest = Sha256::of(&archive(files));
    ModuleStatus {
        module: format!("{HOSTNAME}/{ADDRESS}").parse().unwrap(),
        version: version.map(|version| (version.parse().unwrap(), digest)),
        sequence,
        state: serde_json::from_value(json!(state)).unwrap(),
        reason: Some("it leaks".to_owned()),
        replacement: None,
        contact: None,
        sunset: None,
    }
}

/// With these versions of the module.
async fn with(versions: &[&str]) -> Registry {
    let registry = Registry::start().await;
    for version in versions {
        registry.publish(ADDRESS, version, MODULE).await.assert(201);
    }
    registry
}

fn versions(answer: Answer) -> Vec<String> {
    let list = answer.assert(200).json();
    let versions = list["modules"][0]["versions"].as_array().unwrap();
    versions.iter().map(|version| version["version"].as_str().unwrap().to_owned()).collect()
}

async fn listed(registry: &Registry) -> Vec<String> {
    versions(registry.get(LIST).await)
}

fn download(version: &str) -> String {
    format!("/v1/modules/{ADDRESS}/{version}/download")
}

async fn set(registry: &Registry, what: &str, status: Value) -> Answer {
    registry.json("PUT", &format!("/api/v1/modules/{what}/status"), &status).await
}

async fn shown(registry: &Registry) -> Value {
    registry.get(&format!("/api/v1/modules/{ADDRESS}/status")).await.assert(200).json()
}

#[tokio::test]
async fn the_registry_says_it_and_it_is_proven() {
    let registry = with(&["1.0.0", "1.1.0"]).await;
    let said = json!({
        "state": "deprecated", "reason": "Node 18 is out of support", "contact": "#platform",
        "replacement": "golden/greeting/test 2.0.0", "sunset": "2027-01-31",
    });

    let answer =
        set(&registry, "golden/greeting/test/1.0.0", said.clone()).await.assert(200).json();

    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&answer[name], value, "{name}");
    }
    assert_eq!((&answer["sequence"], &answer["version"]), (&json!(1), &json!("1.0.0")));
    let list = shown(&registry).await;
    assert_eq!((&list["sequence"], &list["statuses"]), (&json!(1), &json!([answer])));
    let trusted = registry.judged(&["golden/greeting/test@1.0.0"]).await;
    let standing = trusted.standing(&release(ADDRESS, "1.0.0")).unwrap();
    assert_eq!(standing.state, State::Deprecated);
    assert_eq!(standing.sunset, Some("2027-01-31".parse::<Day>().unwrap()));
    assert_eq!(listed(&registry).await, ["1.1.0", "1.0.0"]);
    let events = registry.audit("module.status").await;
    assert_eq!(events[0]["subject"], "golden/greeting/test@1.0.0");
    assert_eq!(events[0]["detail"]["state"], "deprecated");
    assert_eq!(events[0]["detail"]["index"], answer["index"]);
}

#[tokio::test]
async fn the_publisher_says_it_with_a_signature_of_its_own() {
    let registry = with(&["1.0.0"]).await;
    let right = status(1, Some("1.0.0"), "revoked", MODULE);

    let proof = registry.log(&sign(&right, &registry.publisher).unwrap()).await.assert(201).json();

    let list = shown(&registry).await;
    assert_eq!(list["statuses"][0]["index"], proof["index"]);
    let publisher = registry.publisher.verifying_key().id().to_string();
    assert_eq!(list["statuses"][0]["signed_by"], publisher);
    registry.get(&download("1.0.0")).await.assert_plain(410, "was revoked: it leaks");
    let events = registry.audit("module.status").await;
    assert_eq!(events[0]["detail"]["signers"], json!([publisher]));
}

#[tokio::test]
async fn a_signed_status_that_is_not_about_what_is_published_is_refused() {
    let registry = with(&["1.0.0"]).await;
    let publisher = &registry.publisher;
    let other = &[("main.tf", "# other\n")];
    let module = |path: &str| format!("{HOSTNAME}/{path}").parse().unwrap();
    let fresh = status(1, None, "yanked", MODULE);
    let nowhere = ModuleStatus { module: module("golden/other/test"), ..fresh.clone() };
    let elsewhere = ModuleStatus {
        module: "registry.other.example/golden/greeting/test".parse().unwrap(),
        ..fresh.clone()
    };
    let unknown = ModuleStatus { module: module("nowhere/greeting/test"), ..fresh.clone() };

    for (claim, status, code) in [
        (status(1, Some("1.0.0"), "yanked", other), 422, "other_bytes"),
        (status(1, Some("1.0.1"), "yanked", MODULE), 404, "version_not_found"),
        (nowhere, 404, "module_not_found"),
        (unknown, 404, "namespace_unknown"),
        (elsewhere, 422, "other_registry"),
        (status(2, None, "yanked", MODULE), 409, "sequence"),
    ] {
        registry.log(&sign(&claim, publisher).unwrap()).await.assert_problem(status, code);
    }
    for stranger in [&new_key(), &registry.root] {
        let problem = registry
            .log(&sign(&fresh, stranger).unwrap())
            .await
            .assert_problem(422, "signer_not_allowed");
        let id = publisher.verifying_key().id().to_string();
        assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem:#}");
    }
    // A stranger's signature beside a good one would be read as having said it too.
    let mut both = sign(&fresh, &new_key()).unwrap();
    both.signatures.extend(sign(&fresh, publisher).unwrap().signatures);
    registry.log(&both).await.assert_problem(422, "signer_not_allowed");
    assert_eq!(shown(&registry).await["sequence"], 0);
}

#[tokio::test]
async fn a_status_that_cannot_be_said_is_refused() {
    let registry = with(&["1.0.0"]).await;
    let long = "x".repeat(501);
    for (said, code) in [
        (json!({"state": "deprecated", "reason": "r", "sunset": "2027-02-30"}), "sunset_invalid"),
        (json!({"state": "deprecated", "reason": "r", "sunset": "31.1.2027"}), "sunset_invalid"),
        (json!({"state": "deprecated", "reason": "r", "sunset": ""}), "sunset_invalid"),
        (json!({"state": "yanked", "reason": "r", "sunset": "2027-01-31"}), "statement_malformed"),
        (json!({"state": "revoked"}), "statement_malformed"),
        (json!({"state": "revoked", "reason": "a\u{7}b"}), "statement_malformed"),
        (json!({"state": "revoked", "reason": "a\nb"}), "statement_malformed"),
        (json!({"state": "revoked", "reason": "a\u{202e}b"}), "statement_malformed"),
        (json!({"state": "revoked", "reason": "r", "contact": "\u{1b}[2J"}), "statement_malformed"),
        (json!({"state": "revoked", "reason": long}), "statement_malformed"),
        (json!({"state": "revoked", "reason": ""}), "statement_malformed"),
    ] {
        let answer = set(&registry, "golden/greeting/test/1.0.0", said.clone()).await;
        assert_eq!(answer.status, 422, "{said}: {}", answer.text());
        answer.assert_problem(422, code);
    }
    for said in [json!({"state": "gone"}), json!({}), json!({"state": "active", "more": 1})] {
        let answer = set(&registry, "golden/greeting/test/1.0.0", said).await;
        assert!(answer.status.is_client_error(), "{}", answer.text());
    }
    let said = json!({"state": "yanked", "reason": "r"});
    for (what, status, code) in [
        ("golden/greeting/test/1.0.1", 404, "version_not_found"),
        ("golden/greeting/test/one", 422, "invalid_version"),
        ("golden/other/test", 404, "module_not_found"),
        ("nowhere/greeting/test", 404, "module_not_found"),
    ] {
        set(&registry, what, said.clone()).await.assert_problem(status, code);
    }
    assert_eq!(shown(&registry).await["sequence"], 0);
    assert_eq!(registry.audit("module.status").await.len(), 0);
}

#[tokio::test]
async fn whoever_may_publish_may_retire_and_nobody_else() {
    let registry = with(&["1.0.0"]).await;
    let put = async |token: &str| {
        let path = format!("/api/v1/modules/{ADDRESS}/1.0.0/status");
        let request = authorised(Request::put(path), token)
            .header("content-type", "application/json")
            .body(Body::from(json!({"state": "yanked", "reason": "r"}).to_string()));
        registry.send(request.unwrap()).await
    };
    let (reader, other, publisher) = (
        registry.token(&["read:golden"]).await,
        registry.token(&["publish:private"]).await,
        registry.token(&["publish:golden"]).await,
    );

    put("idp_unknown").await.assert_problem(401, "unauthorized");
    put(&reader).await.assert_problem(403, "forbidden");
    put(&other).await.assert_problem(403, "forbidden");
    put(&publisher).await.assert(200);

    let consumers = format!("/api/v1/modules/{ADDRESS}/consumers");
    registry.get(&consumers).await.assert_problem(401, "unauthorized");
    registry.get_as(&consumers, &reader).await.assert_problem(403, "forbidden");
    registry.get_as(&consumers, &publisher).await.assert(200);
}

#[tokio::test]
async fn the_same_said_again_changes_nothing() {
    let registry = with(&["1.0.0"]).await;
    let what = "golden/greeting/test/1.0.0";

    let first = registry.say(what, "yanked", "old").await.assert(200).json();
    let again = registry.say(what, "yanked", "old").await.assert(200).json();
    let other = registry.say(what, "yanked", "older").await.assert(200).json();
    let back = registry.say(what, "yanked", "old").await.assert(200).json();

    assert_eq!(first, again);
    assert_eq!((&other["sequence"], &back["sequence"]), (&json!(2), &json!(3)));
    assert_eq!(registry.audit("module.status").await.len(), 3);
    assert_eq!(registry.checkpoint().await.size, back["index"].as_u64().unwrap() + 1);
}

#[tokio::test]
async fn of_version_and_module_the_worse_counts_and_each_is_restored_by_itself() {
    let registry = with(&["1.0.0", "1.1.0"]).await;
    let restored = json!({ "state": "active" });

    registry.say(ADDRESS, "yanked", "all of it").await.assert(200);
    assert!(listed(&registry).await.is_empty());
    registry.say("golden/greeting/test/1.0.0", "revoked", "leaks").await.assert(200);
    assert_eq!(listed(&registry).await, ["1.0.0"]);
    set(&registry, ADDRESS, restored.clone()).await.assert(200);
    assert_eq!(listed(&registry).await, ["1.1.0", "1.0.0"]);
    registry.get(&download("1.0.0")).await.assert(410);
    registry.get(&download("1.1.0")).await.assert(200);
    set(&registry, "golden/greeting/test/1.0.0", restored).await.assert(200);
    registry.get(&download("1.0.0")).await.assert(200);

    let list = shown(&registry).await;
    assert_eq!(list["sequence"], 4);
    let statuses = list["statuses"].as_array().unwrap();
    assert_eq!(statuses.len(), 2);
    assert!(statuses.iter().all(|status| status["state"] == "active"), "{statuses:#?}");
}

#[tokio::test]
async fn a_revoked_module_refuses_every_version_in_words() {
    let registry = with(&["1.0.0", "1.1.0"]).await;
    let said = json!({
        "state": "revoked", "reason": "it opens port 22 to the world", "replacement": "golden/hello/test",
        "contact": "#platform",
    });

    set(&registry, ADDRESS, said).await.assert(200);

    let answer = registry.get(&download("1.1.0")).await.assert(410);
    assert_eq!(
        answer.text(),
        "version 1.1.0 of golden/greeting/test was revoked: it opens port 22 to the world. \
         Use golden/hello/test instead. Ask #platform.\n"
    );
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(listed(&registry).await, ["1.1.0", "1.0.0"]);
}

#[tokio::test]
async fn after_its_sunset_a_version_is_not_listed_by_the_clock_alone() {
    let registry = with(&["1.0.0", "1.1.0"]).await;
    let sunset = Day::of(NOW + 2 * DAY);
    let said = json!({"state": "deprecated", "reason": "old", "sunset": sunset.to_string()});
    set(&registry, "golden/greeting/test/1.0.0", said).await.assert(200);
    assert_eq!(listed(&registry).await, ["1.1.0", "1.0.0"]);

    registry.app.clock.advance(sunset.start() - NOW - 1);
    assert_eq!(listed(&registry).await, ["1.1.0", "1.0.0"]);
    registry.app.clock.advance(1);
    assert_eq!(listed(&registry).await, ["1.1.0"]);

    registry.get(&download("1.0.0")).await.assert(200);
    // Said of a day that is over already, it acts at once.
    let said = json!({"state": "deprecated", "reason": "old", "sunset": "2020-01-01"});
    set(&registry, "golden/greeting/test/1.1.0", said).await.assert(200);
    assert!(listed(&registry).await.is_empty());
}

#[tokio::test]
async fn who_had_a_version_before_it_was_yanked_goes_on_installing_it() {
    let registry = with(&["1.0.0", "1.1.0", "1.2.0"]).await;
    let (old, new) =
        (registry.token(&["read:golden"]).await, registry.token(&["read:golden"]).await);
    let list = async |token: &str| versions(registry.get_as(LIST, token).await);
    for version in ["1.0.0", "1.1.0"] {
        registry.get_as(&download(version), &old).await.assert(200);
    }
    registry.get_as(&download("1.2.0"), &new).await.assert(200);
    // Whoever has no token is nobody in particular.
    registry.get(&download("1.0.0")).await.assert(200);

    registry.say("golden/greeting/test/1.0.0", "yanked", "wrong subnets").await.assert(200);
    assert_eq!(list(&old).await, ["1.2.0", "1.1.0", "1.0.0"]);
    assert_eq!(list(&new).await, ["1.2.0", "1.1.0"]);
    assert_eq!(listed(&registry).await, ["1.2.0", "1.1.0"]);
    let link = registry.get_as(&download("1.0.0"), &old).await.assert(200);
    registry.get(local(link.header("x-terraform-get"))).await.assert(200);

    registry.say(ADDRESS, "yanked", "all of it").await.assert(200);
    assert_eq!(list(&old).await, ["1.1.0", "1.0.0"]);
    assert_eq!(list(&new).await, ["1.2.0"]);
    assert!(listed(&registry).await.is_empty());

    registry.say("golden/greeting/test/1.0.0", "revoked", "leaks").await.assert(200);
    assert_eq!(list(&new).await, ["1.2.0", "1.0.0"]);
    registry.get_as(&download("1.0.0"), &old).await.assert(410);
}

#[tokio::test]
async fn who_had_a_version_before_its_sunset_goes_on_installing_it() {
    let registry = with(&["1.0.0"]).await;
    let token = registry.token(&["read:golden"]).await;
    registry.get_as(&download("1.0.0"), &token).await.assert(200);
    let said = json!({"state": "deprecated", "reason": "old", "sunset": "2020-01-01"});

    set(&registry, "golden/greeting/test/1.0.0", said).await.assert(200);

    assert!(listed(&registry).await.is_empty());
    let answer = registry.get_as(LIST, &token).await;
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let etag = answer.header("etag").to_owned();
    assert_eq!(versions(answer), ["1.0.0"]);
    let request = authorised(Request::get(LIST), &token).header("if-none-match", &etag);
    registry.send(request.body(Body::empty()).unwrap()).await.assert(304);
    let request = Request::get(LIST).header("if-none-match", &etag);
    registry.send(request.body(Body::empty()).unwrap()).await.assert(200);
}

#[tokio::test]
async fn consumers_are_the_tokens_that_downloaded_it_and_everybody_else_as_one() {
    let registry = with(&["1.0.0", "1.1.0"]).await;
    let token = registry.token(&["read:golden"]).await;
    for _ in 0..3 {
        registry.get(&download("1.0.0")).await.assert(200);
        registry.get_as(&download("1.1.0"), &token).await.assert(200);
    }
    registry.app.clock.advance(2 * 3_600_000);
    registry.get_as(&download("1.1.0"), &token).await.assert(200);
    registry.get("/v1/modules/golden/greeting/test/9.9.9/download").await.assert(404);

    let path = format!("/api/v1/modules/{ADDRESS}/consumers");
    let found = registry.get_as_admin(&path).await.assert(200).json();

    let downloads = found["downloads"].as_array().unwrap();
    assert_eq!(downloads.len(), 2, "{found:#}");
    assert_eq!(
        (&downloads[0]["version"], &downloads[0]["token"]),
        (&json!("1.1.0"), &json!("test"))
    );
    assert_eq!(downloads[0]["first_at"], "2025-06-15T15:06:40Z");
    assert_eq!(downloads[0]["last_at"], "2025-06-15T17:06:40Z");
    assert_eq!(downloads[1]["token"], "anonymous");
    assert!(downloads[1].get("token_id").is_none());
    assert_eq!(found["resources"], json!([]));
}

#[tokio::test]
async fn a_revoked_version_is_not_noted_as_downloaded() {
    let registry = with(&["1.0.0"]).await;
    registry.say(ADDRESS, "revoked", "leaks").await.assert(200);

    registry.get_as_admin(&download("1.0.0")).await.assert(410);

    let path = format!("/api/v1/modules/{ADDRESS}/consumers");
    assert_eq!(registry.get_as_admin(&path).await.assert(200).json()["downloads"], json!([]));
}

#[tokio::test]
async fn of_many_who_speak_at_once_each_gets_a_number_or_a_refusal_and_no_number_is_missing() {
    let registry = std::sync::Arc::new(with(&["1.0.0"]).await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..12 {
        let registry = std::sync::Arc::clone(&registry);
        calls.spawn(async move {
            // Half by the registry, which numbers them itself; half signed before, for the same number.
            if number % 2 == 0 {
                let answer = registry.say(ADDRESS, "yanked", &format!("reason {number}")).await;
                return answer.assert(200).json()["sequence"].as_u64();
            }
            let mut claim = status(1, None, "yanked", MODULE);
            claim.reason = Some(format!("reason {number}"));
            let answer = registry.log(&sign(&claim, &registry.publisher).unwrap()).await;
            if answer.status == 201 {
                return Some(1);
            }
            answer.assert_problem(409, "sequence");
            None
        });
    }
    let mut numbers: Vec<u64> = calls.join_all().await.into_iter().flatten().collect();

    numbers.sort_unstable();
    let newest = shown(&registry).await["sequence"].as_u64().unwrap();
    assert_eq!(numbers, (1..=newest).collect::<Vec<_>>());
    let trusted = registry.judged(&["golden/greeting/test@1.0.0"]).await;
    trusted.standing(&release(ADDRESS, "1.0.0")).unwrap();
}

#[tokio::test]
async fn a_version_that_is_revoked_is_not_published_again_and_the_next_one_is() {
    let registry = with(&["1.0.0"]).await;
    registry.say("golden/greeting/test/1.0.0", "revoked", "leaks").await.assert(200);

    let refused =
        registry.publish(ADDRESS, "1.0.0", MODULE).await.assert_problem(409, "version_revoked");

    assert!(refused["detail"].as_str().unwrap().contains("was revoked: leaks"), "{refused:#}");
    registry.publish(ADDRESS, "1.0.1", MODULE).await.assert(201);
}

#[tokio::test]
async fn how_a_private_module_stands_is_shown_to_its_readers() {
    let registry = Registry::start().await;
    registry.publish("private/greeting/test", "1.0.0", MODULE).await.assert(201);
    let reader = registry.token(&["read:private"]).await;
    let path = "/api/v1/modules/private/greeting/test/status";

    registry.get(path).await.assert_problem(401, "unauthorized");
    registry.get_as(path, &reader).await.assert(200);
}
