//! Whether a value is of a type.

use std::collections::BTreeMap;

use super::Problem;
use crate::path::{self, AttributePath, AttributePathStep};
use crate::schema::Type;
use crate::value::Value;

/// Brings a value that an author made into the exact shape of a type: lists become sets where a set is meant, and
/// values of `dynamic` attributes get their types. Fails where the value is of another type, has attributes that the
/// type lacks, or lacks attributes that the type has.
pub fn conform(value: Value, ty: &Type) -> Result<Value, Problem> {
    at(value, ty, &AttributePath::root())
}

fn at(value: Value, ty: &Type, path: &AttributePath) -> Result<Value, Problem> {
    match (ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (_, unknown @ Value::Unknown(_)) => Ok(unknown),
        (Type::Any, Value::Dynamic(dynamic)) => {
            let value = at(dynamic.value, &dynamic.ty, path)?;
            Ok(Value::dynamic(dynamic.ty, value))
        }
        (Type::Any, plain) => {
            let ty = infer(&plain);
            let value = at(plain, &ty, path)?;
            Ok(Value::dynamic(ty, value))
        }
        (ty, Value::Dynamic(dynamic)) => at(dynamic.value, ty, path),
        (Type::String, value @ Value::String(_))
        | (Type::Number, value @ Value::Number(_))
        | (Type::Bool, value @ Value::Bool(_)) => Ok(value),
        (Type::List(ty), Value::List(elements)) => {
            elements_at(elements, |_| ty, path).map(Value::List)
        }
        (Type::List(ty), Value::Set(set)) => {
            elements_at(set.iter().cloned().collect(), |_| ty, path).map(Value::List)
        }
        (Type::Set(ty), Value::List(elements)) => {
            Ok(Value::Set(elements_at(elements, |_| ty, path)?.into_iter().collect()))
        }
        (Type::Set(ty), Value::Set(set)) => {
            let elements = elements_at(set.iter().cloned().collect(), |_| ty, path)?;
            Ok(Value::Set(elements.into_iter().collect()))
        }
        (Type::Tuple(types), Value::List(elements)) if types.len() == elements.len() => {
            elements_at(elements, |index| &types[index], path).map(Value::List)
        }
        (Type::Map(ty), Value::Map(entries)) => {
            let conform_entry = |(key, value): (String, Value)| {
                let value = at(value, ty, &path::key(path, &key))?;
                Ok((key, value))
            };
            Ok(Value::Map(entries.into_iter().map(conform_entry).collect::<Result<_, _>>()?))
        }
        (Type::Object(_), Value::Map(entries)) => object(entries, ty, path),
        (ty, other) => Err(Problem::new(
            path,
            format!("{} is required, but {} was given", name(ty), given(&other)),
        )),
    }
}

fn elements_at<'t>(
    elements: Vec<Value>,
    ty: impl Fn(usize) -> &'t Type,
    path: &AttributePath,
) -> Result<Vec<Value>, Problem> {
    let conform_element = |(index, element)| at(element, ty(index), &path::index(path, index));
    elements.into_iter().enumerate().map(conform_element).collect()
}

fn object(
    mut entries: BTreeMap<String, Value>,
    ty: &Type,
    path: &AttributePath,
) -> Result<Value, Problem> {
    let Type::Object(attributes) = ty else { return Ok(Value::Map(entries)) };
    if let Some(extra) = entries.keys().find(|name| !attributes.contains_key(*name)) {
        return Err(Problem::new(
            &path::attribute(path, extra),
            "the schema has no such attribute",
        ));
    }
    let mut conformed = BTreeMap::new();
    for (name, ty) in attributes {
        let path = path::attribute(path, name);
        let value = entries.remove(name).ok_or_else(|| {
            let required = attributes.len();
            Problem::new(
                &path,
                format!(
                    "an object with {required} attributes is required, and this one is missing"
                ),
            )
        })?;
        conformed.insert(name.clone(), at(value, ty, &path)?);
    }
    Ok(Value::Map(conformed))
}

/// The type that a value has when nothing says otherwise.
fn infer(value: &Value) -> Type {
    match value {
        Value::Null | Value::Unknown(_) | Value::Dynamic(_) => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::String(_) => Type::String,
        Value::List(elements) => Type::Tuple(elements.iter().map(infer).collect()),
        Value::Set(set) => Type::Set(Box::new(set.iter().next().map_or(Type::String, infer))),
        Value::Map(entries) => {
            Type::Object(entries.iter().map(|(name, value)| (name.clone(), infer(value))).collect())
        }
    }
}

fn name(ty: &Type) -> String {
    match ty {
        Type::String => "a string".to_owned(),
        Type::Number => "a number".to_owned(),
        Type::Bool => "a bool".to_owned(),
        Type::List(_) => "a list".to_owned(),
        Type::Set(_) => "a set".to_owned(),
        Type::Map(_) => "a map".to_owned(),
        Type::Object(_) => "an object".to_owned(),
        Type::Tuple(types) => format!("a tuple of {} elements", types.len()),
        Type::Any => "any value".to_owned(),
    }
}

fn given(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Unknown(_) => "an unknown value".to_owned(),
        Value::Bool(_) => "a bool".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::List(elements) => format!("a list of {} elements", elements.len()),
        Value::Set(_) => "a set".to_owned(),
        Value::Map(_) => "an object or map".to_owned(),
        Value::Dynamic(_) => "a dynamic value".to_owned(),
    }
}

/// An object of the type in which nothing is set.
pub fn empty_object(ty: &Type) -> Value {
    match ty {
        Type::Object(attributes) => {
            Value::Map(attributes.keys().map(|name| (name.clone(), Value::Null)).collect())
        }
        _ => Value::Null,
    }
}

/// The value with null in place of everything unknown.
pub fn forget_unknowns(value: Value) -> Value {
    match value {
        Value::Unknown(_) => Value::Null,
        Value::List(elements) => Value::List(elements.into_iter().map(forget_unknowns).collect()),
        Value::Set(set) => Value::Set(set.iter().cloned().map(forget_unknowns).collect()),
        Value::Map(entries) => Value::Map(
            entries.into_iter().map(|(name, value)| (name, forget_unknowns(value))).collect(),
        ),
        Value::Dynamic(dynamic) => match forget_unknowns(dynamic.value) {
            // A null of no particular type, which is all that is left.
            Value::Null => Value::Null,
            value => Value::dynamic(dynamic.ty, value),
        },
        known @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => known,
    }
}

fn step<'t>(ty: &'t Type, step: &AttributePathStep) -> Option<&'t Type> {
    match (ty, step) {
        (Type::Object(attributes), AttributePathStep::Attribute(name)) => {
            attributes.get(name.as_ref())
        }
        (Type::Map(element), AttributePathStep::Key(_))
        | (Type::List(element), AttributePathStep::Index(_)) => Some(element),
        (Type::Tuple(types), AttributePathStep::Index(index)) => {
            types.get(usize::try_from(*index).ok()?)
        }
        // What is inside is known only to the value.
        (Type::Any, _) => Some(&Type::Any),
        _ => None,
    }
}

/// Whether a path leads somewhere in values of a type. Elements of sets have no path.
pub fn path_exists(ty: &Type, path: &AttributePath) -> bool {
    path.steps.iter().try_fold(ty, |ty, next| step(ty, next)).is_some()
}

/// Mends a path for values of a type, and drops its end where that leads nowhere: a report that points near is better
/// than one that core drops. What a value cannot tell, whether it is an object or a map, the type can.
pub fn mend_path(ty: &Type, path: &mut AttributePath) {
    let mut ty = ty;
    let mut existing = 0;
    for next in &mut path.steps {
        *next = match (ty, next.clone()) {
            (Type::Map(_), AttributePathStep::Attribute(key)) => AttributePathStep::Key(key),
            (Type::Object(_), AttributePathStep::Key(name)) => AttributePathStep::Attribute(name),
            (_, step) => step,
        };
        let Some(inner) = step(ty, next) else { break };
        ty = inner;
        existing += 1;
    }
    path.steps.truncate(existing);
}
