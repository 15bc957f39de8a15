use jsonwebtoken::{EncodingKey, encode};
use proptest::prelude::*;
use registry_trust::key::SigningKey;
use serde_json::json;

use super::*;

const NOW: i64 = 1_750_000_000_000;
const SECONDS: i64 = NOW / 1000;

struct Key(EncodingKey);

impl Key {
    fn new() -> Self {
        let pem = SigningKey::generate(registry_trust::key::Algorithm::EcdsaP256).unwrap();
        let pem = pem.to_pem().unwrap();
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        Self(EncodingKey::from_ec_der(&der))
    }

    fn jwk(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.0, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("k1".to_owned());
        jwk
    }

    fn sign(&self, claims: &Value) -> String {
        let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        encode(&header, claims, &self.0).unwrap()
    }
}

fn issuer() -> OidcIssuer {
    toml::from_str("url = \"https://ci.example\"\naudience = \"registry.example\"\n").unwrap()
}

fn ci(claims: &[(&str, &str)]) -> TrustedCi {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    TrustedCi { issuer: "https://ci.example".to_owned(), claims: claims.collect() }
}

fn claims() -> Value {
    json!({
        "iss": "https://ci.example",
        "aud": "registry.example",
        "iat": SECONDS,
        "exp": SECONDS + 300,
        "jti": "1",
        "repository": "acme/vpc",
        "repository_id": 74,
        "event_name": "push",
        "user_email": "somebody@example.com",
    })
}

fn with(change: &[(&str, Value)]) -> Value {
    let mut claims = claims();
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims
}

fn verify(claims: &Value) -> Result<VerifiedToken, TokenError> {
    let key = Key::new();
    IdToken::parse(&key.sign(claims)).unwrap().verify(&key.jwk(), &issuer(), NOW)
}

fn parsed(change: &[(&str, Value)]) -> Claims {
    Claims(with(change).as_object().unwrap().clone())
}

#[test]
fn a_token_of_now_for_this_server_is_believed() {
    let verified = verify(&claims()).unwrap();

    assert_eq!(verified.claims.text("repository_id").unwrap(), "74");
    assert_eq!(verified.usable_until, NOW + 360_000);
}

#[test]
fn times_have_a_leeway_of_a_minute_and_a_longest_life() {
    for (change, words) in [
        (vec![("exp", json!(SECONDS - 59))], None),
        (vec![("exp", json!(SECONDS - 60))], Some("exp: the ID token ended at")),
        (vec![("nbf", json!(SECONDS + 60))], None),
        (vec![("nbf", json!(SECONDS + 61))], Some("nbf: the ID token begins at")),
        (vec![("iat", json!(SECONDS + 61))], Some("iat: the ID token begins at")),
        (vec![("exp", json!(SECONDS + 3600))], None),
        (vec![("exp", json!(SECONDS + 3601))], Some("lives for 3601 seconds")),
        (vec![("iat", json!(SECONDS - 3500))], Some("lives for 3800 seconds")),
        (vec![("exp", Value::Null)], Some("exp: null is no time")),
        (vec![("exp", json!("soon"))], Some("exp: \"soon\" is no time")),
        (vec![("exp", json!(1e300))], Some("is no time")),
        (vec![("iat", json!(-1))], Some("iat: -1 is no time")),
        (vec![("exp", json!(1_750_000_300.5))], None),
    ] {
        let done = verify(&with(&change));
        match words {
            None => assert!(done.is_ok(), "{change:?}: {done:?}"),
            Some(words) => {
                let said = done.unwrap_err().to_string();
                assert!(said.contains(words), "{words} is missing in {said}");
            }
        }
    }
}

#[test]
fn a_token_without_an_end_is_refused() {
    let mut endless = claims();
    endless.as_object_mut().unwrap().remove("exp");

    assert_eq!(verify(&endless).unwrap_err().code(), "oidc_expired");
}

#[test]
fn a_token_is_for_this_server_alone() {
    assert!(verify(&with(&[("aud", json!(["registry.example"]))])).is_ok());
    for aud in
        [json!("other"), json!(["registry.example", "other"]), json!([]), json!(1), Value::Null]
    {
        let error = verify(&with(&[("aud", aud)])).unwrap_err();
        assert_eq!(error.code(), "oidc_audience");
        assert!(error.to_string().contains("expected \"registry.example\""), "{error}");
    }
}

#[test]
fn a_key_counts_only_for_what_it_was_made_for() {
    let key = Key::new();
    let token = || IdToken::parse(&key.sign(&claims())).unwrap();
    let verify = |jwk: Value| {
        let jwk: Jwk = serde_json::from_value(jwk).unwrap();
        token().verify(&jwk, &issuer(), NOW).map_err(|error| error.code())
    };
    let jwk = |change: &[(&str, Value)]| {
        let mut jwk = serde_json::to_value(key.jwk()).unwrap();
        jwk.as_object_mut().unwrap().remove("alg");
        for (name, value) in change {
            jwk[*name] = value.clone();
        }
        jwk
    };

    assert!(verify(jwk(&[])).is_ok());
    assert!(verify(jwk(&[("use", json!("sig")), ("alg", json!("ES256"))])).is_ok());
    for change in [
        ("use", json!("enc")),
        ("alg", json!("RS256")),
        ("alg", json!("something")),
        ("key_ops", json!(["sign"])),
        ("kty", json!("oct")),
    ] {
        assert_eq!(verify(jwk(std::slice::from_ref(&change))), Err("oidc_algorithm"), "{change:?}");
    }
    assert_eq!(verify(json!({"kty": "oct", "k": "AAAA"})), Err("oidc_algorithm"));
    assert_eq!(verify(jwk(&[("x", json!("AAAA"))])), Err("oidc_signature_invalid"));
}

#[test]
fn a_header_that_asks_for_extensions_is_refused() {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k1","crit":["b64"],"b64":false}"#);
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());

    let error = IdToken::parse(&format!("{header}.{payload}.AAAA")).unwrap_err();

    assert!(error.to_string().contains("crit"), "{error}");
}

#[test]
fn a_token_is_the_same_however_its_signature_is_written() {
    let key = Key::new();
    let mut without = claims();
    without.as_object_mut().unwrap().remove("jti");
    let payload = URL_SAFE_NO_PAD.encode(without.to_string());
    let token = key.sign(&without);

    let fingerprint = |token: &str| IdToken::parse(token).unwrap().fingerprint();

    assert_eq!(fingerprint(&token), fingerprint(&format!("{}AAAA", &token[..token.len() - 4])));
    assert_ne!(
        fingerprint(&token),
        fingerprint(
            &token
                .replacen(&payload, "e30", 1)
                .replace("e30", &URL_SAFE_NO_PAD.encode(claims().to_string()))
        )
    );
    assert_eq!(
        IdToken::parse(&key.sign(&claims())).unwrap().fingerprint(),
        hex::encode(Sha256::digest("1"))
    );
}

#[test]
fn the_first_claim_that_differs_is_named_for_each_kind_of_jobs() {
    let claims = parsed(&[]);
    let kinds = [
        ci(&[("repository_id", "75"), ("workflow_ref", "x")]),
        ci(&[("repository_id", "74"), ("workflow_ref", "x")]),
    ];

    let error = claims.matching(&[&kinds[0], &kinds[1]], &BTreeMap::new()).unwrap_err();

    assert_eq!(
        error.to_string(),
        "this job may not publish there: repository_id: expected \"75\", the ID token has \"74\"; \
         workflow_ref: expected \"x\", the ID token has none"
    );
}

#[test]
fn the_first_kind_of_jobs_that_matches_counts() {
    let refuse = issuer().refuse_claims;
    let claims = parsed(&[("event_name", json!("workflow_run"))]);
    let other = ci(&[("repository_id", "75")]);
    let wary = ci(&[("repository_id", "74")]);
    let bold = ci(&[("repository_id", "74"), ("event_name", "workflow_run")]);

    assert_eq!(claims.matching(&[&other, &wary, &bold], &refuse), Ok(&bold));
    assert_eq!(parsed(&[]).matching(&[&other, &wary, &bold], &refuse), Ok(&wary));
}

#[test]
fn a_risky_event_is_refused_unless_it_is_asked_for_by_name() {
    let refuse = issuer().refuse_claims;
    let matching = |change: &[(&str, Value)], wanted: &[(&str, &str)]| {
        let ci = ci(wanted);
        parsed(change).matching(&[&ci], &refuse).map(|_| ()).map_err(|error| error.code())
    };

    for (claim, value) in [
        ("event_name", "pull_request_target"),
        ("event_name", "workflow_run"),
        ("pipeline_source", "merge_request_event"),
    ] {
        let change = [(claim, json!(value))];
        assert_eq!(matching(&change, &[("repository_id", "74")]), Err("oidc_event_refused"));
        assert_eq!(matching(&change, &[("repository_id", "74"), (claim, value)]), Ok(()));
        assert_eq!(matching(&change, &[("repository_id", "75")]), Err("oidc_claims_mismatch"));
    }
}

#[test]
fn only_listed_and_asked_for_claims_are_logged() {
    let claims = parsed(&[
        ("secret_sauce", json!("x")),
        ("list", json!([1])),
        ("actor_id", json!("5")),
        ("user_id", json!("5")),
    ]);

    let logged = claims.logged(&ci(&[("repository_id", "74"), ("secret_sauce", "x")]));

    assert_eq!(
        logged.keys().map(String::as_str).collect::<Vec<_>>(),
        ["event_name", "repository", "repository_id", "secret_sauce"]
    );
}

#[test]
fn what_no_statement_can_carry_is_not_logged() {
    let long = "x".repeat(501);
    let claims = parsed(&[
        ("sub", json!(long)),
        ("environment", json!("pro\u{202e}duction")),
        ("ref", json!("")),
        ("ref_type", json!(" branch")),
    ]);

    let logged = claims.logged(&ci(&[("repository_id", "74")]));

    assert_eq!(
        logged.keys().map(String::as_str).collect::<Vec<_>>(),
        ["event_name", "repository", "repository_id"]
    );
}

#[test]
fn what_is_asked_for_comes_before_what_is_listed() {
    let asked: Vec<(String, String)> =
        (0..32).map(|number| (format!("claim_{number}"), "x".to_owned())).collect();
    let asked: Vec<(&str, &str)> =
        asked.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();

    let logged = parsed(&[]).logged(&ci(&asked));

    assert_eq!(logged, ci(&asked).claims);
}

proptest! {
    #[test]
    fn whatever_a_job_says_can_be_granted(
        claims in prop::collection::btree_map(
            prop::sample::select(LOGGED).prop_map(str::to_owned),
            ".{0,600}|[a-z/:\\u{202e}]{0,40}",
            0..30,
        ),
        asked in prop::collection::btree_map("[a-z_]{1,20}", "[a-z/]{1,20}", 1..32),
    ) {
        let ci = TrustedCi { issuer: "https://ci.example".to_owned(), claims: asked };
        let mut said: Map<String, Value> =
            claims.into_iter().map(|(name, value)| (name, json!(value))).collect();
        said.extend(ci.claims.iter().map(|(name, value)| (name.clone(), json!(value))));
        let logged = Claims(said).logged(&ci);
        prop_assert!(ci.covers("https://ci.example", &logged));
        let grant = TrustedCi { claims: logged, ..ci };
        prop_assert_eq!(grant.check(), Ok(()));
    }

    #[test]
    fn any_text_is_refused(text in "[A-Za-z0-9_=-]{0,40}(\\.[A-Za-z0-9_=-]{0,40}){0,4}|.{0,100}") {
        prop_assert!(IdToken::parse(&text).is_err());
    }

    #[test]
    fn any_header_and_claims_are_refused_by_the_key(
        alg in "none|NONE|HS256|HS512|ES256|RS256|EdDSA|.{0,8}",
        kid in "k1|.{0,10}",
        signature in prop::collection::vec(any::<u8>(), 0..100),
        extra in ".{0,30}",
    ) {
        let header = URL_SAFE_NO_PAD.encode(json!({ "alg": alg, "kid": kid, "jwk": extra }).to_string());
        let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
        let token = format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(signature));
        let believed = IdToken::parse(&token).and_then(|token| token.verify(&Key::new().jwk(), &issuer(), NOW));
        prop_assert!(believed.is_err());
    }

    #[test]
    fn any_changed_character_is_refused(place in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.=-]") {
        let key = Key::new();
        let token = key.sign(&claims());
        let at = place.index(token.len());
        let changed = format!("{}{with}{}", &token[..at], &token[at + 1..]);
        prop_assume!(changed != token);
        let believed = IdToken::parse(&changed).and_then(|token| token.verify(&key.jwk(), &issuer(), NOW));
        prop_assert!(believed.is_err());
    }

    #[test]
    fn the_public_key_signs_nothing_as_a_secret(alg in "HS256|HS384|HS512") {
        let key = Key::new();
        let mut header = jsonwebtoken::Header::new(alg.parse().unwrap());
        header.kid = Some("k1".to_owned());
        let secret = serde_json::to_vec(&key.jwk()).unwrap();
        let token = encode(&header, &claims(), &EncodingKey::from_secret(&secret)).unwrap();
        let error = IdToken::parse(&token).unwrap().verify(&key.jwk(), &issuer(), NOW).unwrap_err();
        prop_assert_eq!(error.code(), "oidc_algorithm");
    }
}
