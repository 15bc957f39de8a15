//! Data sources by core's rules.

mod scripted;

use provider_framework::testing::{TestProvider, object};
use provider_framework::value::Value;
use provider_plugin::provider::Idp;
use provider_plugin::settings::ProcessEnvironment;
use scripted::{Reply, Scripted, Seen, golden_path, problem, resource, spec};
use serde_json::json;

fn platform(seen: &Seen, _: usize) -> Reply {
    match seen.what.as_str() {
        "GET /api/v1/golden-paths/golden/api/nodejs" => {
            let mut path = golden_path();
            path["status"] = json!("active");
            path["title"] = json!("HTTP API on Node.js");
            path["description"] = json!("A service.");
            path["support_owner"] = json!("platform");
            path["support_tier"] = json!("supported");
            path["inputs"] = json!({ "type": "object" });
            path["controls"] = json!(["idp.workload.1"]);
            path["versions"] = json!([{
                "version": "1.2.0", "sha256": "a".repeat(64), "publisher": "key", "status": "active",
                "published_at": "2026-01-01T00:00:00Z",
            }]);
            Reply::Json(200, path)
        }
        "GET /api/v1/resources/service/staging/checkout" => {
            let mut service = resource(3, &spec(), "edited");
            service["drift"] = json!([{ "path": "a.yaml", "kind": "modified" }]);
            Reply::Json(200, service)
        }
        _ => problem(404, "not_found", "there is nothing of that name"),
    }
}

async fn provider(server: &Scripted) -> TestProvider {
    let provider = TestProvider::new(Idp::new(ProcessEnvironment::default()));
    let settings = object([("endpoint", server.endpoint.as_str()), ("token", "idp_secret")]);
    assert!(provider.configure(settings).await.errors.is_empty());
    provider
}

#[tokio::test]
async fn a_golden_path_is_found_by_address_or_by_template_and_language() {
    let server = Scripted::start(platform).await;
    let provider = provider(&server).await;
    let paths = provider.data_source("idp_golden_path");

    for question in [
        object([("address", "golden/api/nodejs")]),
        object([("template", "api"), ("language", "nodejs"), ("version_constraint", "~> 1.0")]),
    ] {
        let found = paths.read(&question).await;

        assert!(found.diagnostics.errors.is_empty(), "{:?}", found.diagnostics);
        assert_eq!(found.state.get("version"), Some(&Value::string("1.2.0")));
        assert_eq!(found.state.get("address"), Some(&Value::string("golden/api/nodejs")));
        assert_eq!(found.state.get("inputs_json"), Some(&Value::string("{\"type\":\"object\"}")));
    }
}

#[tokio::test]
async fn a_question_that_is_not_clear_is_refused_before_anything_is_asked() {
    let server = Scripted::start(platform).await;
    let provider = provider(&server).await;
    let paths = provider.data_source("idp_golden_path");

    for (question, part) in [
        (object([("template", "api")]), "both `template` and `language`"),
        (object([("address", "golden/api/nodejs"), ("language", "go")]), "either `address`"),
        (object([("address", "nodejs")]), "namespace/name/system"),
        (
            object([("address", "golden/api/nodejs"), ("version_constraint", "=> 1")]),
            "operators are",
        ),
    ] {
        let diagnostics = paths.validate(&question).await;

        assert!(diagnostics.errors[0].detail.contains(part), "{diagnostics:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_service_shows_everything_that_can_be_read() {
    let server = Scripted::start(platform).await;
    let provider = provider(&server).await;
    let services = provider.data_source("idp_service");

    let found = services.read(&object([("environment", "staging"), ("name", "checkout")])).await;

    assert!(found.diagnostics.errors.is_empty(), "{:?}", found.diagnostics);
    let text = |name: &str| found.state.get(name).and_then(Value::as_str).unwrap().to_owned();
    assert_eq!((text("owner"), text("phase")), ("payments".to_owned(), "ready".to_owned()));
    assert_eq!(text("rendered_sha256"), "edited");
    let drift = &found.state.get("drift").unwrap().as_elements().unwrap()[0];
    assert_eq!(drift.get("kind"), Some(&Value::string("modified")));
}

#[tokio::test]
async fn what_does_not_exist_is_an_error() {
    let server = Scripted::start(platform).await;
    let provider = provider(&server).await;

    let service = provider
        .data_source("idp_service")
        .read(&object([("environment", "staging"), ("name", "nope")]))
        .await;
    let path = provider
        .data_source("idp_golden_path")
        .read(&object([("address", "golden/api/cobol")]))
        .await;

    assert!(service.diagnostics.errors[0].summary.contains("it does not exist"));
    assert!(path.diagnostics.errors[0].detail.contains("there is nothing of that name"));
}
