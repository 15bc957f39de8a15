//! CI jobs publish with the ID tokens of their CI system.

mod command_line;
mod issuer;
mod publishing;
mod trusting;

use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use registry_trust::key::{Algorithm as KeyAlgorithm, SigningKey};
use registry_trust::statement::{KeyChange, NamespaceKeys, TrustedCi, sign};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::{Answer, HOSTNAME, NOW, Registry};
use issuer::{Issuer, Key, Mood};

const SECONDS: i64 = NOW / 1000;
const EXCHANGE: &str = "/api/v1/oidc/exchange";

/// A registry that trusts the jobs of one project, and their CI system.
struct World {
    registry: Registry,
    issuer: Issuer,
    key: Key,
}

/// A configuration that believes a CI system.
fn believe(issuer: &str, more: &str) -> String {
    format!("\n[[oidc_issuer]]\nurl = \"{issuer}\"\n{more}\n")
}

impl World {
    async fn start() -> Self {
        Self::start_with(Key::es256("k1"), "").await
    }

    async fn start_with(key: Key, more: &str) -> Self {
        let issuer = Issuer::start(&[&key]).await;
        let registry = Registry::start_with(&believe(issuer.url(), more)).await;
        let world = Self { registry, issuer, key };
        world.change("golden", KeyChange::TrustCi(world.jobs())).await.assert(201);
        world
    }

    /// The jobs that the namespace trusts.
    fn jobs(&self) -> TrustedCi {
        self.jobs_with(&[("repository_id", "74"), ("ref", "refs/heads/main")])
    }

    fn jobs_with(&self, claims: &[(&str, &str)]) -> TrustedCi {
        let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        TrustedCi { issuer: self.issuer.url().to_owned(), claims: claims.collect() }
    }

    /// Has a key change of a namespace logged, signed by its publisher.
    async fn change(&self, namespace: &str, change: KeyChange) -> Answer {
        let path = format!("/api/v1/namespaces/{namespace}/keys");
        let keys = self.registry.get_as(&path, &self.registry.admin).await.assert(200).json();
        let change = NamespaceKeys {
            registry: HOSTNAME.to_owned(),
            namespace: namespace.to_owned(),
            sequence: keys["sequence"].as_u64().unwrap() + 1,
            change,
        };
        let statement = sign(&change, &self.registry.publisher).unwrap().to_canonical_json();
        let body = json!({ "statement": statement });
        self.registry.json("POST", "/api/v1/statements", &body).await
    }

    fn claims(&self, change: &[(&str, Value)]) -> Value {
        let mut claims = json!({
            "iss": self.issuer.url(),
            "aud": HOSTNAME,
            "iat": SECONDS,
            "nbf": SECONDS,
            "exp": SECONDS + 300,
            "jti": "job-1",
            "sub": "repo:acme/greeting:ref:refs/heads/main",
            "repository": "acme/greeting",
            "repository_id": "74",
            "ref": "refs/heads/main",
            "event_name": "push",
            "actor": "somebody",
        });
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        claims
    }

    fn token(&self, change: &[(&str, Value)]) -> String {
        self.key.sign(&self.claims(change))
    }

    async fn exchange(&self, token: &str) -> Answer {
        let key = SigningKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        self.post(&body(token, "golden", &key, token)).await
    }

    async fn post(&self, body: &Value) -> Answer {
        let request = Request::post(EXCHANGE).header("content-type", "application/json");
        self.registry.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    #[track_caller]
    fn refused(answer: Answer, status: u16, code: &str, words: &str) {
        let detail = answer.assert_problem(status, code)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words), "{words} is missing in {detail}");
    }
}

/// With a proof of that key for `proved`.
fn body(token: &str, namespace: &str, key: &SigningKey, proved: &str) -> Value {
    let digest = hex::encode(Sha256::digest(proved));
    let proof = key.sign(format!("idp-ci-key-v1\n{HOSTNAME}\n{digest}").as_bytes());
    json!({
        "token": token,
        "namespace": namespace,
        "public_key": key.verifying_key().to_pem(),
        "proof": STANDARD.encode(proof),
    })
}

#[tokio::test]
async fn a_job_gets_a_token_for_a_quarter_of_an_hour_and_one_namespace() {
    for (key, own) in
        [(Key::rs256("k1"), KeyAlgorithm::EcdsaP256), (Key::es256("k1"), KeyAlgorithm::Ed25519)]
    {
        let world = World::start_with(key, "").await;
        let own = SigningKey::generate(own).unwrap();
        let token = world.token(&[]);

        let made = world.post(&body(&token, "golden", &own, &token)).await.assert(200).json();

        assert_eq!(made["rights"], json!(["publish:golden"]));
        assert_eq!(made["expires_at"], "2025-06-15T15:21:40Z");
        assert_eq!(made["key_id"], own.verifying_key().id().to_string());
        assert_eq!(made["issuer"], world.issuer.url());
        assert_eq!(made["claims"]["repository_id"], "74");
        assert_eq!(made["claims"]["actor"], Value::Null, "a person's name is in the log for ever");
        let secret = made["token"].as_str().unwrap();
        let whoami = world.registry.get_as("/api/v1/whoami", secret).await.assert(200).json();
        assert_eq!(whoami["rights"], json!(["publish:golden"]));
        world.registry.app.clock.advance(15 * 60 * 1000);
        world.registry.get_as("/api/v1/whoami", secret).await.assert(401);
    }
}

#[tokio::test]
async fn an_exchange_is_in_the_audit_log_and_the_token_is_not() {
    let world = World::start().await;
    let token = world.token(&[]);

    let made = world.exchange(&token).await.assert(200).json();

    let path = "/api/v1/audit";
    let log = world.registry.get_as(path, &world.registry.admin).await.assert(200);
    let entries = log.json()["entries"].clone();
    let entry = entries.as_array().unwrap().iter().find(|one| one["action"] == "oidc.exchange");
    let entry = entry.unwrap();
    assert_eq!(entry["actor"], "ci-acme-greeting");
    assert_eq!(entry["subject"], "golden");
    assert_eq!(entry["detail"]["claims"]["ref"], "refs/heads/main");
    assert_eq!(entry["detail"]["index"], made["index"]);
    assert_eq!(entry["detail"]["key"], made["key_id"]);
    for secret in
        [token.as_str(), token.rsplit('.').next().unwrap(), made["token"].as_str().unwrap()]
    {
        assert!(!log.text().contains(secret));
    }
}

#[tokio::test]
async fn each_refusal_names_what_is_wrong_with_expected_and_actual_value() {
    let world = World::start().await;
    let signed = |change: &[(&str, Value)]| world.token(change);
    let stranger = Key::es256("k1");
    let elsewhere = world.claims(&[("iss", json!("https://evil.example"))]);
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k1"}"#),
        URL_SAFE_NO_PAD.encode(world.claims(&[]).to_string())
    );
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let secret = EncodingKey::from_secret(world.key.public().to_string().as_bytes());
    let confused = encode(&header, &world.claims(&[]), &secret).unwrap();
    let other_key = world.key.clone().named("k9");

    for (token, status, code, words) in [
        ("x".to_owned(), 400, "oidc_token_malformed", "three parts"),
        ("x".repeat(17_000), 400, "oidc_token_malformed", "longer than 16384 bytes"),
        (
            world.key.sign(&elsewhere),
            401,
            "oidc_issuer_unknown",
            "the ID token has \"https://evil.example\"",
        ),
        (none, 401, "oidc_algorithm", "says \"none\", allowed is RS256 or ES256"),
        (confused, 401, "oidc_algorithm", "says \"HS256\", allowed is RS256 or ES256"),
        (other_key.sign(&world.claims(&[])), 401, "oidc_key_unknown", "no key named \"k9\""),
        (stranger.sign(&world.claims(&[])), 401, "oidc_signature_invalid", "\"k1\""),
        (
            signed(&[("exp", json!(SECONDS - 61))]),
            401,
            "oidc_expired",
            "exp: the ID token ended at 2025-06-15T15:05:39Z, now it is 2025-06-15T15:06:40Z",
        ),
        (
            signed(&[("nbf", json!(SECONDS + 100))]),
            401,
            "oidc_expired",
            "nbf: the ID token begins at 2025-06-15T15:08:20Z, now it is 2025-06-15T15:06:40Z",
        ),
        (signed(&[("exp", json!(SECONDS + 3601))]), 401, "oidc_expired", "lives for 3601 seconds"),
        (
            signed(&[("aud", json!("vault.example"))]),
            401,
            "oidc_audience",
            "expected \"registry.test.example\" and nothing else, the ID token has \"vault.example\"",
        ),
        (
            signed(&[("repository_id", json!(75))]),
            403,
            "oidc_claims_mismatch",
            "repository_id: expected \"74\", the ID token has \"75\"",
        ),
        (
            signed(&[("ref", Value::Null)]),
            403,
            "oidc_claims_mismatch",
            "ref: expected \"refs/heads/main\", the ID token has none",
        ),
        (
            signed(&[("event_name", json!("pull_request_target"))]),
            403,
            "oidc_event_refused",
            "event_name: jobs with \"pull_request_target\" may not publish",
        ),
    ] {
        World::refused(world.exchange(&token).await, status, code, words);
    }
}

#[tokio::test]
async fn a_namespace_that_trusts_no_jobs_says_so() {
    let world = World::start().await;
    let key = SigningKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let token = world.token(&[]);

    for namespace in ["private", "nowhere"] {
        let answer = world.post(&body(&token, namespace, &key, &token)).await;
        let words = format!("namespace {namespace:?} trusts no jobs of {}", world.issuer.url());
        World::refused(answer, 403, "oidc_claims_mismatch", &words);
    }
}

#[tokio::test]
async fn a_token_counts_once() {
    let world = World::start().await;
    let token = world.token(&[]);
    world.exchange(&token).await.assert(200);

    World::refused(world.exchange(&token).await, 409, "oidc_token_used", "jti");
    let again = world.token(&[("run_id", json!("2"))]);
    World::refused(world.exchange(&again).await, 409, "oidc_token_used", "jti");
    world.exchange(&world.token(&[("jti", json!("job-2"))])).await.assert(200);
}

#[tokio::test]
async fn a_token_without_an_id_counts_once_however_its_signature_is_written() {
    let world = World::start().await;
    let token = world.token(&[("jti", Value::Null)]);
    world.exchange(&token).await.assert(200);

    // (r, n - s) is as good a signature as (r, s).
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let twin = [r, &subtract_from_order(s)].concat();
    let twin = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(twin));

    assert_ne!(twin, token);
    World::refused(world.exchange(&twin).await, 409, "oidc_token_used", "jti");
}

/// The order of P-256 minus `s`, both big-endian.
fn subtract_from_order(s: &[u8]) -> Vec<u8> {
    let order =
        hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
    let mut borrow = 0_i16;
    let mut difference: Vec<u8> = order
        .iter()
        .zip(s)
        .rev()
        .map(|(of_order, of_s)| {
            let mut digit = i16::from(*of_order) - i16::from(*of_s) - borrow;
            borrow = i16::from(digit < 0);
            digit += borrow * 256;
            u8::try_from(digit).unwrap()
        })
        .collect();
    difference.reverse();
    difference
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_exchanges_at_once_one_wins() {
    let world = std::sync::Arc::new(World::start().await);
    let token = world.token(&[]);

    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (world, token) = (world.clone(), token.clone());
            tokio::spawn(async move { world.exchange(&token).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }

    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    assert_eq!(world.issuer.asked(), 1, "eight exchanges ask for keys once");
    let mut conn = world.registry.app.store.read().await.unwrap();
    let sql = "SELECT COUNT(*) FROM log_entry WHERE kind = 'ci_key'";
    let grants: i64 = sqlx::query_scalar(sql).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(grants, 1);
}

#[tokio::test]
async fn who_does_not_hold_the_key_gets_nothing_and_uses_nothing_up() {
    let world = World::start().await;
    let (key, other) = (
        SigningKey::generate(KeyAlgorithm::EcdsaP256).unwrap(),
        SigningKey::generate(KeyAlgorithm::EcdsaP256).unwrap(),
    );
    let token = world.token(&[]);
    let good = body(&token, "golden", &key, &token);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };

    for bad in [
        with("public_key", json!(other.verifying_key().to_pem())),
        with("proof", json!("")),
        with("proof", json!("%")),
        body(&token, "golden", &key, &world.token(&[("jti", json!("job-2"))])),
    ] {
        let words = "signature by public_key over \"idp-ci-key-v1\\nregistry.test.example\\n";
        World::refused(world.post(&bad).await, 422, "oidc_proof_invalid", words);
    }
    let words = "public_key: not a PEM file";
    let answer = world.post(&with("public_key", json!("x"))).await;
    World::refused(answer, 422, "oidc_public_key_invalid", words);
    world.post(&good).await.assert(200);
}

#[tokio::test]
async fn a_key_that_is_new_at_the_issuer_is_found_after_a_pause() {
    let world = World::start().await;
    world.exchange(&world.token(&[])).await.assert(200);
    let new = Key::rs256("k2");
    world.issuer.serve_keys(&[&new]);
    let token = |jti: &str| new.sign(&world.claims(&[("jti", json!(jti))]));

    World::refused(world.exchange(&token("2")).await, 401, "oidc_key_unknown", "\"k2\"");
    assert_eq!(world.issuer.asked(), 1);
    world.registry.app.clock.advance(30_000);
    world.exchange(&token("2")).await.assert(200);
    world.exchange(&token("3")).await.assert(200);

    assert_eq!(world.issuer.asked(), 2);
    // The old key is gone, and was never asked for again.
    let old = world.exchange(&world.token(&[("jti", json!("4"))])).await;
    World::refused(old, 401, "oidc_key_unknown", "\"k1\"");
    assert_eq!(world.issuer.asked(), 2);
}

#[tokio::test]
async fn an_issuer_that_is_away_or_odd_is_left_alone_for_a_while() {
    for mood in
        [Mood::Broken, Mood::Oversized, Mood::Redirecting, Mood::Impostor, Mood::PointingElsewhere]
    {
        let world = World::start().await;
        world.issuer.feel(mood);

        let answer = world.exchange(&world.token(&[])).await;
        assert_eq!(answer.header("retry-after"), "30", "{mood:?}");
        World::refused(answer, 503, "oidc_issuer_unreachable", world.issuer.url());
        world.issuer.feel(Mood::Well);
        world.registry.app.clock.advance(10_000);
        let answer = world.exchange(&world.token(&[])).await;
        assert_eq!(answer.header("retry-after"), "20", "{mood:?}");
        world.registry.app.clock.advance(20_000);
        world.exchange(&world.token(&[])).await.assert(200);
    }
}

#[tokio::test]
async fn a_dead_issuer_is_said_to_be_away() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let world = World::start_with(Key::es256("k1"), &format!("jwks_url = \"{nobody}/keys\"")).await;

    let answer = world.exchange(&world.token(&[])).await;

    World::refused(answer, 503, "oidc_issuer_unreachable", "does not tell its keys");
    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test]
async fn keys_from_a_file_ask_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let key = Key::rs256("k1");
    std::fs::write(&file, json!({ "keys": [key.public()] }).to_string()).unwrap();
    let world = World::start_with(key, &format!("jwks_file = {:?}", file.display())).await;

    world.exchange(&world.token(&[])).await.assert(200);

    assert_eq!(world.issuer.asked(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_or_no_request_is_refused() {
    let world = World::start().await;

    let huge = world.exchange(&"x".repeat(2 * 1024 * 1024)).await;
    huge.assert_problem(413, "body_too_large");
    world.post(&json!({ "token": "x" })).await.assert_problem(400, "invalid_json");
}

#[tokio::test]
async fn what_is_over_is_forgotten_at_the_next_exchange() {
    let world = World::start().await;
    world.exchange(&world.token(&[])).await.assert(200);
    let count = async |sql: &'static str| {
        let mut conn = world.registry.app.store.read().await.unwrap();
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *conn).await.unwrap()
    };

    world.registry.app.clock.advance(25 * 60 * 60 * 1000);
    let later = SECONDS + 25 * 60 * 60;
    let times = [("iat", json!(later)), ("exp", json!(later + 300)), ("jti", json!("job-2"))];
    world.exchange(&world.token(&times)).await.assert(200);

    assert_eq!(count("SELECT COUNT(*) FROM oidc_token").await, 1);
    assert_eq!(count("SELECT COUNT(*) FROM token WHERE created_by = 'oidc'").await, 1);
}
