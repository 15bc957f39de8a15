//! What a schema may say.

use std::sync::Arc;

use provider_framework::data_source::DataSource;
use provider_framework::ephemeral_resource::EphemeralResource;
use provider_framework::resource::Resource;
use provider_framework::schema::{
    AttributeExt as _, AttributeType, Block, FunctionSchema, IdentityAttribute, IdentitySchema,
    NestedBlock, Parameter, ResourceSchema, Type, computed, lint_function, lint_schema, list,
    list_of_objects, map_of_objects, object, optional, optional_computed, required, set,
    set_of_objects,
};
use provider_framework::testing::TestProvider;

use crate::scripted::{
    Scripted, ScriptedProvider, ScriptedSource, ScriptedTicket, assert_blamed, provider,
};

fn text() -> AttributeType {
    AttributeType::String
}

fn schema() -> ResourceSchema {
    ResourceSchema::new(0, "")
}

#[track_caller]
fn assert_lint(schema: &ResourceSchema, problem: &str) {
    let problems = lint_schema(schema);
    assert!(
        problems.iter().any(|found| found == problem),
        "{problem:?} is not among {problems:#?}"
    );
}

#[test]
fn a_sound_schema_has_no_problems() {
    assert_eq!(lint_schema(&crate::scripted::schema()), Vec::<String>::new());
}

#[tokio::test]
async fn problems_are_reported_instead_of_schemas_that_core_would_choke_on() {
    let bad = Scripted {
        schema: schema().attribute("count", optional(text(), "")),
        ..Scripted::default()
    };

    let diagnostics = provider(bad).check_schemas().await;

    assert_blamed(
        &diagnostics,
        "",
        "resource `test_thing`: `count` is a meta-argument of Terraform",
    );
}

#[tokio::test]
async fn sound_schemas_are_sent() {
    assert!(provider(Scripted::default()).check_schemas().await.errors.is_empty());
}

#[test]
fn meta_arguments_are_not_names() {
    for name in
        ["count", "for_each", "depends_on", "lifecycle", "provider", "connection", "provisioner"]
    {
        let problem =
            format!("`{name}` is a meta-argument of Terraform and cannot be used as a name");
        assert_lint(&schema().attribute(name, optional(text(), "")), &problem);
        assert_lint(&schema().block(name, NestedBlock::List(Block::default())), &problem);
        // Further down they are names like any other.
        let nested =
            schema().attribute("a", optional(object([("count", optional(text(), ""))]), ""));
        assert!(lint_schema(&nested).is_empty());
    }
}

#[test]
fn names_are_lower_case() {
    let rule = "must be lower-case letters, digits and underscores, not beginning with a digit";
    for name in ["Name", "with-dash", "", "1st", "ü", "a.b"] {
        assert_lint(&schema().attribute(name, optional(text(), "")), &format!("`{name}` {rule}"));
        assert_lint(
            &schema().block(name, NestedBlock::Single(Block::default())),
            &format!("`{name}` {rule}"),
        );
    }
}

#[test]
fn an_attribute_and_a_block_have_different_names() {
    let both = schema()
        .attribute("a", optional(text(), ""))
        .block("a", NestedBlock::List(Block::default()));

    assert_lint(&both, "`a` is both an attribute and a block");
}

#[test]
fn a_write_only_attribute_can_be_written_and_is_not_in_a_set() {
    for constraint in [computed, optional_computed] {
        let computed = schema().attribute("a", constraint(text(), "")).write_only("a");
        assert_lint(&computed, "`a` is write-only and computed: it could never be given a value");

        let inside = schema().attribute("o", constraint(object([("a", optional(text(), ""))]), ""));
        assert_lint(
            &inside.write_only("o.a"),
            "`o.a` is write-only inside something computed, whose parts are stored",
        );
    }

    let in_set =
        schema().attribute("s", optional(set_of_objects([("a", optional(text(), ""))]), ""));
    assert_lint(
        &in_set.write_only("s.a"),
        "`s.a` is write-only inside a set, whose elements could not be told apart",
    );
}

#[test]
fn a_write_only_attribute_may_be_in_nested_objects_lists_and_maps() {
    let inner = || [("a", required(text(), ""))];
    let nested = schema()
        .attribute("o", optional(object(inner()), ""))
        .attribute("l", optional(list_of_objects(inner()), ""))
        .attribute("m", optional(map_of_objects(inner()), ""))
        .write_only("o.a")
        .write_only("l.a")
        .write_only("m.a");

    assert_eq!(lint_schema(&nested), Vec::<String>::new());
}

#[tokio::test]
async fn only_managed_resources_have_write_only_attributes() {
    let write_only = || schema().attribute("a", optional(text(), "")).write_only("a");
    assert_eq!(lint_schema(&write_only()), Vec::<String>::new());
    let provider = TestProvider::new(ScriptedProvider {
        schema: write_only(),
        data_sources: vec![Arc::new(ScriptedSource {
            schema: write_only(),
            read: Box::new(|_, _| Ok(())),
        })],
        ephemeral_resources: vec![Arc::new(ScriptedTicket {
            schema: write_only(),
            ..ScriptedTicket::default()
        })],
        ..ScriptedProvider::default()
    });

    let diagnostics = provider.check_schemas().await;

    for kind in ["provider", "data source `test_lookup`", "ephemeral resource `test_ticket`"] {
        let problem =
            format!("{kind}: `a` is write-only, which only attributes of managed resources can be");
        assert_blamed(&diagnostics, "", &problem);
    }
    assert_eq!(diagnostics.errors.len(), 3);
}

#[test]
fn members_of_sets_are_not_dynamic() {
    let rule = "is a set with dynamic members, whose elements must be of one type";
    let any = || AttributeType::Any;
    assert_lint(&schema().attribute("a", optional(set(any()), "")), &format!("`a` {rule}"));
    assert_lint(&schema().attribute("a", optional(list(set(any())), "")), &format!("`a` {rule}"));
    let objects = set_of_objects([("x", optional(any(), ""))]);
    assert_lint(&schema().attribute("a", optional(objects, "")), &format!("`a` {rule}"));
}

#[test]
fn repeated_blocks_hold_nothing_dynamic() {
    let attributes = [("x".to_owned(), optional(AttributeType::Any, ""))];
    let block = Block { attributes: attributes.into_iter().collect(), ..Block::default() };

    assert_lint(
        &schema().block("b", NestedBlock::Map(block)),
        "`b` is a repeated block with a dynamic attribute inside: use nested attributes",
    );
}

#[test]
fn a_deprecation_message_is_for_a_deprecated_attribute() {
    let message = |schema: ResourceSchema| schema.deprecation("a", "Use b.");
    assert_lint(
        &message(schema().attribute("a", optional(text(), ""))),
        "`a` has a deprecation message but is not marked deprecated",
    );
    assert!(
        lint_schema(&message(schema().attribute("a", optional(text(), "").deprecated())))
            .is_empty()
    );
}

#[test]
fn marks_are_on_attributes_that_exist() {
    let nested = || schema().attribute("o", optional(object([("a", required(text(), ""))]), ""));

    assert!(lint_schema(&nested().write_only("o.a")).is_empty());
    assert_lint(
        &nested().write_only("o.b"),
        "`o.b` is marked but is not an attribute of the schema",
    );
}

#[test]
fn identities_are_made_of_plain_values() {
    let identity = |ty| {
        let attribute =
            IdentityAttribute { ty, description: String::new(), required_for_import: true };
        IdentitySchema {
            version: 0,
            attributes: [("id".to_owned(), attribute)].into_iter().collect(),
        }
    };
    assert!(
        lint_schema(&schema().identity(identity(Type::List(Box::new(Type::String))))).is_empty()
    );
    assert_lint(
        &schema().identity(identity(Type::Map(Box::new(Type::String)))),
        "identity attribute `id` must be a string, number, bool, or a list of those",
    );
}

#[test]
fn functions_and_their_parameters_have_names_of_their_own() {
    let parameter = |name: &str| Parameter { name: name.to_owned(), ..Parameter::default() };
    let schema = FunctionSchema {
        parameters: vec![parameter("a"), parameter("b c")],
        variadic: Some(parameter("a")),
        ..FunctionSchema::default()
    };

    let problems = lint_function("1st", &schema);

    assert_eq!(
        problems,
        [
            "function `1st` is not an identifier",
            "parameter of `1st` `b c` is not an identifier",
            "function `1st` has two parameters `a`",
        ]
    );
}

#[tokio::test]
async fn no_two_things_of_a_kind_have_the_same_name() {
    let thing = || -> Arc<dyn Resource> { Arc::new(Scripted::default()) };
    let lookup = || -> Arc<dyn DataSource> {
        Arc::new(ScriptedSource { schema: schema(), read: Box::new(|_, _| Ok(())) })
    };
    let ticket = || -> Arc<dyn EphemeralResource> { Arc::new(ScriptedTicket::default()) };
    let provider = TestProvider::new(ScriptedProvider {
        resources: vec![thing(), thing()],
        data_sources: vec![lookup(), lookup()],
        ephemeral_resources: vec![ticket(), ticket()],
        ..ScriptedProvider::default()
    });

    let diagnostics = provider.check_schemas().await;

    assert_blamed(&diagnostics, "", "two resources are named `test_thing`");
    assert_blamed(&diagnostics, "", "two data sources are named `test_lookup`");
    assert_blamed(&diagnostics, "", "two ephemeral resources are named `test_ticket`");
}

struct Broken;

#[provider_framework::async_trait]
impl DataSource for Broken {
    fn type_name(&self) -> &'static str {
        "test_broken"
    }

    fn schema(&self) -> ResourceSchema {
        panic!("forgot something")
    }

    async fn read(
        &self,
        _: provider_framework::data_source::ReadDataSourceRequest,
        _: &mut provider_framework::data_source::Found,
    ) -> Result<(), provider_framework::Failed> {
        Ok(())
    }
}

#[tokio::test]
async fn a_schema_that_panics_is_reported_by_name() {
    let data_sources: Vec<Arc<dyn DataSource>> = vec![Arc::new(Broken)];
    let provider =
        TestProvider::new(ScriptedProvider { data_sources, ..ScriptedProvider::default() });

    let diagnostics = provider.check_schemas().await;

    assert_blamed(&diagnostics, "", "the schema of test_broken panicked: forgot something");
}
