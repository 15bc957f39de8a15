//! Core's proposal for a new state.

use std::collections::{BTreeMap, HashMap};

use crate::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, NestedBlock, ResourceSchema,
};
use crate::value::Value;

/// What is missing is null.
static NULL: Value = Value::Null;

/// The configuration; and where it is silent about something computed, the prior value.
pub fn proposed_new(schema: &ResourceSchema, prior: &Value, config: &Value) -> Value {
    block(&schema.schema.block, prior, config)
}

fn block(schema: &Block, prior: &Value, config: &Value) -> Value {
    let Value::Map(entries) = config else { return config.clone() };
    let propose = |(name, config): (&String, &Value)| {
        let prior = prior.get(name).unwrap_or(&NULL);
        let proposed = match (schema.attributes.get(name), schema.blocks.get(name)) {
            (Some(of), _) => attribute(of, prior, config),
            (None, Some(nested)) => nested_block(nested, prior, config),
            (None, None) => config.clone(),
        };
        (name.clone(), proposed)
    };
    Value::Map(entries.iter().map(propose).collect())
}

fn nested_block(nested: &NestedBlock, prior: &Value, config: &Value) -> Value {
    match nested {
        NestedBlock::Single(inner) | NestedBlock::Group(inner) => block(inner, prior, config),
        NestedBlock::List(inner)
        | NestedBlock::Optional(inner)
        | NestedBlock::Map(inner)
        | NestedBlock::Set(inner) => {
            elements(prior, config, |prior, config| block(inner, prior, config))
        }
    }
}

fn attributes(schema: &HashMap<String, Attribute>, prior: &Value, config: &Value) -> Value {
    let Value::Map(entries) = config else { return config.clone() };
    let propose = |(name, config): (&String, &Value)| {
        let prior = prior.get(name).unwrap_or(&NULL);
        let proposed =
            schema.get(name).map_or_else(|| config.clone(), |of| attribute(of, prior, config));
        (name.clone(), proposed)
    };
    Value::Map(entries.iter().map(propose).collect::<BTreeMap<_, _>>())
}

fn attribute(schema: &Attribute, prior: &Value, config: &Value) -> Value {
    let computed = matches!(
        schema.constraint,
        AttributeConstraint::Computed | AttributeConstraint::OptionalComputed
    );
    if computed && config.is_null() {
        return prior.clone();
    }
    match &schema.attr_type {
        AttributeType::AttributeSingle(inner) => attributes(inner, prior, config),
        AttributeType::AttributeList(inner)
        | AttributeType::AttributeMap(inner)
        | AttributeType::AttributeSet(inner) => {
            elements(prior, config, |prior, config| attributes(inner, prior, config))
        }
        _ => config.clone(),
    }
}

fn elements(prior: &Value, config: &Value, propose: impl Fn(&Value, &Value) -> Value) -> Value {
    match config {
        Value::List(elements) => {
            let prior = prior.as_elements().unwrap_or(&[]);
            let propose = |(index, element)| propose(prior.get(index).unwrap_or(&NULL), element);
            Value::List(elements.iter().enumerate().map(propose).collect())
        }
        Value::Map(entries) => {
            let propose = |(key, entry): (&String, &Value)| {
                (key.clone(), propose(prior.get(key).unwrap_or(&NULL), entry))
            };
            Value::Map(entries.iter().map(propose).collect())
        }
        // An element comes from a prior one if they agree in everything that is configured.
        Value::Set(set) => {
            let prior = prior.as_elements().unwrap_or(&[]);
            let mut used = vec![false; prior.len()];
            let propose = |config: &Value| {
                let origin = (0..prior.len())
                    .find(|&index| !used[index] && propose(&prior[index], config) == prior[index]);
                match origin {
                    Some(index) => {
                        used[index] = true;
                        prior[index].clone()
                    }
                    None => propose(&NULL, config),
                }
            };
            Value::Set(set.iter().map(propose).collect())
        }
        other => other.clone(),
    }
}
