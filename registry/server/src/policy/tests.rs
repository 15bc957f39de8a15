use std::time::Instant;

use registry_api::platform::Effect;
use serde_json::json;

use super::*;
use crate::model::environment::tests::production;

fn bundle(rego: &str) -> Result<PolicyBundle, PolicyError> {
    PolicyBundle::load(&BTreeMap::from([("p.rego".to_owned(), rego.as_bytes().to_vec())]))
}

/// A service that the organisation has nothing against.
fn service_by_the_book() -> Value {
    let container = json!({"name": "shop", "securityContext": {
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
    }});
    json!({
        "action": "create", "kind": "service", "name": "shop", "caller": "ci", "unknown": [],
        "owner": {"name": "payments", "title": "Payments", "contact": "#payments", "cost_center": "4711"},
        "environment": production(),
        "spec": {"image": format!("ghcr.io/acme/shop@sha256:{}", "a".repeat(64)), "size": "small", "replicas": {"min": 2, "max": 4}},
        "golden_path": null,
        "cost": {"currency": "USD", "monthly_min": 10, "monthly_max": 20},
        "objects": [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "shop"},
            "spec": {"template": {"spec": {"containers": [container]}}}}],
    })
}

/// A database that the organisation has nothing against.
fn database_by_the_book() -> Value {
    let mut database = service_by_the_book();
    database["kind"] = "database".into();
    database["spec"] = json!({"engine": "postgres", "size": "small", "connection_limit": 20});
    database["objects"] =
        json!([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop.database"}}]);
    database
}

fn judge(bundle: &PolicyBundle, input: &Value) -> Result<Vec<Verdict>, PolicyError> {
    bundle.judge(&input.to_string())
}

#[test]
fn the_organisations_bundle_says_what_its_fixtures_expect() {
    let bundle = PolicyBundle::embedded().unwrap();
    let cases: Value =
        serde_json::from_str(include_str!("../../policy/tests/organisation.json")).unwrap();
    for case in cases.as_array().unwrap() {
        let mut input = match case["kind"].as_str() {
            Some("database") => database_by_the_book(),
            _ => service_by_the_book(),
        };
        for (pointer, value) in case["change"].as_object().unwrap() {
            *input.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        }

        let verdicts = judge(&bundle, &input).unwrap();

        let said: Vec<_> = verdicts
            .iter()
            .map(|v| {
                format!("{} {}", serde_json::to_value(v.effect).unwrap().as_str().unwrap(), v.rule)
            })
            .collect();
        assert_eq!(json!(said), case["expect"], "{}", case["name"]);
        for verdict in &verdicts {
            assert!(verdict.message.len() > 40 && !verdict.controls.is_empty(), "{verdict:?}");
        }
    }
}

#[test]
fn a_policy_has_no_clock_network_randomness_or_environment() {
    for call in [
        "time.now_ns()",
        "http.send({\"method\": \"get\", \"url\": \"http://localhost\"})",
        "uuid.rfc4122(\"x\")",
        "opa.runtime()",
        "rand.intn(\"x\", 10)",
    ] {
        let rego = format!("package idp\nverdicts contains x if {{ x := {call} }}\n");
        let result = bundle(&rego).and_then(|bundle| judge(&bundle, &service_by_the_book()));
        assert!(result.is_err(), "{call} was evaluated: {result:?}");
    }
}

#[test]
fn a_policy_that_takes_too_long_is_an_error() {
    let rego = "package idp\nverdicts contains x if { some a in numbers.range(1, 3000); some b in numbers.range(1, 3000); some c in numbers.range(1, 3000); a * b * c == 0; x := 1 }\n";
    let start = Instant::now();

    let result = bundle(rego).and_then(|bundle| judge(&bundle, &service_by_the_book()));

    assert!(matches!(result, Err(PolicyError::Evaluation(_))), "{result:?}");
    assert!(start.elapsed() < TIME_LIMIT * 20);
}

#[test]
fn a_bundle_that_fails_is_never_consent() {
    assert!(matches!(
        bundle("package other\nverdicts contains 1 if true\n"),
        Err(PolicyError::NoVerdicts)
    ));
    assert!(matches!(bundle("package idp\nverdicts contains"), Err(PolicyError::File { .. })));
    let no_rule = bundle("package idp\nx := 1\n").unwrap();
    assert!(judge(&no_rule, &service_by_the_book()).is_err());
    let odd_shape = bundle("package idp\nverdicts contains {\"rule\": \"x\", \"effect\": \"maybe\", \"message\": \"\"}\n").unwrap();
    assert!(matches!(judge(&odd_shape, &service_by_the_book()), Err(PolicyError::Verdict(_))));
    let failing =
        bundle("package idp\nverdicts contains x if { x := to_number(input.name) }\n").unwrap();
    assert!(matches!(judge(&failing, &service_by_the_book()), Err(PolicyError::Evaluation(_))));
}

#[test]
fn the_typed_input_is_what_the_rules_read() {
    let environment = production();
    let owner = OwnerFacts {
        name: "payments".parse().unwrap(),
        title: "Payments".to_owned(),
        contact: None,
        cost_center: None,
    };
    let spec = json!({"image": "shop:v1"});
    let name = "shop".parse().unwrap();
    let input = PolicyInput {
        action: PlanAction::Create,
        kind: Kind::Service,
        name: &name,
        owner: &owner,
        environment: &environment,
        spec: &spec,
        unknown: &[],
        golden_path: None,
        objects: Vec::new(),
        cost: None,
        caller: "ci",
    };

    let verdicts = PolicyBundle::embedded().unwrap().evaluate(&input).unwrap();

    let denied: Vec<_> =
        verdicts.iter().filter(|v| v.effect == Effect::Deny).map(|v| v.rule.as_str()).collect();
    assert_eq!(denied, ["image_by_digest", "owner_cost_center"]);
}
