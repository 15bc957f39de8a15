//! The plan that a resource starts from.

use std::collections::{BTreeMap, HashMap};

use crate::rules::strip_write_only;
use crate::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, NestedBlock, ResourceSchema,
};
use crate::value::Value;

/// What is missing is null.
static NULL: Value = Value::Null;

/// Core's proposal; and where something changes, unknown for every computed attribute that the configuration is silent
/// about, because any of them may change with it.
pub(super) fn default_plan(
    schema: &ResourceSchema,
    prior: &Value,
    config: &Value,
    proposed: Value,
) -> Value {
    let proposed = strip_write_only(schema, proposed);
    if proposed == *prior {
        return proposed;
    }
    block(&schema.schema.block, config, proposed)
}

fn block(schema: &Block, config: &Value, planned: Value) -> Value {
    let Value::Map(entries) = attributes(&schema.attributes, config, planned) else {
        return Value::Null;
    };
    let mark = |(name, value): (String, Value)| match schema.blocks.get(&name) {
        Some(nested) => {
            let value = nested_block(nested, config.get(&name).unwrap_or(&NULL), value);
            (name, value)
        }
        None => (name, value),
    };
    Value::Map(entries.into_iter().map(mark).collect())
}

fn nested_block(nested: &NestedBlock, config: &Value, planned: Value) -> Value {
    match nested {
        NestedBlock::Single(inner) | NestedBlock::Group(inner) => match planned {
            Value::Map(_) => block(inner, config, planned),
            other => other,
        },
        NestedBlock::List(inner)
        | NestedBlock::Optional(inner)
        | NestedBlock::Map(inner)
        | NestedBlock::Set(inner) => {
            elements(config, planned, |config, planned| block(inner, config, planned))
        }
    }
}

fn attributes(schema: &HashMap<String, Attribute>, config: &Value, planned: Value) -> Value {
    let Value::Map(entries) = planned else { return planned };
    let mark = |(name, value): (String, Value)| {
        let marked = match schema.get(&name) {
            Some(of) => attribute(of, config.get(&name).unwrap_or(&NULL), value),
            None => value,
        };
        (name, marked)
    };
    Value::Map(entries.into_iter().map(mark).collect::<BTreeMap<_, _>>())
}

fn attribute(schema: &Attribute, config: &Value, planned: Value) -> Value {
    let computed = matches!(
        schema.constraint,
        AttributeConstraint::Computed | AttributeConstraint::OptionalComputed
    );
    if computed && config.is_null() {
        return Value::UNKNOWN;
    }
    match &schema.attr_type {
        AttributeType::AttributeSingle(inner) => attributes(inner, config, planned),
        AttributeType::AttributeList(inner)
        | AttributeType::AttributeMap(inner)
        | AttributeType::AttributeSet(inner) => {
            elements(config, planned, |config, planned| attributes(inner, config, planned))
        }
        _ => planned,
    }
}

/// Marks each element, next to the configured one that it comes from.
fn elements(config: &Value, planned: Value, mark: impl Fn(&Value, Value) -> Value) -> Value {
    match planned {
        Value::List(elements) => {
            let configured = config.as_elements().unwrap_or(&[]);
            let mark = |(index, element)| mark(configured.get(index).unwrap_or(&NULL), element);
            Value::List(elements.into_iter().enumerate().map(mark).collect())
        }
        // An element of a set is new as soon as anything in it changes. Which configured one it comes from is not
        // known; the one that it equals where that is set, or itself.
        Value::Set(set) => {
            let configured = config.as_elements().unwrap_or(&[]);
            let origin = |element: &Value| {
                configured.iter().find(|config| comes_from(element, config)).cloned()
            };
            let mark = |element: &Value| {
                mark(&origin(element).unwrap_or_else(|| element.clone()), element.clone())
            };
            Value::Set(set.iter().map(mark).collect())
        }
        Value::Map(entries) => {
            let mark = |(key, entry): (String, Value)| {
                let entry = mark(config.get(&key).unwrap_or(&NULL), entry);
                (key, entry)
            };
            Value::Map(entries.into_iter().map(mark).collect())
        }
        other => other,
    }
}

fn comes_from(element: &Value, config: &Value) -> bool {
    match (element.as_map(), config.as_map()) {
        (Some(element), Some(config)) => {
            config.iter().all(|(name, value)| value.is_null() || element.get(name) == Some(value))
        }
        _ => element == config,
    }
}
