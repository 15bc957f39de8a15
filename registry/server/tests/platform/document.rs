//! The OpenAPI document: made from the routes, checked in, served, and true.

use std::path::Path;

use registry_server::routes::api;
use serde_json::{Value, json};

use crate::harness::Platform;

fn document() -> String {
    api::openapi::document(api::routes().merge(api::upload_routes()))
}

#[expect(clippy::disallowed_methods, reason = "the switch of whoever runs the test")]
#[test]
fn the_checked_in_document_is_what_the_routes_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/openapi.json");
    let made = document();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }

    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();

    assert!(
        checked_in == made,
        "registry/api/openapi.json is not what the routes say; write it with: \
         UPDATE=1 cargo test -p registry-server --test platform the_checked_in_document"
    );
}

#[tokio::test]
async fn the_document_is_served() {
    let platform = Platform::without_worker().await;

    let served = platform.call_as("", "GET", "/openapi.json", &[], None).await.ok();

    assert_eq!(served, serde_json::from_str::<Value>(&document()).unwrap());
}

#[tokio::test]
async fn every_documented_route_answers_and_other_methods_do_not() {
    let platform = Platform::without_worker().await;
    let document: Value = serde_json::from_str(&document()).unwrap();
    for (path, operations) in document["paths"].as_object().unwrap() {
        let path = path.strip_prefix("/api/v1").unwrap();
        let path = path.replace("{kind}", "service").replace(['{', '}'], "");
        for method in ["get", "put", "post", "delete", "patch"] {
            let answer = platform.call_as("", &method.to_uppercase(), &path, &[], None).await;
            let code = answer.body["code"].as_str().unwrap_or_default();
            let is_documented = operations.get(method).is_some();
            assert_eq!(
                is_documented,
                code != "method_not_allowed",
                "{method} {path}: {:#}",
                answer.body
            );
            assert_ne!(code, "no_such_route", "{method} {path}");
        }
    }
}

#[test]
fn every_operation_has_a_name_a_summary_and_says_how_it_fails() {
    let document: Value = serde_json::from_str(&document()).unwrap();
    let mut names = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let place = format!("{method} {path}");
            assert!(
                names.insert(operation["operationId"].as_str().unwrap_or(&place).to_owned()),
                "{place}"
            );
            assert!(operation["summary"].is_string(), "{place} has no summary");
            assert!(
                operation["responses"]["default"]["content"]["application/problem+json"]
                    .is_object(),
                "{place}"
            );
        }
    }
    assert_eq!(document["components"]["schemas"]["Plan"]["type"], json!("object"));
}

/// Routes reach the API only through `api_route`, which documents them.
#[test]
fn no_route_is_outside_the_document() {
    let source = include_str!("../../src/routes/api.rs");
    let router = include_str!("../../src/router.rs");

    assert!(!source.contains(".route("), "use api_route, so that the document has it");
    assert!(!router.contains("\"/api/v1"), "routes of the API belong to routes/api.rs");
}
