//! The client against servers that misbehave.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod scripted;

use std::time::{Duration, Instant};

use provider_plugin::client::{Client, ClientError, ExtraRoots, Patience, Token};
use registry_api::ModuleAddress;
use registry_api::platform::{Kind, ResourceRef};
use scripted::{Reply, Scripted, problem, resource, spec};
use serde_json::json;

fn hasty() -> Patience {
    Patience {
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        answer_within: Duration::from_millis(300),
        away_for: Duration::from_millis(300),
    }
}

fn client(endpoint: &str, roots: ExtraRoots) -> Client {
    Client::new(endpoint.parse().unwrap(), Token::new("idp_secret"), roots, hasty())
}

fn checkout() -> ResourceRef {
    ResourceRef {
        kind: Kind::Service,
        environment: "staging".parse().unwrap(),
        name: "checkout".parse().unwrap(),
    }
}

async fn ask(server: &Scripted) -> Result<bool, ClientError> {
    let client = client(&server.endpoint, ExtraRoots::default());
    client.resource(&checkout()).await.map(|found| found.is_some())
}

#[tokio::test]
async fn a_passing_failure_is_tried_again() {
    let server = Scripted::start(|_, before| match before {
        0 => problem(503, "busy", "too many requests"),
        1 => Reply::HangUp,
        _ => Reply::Json(200, resource(1, &spec(), "r1")),
    })
    .await;

    assert!(ask(&server).await.unwrap());
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_lasting_failure_is_given_up_after_a_few_tries() {
    let server = Scripted::start(|_, _| {
        Reply::WithHeader(429, "retry-after: 86400", json!({ "title": "Too many requests" }))
    })
    .await;
    let begin = Instant::now();

    let error = ask(&server).await.unwrap_err();

    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "the server does not decide how long we wait"
    );
    assert!(error.to_string().contains("429"), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Scripted::start(|_, _| Reply::Silence).await;

    let error = ask(&server).await.unwrap_err().to_string();

    assert!(error.contains("did not answer within") && error.contains("/healthz"), "{error}");
}

#[tokio::test]
async fn once_given_up_others_do_not_wait_as_long() {
    let client = client("http://127.0.0.1:1", ExtraRoots::default());
    let first = client.resource(&checkout()).await.unwrap_err().to_string();

    let second = client.resource(&checkout()).await.unwrap_err().to_string();

    assert!(first.contains("tried 3 times") && first.contains("http://127.0.0.1:1"), "{first}");
    assert!(!second.contains("tried"), "{second}");
}

#[tokio::test]
async fn a_refusal_is_not_tried_again() {
    let server = Scripted::start(|_, _| problem(403, "forbidden", "no right")).await;

    let error = ask(&server).await.unwrap_err();

    assert_eq!(error.code(), Some("forbidden"));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_does_not_exist_is_told_from_a_wrong_address() {
    let gone = Scripted::start(|_, _| problem(404, "not_found", "no such service")).await;
    let elsewhere = Scripted::start(|_, _| Reply::Json(404, json!("<html>"))).await;

    assert!(!ask(&gone).await.unwrap());
    let error = ask(&elsewhere).await.unwrap_err().to_string();
    assert!(error.contains("Is that the platform's address"), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_token() {
    let server = Scripted::start(|_, _| {
        Reply::WithHeader(302, "location: https://elsewhere.example.com/", json!(null))
    })
    .await;

    let error = ask(&server).await.unwrap_err().to_string();

    assert!(error.contains("redirects to https://elsewhere.example.com/"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_body_of_another_shape_is_reported() {
    let server = Scripted::start(|_, _| Reply::Json(200, json!({ "hello": "world" }))).await;

    let error = ask(&server).await.unwrap_err().to_string();

    assert!(error.contains("not what was asked for"), "{error}");
}

#[tokio::test]
async fn an_unknown_authority_is_named_as_the_cause_and_ca_pem_helps() {
    let server = Scripted::start_tls(|_, _| Reply::Json(200, resource(1, &spec(), "r1"))).await;

    let error = ask(&server).await.unwrap_err();
    assert!(matches!(error, ClientError::Untrusted(_)), "{error}");
    assert!(error.to_string().contains("`ca_file`"), "{error}");
    assert!(server.seen().is_empty(), "nothing was sent to a server that is not trusted");

    let roots = ExtraRoots { file: None, pem: server.certificate.clone() };
    assert!(client(&server.endpoint, roots).resource(&checkout()).await.unwrap().is_some());
}

#[tokio::test]
async fn every_request_carries_the_token_and_no_error_repeats_it() {
    let server = Scripted::start(|_, _| problem(401, "unauthorized", "the token is unknown")).await;
    let address: ModuleAddress = "golden/api/nodejs".parse().unwrap();
    let constraint = "~> 1.0".parse().unwrap();

    let client = client(&server.endpoint, ExtraRoots::default());
    let error = client.golden_path(&address, Some(&constraint)).await.unwrap_err();

    let seen = &server.seen()[0];
    assert_eq!(seen.what, "GET /api/v1/golden-paths/golden/api/nodejs");
    assert_eq!(seen.header("authorization").as_deref(), Some("Bearer idp_secret"));
    assert!(!format!("{error:?} {error} {client:?}").contains("idp_secret"));
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_refused_without_showing_it() {
    let token = Token::new("idp_sec\nret");
    let endpoint = "http://127.0.0.1:1".parse().unwrap();
    let client = Client::new(endpoint, token, ExtraRoots::default(), hasty());

    let error = client.resource(&checkout()).await.unwrap_err().to_string();

    assert!(
        error.contains("characters that cannot be sent") && !error.contains("ret\""),
        "{error}"
    );
}
