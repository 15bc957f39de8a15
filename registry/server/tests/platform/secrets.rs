//! Secrets through the API: what is shown, what is not, who may, and what is left of a value where it does not belong.

use registry_server::model::secret::SecretText;
use registry_server::model::secret_value::Fields;
use registry_server::ops::secrets::{forget_credentials, keep_credentials};
use serde_json::{Value, json};

use crate::harness::{Answer, Platform};

const STRIPE: &str = "/secrets/staging/stripe-key";
const VALUE: &str = "/secret-values/secret/staging/stripe-key";
const HUNTER2: &str = "hunter2-\"correct horse\"/battery+staple?";

fn given(version: u64, value: &str) -> Value {
    json!({"owner": "payments", "value": value, "value_version": version})
}

fn generated(changes: &Value) -> Value {
    let mut body = json!({"owner": "payments", "generate": {}});
    for (key, value) in changes.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

impl Platform {
    async fn put_secret(&self, path: &str, tag: &str, body: Value) -> Answer {
        let admin = self.token("admin", &["admin"]).await;
        let header = if tag == "*" { ("if-none-match", "*") } else { ("if-match", tag) };
        self.call_as(&admin, "PUT", path, &[header], Some(body)).await
    }

    async fn rotate_at(&self, tag: &str) -> Answer {
        let admin = self.token("admin", &["admin"]).await;
        self.call_as(&admin, "POST", &format!("{STRIPE}/rotate"), &[("if-match", tag)], None).await
    }

    async fn read_secret(&self, path: &str) -> Value {
        self.call("GET", path, None).await.ok()
    }
}

#[tokio::test]
async fn a_given_value_is_kept_and_shown_only_where_values_are_read() {
    let platform = Platform::without_worker().await;

    let put = platform.put_secret(STRIPE, "*", given(1, HUNTER2)).await;
    let tag = put.headers["etag"].clone();
    let put = put.ok();
    let shown = platform.call("GET", STRIPE, None).await.ok();
    let listed =
        platform.call("GET", "/secrets?environment=staging&owner=payments", None).await.ok();
    let read = platform.call("GET", VALUE, None).await;

    assert_eq!(tag, "\"1\"");
    assert_eq!(put, shown);
    assert_eq!(listed, json!({"secrets": [shown]}));
    assert!(!shown.to_string().contains("hunter2"), "{shown:#}");
    for (key, expected) in [
        ("secret_ref", json!("secret/staging/stripe-key")),
        ("owner", json!("payments")),
        ("origin", json!("given")),
        ("generation", json!(1)),
        ("version", json!(1)),
        ("value_version", json!(1)),
        ("deletion_protection", json!(false)),
    ] {
        assert_eq!(shown[key], expected, "{key}");
    }
    assert_eq!(read.headers["cache-control"], "no-store");
    assert_eq!(read.ok(), json!({"data": {"value": HUNTER2}, "version": 1}));
    let nothing = platform.call("GET", "/secrets?environment=production", None).await.ok();
    assert_eq!(nothing, json!({"secrets": []}));
}

#[tokio::test]
async fn only_another_value_version_replaces_a_given_value() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "first")).await.ok();

    let same = platform.put_secret(STRIPE, "\"1\"", given(1, "ignored")).await.ok();
    let unchanged = platform.read_secret(VALUE).await;
    let next = platform.put_secret(STRIPE, "\"1\"", given(2, "second")).await.ok();

    assert_eq!((&same["generation"], &same["version"]), (&json!(1), &json!(1)));
    assert_eq!(unchanged["data"]["value"], "first");
    assert_eq!((&next["generation"], &next["version"]), (&json!(2), &json!(2)));
    let read = platform.read_secret(VALUE).await;
    assert_eq!(read, json!({"data": {"value": "second"}, "version": 2}));
}

#[tokio::test]
async fn a_generated_value_is_made_anew_by_its_trigger_its_settings_and_a_rotation_only() {
    let platform = Platform::without_worker().await;
    let body = generated(&json!({"rotation": {"trigger": "q3"}}));
    let made = platform.put_secret(STRIPE, "*", body.clone()).await.ok();
    let mut values = vec![platform.read_secret(VALUE).await["data"]["value"].clone()];

    let same = platform.put_secret(STRIPE, "\"1\"", body.clone()).await.ok();
    let mut protected = body;
    protected["deletion_protection"] = json!(true);
    let protected = platform.put_secret(STRIPE, "\"1\"", protected).await.ok();
    values.push(platform.read_secret(VALUE).await["data"]["value"].clone());
    let triggered = generated(&json!({"rotation": {"trigger": "q4"}}));
    let triggered = platform.put_secret(STRIPE, "\"2\"", triggered).await.ok();
    values.push(platform.read_secret(VALUE).await["data"]["value"].clone());
    let longer = generated(&json!({"generate": {"length": 64, "symbols": true}}));
    let longer = platform.put_secret(STRIPE, "\"3\"", longer).await.ok();
    values.push(platform.read_secret(VALUE).await["data"]["value"].clone());
    let rotated = platform.call("POST", &format!("{STRIPE}/rotate"), None).await.ok();
    values.push(platform.read_secret(VALUE).await["data"]["value"].clone());

    let versions = [made, same, protected, triggered, longer, rotated.clone()].map(|secret| {
        (secret["generation"].as_u64().unwrap(), secret["version"].as_u64().unwrap())
    });
    assert_eq!(versions, [(1, 1), (1, 1), (2, 1), (3, 2), (4, 3), (5, 4)]);
    assert_eq!(values[0], values[1]);
    let moved = platform.rotate_at("\"4\"").await;
    assert!(moved.detail(409, "conflict").contains("at generation 5"));
    let different: std::collections::BTreeSet<&str> =
        values.iter().map(|value| value.as_str().unwrap()).collect();
    assert_eq!(different.len(), 4);
    let lengths: Vec<usize> = values.iter().map(|value| value.as_str().unwrap().len()).collect();
    assert_eq!(lengths, [32, 32, 32, 64, 64]);
    assert_eq!(
        (&rotated["origin"], &rotated["generate"]["length"]),
        (&json!("generated"), &json!(64))
    );
}

#[tokio::test]
async fn a_secret_changes_between_given_and_generated() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "mine")).await.ok();

    let made = platform.put_secret(STRIPE, "\"1\"", generated(&json!({}))).await.ok();
    let by_the_server = platform.read_secret(VALUE).await;
    let back = platform.put_secret(STRIPE, "\"2\"", given(1, "mine again")).await.ok();

    assert_eq!((&made["version"], &made["value_version"]), (&json!(2), &Value::Null));
    assert_ne!(by_the_server["data"]["value"], "mine");
    assert_eq!((&back["version"], &back["generate"]), (&json!(3), &Value::Null));
    assert_eq!(platform.read_secret(VALUE).await["data"]["value"], "mine again");
}

#[tokio::test]
async fn what_was_given_is_not_rotated_by_the_server() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "mine")).await.ok();

    let refused = platform.call("POST", &format!("{STRIPE}/rotate"), None).await;

    let detail = refused.detail(409, "value_given");
    assert!(detail.contains("payments") && detail.contains("value_wo_version"), "{detail}");
    platform.call("POST", "/secrets/staging/other/rotate", None).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_request_that_is_sent_again_with_its_key_is_carried_out_once() {
    let platform = Platform::without_worker().await;
    let token = platform.token("ci", &["apply:staging:payments"]).await;
    let rotate = format!("{STRIPE}/rotate");
    let send =
        async |method: &str, path: &str, key: &str, tag: (&str, &str), body: Option<Value>| {
            platform.call_as(&token, method, path, &[("idempotency-key", key), tag], body).await
        };
    let create = ("if-none-match", "*");

    let first = send("PUT", STRIPE, "k1", create, Some(generated(&json!({})))).await.ok();
    let again = send("PUT", STRIPE, "k1", create, Some(generated(&json!({})))).await.ok();
    let rotated = send("POST", &rotate, "k2", ("accept", "*/*"), None).await.ok();
    let rotated_again = send("POST", &rotate, "k2", ("accept", "*/*"), None).await.ok();
    let other = send("PUT", STRIPE, "k2", ("if-match", "\"2\""), Some(given(1, "x"))).await;

    assert_eq!(first, again);
    assert_eq!((&rotated, &rotated["version"]), (&rotated_again, &json!(2)));
    other.problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_write_expects_what_it_finds() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "\"1\"", given(1, "x")).await.problem(404, "not_found");
    platform.put_secret(STRIPE, "*", given(1, "x")).await.ok();

    let taken = platform.put_secret(STRIPE, "*", given(1, "x")).await;
    let moved = platform.put_secret(STRIPE, "\"7\"", given(2, "x")).await;
    let mut foreign = given(1, "x");
    foreign["owner"] = json!("search");
    let foreign = platform.put_secret(STRIPE, "*", foreign).await;
    let without = platform.call("PUT", STRIPE, Some(given(1, "x"))).await;
    let mut unknown = given(1, "x");
    unknown["owner"] = json!("nobody");
    let unknown = platform.put_secret("/secrets/moon/a", "*", unknown).await;

    let detail = taken.detail(409, "already_exists");
    assert!(
        detail.contains("to = idp_secret.stripe_key\n  id = \"staging/stripe-key\""),
        "{detail}"
    );
    assert!(moved.detail(409, "conflict").contains("at generation 1"));
    foreign.problem(409, "name_taken");
    without.problem(428, "precondition_required");
    let errors = unknown.problem(422, "invalid_request")["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 2, "{errors:#}");
}

#[tokio::test]
async fn a_protected_secret_is_deleted_only_after_its_protection() {
    let platform = Platform::without_worker().await;
    let body = generated(&json!({"deletion_protection": true}));
    platform.put_secret(STRIPE, "*", body).await.ok();
    let admin = platform.token("admin", &["admin"]).await;
    let delete = async |tag: &str| {
        platform.call_as(&admin, "DELETE", STRIPE, &[("if-match", tag)], None).await
    };

    let refused = delete("\"1\"").await;
    platform.put_secret(STRIPE, "\"1\"", generated(&json!({}))).await.ok();
    let moved = delete("\"1\"").await;
    let deleted = delete("\"2\"").await;
    let again = delete("\"2\"").await;

    assert!(refused.detail(409, "deletion_protected").contains("deletion_protection = false"));
    moved.problem(409, "conflict");
    assert_eq!(deleted.ok()["generation"], 2);
    again.problem(404, "not_found");
    platform.call("GET", VALUE, None).await.problem(404, "not_found");
    platform.put_secret(STRIPE, "*", given(1, "x")).await.ok();
}

#[tokio::test]
async fn a_request_that_is_wrong_is_refused_without_a_word_of_the_value() {
    let platform = Platform::without_worker().await;
    let big = "hunter2".repeat(10_000);

    for (body, status, code) in [
        (json!({"owner": "payments"}), 422, "invalid_request"),
        (json!({"owner": "payments", "value": "hunter2", "generate": {}}), 422, "invalid_request"),
        (json!({"owner": "payments", "value": big}), 422, "invalid_request"),
        (json!({"owner": "payments", "value": ["hunter2"]}), 400, "invalid_json"),
        (json!({"owner": "payments", "value": {"hunter2": 1}}), 400, "invalid_json"),
        (json!({"owner": "payments", "value": "hunter2", "more": 1}), 400, "invalid_json"),
    ] {
        let problem = platform.put_secret(STRIPE, "*", body).await.problem(status, code);

        assert!(!problem.to_string().contains("hunter2"), "{problem:#}");
    }
    let pin = json!({"owner": "payments", "value": 471_147});
    let problem = platform.put_secret(STRIPE, "*", pin).await.problem(400, "invalid_json");
    assert!(!problem.to_string().contains("471147"), "{problem:#}");
}

#[tokio::test]
async fn each_right_on_a_secret_allows_its_actions_and_no_others() {
    //                                 see   create rotate delete read
    let table = [
        ("admin", [true, true, true, true, true]),
        ("apply:staging:payments", [true, true, true, false, false]),
        ("plan:staging:payments", [true, false, false, false, false]),
        ("deploy:staging:payments", [true, false, false, false, false]),
        ("destroy:staging:payments", [true, false, false, true, false]),
        ("approve:staging:payments", [true, false, false, false, false]),
        ("secrets:staging:payments", [false, false, false, false, true]),
        ("secrets:*:*", [false, false, false, false, true]),
        ("credentials:*:*:*", [false, false, false, false, false]),
        ("apply:staging:search", [false, false, false, false, false]),
        ("apply:production:payments", [false, false, false, false, false]),
        ("secrets:production:payments", [false, false, false, false, false]),
    ];
    let platform = Platform::without_worker().await;
    for (number, (right, allowed)) in table.into_iter().enumerate() {
        let path = format!("/secrets/staging/s{number}");
        let token = platform.token("caller", &[right]).await;
        let attempt =
            async |method: &str, path: &str, header: (&str, &str), body: Option<Value>| {
                platform.call_as(&token, method, path, &[header], body).await
            };

        let create =
            attempt("PUT", &path, ("if-none-match", "*"), Some(generated(&json!({})))).await;
        let created = create.status == 200;
        if !created {
            platform.put_secret(&path, "*", generated(&json!({}))).await.ok();
        }
        let see = attempt("GET", &path, ("accept", "*/*"), None).await;
        let rotate = attempt("POST", &format!("{path}/rotate"), ("accept", "*/*"), None).await;
        let value = format!("/secret-values/secret/staging/s{number}");
        let read = attempt("GET", &value, ("accept", "*/*"), None).await;
        let tag = if rotate.status == 200 { "\"2\"" } else { "\"1\"" };
        let delete = attempt("DELETE", &path, ("if-match", tag), None).await;

        let answers = [see, create, rotate, delete, read];
        assert_eq!(answers.each_ref().map(|answer| answer.status == 200), allowed, "{right}");
        for refused in answers.into_iter().filter(|answer| answer.status != 200) {
            let detail = refused.detail(403, "forbidden");
            assert!(detail.contains(right), "{right}: {detail}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_answered_as_one_that_is_not_there() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "x")).await.ok();
    let search = platform.token("search", &["secrets:staging:search"]).await;
    let stranger = platform.token("stranger", &["apply:*:*"]).await;
    let read = async |token: &str, name: &str| {
        let path = format!("/secret-values/secret/staging/{name}");
        platform.call_as(token, "GET", &path, &[], None).await
    };

    let foreign = read(&search, "stripe-key").await.detail(404, "not_found");
    let missing = read(&search, "stripe-kez").await.detail(404, "not_found");
    let forbidden = read(&stranger, "stripe-key").await.detail(403, "forbidden");
    let forbidden_missing = read(&stranger, "stripe-kez").await.detail(403, "forbidden");

    assert_eq!(foreign, missing.replace("kez", "key"));
    assert_eq!(forbidden, forbidden_missing);
    assert!(forbidden.contains("lacks the right secrets:staging:OWNER"), "{forbidden}");
    platform.call_as("", "GET", VALUE, &[], None).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn external_secrets_finds_a_secret_by_its_escaped_reference() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "x")).await.ok();
    let (app, path) = (&platform.app, "service/staging/checkout/orders".parse().unwrap());
    let owner = "payments".parse().unwrap();
    let fields: Fields = [("username", "checkout_a"), ("password", "p@ss")]
        .map(|(name, text)| (name.to_owned(), SecretText::new(text)))
        .into();
    for expected in [1, 2] {
        let mut tx = app.store.write().await.unwrap();
        let version =
            keep_credentials(&app.secrets, &mut tx, &path, &owner, &fields, 1).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(version, expected);
    }

    for (reference, data) in [
        ("secret%2Fstaging%2Fstripe-key", json!({"value": "x"})),
        ("secret/staging/stripe-key", json!({"value": "x"})),
        (
            "service%2Fstaging%2Fcheckout%2Forders",
            json!({"username": "checkout_a", "password": "p@ss"}),
        ),
        ("service/staging/checkout/orders", json!({"username": "checkout_a", "password": "p@ss"})),
    ] {
        let read = platform.read_secret(&format!("/secret-values/{reference}")).await;
        assert_eq!(read["data"], data, "{reference}");
    }
    for wrong in
        ["secret", "service/staging/checkout", "secret/staging/a/b", "secret%2Fstaging", "x/y/z"]
    {
        let answer = platform.call("GET", &format!("/secret-values/{wrong}"), None).await;
        answer.problem(400, "invalid_path");
    }
    let mut tx = app.store.write().await.unwrap();
    forget_credentials(&app.secrets, &mut tx, &path).await.unwrap();
    tx.commit().await.unwrap();
    let gone = platform.call("GET", "/secret-values/service/staging/checkout/orders", None).await;
    gone.problem(404, "not_found");
}

#[tokio::test]
async fn writes_and_first_reads_are_in_the_audit_log_and_no_value_is() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, HUNTER2)).await.ok();
    let reader = platform.token("eso", &["secrets:staging:payments"]).await;
    let read = async || platform.call_as(&reader, "GET", VALUE, &[], None).await.ok();

    for _ in 0..3 {
        read().await;
    }
    platform.put_secret(STRIPE, "\"1\"", given(2, HUNTER2)).await.ok();
    read().await;
    platform.put_secret(STRIPE, "\"2\"", generated(&json!({}))).await.ok();
    platform.call("POST", &format!("{STRIPE}/rotate"), None).await.ok();

    let log = platform.call("GET", "/audit", None).await.ok();
    let told: Vec<(&str, &str, u64)> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["subject"] == "secret/staging/stripe-key")
        .map(|entry| {
            let version = entry["detail"]["version"].as_u64().unwrap();
            (entry["actor"].as_str().unwrap(), entry["action"].as_str().unwrap(), version)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("admin", "secret.create", 1),
            ("eso", "secret.read", 1),
            ("admin", "secret.update", 2),
            ("eso", "secret.read", 2),
            ("admin", "secret.update", 3),
            ("admin", "secret.rotate", 4),
        ]
    );
    assert!(!log.to_string().contains("hunter2"), "{log:#}");
    assert!(platform.read_secret(STRIPE).await["last_read_at"].is_string());
}

#[tokio::test]
async fn without_its_entry_in_the_audit_log_there_is_no_first_read() {
    let platform = Platform::without_worker().await;
    platform.put_secret(STRIPE, "*", given(1, "x")).await.ok();
    let reader = platform.token("eso", &["secrets:staging:payments"]).await;
    let read = async || platform.call_as(&reader, "GET", VALUE, &[], None).await;
    let mut tx = platform.app.store.write().await.unwrap();
    sqlx::query(
        "CREATE TRIGGER full BEFORE INSERT ON audit_entry
         BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();

    read().await.problem(500, "internal_error");
    let mut tx = platform.app.store.write().await.unwrap();
    sqlx::query("DROP TRIGGER full").execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();

    read().await.ok();
}
