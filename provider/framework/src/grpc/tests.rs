//! What the messages themselves hold.

mod ephemeral;

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::bytes::Bytes;
use tonic::{Code, Request};

use super::tfplugin6 as wire;
use super::tfplugin6::provider_server::Provider as _;
use super::{Service, encode_schema};
use crate::ephemeral_resource::EphemeralResource;
use crate::provider::{ConfigureRequest, Provider};
use crate::resource::{
    Applied, CreateRequest, DeleteRequest, Read, ReadRequest, Resource, UpdateRequest,
};
use crate::schema::{
    AttributeExt as _, AttributeType, Block, IdentityAttribute, IdentitySchema, NestedBlock,
    ResourceSchema, Type, computed, list_of_objects, map_of_objects, object, optional,
    optional_computed, required, set_of_objects, type_from_json,
};
use crate::server::Server;
use crate::{Diagnostics, Failed, async_trait};

struct One;

#[async_trait]
impl Provider for One {
    fn schema(&self) -> ResourceSchema {
        ResourceSchema::new(0, "A provider.")
    }

    fn resources(&self) -> Vec<Arc<dyn Resource>> {
        vec![Arc::new(Thing)]
    }

    fn ephemeral_resources(&self) -> Vec<Arc<dyn EphemeralResource>> {
        vec![Arc::new(ephemeral::Ticket)]
    }

    async fn configure(&self, _: ConfigureRequest, _: &mut Diagnostics) -> Result<(), Failed> {
        Ok(())
    }
}

struct Thing;

#[async_trait]
impl Resource for Thing {
    fn type_name(&self) -> &'static str {
        "one_thing"
    }

    fn schema(&self) -> ResourceSchema {
        let id = IdentityAttribute {
            ty: Type::String,
            description: "The name.".to_owned(),
            required_for_import: true,
        };
        ResourceSchema::new(3, "A thing.")
            .attribute("name", required(AttributeType::String, "Its name."))
            .attribute("password", optional(AttributeType::String, "").sensitive())
            .write_only("password")
            .identity(IdentitySchema {
                version: 1,
                attributes: [("name".to_owned(), id)].into_iter().collect(),
            })
    }

    async fn create(&self, request: CreateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        outcome.set(request.planned);
        Ok(())
    }

    async fn update(&self, request: UpdateRequest, outcome: &mut Applied) -> Result<(), Failed> {
        outcome.set(request.planned);
        Ok(())
    }

    async fn delete(&self, _: DeleteRequest, _: &mut Applied) -> Result<(), Failed> {
        Ok(())
    }

    async fn read(&self, _: ReadRequest, _: &mut Read) -> Result<(), Failed> {
        Ok(())
    }
}

fn service() -> Service {
    Service::new(Arc::new(Server::new(Arc::new(One))))
}

fn msgpack(bytes: &'static [u8]) -> wire::DynamicValue {
    wire::DynamicValue { msgpack: Bytes::from_static(bytes), json: Bytes::new() }
}

fn attribute(schema: &wire::Schema, name: &str) -> wire::schema::Attribute {
    let block = schema.block.as_ref().unwrap();
    block.attributes.iter().find(|attribute| attribute.name == name).unwrap().clone()
}

#[test]
fn every_attribute_is_required_optional_or_computed_and_never_required_and_something_else() {
    let text = || AttributeType::String;
    let schema = ResourceSchema::new(0, "")
        .attribute("a", required(text(), ""))
        .attribute("b", optional(text(), ""))
        .attribute("c", computed(text(), ""))
        .attribute("d", optional_computed(text(), ""));
    let sent = encode_schema::schema(&schema);
    let flags = |name| {
        let attribute = attribute(&sent, name);
        (attribute.required, attribute.optional, attribute.computed)
    };

    assert_eq!(flags("a"), (true, false, false));
    assert_eq!(flags("b"), (false, true, false));
    assert_eq!(flags("c"), (false, false, true));
    assert_eq!(flags("d"), (false, true, true));
}

#[test]
fn an_attribute_has_a_type_or_a_nested_type_and_never_both() {
    use wire::schema::object::NestingMode;
    let inner = || [("x", optional(AttributeType::String, ""))];
    let schema = ResourceSchema::new(0, "")
        .attribute("plain", optional(AttributeType::Map(Box::new(AttributeType::Number)), ""))
        .attribute("single", optional(object(inner()), ""))
        .attribute("list", optional(list_of_objects(inner()), ""))
        .attribute("set", optional(set_of_objects(inner()), ""))
        .attribute("map", optional(map_of_objects(inner()), ""));
    let sent = encode_schema::schema(&schema);

    assert_eq!(attribute(&sent, "plain").r#type, br#"["map","number"]"#.as_slice());
    assert_eq!(attribute(&sent, "plain").nested_type, None);
    let modes = [
        ("single", NestingMode::Single),
        ("list", NestingMode::List),
        ("set", NestingMode::Set),
        ("map", NestingMode::Map),
    ];
    for (name, mode) in modes {
        let attribute = attribute(&sent, name);
        assert!(attribute.r#type.is_empty());
        let nested = attribute.nested_type.unwrap();
        assert_eq!(nested.nesting(), mode);
        assert_eq!(nested.attributes[0].name, "x");
    }
}

#[test]
fn blocks_have_the_bounds_that_their_nesting_allows() {
    use wire::schema::nested_block::NestingMode;
    let block = Block::default;
    let schema = ResourceSchema::new(0, "")
        .block("single", NestedBlock::Single(block()))
        .block("group", NestedBlock::Group(block()))
        .block("list", NestedBlock::List(block()))
        .block("set", NestedBlock::Set(block()))
        .block("map", NestedBlock::Map(block()))
        .block("at_most_one", NestedBlock::Optional(block()));
    let sent = encode_schema::schema(&schema).block.unwrap();
    let bounds = |name: &str| {
        let block = sent.block_types.iter().find(|block| block.type_name == name).unwrap();
        (block.nesting(), block.min_items, block.max_items)
    };

    assert_eq!(bounds("single"), (NestingMode::Single, 1, 1));
    assert_eq!(bounds("group"), (NestingMode::Group, 0, 0));
    assert_eq!(bounds("map"), (NestingMode::Map, 0, 0));
    assert_eq!(bounds("list"), (NestingMode::List, 0, 0));
    assert_eq!(bounds("set"), (NestingMode::Set, 0, 0));
    assert_eq!(bounds("at_most_one"), (NestingMode::List, 0, 1));
}

#[tokio::test]
async fn the_schema_says_everything_that_clients_may_know() {
    let answer =
        service().get_provider_schema(Request::new(wire::get_provider_schema::Request {})).await;
    let answer = answer.unwrap().into_inner();

    let thing = &answer.resource_schemas["one_thing"];
    assert_eq!(thing.version, 3);
    assert!(attribute(thing, "password").write_only && attribute(thing, "password").sensitive);
    assert_eq!(attribute(thing, "name").description, "Its name.");
    for attribute in &thing.block.as_ref().unwrap().attributes {
        assert!(type_from_json(&attribute.r#type).is_ok());
    }
    let capabilities = answer.server_capabilities.unwrap();
    assert!(capabilities.plan_destroy && capabilities.get_provider_schema_optional);
    assert!(!capabilities.move_resource_state);
}

#[tokio::test]
async fn metadata_names_what_the_provider_offers() {
    let answer = service()
        .get_metadata(Request::new(wire::get_metadata::Request {}))
        .await
        .unwrap()
        .into_inner();

    assert_eq!(answer.resources[0].type_name, "one_thing");
    assert!(answer.server_capabilities.unwrap().plan_destroy);
}

#[tokio::test]
async fn an_identity_says_what_an_import_needs() {
    let request = Request::new(wire::get_resource_identity_schemas::Request {});
    let answer = service().get_resource_identity_schemas(request).await.unwrap().into_inner();

    let name = &answer.identity_schemas["one_thing"].identity_attributes[0];
    assert!(name.required_for_import && !name.optional_for_import);
}

#[tokio::test]
async fn what_the_provider_does_not_offer_is_unimplemented() {
    let request = Request::new(wire::upgrade_resource_identity::Request::default());

    let status = service().upgrade_resource_identity(request).await.unwrap_err();

    assert_eq!(status.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_resource_type_that_does_not_exist_is_an_error() {
    let request =
        wire::read_resource::Request { type_name: "one_other".to_owned(), ..Default::default() };

    let answer = service().read_resource(Request::new(request)).await.unwrap().into_inner();

    assert_eq!(
        answer.diagnostics[0].detail,
        "This version of the provider has no resource type named `one_other`."
    );
    assert_eq!(answer.diagnostics[0].severity(), wire::diagnostic::Severity::Error);
    assert_eq!(answer.new_state, None);
}

#[tokio::test]
async fn a_value_that_cannot_be_decoded_is_an_error_that_names_it() {
    let request = wire::validate_resource_config::Request {
        type_name: "one_thing".to_owned(),
        config: Some(msgpack(b"\x82\xa4name\x07\xa8password\xc0")),
        client_capabilities: None,
    };

    let answer =
        service().validate_resource_config(Request::new(request)).await.unwrap().into_inner();

    let detail = &answer.diagnostics[0].detail;
    assert!(detail.starts_with("config name: a string is required, a number given."), "{detail}");
}

#[tokio::test]
async fn a_value_may_come_as_json_and_a_missing_one_is_null() {
    let json = Bytes::from_static(br#"{"name":"x","password":null}"#);
    let request = wire::plan_resource_change::Request {
        type_name: "one_thing".to_owned(),
        config: Some(wire::DynamicValue { msgpack: Bytes::new(), json: json.clone() }),
        proposed_new_state: Some(wire::DynamicValue { msgpack: Bytes::new(), json }),
        ..Default::default()
    };

    let answer = service().plan_resource_change(Request::new(request)).await.unwrap().into_inner();

    assert_eq!(answer.diagnostics, []);
    assert_eq!(
        answer.planned_state.unwrap().msgpack,
        b"\x82\xa4name\xa1x\xa8password\xc0".as_slice()
    );
    assert!(!answer.legacy_type_system);
    assert_eq!(answer.deferred, None);
}

#[tokio::test]
async fn what_is_write_only_is_planned_and_stored_as_null() {
    let config = || msgpack(b"\x82\xa4name\xa1x\xa8password\xa7hunter2");
    let null = b"\x82\xa4name\xa1x\xa8password\xc0".as_slice();
    let request = wire::plan_resource_change::Request {
        type_name: "one_thing".to_owned(),
        config: Some(config()),
        proposed_new_state: Some(config()),
        ..Default::default()
    };
    let answer = service().plan_resource_change(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(
        (answer.diagnostics, answer.planned_state.unwrap().msgpack),
        (Vec::new(), Bytes::from_static(null))
    );

    let request = wire::apply_resource_change::Request {
        type_name: "one_thing".to_owned(),
        config: Some(config()),
        planned_state: Some(msgpack(null)),
        ..Default::default()
    };
    let answer = service().apply_resource_change(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(
        (answer.diagnostics, answer.new_state.unwrap().msgpack),
        (Vec::new(), Bytes::from_static(null))
    );
}

#[tokio::test]
async fn a_client_that_would_store_what_is_write_only_is_refused() {
    let ask = async |knows| {
        let capabilities = wire::ClientCapabilities {
            write_only_attributes_allowed: knows,
            deferral_allowed: false,
        };
        let request = wire::validate_resource_config::Request {
            type_name: "one_thing".to_owned(),
            config: Some(msgpack(b"\x82\xa4name\xa1x\xa8password\xa7hunter2")),
            client_capabilities: Some(capabilities),
        };
        service()
            .validate_resource_config(Request::new(request))
            .await
            .unwrap()
            .into_inner()
            .diagnostics
    };

    assert_eq!(ask(true).await, []);
    assert_eq!(ask(false).await[0].summary, "Write-only attributes need a newer client");
}

#[tokio::test]
async fn state_in_the_format_of_long_ago_is_refused() {
    let flatmap = [("name".to_owned(), "x".to_owned())].into_iter().collect();
    for (flatmap, words) in
        [(flatmap, "the format of Terraform 0.11"), (BTreeMap::new(), "is missing")]
    {
        let request = wire::upgrade_resource_state::Request {
            type_name: "one_thing".to_owned(),
            version: 3,
            raw_state: Some(wire::RawState { json: Bytes::new(), flatmap }),
        };

        let answer =
            service().upgrade_resource_state(Request::new(request)).await.unwrap().into_inner();

        assert!(answer.diagnostics[0].detail.contains(words));
    }
}

#[tokio::test]
async fn an_imported_object_is_left_out_where_there_are_errors() {
    let request = wire::import_resource_state::Request {
        type_name: "one_thing".to_owned(),
        id: "x".to_owned(),
        ..Default::default()
    };

    let answer = service().import_resource_state(Request::new(request)).await.unwrap().into_inner();

    assert_eq!(answer.imported_resources, []);
    assert_eq!(answer.diagnostics[0].summary, "one_thing cannot be imported");
}
