//! What is passed to the provider and must never come back.

use proptest::prelude::*;
use provider_framework::Diagnostics;
use provider_framework::context::ClientCapabilities;
use provider_framework::resource::ValidateRequest;
use provider_framework::schema::{
    Attribute, AttributeType, ResourceSchema, computed, list_of_objects, map_of_objects, object,
    optional, optional_computed, required,
};
use provider_framework::testing::{Stored, TestProvider};
use provider_framework::value::Value;
use provider_framework::{Failed, Report as _};

use crate::scripted::{Scripted, assert_blamed, made, provider, thing};

const SECRET: &str = "hunter2";

/// Write-only attributes wherever they may be.
fn schema() -> ResourceSchema {
    let text = || AttributeType::String;
    let login = || -> [(&'static str, Attribute); 3] {
        [
            ("password", optional(text(), "")),
            ("host", optional(text(), "")),
            ("weight", optional_computed(text(), "")),
        ]
    };
    ResourceSchema::new(2, "")
        .attribute("name", required(text(), ""))
        .attribute("password", optional(text(), ""))
        .attribute("password_version", optional(text(), ""))
        .attribute("one", optional(object(login()), ""))
        .attribute("many", optional(list_of_objects(login()), ""))
        .attribute("named", optional(map_of_objects(login()), ""))
        .attribute("id", computed(text(), ""))
        .write_only("password")
        .write_only("one.password")
        .write_only("many.password")
        .write_only("named.password")
}

fn scripted() -> Scripted {
    Scripted { schema: schema(), ..Scripted::default() }
}

/// The secret, or whatever stands in its place, everywhere.
fn config(secret: &Value) -> Value {
    let login = || Value::object([("password", secret.clone()), ("host", Value::string("h"))]);
    Value::object([
        ("name", Value::string("x")),
        ("password", secret.clone()),
        ("one", login()),
        ("many", Value::list([login()])),
        // A key that is the name of an attribute as well.
        ("named", Value::object([("password", login()), ("k", login())])),
    ])
}

fn secret() -> Value {
    config(&Value::string(SECRET))
}

/// How often the secret stands in what is shown.
fn count(shown: &impl std::fmt::Debug) -> usize {
    format!("{shown:?}").matches(SECRET).count()
}

#[tokio::test]
async fn the_value_is_there_in_the_configuration_of_validate_plan_create_and_update() {
    fn assert_all_there(value: &Value) {
        assert_eq!(count(value), 5, "{value}");
    }
    let provider = provider(Scripted {
        validate: Box::new(|request: ValidateRequest, _| {
            assert_all_there(&request.config);
            Ok(())
        }),
        plan: Box::new(|request, _| {
            assert_all_there(&request.config);
            assert_all_there(&request.proposed);
            Ok(())
        }),
        create: Box::new(|request, outcome| {
            assert_all_there(&request.config);
            assert_eq!(count(&request.planned), 0);
            outcome.set(made(request.planned));
            Ok(())
        }),
        update: Box::new(|request, outcome| {
            assert_all_there(&request.config);
            assert_eq!(count(&request.planned), 0);
            outcome.set(made(request.planned));
            Ok(())
        }),
        ..scripted()
    });

    let valid = thing(&provider).validate(&secret()).await;
    let stored = thing(&provider).create(&secret()).await;
    let mut changed = secret();
    changed.set_attribute("password_version", "2");
    let updated = thing(&provider).update(&stored, &changed).await;

    for diagnostics in [valid, stored.diagnostics, updated.diagnostics] {
        assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    }
}

#[tokio::test]
async fn the_default_plan_holds_null_where_the_proposal_holds_the_value() {
    let provider = provider(scripted());

    let plan = thing(&provider).plan(None, &secret()).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(count(&plan.planned), 0);
    assert_eq!(
        plan.planned.get("many").and_then(Value::as_elements).and_then(|many| many[0].get("host")),
        Some(&Value::string("h")),
        "what is beside it stays"
    );
}

#[tokio::test]
async fn a_value_that_is_not_known_yet_is_planned_as_null_too() {
    let provider = provider(scripted());

    let plan = thing(&provider).plan(None, &config(&Value::UNKNOWN)).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(plan.planned.get("password"), Some(&Value::Null));
}

#[tokio::test]
async fn a_plan_that_is_made_from_the_configuration_does_not_give_the_value_back() {
    let provider = provider(Scripted {
        plan: Box::new(|request, plan| {
            plan.set(request.config);
            plan.planned.set_attribute("id", "known");
            Ok(())
        }),
        ..scripted()
    });

    let plan = thing(&provider).plan(None, &secret()).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(count(&plan), count(&plan.config));
}

#[tokio::test]
async fn where_only_the_value_changes_nothing_changes() {
    let provider = provider(scripted());
    let stored = thing(&provider).create(&secret()).await;

    let plan = thing(&provider).plan(Some(&stored), &config(&Value::string("other"))).await;

    assert!(plan.is_empty(), "{plan:#?}");
}

/// The configuration as an object with everything known, secrets included.
fn leaked() -> Value {
    let mut value = secret();
    for name in ["password_version", "id"] {
        value.set_attribute(name, "known");
    }
    let weighed = |login: Value| {
        let mut login = login;
        login.set_attribute("weight", "1");
        login
    };
    let one = value.get("one").cloned().unwrap_or_default();
    value.set_attribute("one", weighed(one.clone()));
    value.set_attribute("many", Value::list([weighed(one.clone())]));
    value.set_attribute("named", Value::object([("password", weighed(one))]));
    value
}

#[tokio::test]
async fn a_state_that_is_made_from_the_configuration_does_not_give_the_value_back() {
    let resource = Scripted {
        create: Box::new(|request, outcome| {
            let mut state = request.planned;
            state.set_attribute("password", SECRET);
            outcome.set(made(state));
            Ok(())
        }),
        read: Box::new(|_, outcome| {
            outcome.set(leaked());
            Ok(())
        }),
        import: Box::new(|_, outcome| {
            outcome.state = leaked();
            Ok(())
        }),
        upgrade: Box::new(|_, outcome| {
            outcome.set(leaked());
            Ok(())
        }),
        ..scripted()
    };
    let provider = provider(resource);
    let thing = thing(&provider);

    let created = thing.create(&secret()).await;
    let read = thing.read(&created).await;
    let imported = thing.import("x").await;
    let upgraded = thing.upgrade(1, "{}").await;

    for stored in [created, read, imported, upgraded] {
        assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
        assert_eq!(stored.state.get("password"), Some(&Value::Null));
        assert_eq!(count(&stored), 0, "{stored:?}");
    }
}

#[tokio::test]
async fn state_of_the_same_version_from_when_the_attribute_was_stored_loses_the_value() {
    let provider = provider(scripted());

    let upgraded = thing(&provider)
        .upgrade(2, r#"{"name":"x","password":"hunter2","one":{"password":"hunter2","host":"h"}}"#)
        .await;

    assert!(upgraded.diagnostics.errors.is_empty(), "{:?}", upgraded.diagnostics);
    assert_eq!(upgraded.state.get("name"), Some(&Value::string("x")));
    assert_eq!(count(&upgraded), 0, "{upgraded:?}");
}

#[tokio::test]
async fn a_move_gives_nothing_back() {
    let provider = provider(scripted());

    let diagnostics = provider.move_state("other_thing", "test_thing").await;

    assert_eq!(diagnostics.errors[0].summary, "test_thing cannot take over other resources");
}

fn old_client(resource: Scripted) -> TestProvider {
    provider(resource).with_client(ClientCapabilities::default())
}

#[tokio::test]
async fn a_client_that_would_store_it_is_told_so_wherever_it_is_set() {
    let provider = old_client(scripted());

    for secret in [Value::string(SECRET), Value::UNKNOWN] {
        let diagnostics = thing(&provider).validate(&config(&secret)).await;

        for path in [
            "password",
            "one.password",
            "many[0].password",
            r#"named["k"].password"#,
            r#"named["password"].password"#,
        ] {
            assert_blamed(&diagnostics, path, "is write-only: its value is never stored");
        }
        assert_eq!((diagnostics.errors.len(), count(&diagnostics)), (5, 0));
    }
}

#[tokio::test]
async fn a_client_that_would_store_it_is_served_where_it_is_not_set() {
    let provider = old_client(scripted());

    let diagnostics = thing(&provider).validate(&config(&Value::Null)).await;
    let stored = thing(&provider).create(&config(&Value::Null)).await;

    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
}

#[tokio::test]
async fn reports_do_not_show_a_value_that_was_put_elsewhere_by_mistake() {
    let provider = provider(Scripted {
        plan: Box::new(|request, plan| {
            if request.prior.is_null() {
                return Ok(());
            }
            plan.planned.set_attribute("password_version", SECRET);
            Ok(())
        }),
        create: Box::new(|request, outcome| {
            let mut state = made(request.planned);
            state.set_attribute("name", SECRET);
            outcome.set(state);
            Ok(())
        }),
        ..scripted()
    });

    let created = thing(&provider).create(&secret()).await;
    let plan = thing(&provider).plan(Some(&created), &secret()).await;

    assert_blamed(&created.diagnostics, "name", "but is (sensitive value)");
    assert_blamed(&plan.diagnostics, "password_version", "planned (sensitive value)");
    assert_eq!(count(&created.diagnostics) + count(&plan.diagnostics), 0);
}

/// How a call ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Success,
    Failure,
    Panic,
}

impl End {
    fn reach(self, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
        match self {
            Self::Success => Ok(()),
            Self::Failure => Err(diagnostics.fail("Failed", "Something happened.")),
            Self::Panic => panic!("something happened"),
        }
    }
}

/// A resource that plans and returns this object whenever it is asked for one, and ends so.
fn returning(answer: &Value, end: End) -> Scripted {
    let answer = || answer.clone();
    let (read, import, upgrade) = (answer(), answer(), answer());
    let (create, update, delete) = (answer(), answer(), answer());
    Scripted {
        create: Box::new(move |_, outcome| {
            outcome.set(create.clone());
            end.reach(&mut outcome.diagnostics)
        }),
        update: Box::new(move |_, outcome| {
            outcome.set(update.clone());
            end.reach(&mut outcome.diagnostics)
        }),
        delete: Box::new(move |_, outcome| {
            outcome.set(delete.clone());
            end.reach(&mut outcome.diagnostics)
        }),
        read: Box::new(move |_, outcome| {
            outcome.set(read.clone());
            end.reach(&mut outcome.diagnostics)
        }),
        import: Box::new(move |_, outcome| {
            outcome.state = import.clone();
            end.reach(&mut outcome.diagnostics)
        }),
        upgrade: Box::new(move |_, outcome| {
            outcome.set(upgrade.clone());
            end.reach(&mut outcome.diagnostics)
        }),
        ..scripted()
    }
}

fn planning(answer: &Value, end: End) -> Scripted {
    let answer = answer.clone();
    Scripted {
        plan: Box::new(move |_, plan| {
            plan.set(answer.clone());
            end.reach(&mut plan.diagnostics)
        }),
        ..scripted()
    }
}

fn leaf(text: &'static str) -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => Just(Value::string(text)),
        1 => Just(Value::Null),
        1 => Just(Value::UNKNOWN),
    ]
}

/// A login of the right shape, or nothing of the kind.
fn login() -> impl Strategy<Value = Value> {
    let login =
        (leaf(SECRET), leaf("plain"), leaf("plain")).prop_map(|(password, host, weight)| {
            Value::object([("password", password), ("host", host), ("weight", weight)])
        });
    prop_oneof![8 => login, 1 => leaf(SECRET)]
}

/// An object that holds the secret where it is write-only, or where it makes no sense at all.
fn answer() -> impl Strategy<Value = Value> {
    let many = proptest::collection::vec(login(), 0..3).prop_map(Value::list);
    let keys = prop_oneof![Just("password".to_owned()), Just("host".to_owned()), "[a-c]"];
    let named = proptest::collection::btree_map(keys, login(), 0..3).prop_map(Value::object);
    let object = (leaf("x"), leaf(SECRET), leaf("plain"), login(), many, named, leaf("plain"));
    let object = object.prop_map(|(name, password, version, one, many, named, id)| {
        Value::object([
            ("name", name),
            ("password", password),
            ("password_version", version),
            ("one", one),
            ("many", many),
            ("named", named),
            ("id", id),
        ])
    });
    prop_oneof![12 => object, 1 => leaf(SECRET)]
}

/// Everything that the engine answers where a resource plans and returns this.
async fn answers(answer: &Value, end: End) -> String {
    let honest = provider(scripted());
    let stored = thing(&honest).create(&secret()).await;
    let mut changed = secret();
    changed.set_attribute("password_version", "2");

    let plan = thing(&provider(planning(answer, end))).plan(Some(&stored), &changed).await;
    let returning = provider(returning(answer, end));
    let thing = thing(&returning);
    let mut shown = vec![format!("{:?}{:?}", plan.planned, plan.diagnostics)];
    // What was stored when the attribute was not write-only yet.
    let old = Stored { state: answer.clone(), ..stored.clone() };
    let conforming = provider_framework::rules::conform(answer.clone(), &schema().ty());
    if conforming.is_ok_and(|object| object.is_wholly_known() && !object.is_null()) {
        shown.push(format!("{:?}", thing.read(&old).await));
    }
    for answer in [
        thing.create(&secret()).await,
        thing.update(&stored, &changed).await,
        thing.destroy(&stored).await,
        thing.read(&stored).await,
        thing.upgrade(1, "{}").await,
    ] {
        shown.push(format!("{answer:?}"));
    }
    shown.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_value_comes_back_at_its_place_whatever_the_resource_does(
        answer in answer(),
        end in prop_oneof![4 => Just(End::Success), 1 => Just(End::Failure), 1 => Just(End::Panic)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let shown = runtime.block_on(answers(&answer, end));

        prop_assert!(!shown.contains(SECRET), "{}", shown);
    }
}
