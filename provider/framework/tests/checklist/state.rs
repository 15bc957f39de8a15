//! Reading, importing, upgrading, looking up, moving.

use std::sync::Arc;

use provider_framework::Report as _;
use provider_framework::data_source::DataSource;
use provider_framework::resource::Resource;
use provider_framework::schema::{AttributeType, ResourceSchema, computed, optional, required};
use provider_framework::testing::{Stored, TestProvider};
use provider_framework::value::Value;

use crate::scripted::{
    Scripted, ScriptedProvider, ScriptedSource, assert_blamed, config, provider, thing,
};

async fn stored() -> Stored {
    let provider = provider(Scripted::default());
    thing(&provider).create(&config([])).await
}

#[tokio::test]
async fn reading_null_means_that_the_object_is_gone() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            outcome.remove();
            outcome.diagnostics.warn("x is gone", "It was removed by hand.");
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let read = thing(&provider).read(&stored().await).await;

    assert!(read.state.is_null());
    assert_eq!(read.diagnostics.warnings.len(), 1);
}

#[tokio::test]
async fn reading_may_find_that_things_have_changed() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            outcome.state.set_attribute("name", "drifted");
            outcome.private.write(&7);
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let read = thing(&provider).read(&stored().await).await;

    assert_eq!(read.state.get("name"), Some(&Value::string("drifted")));
    assert_eq!(read.private, b"7", "private bytes are replaced");
}

#[tokio::test]
async fn reading_something_unknown_is_an_error_and_changes_nothing() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            outcome.state.set_attribute("color", Value::UNKNOWN);
            Ok(())
        }),
        ..Scripted::default()
    };
    let (provider, stored) = (provider(resource), stored().await);

    let read = thing(&provider).read(&stored).await;

    assert_blamed(&read.diagnostics, "color", "is unknown");
    assert_eq!(read.state, stored.state);
}

#[tokio::test]
async fn reading_an_object_that_does_not_conform_is_an_error_and_changes_nothing() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            outcome.state.set_attribute("name", true);
            Ok(())
        }),
        ..Scripted::default()
    };
    let (provider, stored) = (provider(resource), stored().await);

    let read = thing(&provider).read(&stored).await;

    assert_blamed(&read.diagnostics, "name", "a string is required, but a bool was given");
    assert_eq!(read.state, stored.state);
}

#[tokio::test]
async fn a_failed_read_keeps_what_is_stored() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            Err(outcome.diagnostics.fail("Unreachable", "The server is down."))
        }),
        ..Scripted::default()
    };
    let (provider, stored) = (provider(resource), stored().await);

    let read = thing(&provider).read(&stored).await;

    assert_eq!(read.state, stored.state);
    assert_eq!(read.private, stored.private);
}

#[tokio::test]
async fn importing_sets_what_identifies_the_object_and_reads_the_rest() {
    let resource = Scripted {
        read: Box::new(|request, outcome| {
            assert_eq!(request.state.get("size"), Some(&Value::Null));
            outcome.state.set_attribute("id", "found");
            outcome.state.set_attribute("listener", Value::List(Vec::new()));
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let imported = thing(&provider).import("orders").await;

    assert!(imported.diagnostics.errors.is_empty(), "{:?}", imported.diagnostics);
    assert_eq!(imported.state.get("name"), Some(&Value::string("orders")));
    assert_eq!(imported.state.get("id"), Some(&Value::string("found")));
}

#[tokio::test]
async fn importing_nothing_is_an_error() {
    let resource = Scripted {
        import: Box::new(|_, outcome| {
            outcome.state = Value::Null;
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let imported = thing(&provider).import("nowhere").await;

    assert_blamed(
        &imported.diagnostics,
        "",
        r#"There is no test_thing with the identifier "nowhere"."#,
    );
}

#[tokio::test]
async fn importing_something_unknown_is_an_error() {
    let resource = Scripted {
        import: Box::new(|_, outcome| {
            outcome.set_attribute("id", Value::UNKNOWN);
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    assert_blamed(&thing(&provider).import("x").await.diagnostics, "id", "is unknown");
}

#[tokio::test]
async fn an_absent_object_that_was_imported_is_gone_after_read() {
    let resource = Scripted {
        read: Box::new(|_, outcome| {
            outcome.remove();
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    // Core itself says that there is no such object.
    assert!(thing(&provider).import("absent").await.state.is_null());
}

#[tokio::test]
async fn state_of_the_current_version_is_read_as_it_is() {
    let provider = provider(Scripted::default());

    let json = r#"{"name":"x","gone":[1,2],"tags":{"a":"b"},"zones":["b","a"],"listener":[{"port":"80"}]}"#;
    let upgraded = thing(&provider).upgrade(2, json).await;

    assert!(upgraded.diagnostics.errors.is_empty(), "{:?}", upgraded.diagnostics);
    assert_eq!(upgraded.state.get("name"), Some(&Value::string("x")));
    assert_eq!(upgraded.state.get("zones"), Some(&Value::set(["a", "b"])));
    assert_eq!(upgraded.state.get("id"), Some(&Value::Null), "what the state lacks is null");
    assert_eq!(upgraded.state.get("gone"), None, "what the schema lacks is dropped");
}

#[tokio::test]
async fn older_state_is_upgraded_by_the_resource() {
    let resource = Scripted {
        upgrade: Box::new(|request, outcome| {
            assert_eq!(request.version, 1);
            let old =
                ResourceSchema::new(1, "").attribute("title", required(AttributeType::String, ""));
            let old = request.state.read(&old).unwrap();
            let mut state = crate::scripted::schema().ty();
            let provider_framework::schema::Type::Object(attributes) = &mut state else {
                unreachable!()
            };
            let nulls = attributes.keys().map(|name| (name.clone(), Value::Null));
            outcome.set(Value::object(nulls));
            outcome.state.set_attribute("name", old.get("title").unwrap());
            outcome.state.set_attribute("listener", Value::List(Vec::new()));
            Ok(())
        }),
        ..Scripted::default()
    };
    let provider = provider(resource);

    let upgraded = thing(&provider).upgrade(1, r#"{"title":"x"}"#).await;

    assert!(upgraded.diagnostics.errors.is_empty(), "{:?}", upgraded.diagnostics);
    assert_eq!(upgraded.state.get("name"), Some(&Value::string("x")));
}

#[tokio::test]
async fn upgraded_state_is_complete_and_known() {
    let upgrading = |state: fn() -> Value| {
        provider(Scripted {
            upgrade: Box::new(move |_, outcome| {
                outcome.set(state());
                Ok(())
            }),
            ..Scripted::default()
        })
    };

    let missing = upgrading(|| Value::object([("name", "x")]));
    let upgraded = thing(&missing).upgrade(0, "{}").await;
    assert!(
        upgraded.diagnostics.errors[0].detail.contains("an object with 13 attributes is required")
    );

    let unknown = upgrading(|| Value::UNKNOWN);
    assert_blamed(&thing(&unknown).upgrade(0, "{}").await.diagnostics, "", "is unknown");
}

#[tokio::test]
async fn null_state_stays_null() {
    let provider = provider(Scripted::default());

    for version in [0, 2] {
        let upgraded = thing(&provider).upgrade(version, "null").await;
        assert!(upgraded.state.is_null() && upgraded.diagnostics.errors.is_empty());
    }
}

#[tokio::test]
async fn state_of_a_later_version_is_refused() {
    let provider = provider(Scripted::default());

    let upgraded = thing(&provider).upgrade(3, "{}").await;

    assert_blamed(&upgraded.diagnostics, "", "knows version 2 at most");
}

#[tokio::test]
async fn damaged_state_is_refused_with_its_path() {
    let provider = provider(Scripted::default());

    let upgraded = thing(&provider).upgrade(2, r#"{"tags":{"a":7}}"#).await;
    assert_blamed(&upgraded.diagnostics, r#"tags["a"]"#, "expected a string, found a number");

    let upgraded = thing(&provider).upgrade(2, "{").await;
    assert_blamed(&upgraded.diagnostics, "", "not readable as JSON");
}

fn looking_up(read: fn(&mut Value)) -> TestProvider {
    let source = ScriptedSource {
        schema: ResourceSchema::new(0, "")
            .attribute("key", optional(AttributeType::String, ""))
            .attribute("found", computed(AttributeType::String, "")),
        read: Box::new(move |_, found| {
            read(&mut found.state);
            Ok(())
        }),
    };
    let data_sources: Vec<Arc<dyn DataSource>> = vec![Arc::new(source)];
    TestProvider::new(ScriptedProvider { data_sources, ..ScriptedProvider::default() })
}

async fn look_up(read: fn(&mut Value)) -> Stored {
    looking_up(read).data_source("test_lookup").read(&Value::object([("key", "k")])).await
}

#[tokio::test]
async fn a_data_source_gives_a_known_object() {
    let found = look_up(|state| state.set_attribute("found", "it")).await;
    assert_eq!(found.state.get("found"), Some(&Value::string("it")));

    let found = look_up(|state| state.set_attribute("found", Value::UNKNOWN)).await;
    assert_blamed(&found.diagnostics, "found", "is unknown");

    let found = look_up(|state| *state = Value::Null).await;
    assert_blamed(&found.diagnostics, "", "must give an object");
}

#[tokio::test]
async fn a_data_source_that_changes_its_configuration_is_tolerated() {
    let found = look_up(|state| state.set_attribute("key", "K")).await;

    assert!(found.diagnostics.errors.is_empty(), "{:?}", found.diagnostics);
}

#[tokio::test]
async fn state_of_other_resources_cannot_be_moved_here() {
    let resources: Vec<Arc<dyn Resource>> = vec![Arc::new(Scripted::default())];
    let provider = TestProvider::new(ScriptedProvider { resources, ..ScriptedProvider::default() });

    let diagnostics = provider.move_state("other_thing", "test_thing").await;

    assert_blamed(
        &diagnostics,
        "",
        "State of other_thing from registry.example.com/acme/other cannot be moved",
    );
}
