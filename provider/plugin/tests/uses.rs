//! What a service uses, and what is on database servers for it.

mod scripted;

use provider_framework::path::show;
use provider_framework::testing::object;
use provider_framework::value::Value;
use scripted::driven::{configured, only_error, provider};
use scripted::{Reply, Scripted, Seen, operation, plan, problem, resource};
use serde_json::{Value as Json, json};

const PLANS: &str = "POST /api/v1/plans";
const CHECKOUT: &str = "GET /api/v1/resources/service/staging/checkout";

fn used(resource: Value, access: Value) -> Value {
    object([("resource", resource), ("access", access)])
}

fn orders() -> Value {
    used(Value::string("database/staging/orders"), Value::string("write"))
}

fn config(uses: Value) -> Value {
    object([
        ("name", Value::string("checkout")),
        ("environment", Value::string("staging")),
        ("owner", Value::string("payments")),
        ("template", Value::string("api")),
        ("language", Value::string("nodejs")),
        ("image", Value::string("acme/checkout:1")),
        ("port", Value::Number(8080.into())),
        ("golden_path_version", Value::string("1.2.0")),
        ("uses", uses),
    ])
}

fn spec() -> Json {
    json!({
        "template": "api", "language": "nodejs", "image": "acme/checkout:1", "port": 8080,
        "uses": {
            "orders": { "resource": "database/staging/orders", "access": "write" },
            "stripe": { "resource": "secret/staging/stripe" },
        },
    })
}

/// A platform on which all goes well, and on whose database server this is.
fn provisioned(seen: &Seen, digest: &str) -> Reply {
    match seen.what.split(' ').next() {
        _ if seen.what == PLANS => {
            let Reply::Json(status, mut body) = plan("r1") else { unreachable!() };
            body["provisioned_sha256"] = json!("p1");
            Reply::Json(status, body)
        }
        Some("PUT") => Reply::Json(202, operation("running")),
        _ if seen.what.contains("/operations/") => Reply::Json(200, operation("succeeded")),
        _ => {
            let mut service = resource(1, &spec(), "r1");
            service["provisioned_sha256"] = json!(digest);
            Reply::Json(200, service)
        }
    }
}

#[tokio::test]
async fn what_a_service_uses_is_part_of_what_is_asked_for_and_plans_empty_afterwards() {
    let server = Scripted::start(|seen, _| provisioned(seen, "p1")).await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");
    let stripe = used(Value::string("secret/staging/stripe"), Value::Null);
    let config = config(object([("orders", orders()), ("stripe", stripe)]));

    let stored = services.create(&config).await;
    let read = services.read(&stored).await;
    let second = services.plan(Some(&read), &config).await;

    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
    assert_eq!(server.seen_of("PUT")[0].body["spec"]["uses"], spec()["uses"]);
    assert_eq!(stored.state.get("provisioned_sha256"), Some(&Value::string("p1")));
    assert!(second.is_empty(), "{:?} is not {:?}", second.planned, second.prior);
}

#[tokio::test]
async fn what_someone_changed_on_a_server_is_mended_and_named_in_the_question() {
    let server = Scripted::start(|seen, before| {
        provisioned(seen, if seen.what == CHECKOUT && before > 0 { "edited" } else { "p1" })
    })
    .await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");
    let stripe = used(Value::string("secret/staging/stripe"), Value::Null);
    let config = config(object([("orders", orders()), ("stripe", stripe)]));
    let stored = services.create(&config).await;
    let read = services.read(&stored).await;

    let plan = services.plan(Some(&read), &config).await;

    assert_eq!(read.state.get("provisioned_sha256"), Some(&Value::string("edited")));
    assert_eq!(plan.planned.get("provisioned_sha256"), Some(&Value::string("p1")));
    let asked = &server.seen_of(PLANS).pop().unwrap().body;
    assert_eq!(asked["prior"]["provisioned_sha256"], "edited");
}

#[tokio::test]
async fn an_unknown_resource_is_sent_as_a_pointer() {
    let server = Scripted::start(|seen, _| provisioned(seen, "p1")).await;
    let provider = provider(&server).await;
    let uses = object([("orders", used(Value::UNKNOWN, Value::string("read")))]);

    let plan = provider.resource("idp_service").plan(None, &config(uses)).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics.errors);
    let asked = &server.seen_of(PLANS)[0].body;
    assert_eq!(asked["unknown"], json!(["/spec/uses/orders/resource"]));
    assert_eq!(asked["spec"]["uses"]["orders"], json!({ "access": "read" }));
}

#[tokio::test]
async fn an_answer_about_one_use_is_an_error_at_that_attribute() {
    let server = Scripted::start(|_, _| {
        let Reply::Json(_, mut body) = problem(422, "invalid", "it is not valid") else {
            unreachable!()
        };
        body["errors"] = json!([{
            "pointer": "/spec/uses/orders/resource", "detail": "there is no such database", "rule": "exists",
        }]);
        Reply::Json(422, body)
    })
    .await;
    let provider = provider(&server).await;
    let uses = object([("orders", orders())]);

    let plan = provider.resource("idp_service").plan(None, &config(uses)).await;

    let error = only_error(&plan.diagnostics);
    assert!(error.contains("`uses[\"orders\"].resource` is refused"), "{error}");
    assert_eq!(show(&plan.diagnostics.errors[0].attribute), "uses");
}

#[tokio::test]
async fn state_that_was_stored_before_there_were_uses_is_read_and_plans_empty() {
    let server = Scripted::start(|seen, _| {
        if seen.what == PLANS {
            return plan("r1");
        }
        let mut service = spec();
        service.as_object_mut().unwrap().remove("uses");
        Reply::Json(200, resource(1, &service, "r1"))
    })
    .await;
    let provider = provider(&server).await;
    let services = provider.resource("idp_service");
    let config = config(Value::Null);
    let imported = services.import("staging/checkout").await;
    let mut old = as_json(&imported.state);
    for added in ["uses", "provisioned_sha256"] {
        assert!(old.as_object_mut().unwrap().remove(added).is_some());
    }

    let mut upgraded = services.upgrade(0, &old.to_string()).await;
    upgraded.private = br#"{"generation":1,"environment_revision":"e1"}"#.to_vec();
    let read = services.read(&upgraded).await;
    let plan = services.plan(Some(&read), &config).await;

    assert!(upgraded.diagnostics.errors.is_empty(), "{:?}", upgraded.diagnostics);
    assert!(plan.is_empty(), "{:?} is not {:?}", plan.planned, plan.prior);
}

/// Known values as they are stored.
fn as_json(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => json!(truth),
        Value::String(text) => json!(text),
        Value::Number(number) => json!(number.as_f64()),
        Value::List(elements) => elements.iter().map(as_json).collect(),
        Value::Map(entries) => Json::Object(
            entries.iter().map(|(name, entry)| (name.clone(), as_json(entry))).collect(),
        ),
        _ => Json::Null,
    }
}

#[tokio::test]
async fn uses_that_cannot_be_are_refused_without_the_platform() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let text = Value::string;
    let database = || text("database/staging/orders");
    for (alias, entry, part) in [
        ("orders", used(text("orders"), text("read")), "database/staging/orders or secret/"),
        ("orders", used(text("service/staging/a"), text("read")), "must be the id of"),
        ("orders", used(text("database/staging"), text("read")), "must be the id of"),
        ("orders", used(text("database/Staging/orders"), text("read")), "must be the id of"),
        ("orders", used(database(), Value::Null), "A database needs it"),
        ("orders", used(database(), text("admin")), "`read` or `write` or `migrate`"),
        ("key", used(text("secret/staging/key"), text("read")), "only ever read"),
        ("an order", orders(), "letters, digits, dashes and underscores"),
        ("", orders(), "letters, digits, dashes and underscores"),
        ("orders", Value::Null, "must be an object"),
    ] {
        let config = config(object([(alias, entry)]));

        let diagnostics = provider.resource("idp_service").validate(&config).await;

        let error = only_error(&diagnostics);
        assert!(error.contains(part), "{alias}: {error}");
        assert_eq!(show(&diagnostics.errors[0].attribute), "uses");
    }
}

#[tokio::test]
async fn two_names_that_give_the_same_environment_variable_are_refused() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let uses = object([("order-db", orders()), ("order_db", orders())]);

    let diagnostics = provider.resource("idp_service").validate(&config(uses)).await;

    assert!(only_error(&diagnostics).contains("environment variables of the same names"));
}

#[tokio::test]
async fn what_is_not_known_yet_is_not_refused() {
    let provider = configured(Value::string("http://127.0.0.1:1")).await;
    let uses = object([
        ("a", used(Value::UNKNOWN, Value::Null)),
        ("b", used(Value::string("database/staging/b"), Value::UNKNOWN)),
        ("c", Value::UNKNOWN),
    ]);

    for uses in [uses, Value::UNKNOWN] {
        let diagnostics = provider.resource("idp_service").validate(&config(uses)).await;

        assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    }
}
