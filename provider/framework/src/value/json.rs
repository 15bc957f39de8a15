//! Stored state is JSON; its meaning depends on the type.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{ConversionError, Number, Value};
use crate::path::AttributePathStep;
use crate::schema::{Type, type_from_json};

/// No value of a real configuration is nested deeper. Types have an end; a value that brings its own need not.
const DEEPEST: usize = 128;

/// Reads JSON as a value of a type.
///
/// Attributes that the JSON lacks are null: an attribute added to a schema is absent from older state. Attributes that
/// the type lacks are skipped: one removed from a schema is still present there. Numbers keep every digit.
pub fn from_json(json: &[u8], ty: &Type) -> Result<Value, ConversionError> {
    read(parse(json)?, ty, DEEPEST)
}

fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, ConversionError> {
    serde_json::from_slice(json)
        .map_err(|error| ConversionError::new(format!("not readable as JSON: {error}")))
}

fn read(json: &RawValue, ty: &Type, deepest: usize) -> Result<Value, ConversionError> {
    let deepest =
        deepest.checked_sub(1).ok_or_else(|| ConversionError::new("nested too deeply"))?;
    let text = json.get();
    if text == "null" {
        return Ok(Value::Null);
    }
    let expected = |what: &str| {
        let found = match text.as_bytes().first() {
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "an array",
            Some(b't' | b'f') => "a bool",
            _ => "a number",
        };
        ConversionError::new(format!("expected {what}, found {found}"))
    };
    match ty {
        Type::String if text.starts_with('"') => Ok(Value::String(parse(text.as_bytes())?)),
        Type::String => Err(expected("a string")),
        Type::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(expected("a bool")),
        },
        // Core writes very large numbers as strings.
        Type::Number => match text.trim_matches('"').parse::<Number>() {
            Ok(number) => Ok(Value::Number(number)),
            Err(_) => Err(expected("a number")),
        },
        Type::List(element) if text.starts_with('[') => {
            Ok(Value::List(elements(text, deepest, |_| Some(element))?))
        }
        Type::Set(element) if text.starts_with('[') => {
            Ok(Value::Set(elements(text, deepest, |_| Some(element))?.into_iter().collect()))
        }
        Type::Tuple(types) if text.starts_with('[') => {
            let elements = elements(text, deepest, |index| types.get(index))?;
            if elements.len() == types.len() {
                Ok(Value::List(elements))
            } else {
                Err(ConversionError::new(format!(
                    "expected {} elements, found {}",
                    types.len(),
                    elements.len()
                )))
            }
        }
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => Err(expected("an array")),
        Type::Map(element) if text.starts_with('{') => {
            let entries: BTreeMap<String, &RawValue> = parse(text.as_bytes())?;
            let read_entry = |(key, json): (String, &RawValue)| match read(json, element, deepest) {
                Ok(value) => Ok((key, value)),
                Err(error) => Err(error.under(AttributePathStep::Key(key.into()))),
            };
            Ok(Value::Map(entries.into_iter().map(read_entry).collect::<Result<_, _>>()?))
        }
        Type::Object(attributes) if text.starts_with('{') => {
            let entries: BTreeMap<String, &RawValue> = parse(text.as_bytes())?;
            let read_attribute = |(name, ty): (&String, &Type)| {
                let value =
                    entries.get(name).map_or(Ok(Value::Null), |json| read(json, ty, deepest));
                match value {
                    Ok(value) => Ok((name.clone(), value)),
                    Err(error) => {
                        Err(error.under(AttributePathStep::Attribute(name.clone().into())))
                    }
                }
            };
            Ok(Value::Map(attributes.iter().map(read_attribute).collect::<Result<_, _>>()?))
        }
        Type::Map(_) | Type::Object(_) => Err(expected("an object")),
        Type::Any => dynamic(text, deepest)
            .map_err(|error| error.unwrap_or_else(|| expected("a value with its type"))),
    }
}

fn elements<'t>(
    text: &str,
    deepest: usize,
    ty: impl Fn(usize) -> Option<&'t Type>,
) -> Result<Vec<Value>, ConversionError> {
    let elements: Vec<&RawValue> = parse(text.as_bytes())?;
    let read_element = |(index, json)| {
        let step = AttributePathStep::Index(i64::try_from(index).unwrap_or(i64::MAX));
        match ty(index) {
            Some(ty) => read(json, ty, deepest).map_err(|error| error.under(step)),
            None => Err(ConversionError::new("one element too many").under(step)),
        }
    };
    elements.into_iter().enumerate().map(read_element).collect()
}

/// A value of any type is stored as `{"type": …, "value": …}`.
fn dynamic(text: &str, deepest: usize) -> Result<Value, Option<ConversionError>> {
    #[derive(serde::Deserialize)]
    struct Stored<'a> {
        #[serde(borrow, rename = "type")]
        ty: &'a RawValue,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let stored: Stored<'_> = serde_json::from_str(text).map_err(|_| None)?;
    let ty = type_from_json(stored.ty.get().as_bytes())
        .map_err(|error| Some(ConversionError::new(error.to_string())))?;
    let value = read(stored.value, &ty, deepest).map_err(Some)?;
    Ok(Value::dynamic(ty, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ty(json: &str) -> Type {
        type_from_json(json.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_in_stored_state_keep_every_digit() {
        let value = from_json(
            b"[0.1, 123456789012345678901234567890, \"1e20\"]",
            &ty(r#"["list","number"]"#),
        )
        .unwrap();

        assert_eq!(
            value.to_string(),
            "[0.1, 123456789012345678901234567890, 100000000000000000000]"
        );
    }

    #[test]
    fn a_missing_attribute_is_null_and_a_removed_one_is_skipped() {
        let value = from_json(
            br#"{"gone": 1, "kept": "x"}"#,
            &ty(r#"["object",{"kept":"string","added":"bool"}]"#),
        );

        assert_eq!(
            value.unwrap(),
            Value::object([("kept", Value::string("x")), ("added", Value::Null)])
        );
    }

    #[test]
    fn a_dynamic_value_carries_its_type() {
        let value =
            from_json(br#"{"type": ["set","string"], "value": ["b", "a"]}"#, &Type::Any).unwrap();

        assert_eq!(value, Value::dynamic(ty(r#"["set","string"]"#), Value::set(["a", "b"])));
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let error = from_json(br#"{"a": [true, "x"]}"#, &ty(r#"["object",{"a":["list","bool"]}]"#))
            .unwrap_err();

        assert_eq!(error.to_string(), "a[1]: expected a bool, found a string");
    }

    #[test]
    fn values_that_are_nested_too_deeply_are_refused() {
        let level = r#"{"type":"dynamic","value":"#;
        let json = format!("{}null{}", level.repeat(10_000), "}".repeat(10_000));

        let error = from_json(json.as_bytes(), &Type::Any).unwrap_err();

        assert_eq!(error.to_string(), "nested too deeply");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error(json in ".{0,60}") {
            let ty = ty(r#"["object",{"a":["list","dynamic"],"b":["tuple",["number","bool"]]}]"#);
            drop(from_json(json.as_bytes(), &ty));
        }
    }
}
