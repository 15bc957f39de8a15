//! The type that values of a schema have.

use std::collections::HashMap;

use super::{Attribute, AttributeType, Block, NestedBlock, Type};

/// The type of objects that a block describes.
pub fn implied_type(block: &Block) -> Type {
    let mut attributes = object_attributes(&block.attributes);
    for (name, nested) in &block.blocks {
        attributes.insert(name.clone(), nested_block_type(nested));
    }
    Type::Object(attributes)
}

fn nested_block_type(nested: &NestedBlock) -> Type {
    match nested {
        NestedBlock::Single(block) | NestedBlock::Group(block) => implied_type(block),
        // A list or map whose elements may each be of another type is, for core, a tuple or object; what it sends
        // and accepts is encoded alike.
        NestedBlock::List(block) | NestedBlock::Optional(block) => {
            Type::List(Box::new(implied_type(block)))
        }
        NestedBlock::Set(block) => Type::Set(Box::new(implied_type(block))),
        NestedBlock::Map(block) => Type::Map(Box::new(implied_type(block))),
    }
}

fn object_attributes(attributes: &HashMap<String, Attribute>) -> HashMap<String, Type> {
    attributes
        .iter()
        .map(|(name, attribute)| (name.clone(), attribute_type(&attribute.attr_type)))
        .collect()
}

/// The type of values that an attribute holds.
pub fn attribute_type(ty: &AttributeType) -> Type {
    let boxed = |element: &AttributeType| Box::new(attribute_type(element));
    match ty {
        AttributeType::String => Type::String,
        AttributeType::Number => Type::Number,
        AttributeType::Bool => Type::Bool,
        AttributeType::Any => Type::Any,
        AttributeType::List(element) => Type::List(boxed(element)),
        AttributeType::Set(element) => Type::Set(boxed(element)),
        AttributeType::Map(element) => Type::Map(boxed(element)),
        AttributeType::Tuple(elements) => {
            Type::Tuple(elements.iter().map(attribute_type).collect())
        }
        AttributeType::Object(attributes) => Type::Object(
            attributes.iter().map(|(name, ty)| (name.clone(), attribute_type(ty))).collect(),
        ),
        AttributeType::AttributeSingle(attributes) => Type::Object(object_attributes(attributes)),
        AttributeType::AttributeList(attributes) => {
            Type::List(Box::new(Type::Object(object_attributes(attributes))))
        }
        AttributeType::AttributeSet(attributes) => {
            Type::Set(Box::new(Type::Object(object_attributes(attributes))))
        }
        AttributeType::AttributeMap(attributes) => {
            Type::Map(Box::new(Type::Object(object_attributes(attributes))))
        }
    }
}
