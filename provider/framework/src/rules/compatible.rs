//! Whether an applied object is one that the plan allowed.

use super::{Problem, shown};
use crate::path::{self, AttributePath};
use crate::schema::{Attribute, AttributeType, Block, NestedBlock, ResourceSchema};
use crate::value::{Refinements, Value};

/// Everything that core would refuse in what apply returned. Both values must be of the schema's type.
pub fn object_compatible(schema: &ResourceSchema, planned: &Value, actual: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    // What is write-only may have been returned for another attribute by mistake.
    let hide = schema.has_write_only();
    block(&schema.schema.block, &AttributePath::root(), planned, actual, hide, &mut problems);
    problems
}

fn block(
    block_schema: &Block,
    path: &AttributePath,
    planned: &Value,
    actual: &Value,
    hide: bool,
    problems: &mut Vec<Problem>,
) {
    match (planned.is_null(), actual.is_null()) {
        (true, false) => {
            problems.push(Problem::new(path, "was planned to be absent, but is present"));
        }
        (false, true) => {
            problems.push(Problem::new(path, "was planned to be present, but is absent"));
        }
        (true, true) => {}
        (false, false) if planned.is_unknown() => {}
        (false, false) => {
            for (name, attribute) in &block_schema.attributes {
                let path = path::attribute(path, name);
                if let (Some(planned), Some(actual)) = (planned.get(name), actual.get(name)) {
                    value(&path, planned, actual, hide || is_sensitive(attribute), problems);
                }
            }
            for (name, nested) in &block_schema.blocks {
                let path = path::attribute(path, name);
                if let (Some(planned), Some(actual)) = (planned.get(name), actual.get(name)) {
                    nested_block(nested, &path, planned, actual, hide, problems);
                }
            }
        }
    }
}

/// Whether an attribute, or anything in it, is not to be shown.
fn is_sensitive(attribute: &Attribute) -> bool {
    attribute.sensitive
        || match &attribute.attr_type {
            AttributeType::AttributeSingle(inner)
            | AttributeType::AttributeList(inner)
            | AttributeType::AttributeSet(inner)
            | AttributeType::AttributeMap(inner) => inner.values().any(is_sensitive),
            _ => false,
        }
}

fn nested_block(
    nested: &NestedBlock,
    path: &AttributePath,
    planned: &Value,
    actual: &Value,
    hide: bool,
    problems: &mut Vec<Problem>,
) {
    // Blocks that were not known may turn out to be any number of them.
    if planned.is_unknown() {
        return;
    }
    match nested {
        NestedBlock::Single(inner) | NestedBlock::Group(inner) => {
            block(inner, path, planned, actual, hide, problems);
        }
        NestedBlock::List(inner) | NestedBlock::Optional(inner) => {
            let (planned, actual) =
                (planned.as_elements().unwrap_or(&[]), actual.as_elements().unwrap_or(&[]));
            if planned.len() != actual.len() {
                let (was, is) = (planned.len(), actual.len());
                problems.push(Problem::new(
                    path,
                    format!("the number of blocks was planned to be {was}, but is {is}"),
                ));
                return;
            }
            for (index, (planned, actual)) in planned.iter().zip(actual).enumerate() {
                block(inner, &path::index(path, index), planned, actual, hide, problems);
            }
        }
        NestedBlock::Map(inner) => {
            entries(path, planned, actual, problems, |path, planned, actual, problems| {
                block(inner, path, planned, actual, hide, problems);
            });
        }
        NestedBlock::Set(inner) => {
            set(path, planned, actual, hide, problems, |planned, actual| {
                let mut differences = Vec::new();
                block(inner, path, planned, actual, hide, &mut differences);
                differences.is_empty()
            });
        }
    }
}

fn value(
    path: &AttributePath,
    planned: &Value,
    actual: &Value,
    sensitive: bool,
    problems: &mut Vec<Problem>,
) {
    let differs = |problems: &mut Vec<Problem>| {
        let (was, is) = (shown(planned, sensitive), shown(actual, sensitive));
        problems.push(Problem::new(path, format!("was planned to be {was}, but is {is}")));
    };
    match (planned, actual) {
        (Value::Unknown(refinements), actual) => {
            if let Some(broken) =
                refinements.as_deref().and_then(|refinements| broken_promise(refinements, actual))
            {
                let is = shown(actual, sensitive);
                problems.push(Problem::new(
                    path,
                    format!("the plan promised {broken}, but it is {is}"),
                ));
            }
        }
        (Value::Null, Value::Null) => {}
        (_, Value::Unknown(_)) => {
            problems.push(Problem::new(path, "was known in the plan, but is unknown now"));
        }
        (Value::List(one), Value::List(other)) => {
            if one.len() == other.len() {
                for (index, (planned, actual)) in one.iter().zip(other).enumerate() {
                    value(&path::index(path, index), planned, actual, sensitive, problems);
                }
            } else {
                let (was, is) = (one.len(), other.len());
                problems.push(Problem::new(
                    path,
                    format!("was planned to have {was} elements, but has {is}"),
                ));
            }
        }
        (Value::Map(_), Value::Map(_)) => {
            entries(path, planned, actual, problems, |path, planned, actual, problems| {
                value(path, planned, actual, sensitive, problems);
            });
        }
        (Value::Set(_), Value::Set(_)) => {
            set(path, planned, actual, sensitive, problems, |planned, actual| {
                let mut differences = Vec::new();
                value(path, planned, actual, sensitive, &mut differences);
                differences.is_empty()
            });
        }
        (Value::Dynamic(one), Value::Dynamic(other))
            if one.ty == other.ty || one.value.is_unknown() =>
        {
            value(path, &one.value, &other.value, sensitive, problems);
        }
        (planned, actual) if planned == actual => {}
        _ => differs(problems),
    }
}

fn entries(
    path: &AttributePath,
    planned: &Value,
    actual: &Value,
    problems: &mut Vec<Problem>,
    mut entry: impl FnMut(&AttributePath, &Value, &Value, &mut Vec<Problem>),
) {
    let (Some(planned), Some(actual)) = (planned.as_map(), actual.as_map()) else { return };
    for (key, planned) in planned {
        let path = path::attribute(path, key);
        match actual.get(key) {
            Some(actual) => entry(&path, planned, actual, problems),
            None => problems.push(Problem::new(&path, "was planned, but has vanished")),
        }
    }
    for key in actual.keys().filter(|key| !planned.contains_key(*key)) {
        problems
            .push(Problem::new(&path::attribute(path, key), "was not planned, but has appeared"));
    }
}

/// Elements of sets cannot be told which became which: each must fit at least one on the other side.
fn set(
    path: &AttributePath,
    planned: &Value,
    actual: &Value,
    sensitive: bool,
    problems: &mut Vec<Problem>,
    fits: impl Fn(&Value, &Value) -> bool,
) {
    let (planned, actual) =
        (planned.as_elements().unwrap_or(&[]), actual.as_elements().unwrap_or(&[]));
    for one in planned.iter().filter(|one| !actual.iter().any(|other| fits(one, other))) {
        let one = shown(one, sensitive);
        problems.push(Problem::new(
            path,
            format!("the planned element {one} is not among the actual ones"),
        ));
    }
    for other in actual.iter().filter(|other| !planned.iter().any(|one| fits(one, other))) {
        let other = shown(other, sensitive);
        problems.push(Problem::new(path, format!("the element {other} was not planned")));
    }
    // Elements that turn out to be equal become one; there are never more than planned.
    if actual.len() > planned.len() {
        let (was, is) = (planned.len(), actual.len());
        problems
            .push(Problem::new(path, format!("was planned to have {was} elements, but has {is}")));
    }
}

/// Which promise about an unknown value the actual one breaks.
fn broken_promise(refinements: &Refinements, actual: &Value) -> Option<String> {
    let Refinements { not_null, prefix, minimum, maximum, minimum_length, maximum_length } =
        refinements;
    if actual.is_null() {
        return not_null.then(|| "a value".to_owned());
    }
    if let (Some(prefix), Some(text)) = (prefix, actual.as_str())
        && !text.starts_with(prefix)
    {
        return Some(format!("a string that begins with {prefix:?}"));
    }
    if let Some(number) = actual.as_number() {
        if let Some(bound) = minimum
            && (number < &bound.number || (!bound.inclusive && number == &bound.number))
        {
            return Some(format!("a number not below {}", bound.number));
        }
        if let Some(bound) = maximum
            && (number > &bound.number || (!bound.inclusive && number == &bound.number))
        {
            return Some(format!("a number not above {}", bound.number));
        }
    }
    let length = actual
        .as_elements()
        .map(<[Value]>::len)
        .or_else(|| actual.as_map().map(std::collections::BTreeMap::len));
    let length = u64::try_from(length?).ok()?;
    if minimum_length.is_some_and(|minimum| length < minimum)
        || maximum_length.is_some_and(|most| length > most)
    {
        return Some("another number of elements".to_owned());
    }
    None
}
