//! What apply may return, and what becomes of the state when something goes wrong.

use provider_framework::resource::Applied;
use provider_framework::schema::{AttributeType, ResourceSchema, computed, list, map, set};
use provider_framework::testing::Stored;
use provider_framework::value::{Bound, Refinements, Value};
use provider_framework::{Failed, Report as _};

use crate::scripted::{Scripted, assert_blamed, config, made, provider, thing};

/// A resource that returns other than it planned.
fn returning(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Scripted {
    let create = Box::new(
        move |request: provider_framework::resource::CreateRequest, outcome: &mut Applied| {
            let mut state = made(request.planned);
            change(&mut state);
            outcome.set(state);
            Ok(())
        },
    );
    Scripted { create, ..Scripted::default() }
}

async fn create(resource: Scripted, config: Value) -> Stored {
    let provider = provider(resource);
    thing(&provider).create(&config).await
}

/// Creates an object whose attribute `out` was planned as one value and turns out to be another.
async fn create_out(ty: AttributeType, planned: Value, actual: Value) -> Stored {
    let mut resource = returning(move |state| state.set_attribute("out", &actual));
    resource.schema = resource.schema.attribute("out", computed(ty, ""));
    resource.plan = Box::new(move |_, plan| {
        plan.planned.set_attribute("out", &planned);
        Ok(())
    });
    create(resource, config([])).await
}

#[track_caller]
fn assert_accepted(stored: &Stored) {
    assert!(stored.diagnostics.errors.is_empty(), "{:?}", stored.diagnostics);
}

#[tokio::test]
async fn what_was_planned_comes_back() {
    let stored = create(returning(|state| state.set_attribute("name", "y")), config([])).await;

    assert_blamed(&stored.diagnostics, "name", r#"was planned to be "x", but is "y""#);
    assert_eq!(
        stored.state.get("name"),
        Some(&Value::string("y")),
        "what is there is stored all the same"
    );
}

#[tokio::test]
async fn what_was_planned_unknown_may_become_anything_of_its_type() {
    for actual in [Value::string("a"), Value::Null] {
        let stored = create_out(AttributeType::String, Value::UNKNOWN, actual.clone()).await;

        assert_accepted(&stored);
        assert_eq!(stored.state.get("out"), Some(&actual));
    }
    let stored = create_out(AttributeType::String, Value::UNKNOWN, Value::Bool(true)).await;
    assert_blamed(&stored.diagnostics, "out", "a string is required");
}

#[tokio::test]
async fn what_was_promised_of_an_unknown_value_is_kept() {
    let text = AttributeType::String;
    let not_null = Value::refined(Refinements::not_null());
    let stored = create_out(text.clone(), not_null, Value::Null).await;
    assert_blamed(&stored.diagnostics, "out", "the plan promised a value");

    let prefix = || Value::refined(Refinements::prefix("https://"));
    assert_accepted(&create_out(text.clone(), prefix(), Value::string("https://a")).await);
    let stored = create_out(text, prefix(), Value::string("http://a")).await;
    assert_blamed(&stored.diagnostics, "out", r#"a string that begins with "https://""#);

    let bound = |number: u8, inclusive| Some(Bound { number: number.into(), inclusive });
    let range =
        Refinements { minimum: bound(1, true), maximum: bound(5, false), ..Refinements::default() };
    let number = |number: u8| Value::Number(number.into());
    assert_accepted(
        &create_out(AttributeType::Number, Value::refined(range.clone()), number(1)).await,
    );
    for outside in [0, 5] {
        let stored =
            create_out(AttributeType::Number, Value::refined(range.clone()), number(outside)).await;
        assert_blamed(&stored.diagnostics, "out", "the plan promised a number");
    }

    let sized = Refinements { minimum_length: Some(1), ..Refinements::default() };
    let stored =
        create_out(list(AttributeType::String), Value::refined(sized), Value::List(Vec::new()))
            .await;
    assert_blamed(&stored.diagnostics, "out", "another number of elements");
}

#[tokio::test]
async fn nothing_is_unknown_after_apply() {
    let stored =
        create(returning(|state| state.set_attribute("id", Value::UNKNOWN)), config([])).await;

    assert_blamed(&stored.diagnostics, "id", "still unknown after apply");
    assert_eq!(stored.state.get("id"), Some(&Value::Null), "what is unknown is stored as null");
    assert_eq!(stored.state.get("name"), Some(&Value::string("x")), "the rest is stored");
}

#[tokio::test]
async fn unknown_values_deep_inside_are_named_by_their_path() {
    let named = Value::object([("k", Value::object([("host", Value::string("a"))]))]);
    let unknown = Value::object([(
        "k",
        Value::object([("host", Value::string("a")), ("weight", Value::UNKNOWN)]),
    )]);
    let resource = returning(move |state| state.set_attribute("named", &unknown));

    let stored = create(resource, config([("named", named)])).await;

    assert_blamed(&stored.diagnostics, r#"named["k"].weight"#, "still unknown");
}

#[tokio::test]
async fn a_created_object_exists() {
    let resource = Scripted { create: Box::new(|_, _| Ok(())), ..Scripted::default() };

    let stored = create(resource, config([])).await;

    assert_blamed(&stored.diagnostics, "", "was planned to be present, but is absent");
    assert!(stored.state.is_null());
}

#[tokio::test]
async fn a_deleted_object_is_gone_though_the_resource_does_not_say_so() {
    let provider = provider(Scripted::default());
    let stored = thing(&provider).create(&config([])).await;

    let gone = thing(&provider).destroy(&stored).await;

    assert_accepted(&gone);
    assert!(gone.state.is_null());
}

#[tokio::test]
async fn an_object_that_remains_after_delete_is_an_error_and_is_stored() {
    let resource = Scripted {
        delete: Box::new(|request, outcome| {
            let mut state = request.prior;
            state.set_attribute("id", "remains");
            outcome.set(state);
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);
    let stored = thing(&provider).create(&config([])).await;

    let remains = thing(&provider).destroy(&stored).await;

    assert_blamed(&remains.diagnostics, "", "was planned to be absent, but is present");
    assert_eq!(remains.state.get("id"), Some(&Value::string("remains")));
}

#[tokio::test]
async fn lists_and_maps_keep_their_elements() {
    let pair = || Value::list(["a", "b"]);
    let stored = create_out(list(AttributeType::String), pair(), Value::list(["a"])).await;
    assert_blamed(&stored.diagnostics, "out", "was planned to have 2 elements, but has 1");

    let stored = create_out(list(AttributeType::String), pair(), Value::list(["a", "c"])).await;
    assert_blamed(&stored.diagnostics, "out[1]", r#"was planned to be "b", but is "c""#);

    let stored = create_out(
        map(AttributeType::String),
        Value::object([("a", Value::UNKNOWN)]),
        Value::object([("b", Value::string("x"))]),
    );
    let stored = stored.await;
    assert_blamed(&stored.diagnostics, r#"out["a"]"#, "has vanished");
    assert_blamed(&stored.diagnostics, r#"out["b"]"#, "has appeared");
}

#[tokio::test]
async fn blocks_keep_their_number() {
    let block = |port: &str| Value::object([("port", Value::string(port))]);
    let configured = config([("listener", Value::list([block("80")]))]);
    let resource = returning(move |state| state.set_attribute("listener", Value::List(Vec::new())));

    let stored = create(resource, configured).await;

    assert_blamed(
        &stored.diagnostics,
        "listener",
        "number of blocks was planned to be 1, but is 0",
    );
}

#[tokio::test]
async fn elements_of_sets_may_become_one_but_never_more() {
    let ty = || set(AttributeType::String);
    let two_unknown = || Value::set([Value::UNKNOWN, Value::UNKNOWN]);
    assert_accepted(&create_out(ty(), two_unknown(), Value::set(["a"])).await);

    let stored = create_out(ty(), two_unknown(), Value::set(["a", "b", "c"])).await;
    assert_blamed(&stored.diagnostics, "out", "was planned to have 2 elements, but has 3");

    let stored = create_out(ty(), Value::set(["a"]), Value::set(["b"])).await;
    assert_blamed(
        &stored.diagnostics,
        "out",
        r#"the planned element "a" is not among the actual ones"#,
    );
}

#[tokio::test]
async fn sensitive_values_are_not_shown_in_reports() {
    use provider_framework::schema::AttributeExt as _;
    let mut resource = returning(|state| state.set_attribute("token", "hunter2"));
    let token = provider_framework::schema::optional(AttributeType::String, "").sensitive();
    resource.schema = resource.schema.attribute("token", token);

    let stored = create(resource, config([("token", Value::string("hunter1"))])).await;

    assert_blamed(&stored.diagnostics, "token", "(sensitive value)");
    assert!(!format!("{:?}", stored.diagnostics).contains("hunter"));
}

#[tokio::test]
async fn what_a_failed_create_made_is_stored_with_its_private_bytes() {
    let resource = Scripted {
        create: Box::new(|request, outcome| {
            let mut state = request.planned;
            state.set_attribute("id", "half");
            // A failed result may differ from the plan.
            state.set_attribute("name", "other");
            outcome.set(state);
            outcome.private.write(&"step 1");
            Err(outcome.diagnostics.fail("Disk full", "No space left."))
        }),
        ..Scripted::default()
    };

    let stored = create(resource, config([])).await;

    assert_eq!(
        stored.diagnostics.errors.len(),
        1,
        "only its own error is reported: {:?}",
        stored.diagnostics
    );
    assert_eq!(stored.state.get("id"), Some(&Value::string("half")));
    assert_eq!(stored.state.get("color"), Some(&Value::Null), "what is not known yet is null");
    assert_eq!(stored.private, br#""step 1""#);
}

#[tokio::test]
async fn a_failed_create_that_made_nothing_stores_nothing() {
    let resource = Scripted {
        create: Box::new(|_, outcome| Err(outcome.diagnostics.fail("Refused", "Quota exceeded."))),
        ..Scripted::default()
    };

    let stored = create(resource, config([])).await;

    assert!(stored.state.is_null());
    assert_eq!(stored.diagnostics.errors[0].summary, "Refused");
}

#[tokio::test]
async fn a_failed_update_or_delete_keeps_the_prior_state() {
    let resource = Scripted {
        update: Box::new(|_, outcome| Err(outcome.diagnostics.fail("Refused", "Locked."))),
        delete: Box::new(|_, outcome| Err(outcome.diagnostics.fail("Refused", "Locked."))),
        ..Scripted::default()
    };
    let provider = provider(resource);
    let stored = thing(&provider).create(&config([])).await;

    let updated =
        thing(&provider).update(&stored, &config([("size", Value::string("large"))])).await;
    assert_eq!(updated.state, stored.state);

    let deleted = thing(&provider).destroy(&stored).await;
    assert_eq!(deleted.state, stored.state);
    assert_eq!(deleted.diagnostics.errors[0].summary, "Refused");
}

#[tokio::test]
async fn errors_that_were_recorded_count_though_the_resource_returns_success() {
    let resource = Scripted {
        delete: Box::new(|_, outcome| {
            outcome.diagnostics.fail("Left over", "A file remains.");
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);
    let stored = thing(&provider).create(&config([])).await;

    let deleted = thing(&provider).destroy(&stored).await;

    assert_eq!(deleted.state, stored.state);
}

#[tokio::test]
async fn a_failure_without_an_error_is_reported_as_a_bug() {
    let resource = Scripted {
        create: Box::new(|_, _| {
            // The receipt is of errors that are reported elsewhere, that is, nowhere.
            Err(provider_framework::Diagnostics::default().fail("lost", "lost"))
        }),
        ..Scripted::default()
    };

    let stored = create(resource, config([])).await;

    assert_eq!(stored.diagnostics.errors[0].summary, "Creating test_thing failed");
}

#[tokio::test]
async fn a_panic_is_an_error_and_loses_no_state() {
    let resource = Scripted {
        create: Box::new(|request, outcome| {
            outcome.set(made(request.planned));
            panic!("out of bounds");
        }),
        ..Scripted::default()
    };

    let stored = create(resource, config([])).await;

    assert_eq!(stored.diagnostics.errors[0].summary, "Creating test_thing crashed");
    assert_blamed(&stored.diagnostics, "", "The provider panicked: out of bounds.");
    assert_eq!(stored.state.get("id"), Some(&Value::string("made")));
}

#[tokio::test]
async fn a_panic_in_any_operation_is_an_error_that_names_it() {
    fn crash<Request, Outcome>(_: Request, _: &mut Outcome) -> Result<(), Failed> {
        panic!("oops")
    }
    let healthy = provider(Scripted::default());
    let stored = thing(&healthy).create(&config([])).await;
    let crashing = provider(Scripted {
        validate: Box::new(crash),
        plan: Box::new(crash),
        plan_destroy: Box::new(crash),
        delete: Box::new(crash),
        read: Box::new(crash),
        import: Box::new(crash),
        upgrade: Box::new(crash),
        ..Scripted::default()
    });
    let thing = thing(&crashing);

    let crashed = |diagnostics: &provider_framework::Diagnostics| {
        diagnostics.errors[0].summary.clone().into_owned()
    };

    assert_eq!(crashed(&thing.validate(&config([])).await), "Validating test_thing crashed");
    assert_eq!(
        crashed(&thing.plan(None, &config([])).await.diagnostics),
        "Planning test_thing crashed"
    );
    let plan = thing.plan_destroy(&stored).await;
    assert_eq!(crashed(&plan.diagnostics), "Planning to destroy test_thing crashed");
    let read = thing.read(&stored).await;
    assert_eq!(crashed(&read.diagnostics), "Reading test_thing crashed");
    assert_eq!(read.state, stored.state);
    assert_eq!(crashed(&thing.import("x").await.diagnostics), "Importing test_thing crashed");
    assert_eq!(
        crashed(&thing.upgrade(1, "{}").await.diagnostics),
        "Upgrading state of test_thing crashed"
    );
}

#[tokio::test]
async fn a_result_of_the_wrong_shape_does_not_lose_the_object() {
    let stored = create(returning(|state| *state = Value::string("nonsense")), config([])).await;

    assert_blamed(&stored.diagnostics, "", "an object is required, but a string was given");
    assert_eq!(
        stored.state.get("name"),
        Some(&Value::string("x")),
        "the plan is the best that is known"
    );
}

#[tokio::test]
#[should_panic(expected = "the second plan as inconsistent with the first")]
async fn a_plan_that_changes_its_mind_before_apply_is_caught() {
    let asked = std::sync::atomic::AtomicU8::new(0);
    let resource = Scripted {
        plan: Box::new(move |_, plan| {
            let answer = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            plan.planned.set_attribute("color", answer.to_string());
            Ok(())
        }),
        ..Scripted::default()
    };

    create(resource, config([])).await;
}

#[tokio::test]
async fn a_value_known_by_apply_takes_the_place_of_an_unknown_one() {
    let provider = provider(Scripted::default());
    let plan = thing(&provider).plan(None, &config([("size", Value::UNKNOWN)])).await;

    let stored = thing(&provider).apply(&plan, &config([("size", Value::string("large"))])).await;

    assert_accepted(&stored);
    assert_eq!(stored.state.get("size"), Some(&Value::string("large")));
}

#[tokio::test]
async fn numbers_come_back_as_they_went_out() {
    let schema = ResourceSchema::new(0, "")
        .attribute("n", provider_framework::schema::required(AttributeType::Number, ""));
    let digits = "0.1234567890123456789012345678901234567890";
    for text in ["99.9", "0.1", "9223372036854775808", "-1e100", digits] {
        let number: provider_framework::value::Number = text.parse().unwrap();
        let resource = Scripted { schema: schema.clone(), ..Scripted::default() };

        let stored = create(resource, Value::object([("n", number.clone())])).await;

        assert_accepted(&stored);
        assert_eq!(stored.state.get("n"), Some(&Value::Number(number)));
    }
}

#[tokio::test]
async fn a_dynamic_attribute_keeps_the_type_of_its_value() {
    let any = Value::dynamic(provider_framework::schema::Type::Bool, true);

    let stored = create(Scripted::default(), config([("any", any.clone())])).await;

    assert_accepted(&stored);
    assert_eq!(stored.state.get("any"), Some(&any));
}
