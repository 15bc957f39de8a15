//! What plans of services promise.

use provider_framework::value::{Attr, FromValue as _, Value};
use registry_api::platform::{
    Change, ChangeAction, GoldenPathRef, Outputs, Plan, PlanAction, Prior,
};
use registry_trust::lock::Lock;
use serde_json::json;

use super::schema;
use crate::golden::draft::{Draft, Replacement};
use crate::golden::model::{ChangedObject, Golden};
use crate::golden::remembered::Remembered;
use crate::json::to_dynamic;

type Service = Golden<super::Service>;

const SHA: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A configuration with everything that is required, and these entries besides.
fn config(entries: &[(&str, Value)]) -> Service {
    let names: Vec<String> = schema().schema.block.attributes.into_keys().collect();
    let mut value = Value::object(names.iter().map(|name| (name.as_str(), Value::Null)));
    for (name, text) in [
        ("name", "checkout"),
        ("environment", "staging"),
        ("owner", "payments"),
        ("template", "api"),
        ("language", "nodejs"),
        ("image", "acme/checkout:1"),
    ] {
        value.set_attribute(name, text);
    }
    value.set_attribute("port", 8080);
    for (name, entry) in entries {
        value.set_attribute(name, entry);
    }
    Service::from_value(&value).unwrap()
}

fn exact() -> (&'static str, Value) {
    ("golden_path_version", Value::string("1.2.0"))
}

fn answer(rendered: &str) -> Plan {
    Plan {
        golden_path: Some(GoldenPathRef {
            address: "golden/api/nodejs".parse().unwrap(),
            version: "1.2.0".parse().unwrap(),
            sha256: SHA.to_owned(),
            publisher: "key".to_owned(),
        }),
        policy: Vec::new(),
        policy_sha256: "p".to_owned(),
        changes: vec![Change {
            target: "gitops".to_owned(),
            action: ChangeAction::Create,
            object: "Deployment/checkout".to_owned(),
            summary: "new".to_owned(),
        }],
        outputs: Some(Outputs {
            url: Some("https://checkout.example.com".to_owned()),
            catalog_ref: "component:staging/checkout".to_owned(),
            gitops: registry_api::platform::GitOpsLocation {
                repository: "main".to_owned(),
                commit: None,
                path: "staging/service/checkout".to_owned(),
            },
            database: None,
        }),
        cost: None,
        notices: Vec::new(),
        rendered_sha256: Some(rendered.to_owned()),
        provisioned_sha256: None,
        environment_revision: "e1".to_owned(),
    }
}

/// The state after an apply of this configuration.
fn applied(config: &Service) -> Service {
    let draft = Draft::new(config.clone(), None, Remembered::default(), &Lock::default());
    assert!(draft.is_settled(), "only exact versions: {draft:?}");
    let mut state = draft.promise(&answer("r1"));
    if let Attr::Known(gitops) = &mut state.common.gitops {
        gitops.commit = Attr::from("c1");
    }
    state
}

fn remembered() -> Remembered {
    Remembered {
        generation: Some(3),
        environment_revision: Some("e1".to_owned()),
        ..Remembered::default()
    }
}

fn create(config: Service) -> Draft<super::Service> {
    Draft::new(config, None, Remembered::default(), &Lock::default())
}

fn update(config: Service, prior: &Service) -> Draft<super::Service> {
    Draft::new(config, Some(prior.clone()), remembered(), &Lock::default())
}

fn locked(version: &str) -> Lock {
    let text = format!(
        r#"{{"version":1,"golden_paths":{{"golden/api/nodejs":{{"version":"{version}","sha256":"{SHA}","publisher":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}}}}"#
    );
    Lock::parse(text.as_bytes()).unwrap()
}

fn commit(service: &Service) -> Attr<String> {
    service.common.gitops.known().unwrap().commit.clone()
}

#[test]
fn a_bare_range_promises_nothing_that_another_version_could_break() {
    for constraint in [Value::Null, Value::string("~> 1.2")] {
        let draft = create(config(&[("golden_path_version", constraint)]));

        let planned = draft.promise(&answer("r1"));

        assert_eq!(planned.common.id, Attr::from("staging/checkout"));
        assert_eq!(planned.common.size, Attr::from("small"));
        assert_eq!(planned.own.running_image, Attr::from("acme/checkout:1"));
        for unknown in
            [&planned.own.url, &planned.common.rendered_sha256, &planned.common.catalog_ref]
        {
            assert!(unknown.is_unknown());
        }
        assert!(planned.common.golden_path.is_unknown() && planned.common.changes.is_unknown());
        assert_eq!(draft.question().unwrap().golden_path.version, None);
    }
}

#[test]
fn an_exact_version_shows_every_value_but_the_commit() {
    let planned = create(config(&[exact()])).promise(&answer("r1"));

    assert_eq!(planned.common.rendered_sha256, Attr::from("r1"));
    assert_eq!(planned.own.url, Attr::from("https://checkout.example.com"));
    assert_eq!(planned.common.golden_path.known().unwrap().version, Attr::from("1.2.0"));
    assert_eq!(planned.common.changes.known().map(Vec::len), Some(1));
    assert!(commit(&planned).is_unknown());
}

#[test]
fn a_locked_version_is_asked_for_by_its_digest() {
    let lock = locked("1.1.0");

    let draft = Draft::new(config(&[]), None, Remembered::default(), &lock);

    let selection = draft.question().unwrap().golden_path;
    assert_eq!(selection.version.unwrap().to_string(), "1.1.0");
    assert_eq!(selection.sha256.as_deref(), Some(SHA));
}

#[test]
fn the_version_in_use_stays_until_the_constraint_or_the_lock_file_moves_it() {
    let state = applied(&config(&[exact()]));
    let asked = |config: Service, lock: &Lock| {
        let draft = Draft::new(config, Some(state.clone()), remembered(), lock);
        draft.question().unwrap().golden_path.version.map(|version| version.to_string())
    };
    let range = |text: &str| config(&[("golden_path_version", Value::string(text))]);
    let nothing = Lock::default();

    assert_eq!(asked(range("~> 1.0"), &nothing).as_deref(), Some("1.2.0"));
    assert_eq!(asked(config(&[]), &nothing).as_deref(), Some("1.2.0"));
    assert_eq!(asked(range("~> 2.0"), &nothing), None);
    assert_eq!(asked(range("2.0.1"), &nothing).as_deref(), Some("2.0.1"));
    assert_eq!(asked(config(&[]), &locked("1.3.0")).as_deref(), Some("1.3.0"));
}

#[test]
fn a_second_plan_is_empty() {
    let config = config(&[
        exact(),
        ("parameters", to_dynamic(&json!({ "queue": "orders", "weight": 1.5 }))),
        ("env", Value::object([("A", "b")])),
    ]);
    let state = applied(&config);
    let mut quiet = answer("r1");
    quiet.changes.clear();

    let planned = update(config, &state).promise(&quiet);

    assert_eq!(planned, state);
}

#[test]
fn drift_shows_as_a_change_of_the_digest_and_a_commit_to_come() {
    let config = config(&[exact()]);
    let mut state = applied(&config);
    state.common.rendered_sha256 = Attr::from("edited");

    let planned = update(config, &state).promise(&answer("r1"));

    assert_eq!(planned.common.rendered_sha256, Attr::from("r1"));
    assert!(commit(&planned).is_unknown());
}

#[test]
fn how_an_apply_waits_is_nobody_elses_business() {
    let state = applied(&config(&[exact()]));
    let timeouts = Value::object([("create", "5m"), ("update", "5m"), ("delete", "5m")]);

    let planned = update(config(&[exact(), ("timeouts", timeouts)]), &state).promise(&answer("r1"));

    assert_ne!(planned, state);
    assert_eq!(planned.without_handling(), state.without_handling());
}

#[test]
fn a_change_that_touches_no_file_keeps_the_commit() {
    let state = applied(&config(&[exact()]));
    let mut quiet = answer("r1");
    quiet.changes.clear();

    let protected = config(&[exact(), ("deletion_protection", Value::Bool(true))]);
    let planned = update(protected, &state).promise(&quiet);

    assert_eq!(commit(&planned), Attr::from("c1"));
    assert_eq!(planned.common.changes, Attr::Known(Vec::<ChangedObject>::new()));
}

#[test]
fn both_plans_of_an_update_ask_about_the_same_generation_and_environment() {
    let state = applied(&config(&[exact()]));

    let question = update(config(&[exact()]), &state).question().unwrap();

    assert_eq!(question.action, PlanAction::Update);
    let files = Some("r1".to_owned());
    assert_eq!(
        question.prior,
        Some(Prior { generation: 3, rendered_sha256: files, provisioned_sha256: None })
    );
    assert_eq!(question.environment_revision.as_deref(), Some("e1"));
}

#[test]
fn unknown_inputs_are_named_and_leave_outputs_unknown() {
    let unknown = [exact(), ("image", Value::UNKNOWN)];
    let draft = create(config(&unknown));
    let mut vague = answer("r1");
    (vague.outputs, vague.rendered_sha256) = (None, None);

    let planned = draft.promise(&vague);

    assert_eq!(draft.question().unwrap().unknown, ["/spec/image"]);
    assert!(planned.own.url.is_unknown() && planned.own.running_image.is_unknown());
    assert_eq!(planned.common.golden_path.known().unwrap().version, Attr::from("1.2.0"));
}

#[test]
fn unknown_inputs_of_an_update_leave_alone_what_follows_from_the_name() {
    let state = applied(&config(&[exact()]));
    let mut vague = answer("r1");
    (vague.outputs, vague.rendered_sha256) = (None, None);

    let planned = update(config(&[exact(), ("image", Value::UNKNOWN)]), &state).promise(&vague);

    assert_eq!(planned.common.catalog_ref, state.common.catalog_ref);
    assert!(planned.own.url.is_unknown() && commit(&planned).is_unknown());
}

#[test]
fn too_little_to_go_on_is_not_asked_about() {
    for name in ["name", "environment", "owner", "template", "language", "golden_path_version"] {
        let draft = create(config(&[(name, Value::UNKNOWN)]));

        assert!(draft.question().is_none(), "{name}");
    }
}

#[test]
fn what_cannot_change_in_place_is_replaced() {
    let state = applied(&config(&[exact()]));
    let changed = config(&[
        exact(),
        ("language", Value::string("python")),
        ("owner", Value::string("search")),
    ]);

    let replacements = update(changed, &state).replacements();

    let expected = Replacement {
        attribute: "language",
        before: "nodejs".to_owned(),
        after: Some("python".to_owned()),
    };
    assert_eq!(replacements, [expected]);
}

#[test]
fn the_second_plan_of_a_replacement_names_what_makes_way() {
    let makes_way = Remembered { id: Some("staging/checkout".to_owned()), ..remembered() };
    let same = Draft::new(config(&[exact()]), None, makes_way.clone(), &Lock::default());
    let elsewhere = config(&[exact(), ("environment", Value::string("production"))]);
    let other = Draft::new(elsewhere, None, makes_way, &Lock::default());

    assert_eq!(
        same.question().unwrap().prior,
        Some(Prior { generation: 3, rendered_sha256: None, provisioned_sha256: None })
    );
    assert_eq!(other.question().unwrap().prior, None);
}

#[test]
fn a_pipelines_image_is_left_alone() {
    let pipeline = ("image_source", Value::string("pipeline"));
    let mut state = applied(&config(&[exact(), pipeline.clone()]));
    state.own.running_image = Attr::from("acme/checkout:7");
    let edited = config(&[exact(), pipeline, ("image", Value::string("acme/checkout:2"))]);

    let planned = update(edited, &state).promise(&answer("r1"));

    assert_eq!(planned, state);
}
