//! Schemas to the protocol's messages, everything in order of name: the same schema gives the same bytes.

use std::collections::{BTreeMap, HashMap};

use prost::bytes::Bytes;

use super::tfplugin6 as wire;
use crate::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, Description, FunctionSchema,
    IdentitySchema, NestedBlock, Parameter, ResourceSchema, StringKind, Type, attribute_type,
    dotted, type_to_json,
};

/// Encodes a schema.
pub(super) fn schema(schema: &ResourceSchema) -> wire::Schema {
    wire::Schema {
        version: schema.schema.version,
        block: Some(block(schema, &schema.schema.block, "")),
    }
}

fn type_bytes(ty: &Type) -> Bytes {
    type_to_json(ty).into_bytes().into()
}

fn kind(description: &Description) -> i32 {
    match description.kind {
        StringKind::Plain => wire::StringKind::Plain.into(),
        StringKind::Markdown => wire::StringKind::Markdown.into(),
    }
}

fn block(schema: &ResourceSchema, block: &Block, prefix: &str) -> wire::schema::Block {
    let blocks: BTreeMap<_, _> = block.blocks.iter().collect();
    wire::schema::Block {
        version: block.version,
        attributes: attributes(schema, &block.attributes, prefix),
        block_types: blocks
            .into_iter()
            .map(|(name, nested)| nested_block(schema, name, nested, prefix))
            .collect(),
        description: block.description.content.clone(),
        description_kind: kind(&block.description),
        deprecated: block.deprecated,
    }
}

fn nested_block(
    schema: &ResourceSchema,
    name: &str,
    nested: &NestedBlock,
    prefix: &str,
) -> wire::schema::NestedBlock {
    use wire::schema::nested_block::NestingMode;
    // Zero as the most means that there is no limit.
    let (nesting, inner, min_items, max_items) = match nested {
        NestedBlock::Single(inner) => (NestingMode::Single, inner, 1, 1),
        NestedBlock::List(inner) => (NestingMode::List, inner, 0, 0),
        NestedBlock::Set(inner) => (NestingMode::Set, inner, 0, 0),
        NestedBlock::Map(inner) => (NestingMode::Map, inner, 0, 0),
        NestedBlock::Group(inner) => (NestingMode::Group, inner, 0, 0),
        NestedBlock::Optional(inner) => (NestingMode::List, inner, 0, 1),
    };
    wire::schema::NestedBlock {
        type_name: name.to_owned(),
        block: Some(block(schema, inner, &dotted(prefix, name))),
        nesting: nesting.into(),
        min_items,
        max_items,
    }
}

fn attributes(
    schema: &ResourceSchema,
    attributes: &HashMap<String, Attribute>,
    prefix: &str,
) -> Vec<wire::schema::Attribute> {
    let sorted: BTreeMap<_, _> = attributes.iter().collect();
    sorted.into_iter().map(|(name, of)| attribute(schema, name, of, prefix)).collect()
}

fn attribute(
    schema: &ResourceSchema,
    name: &str,
    attribute: &Attribute,
    prefix: &str,
) -> wire::schema::Attribute {
    use wire::schema::object::NestingMode;
    let path = dotted(prefix, name);
    let nested = match &attribute.attr_type {
        AttributeType::AttributeSingle(inner) => Some((NestingMode::Single, inner)),
        AttributeType::AttributeList(inner) => Some((NestingMode::List, inner)),
        AttributeType::AttributeSet(inner) => Some((NestingMode::Set, inner)),
        AttributeType::AttributeMap(inner) => Some((NestingMode::Map, inner)),
        _ => None,
    };
    let nested_type = nested.map(|(nesting, inner)| wire::schema::Object {
        attributes: attributes(schema, inner, &path),
        nesting: nesting.into(),
    });
    // Exactly one of the two: core reads a nested type only where there is no other.
    let ty = if nested_type.is_some() {
        Bytes::new()
    } else {
        type_bytes(&attribute_type(&attribute.attr_type))
    };
    let extra = schema.extras.get(&path);
    wire::schema::Attribute {
        name: name.to_owned(),
        r#type: ty,
        nested_type,
        description: attribute.description.content.clone(),
        description_kind: kind(&attribute.description),
        required: attribute.constraint == AttributeConstraint::Required,
        optional: matches!(
            attribute.constraint,
            AttributeConstraint::Optional | AttributeConstraint::OptionalComputed
        ),
        computed: matches!(
            attribute.constraint,
            AttributeConstraint::Computed | AttributeConstraint::OptionalComputed
        ),
        sensitive: attribute.sensitive,
        deprecated: attribute.deprecated,
        write_only: extra.is_some_and(|extra| extra.write_only),
        deprecation_message: extra
            .and_then(|extra| extra.deprecation_message.clone())
            .unwrap_or_default(),
    }
}

/// Encodes a function's schema.
pub(super) fn function(schema: &FunctionSchema) -> wire::Function {
    wire::Function {
        parameters: schema.parameters.iter().map(parameter).collect(),
        variadic_parameter: schema.variadic.as_ref().map(parameter),
        r#return: Some(wire::function::Return { r#type: type_bytes(&schema.return_type) }),
        summary: schema.summary.clone(),
        description: schema.description.content.clone(),
        description_kind: kind(&schema.description),
        deprecation_message: schema.deprecated.clone().unwrap_or_default(),
    }
}

fn parameter(parameter: &Parameter) -> wire::function::Parameter {
    wire::function::Parameter {
        name: parameter.name.clone(),
        r#type: type_bytes(&parameter.param_type),
        allow_null_value: parameter.allow_null,
        allow_unknown_values: parameter.allow_unknown,
        description: parameter.description.content.clone(),
        description_kind: kind(&parameter.description),
    }
}

/// Encodes what identifies an object.
pub(super) fn identity(schema: &IdentitySchema) -> wire::ResourceIdentitySchema {
    let attribute = |(name, attribute): (&String, &crate::schema::IdentityAttribute)| {
        wire::resource_identity_schema::IdentityAttribute {
            name: name.clone(),
            r#type: type_bytes(&attribute.ty),
            required_for_import: attribute.required_for_import,
            optional_for_import: !attribute.required_for_import,
            description: attribute.description.clone(),
        }
    };
    wire::ResourceIdentitySchema {
        version: schema.version,
        identity_attributes: schema.attributes.iter().map(attribute).collect(),
    }
}
