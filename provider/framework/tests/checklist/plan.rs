//! What a plan may say.

use provider_framework::resource::{Plan, PlanRequest};
use provider_framework::testing::Planned;
use provider_framework::value::{Refinements, Value};
use provider_framework::{AttributePath, Failed, Report as _};

use crate::scripted::{Scripted, assert_blamed, config, provider, thing};

type PlanScript = Box<dyn Fn(PlanRequest, &mut Plan) -> Result<(), Failed> + Send + Sync>;

/// A resource that plans other than it should.
fn planning(change: impl Fn(&PlanRequest, &mut Plan) + Send + Sync + 'static) -> Scripted {
    let plan: PlanScript = Box::new(move |request, plan| {
        change(&request, plan);
        Ok(())
    });
    Scripted { plan, ..Scripted::default() }
}

/// A resource that plans another value for one attribute.
fn planning_to_set(name: &'static str, value: Value) -> Scripted {
    planning(move |_, plan| plan.planned.set_attribute(name, &value))
}

async fn plan_create(resource: Scripted, config: Value) -> Planned {
    let provider = provider(resource);
    thing(&provider).plan(None, &config).await
}

async fn plan_update(resource: Scripted, before: Value, after: Value) -> Planned {
    let provider = provider(resource);
    let plain = crate::scripted::provider(Scripted::default());
    let stored = thing(&plain).create(&before).await;
    thing(&provider).plan(Some(&stored), &after).await
}

#[tokio::test]
async fn on_create_the_default_plan_is_the_configuration_with_computed_attributes_unknown() {
    let one = Value::object([("host", Value::string("h")), ("weight", Value::Null)]);
    let plan = plan_create(Scripted::default(), config([("one", one)])).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(plan.planned.get("name"), Some(&Value::string("x")));
    assert_eq!(plan.planned.get("id"), Some(&Value::UNKNOWN));
    assert_eq!(plan.planned.get("color"), Some(&Value::UNKNOWN));
    assert_eq!(plan.planned.get("size"), Some(&Value::Null));
    assert_eq!(
        plan.planned.at(&AttributePath::new("one").attribute("weight")),
        Some(&Value::UNKNOWN)
    );
}

#[tokio::test]
async fn where_nothing_changes_the_default_plan_is_the_prior_state() {
    let many = || Value::list([Value::object([("host", "a")]), Value::object([("host", "b")])]);
    let peers = || Value::set([Value::object([("host", "a")]), Value::object([("host", "b")])]);
    let config =
        || config([("many", many()), ("peers", peers()), ("zones", Value::set(["z", "a"]))]);

    let plan = plan_update(Scripted::default(), config(), config()).await;

    assert!(plan.is_empty(), "{plan:#?}");
}

#[tokio::test]
async fn where_something_changes_computed_attributes_become_unknown_unless_kept() {
    let size = || config([("size", Value::string("large"))]);
    let plan = plan_update(Scripted::default(), config([]), size()).await;
    assert_eq!(plan.planned.get("id"), Some(&Value::UNKNOWN));

    let keeping = planning(|request, plan| plan.keep_prior(request, &["id"]));
    let plan = plan_update(keeping, config([]), size()).await;
    assert_eq!(plan.planned.get("id"), Some(&Value::string("made")));
}

#[tokio::test]
async fn an_object_that_is_wanted_must_be_planned() {
    let plan = plan_create(planning(|_, plan| plan.planned = Value::Null), config([])).await;

    assert_blamed(&plan.diagnostics, "", "planned for absence");
}

#[tokio::test]
async fn a_plan_to_destroy_is_null_whatever_the_resource_does() {
    let provider = provider(Scripted::default());
    let stored = thing(&provider).create(&config([])).await;

    let plan = thing(&provider).plan_destroy(&stored).await;

    assert!(plan.planned.is_null());
}

#[tokio::test]
async fn a_resource_may_refuse_to_be_destroyed() {
    let resource = Scripted {
        plan_destroy: Box::new(|_, plan| {
            Err(plan.diagnostics.fail("Protected", "deletion_protection is set."))
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);
    let stored = thing(&provider).create(&config([])).await;

    let plan = thing(&provider).plan_destroy(&stored).await;

    assert_eq!(plan.diagnostics.errors[0].summary, "Protected");
}

#[tokio::test]
async fn a_planned_object_has_exactly_the_attributes_of_the_schema() {
    let missing = planning(|_, plan| plan.planned = Value::object([("name", "x")]));
    let plan = plan_create(missing, config([])).await;
    assert!(plan.diagnostics.errors[0].detail.contains("an object with 13 attributes is required"));

    let plan = plan_create(planning_to_set("other", Value::Null), config([])).await;
    assert!(plan.diagnostics.errors[0].detail.contains("other: the schema has no such attribute"));

    let plan = plan_create(planning_to_set("name", Value::list([true])), config([])).await;
    assert_blamed(
        &plan.diagnostics,
        "name",
        "a string is required, but a list of 1 elements was given",
    );
}

#[tokio::test]
async fn a_configured_attribute_is_planned_as_configured() {
    let plan = plan_create(planning_to_set("name", Value::string("y")), config([])).await;

    assert_blamed(
        &plan.diagnostics,
        "name",
        r#"planned "y", which is not the configured value "x""#,
    );
}

#[tokio::test]
async fn a_configured_attribute_may_keep_a_prior_value_that_means_the_same() {
    let keeping = planning(|request, plan| {
        let prior = request.prior.get("size").cloned().unwrap_or_default();
        plan.planned.set_attribute("size", prior);
    });
    let sized = |size: &str| config([("size", Value::string(size))]);

    let plan = plan_update(keeping, sized("1GB"), sized("1024MB")).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(plan.planned.get("size"), Some(&Value::string("1GB")));
}

#[tokio::test]
async fn a_prior_value_may_not_be_kept_where_the_configuration_dropped_it() {
    let keeping = planning(|request, plan| {
        let prior = request.prior.get("size").cloned().unwrap_or_default();
        plan.planned.set_attribute("size", prior);
    });

    let plan = plan_update(keeping, config([("size", Value::string("1GB"))]), config([])).await;

    assert_blamed(&plan.diagnostics, "size", "not computed and not set");
}

#[tokio::test]
async fn an_attribute_that_is_not_computed_and_not_set_is_planned_null() {
    for value in [Value::string("default"), Value::UNKNOWN] {
        let plan = plan_create(planning_to_set("size", value), config([])).await;

        assert_blamed(&plan.diagnostics, "size", "not computed and not set");
    }
}

#[tokio::test]
async fn a_computed_attribute_that_is_not_set_may_be_planned_as_anything() {
    for value in [
        Value::string("red"),
        Value::Null,
        Value::UNKNOWN,
        Value::refined(Refinements::prefix("r")),
    ] {
        for name in ["color", "id"] {
            let plan = plan_create(planning_to_set(name, value.clone()), config([])).await;

            assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
            assert_eq!(plan.planned.get(name), Some(&value));
        }
    }
}

#[tokio::test]
async fn a_known_configured_attribute_may_not_be_planned_unknown() {
    for name in ["name", "color"] {
        let config = config([("color", Value::string("red"))]);
        let plan = plan_create(planning_to_set(name, Value::UNKNOWN), config).await;

        assert_blamed(&plan.diagnostics, name, "planned (unknown)");
    }
}

#[tokio::test]
async fn an_unknown_configured_attribute_stays_unknown() {
    let unknown =
        || config([("size", Value::UNKNOWN), ("one", Value::UNKNOWN), ("many", Value::UNKNOWN)]);
    let plan = plan_create(Scripted::default(), unknown()).await;
    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
    assert_eq!(plan.planned.get("size"), Some(&Value::UNKNOWN));

    let plan = plan_create(planning_to_set("size", Value::string("small")), unknown()).await;
    assert_blamed(&plan.diagnostics, "size", "not the configured value (unknown)");
}

#[tokio::test]
async fn a_refinement_of_an_unknown_configured_attribute_may_get_lost() {
    let refined = config([("size", Value::refined(Refinements::prefix("s")))]);

    let plan = plan_create(planning_to_set("size", Value::UNKNOWN), refined).await;

    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
}

#[tokio::test]
async fn nested_objects_obey_the_same_rules_attribute_by_attribute() {
    let host = |host: &str| Value::object([("host", Value::string(host)), ("weight", Value::Null)]);
    let good = Value::object([("host", "a"), ("weight", "7")]);
    let bad = Value::object([("host", Value::string("b")), ("weight", Value::UNKNOWN)]);
    let cases = [
        ("one", host("a"), good.clone(), bad.clone(), "one.host"),
        (
            "many",
            Value::list([host("a")]),
            Value::list([good.clone()]),
            Value::list([bad.clone()]),
            "many[0].host",
        ),
        (
            "named",
            Value::object([("k", host("a"))]),
            Value::object([("k", good)]),
            Value::object([("k", bad)]),
            r#"named["k"].host"#,
        ),
    ];
    for (name, configured, good, bad, path) in cases {
        let config = || config([(name, configured.clone())]);

        let plan = plan_create(planning_to_set(name, good), config()).await;
        assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);

        let plan = plan_create(planning_to_set(name, bad), config()).await;
        assert_blamed(
            &plan.diagnostics,
            path,
            r#"planned "b", which is not the configured value "a""#,
        );
    }
}

#[tokio::test]
async fn nested_lists_and_maps_keep_their_length_and_keys() {
    let element = || Value::object([("host", Value::string("a")), ("weight", Value::Null)]);

    let two = Value::list([element(), element()]);
    let plan =
        plan_create(planning_to_set("many", two), config([("many", Value::list([element()]))]))
            .await;
    assert_blamed(&plan.diagnostics, "many", "planned 2 elements where 1 are configured");

    let other = Value::object([("b", element())]);
    let configured = config([("named", Value::object([("a", element())]))]);
    let plan = plan_create(planning_to_set("named", other), configured).await;
    assert_blamed(&plan.diagnostics, r#"named["b"]"#, "not configured");
    assert_blamed(&plan.diagnostics, r#"named["a"]"#, "left out");
}

#[tokio::test]
async fn elements_of_nested_collections_exist_and_are_known_where_the_configured_ones_are() {
    let element = || Value::object([("host", Value::string("a"))]);
    for (planned, words) in
        [(Value::Null, "planned for absence"), (Value::UNKNOWN, "planned unknown")]
    {
        let configured = config([("many", Value::list([element()]))]);
        let plan =
            plan_create(planning_to_set("many", Value::list([planned.clone()])), configured).await;
        assert_blamed(&plan.diagnostics, "many[0]", words);

        let configured = config([("one", element())]);
        let plan = plan_create(planning_to_set("one", planned), configured).await;
        assert_blamed(&plan.diagnostics, "one", words);
    }
}

#[tokio::test]
async fn of_a_nested_set_only_the_number_of_elements_counts() {
    let peer = |host: &str| Value::object([("host", Value::string(host)), ("weight", Value::Null)]);
    let configured = || config([("peers", Value::set([peer("a"), peer("b")]))]);

    let others = Value::set([peer("c"), peer("d")]);
    let plan = plan_create(planning_to_set("peers", others), configured()).await;
    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);

    let plan = plan_create(planning_to_set("peers", Value::set([peer("a")])), configured()).await;
    assert_blamed(&plan.diagnostics, "peers", "planned 1 elements where 2 are configured");
}

#[tokio::test]
async fn a_plain_set_is_planned_exactly_as_configured() {
    let zones = config([("zones", Value::set(["b", "a"]))]);

    let plan = plan_create(planning_to_set("zones", Value::list(["a", "b"])), zones.clone()).await;
    assert!(
        plan.diagnostics.errors.is_empty(),
        "the order carries no meaning: {:?}",
        plan.diagnostics
    );

    let plan = plan_create(planning_to_set("zones", Value::set(["a", "c"])), zones).await;
    assert_blamed(&plan.diagnostics, "zones", "not the configured value");
}

#[tokio::test]
async fn blocks_keep_their_number_and_are_never_unknown_as_a_whole() {
    let block = || Value::object([("port", "80")]);
    let configured = || config([("listener", Value::list([block()]))]);

    let plan =
        plan_create(planning_to_set("listener", Value::list([block(), block()])), configured())
            .await;
    assert_blamed(&plan.diagnostics, "listener", "planned 2 elements where 1 are configured");

    let plan =
        plan_create(planning_to_set("listener", Value::list([Value::UNKNOWN])), configured()).await;
    assert_blamed(&plan.diagnostics, "listener[0]", "must not be unknown as a whole");

    let plan = plan_create(planning_to_set("listener", Value::UNKNOWN), configured()).await;
    assert_blamed(&plan.diagnostics, "listener", "planned unknown for blocks that are configured");
}

#[tokio::test]
async fn repeated_blocks_are_empty_rather_than_null_and_a_single_one_may_be_null() {
    let plan = plan_create(planning_to_set("listener", Value::Null), config([])).await;
    assert_blamed(&plan.diagnostics, "listener", "must be empty");

    let plan = plan_create(planning_to_set("case", Value::Null), config([])).await;
    assert!(plan.diagnostics.errors.is_empty(), "{:?}", plan.diagnostics);
}

#[tokio::test]
async fn an_empty_map_is_not_null() {
    let empty = || Value::Map(std::collections::BTreeMap::new());

    let plan = plan_create(planning_to_set("tags", Value::Null), config([("tags", empty())])).await;
    assert_blamed(&plan.diagnostics, "tags", "planned null");

    let plan = plan_create(planning_to_set("tags", empty()), config([])).await;
    assert_blamed(&plan.diagnostics, "tags", "not computed and not set");
}

#[tokio::test]
async fn paths_that_require_replacement_exist() {
    let path = || AttributePath::new("one").attribute("nonsense");
    let plan =
        plan_create(planning(move |_, plan| plan.requires_replace.push(path())), config([])).await;

    assert_blamed(&plan.diagnostics, "one", "a path that does not exist");
}

#[tokio::test]
async fn replacement_happens_only_on_update_and_where_the_attribute_changes() {
    let replacing = || planning(|_, plan| plan.requires_replace.push(AttributePath::new("size")));
    let sized = |size: &str| config([("size", Value::string(size))]);

    assert!(!plan_create(replacing(), sized("a")).await.is_replacement());
    assert!(!plan_update(replacing(), sized("a"), sized("a")).await.is_replacement());
    assert!(plan_update(replacing(), sized("a"), sized("b")).await.is_replacement());
}

#[tokio::test]
async fn the_plan_of_a_replacement_gets_the_private_bytes_of_the_first_plan() {
    let resource = Scripted {
        plan: Box::new(|request, plan| {
            let mut visits: Vec<String> = request.private.read().unwrap_or_default();
            visits.push(if request.is_create() { "create" } else { "update" }.to_owned());
            plan.private.write(&visits);
            plan.replace_if_changed(&request, &["name"]);
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);
    let stored = thing(&provider).create(&config([])).await;

    let replaced = thing(&provider).update(&stored, &config([("name", Value::string("y"))])).await;

    assert_eq!(String::from_utf8(replaced.private).unwrap(), r#"["create","update","create"]"#);
}

#[tokio::test]
async fn a_report_that_points_nowhere_points_as_near_as_it_can() {
    let resource = Scripted {
        plan: Box::new(|_, plan| {
            let path = AttributePath::new("one").attribute("host").attribute("deeper");
            Err(plan.diagnostics.fail_at(path, "Wrong", "Quite wrong."))
        }),
        ..Scripted::default()
    };

    let plan = plan_create(resource, config([])).await;

    assert_blamed(&plan.diagnostics, "one.host", "Quite wrong.");
}

#[tokio::test]
async fn sensitive_values_are_not_shown() {
    use provider_framework::schema::{AttributeExt as _, AttributeType, optional};
    let mut resource = planning_to_set("token", Value::string("other"));
    resource.schema =
        resource.schema.attribute("token", optional(AttributeType::String, "").sensitive());

    let plan = plan_create(resource, config([("token", Value::string("hunter2"))])).await;

    assert_blamed(&plan.diagnostics, "token", "planned (sensitive value)");
    assert!(!format!("{:?}", plan.diagnostics).contains("hunter2"));
}

#[tokio::test]
async fn warnings_of_a_plan_reach_the_user() {
    let resource = planning(|_, plan| {
        plan.diagnostics.warn("x: deprecated", "Use another.");
    });

    let plan = plan_create(resource, config([])).await;

    assert_eq!(plan.diagnostics.warnings[0].summary, "x: deprecated");
}
