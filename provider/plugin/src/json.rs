//! Between Terraform's values and the JSON of the platform API.

use std::collections::BTreeMap;

use provider_framework::AttributePathStep;
use provider_framework::schema::Type;
use provider_framework::value::{Dynamic, Number, Value};
use serde_json::{Map, Value as Json};

/// A value as JSON, as far as it is known and JSON can hold it.
#[derive(Debug, Default, PartialEq)]
pub struct Written {
    /// JSON pointers to what is unknown, and therefore absent.
    pub unknown: Vec<String>,
    /// JSON pointers to numbers that JSON readers would round.
    pub rounded: Vec<String>,
}

impl Written {
    /// Writes a value that stands at `pointer`. Null, and what is unknown, is left out.
    pub fn write(&mut self, pointer: &str, value: &Value) -> Option<Json> {
        match value.undynamic() {
            Value::Null | Value::Dynamic(_) => None,
            Value::Unknown(_) => {
                self.unknown.push(pointer.to_owned());
                None
            }
            Value::Bool(truth) => Some(Json::Bool(*truth)),
            Value::String(text) => Some(Json::String(text.clone())),
            Value::Number(number) => self.write_number(pointer, number),
            Value::List(elements) => Some(self.write_elements(pointer, elements.iter())),
            Value::Set(elements) => Some(self.write_elements(pointer, elements.iter())),
            Value::Map(entries) => {
                let mut object = Map::new();
                for (name, entry) in entries {
                    let below = format!("{pointer}/{}", escape(name));
                    if let Some(entry) = self.write(&below, entry) {
                        object.insert(name.clone(), entry);
                    }
                }
                Some(Json::Object(object))
            }
        }
    }

    fn write_elements<'a>(
        &mut self,
        pointer: &str,
        elements: impl Iterator<Item = &'a Value>,
    ) -> Json {
        // A null element keeps its place: leaving it out would move those behind it.
        elements
            .enumerate()
            .map(|(index, element)| {
                self.write(&format!("{pointer}/{index}"), element).unwrap_or(Json::Null)
            })
            .collect()
    }

    fn write_number(&mut self, pointer: &str, number: &Number) -> Option<Json> {
        let whole = number.as_i64().map(Json::from).or_else(|| number.as_u64().map(Json::from));
        let written = whole.or_else(|| {
            let near = number.as_f64();
            let exact = Number::try_from(near).is_ok_and(|near| near == *number);
            exact.then(|| serde_json::Number::from_f64(near)).flatten().map(Json::Number)
        });
        if written.is_none() {
            self.rounded.push(pointer.to_owned());
        }
        written
    }
}

/// A name as one step of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The steps of a JSON pointer.
pub fn pointer_steps(pointer: &str) -> Vec<String> {
    let steps = pointer.strip_prefix('/').unwrap_or(pointer);
    if steps.is_empty() {
        return Vec::new();
    }
    steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// JSON as the value of an attribute of type `dynamic`, with the type that it has by itself.
pub fn to_dynamic(json: &Json) -> Value {
    match typed(json) {
        (_, Value::Null) => Value::Null,
        (ty, value) => Value::Dynamic(Box::new(Dynamic { ty, value })),
    }
}

fn typed(json: &Json) -> (Type, Value) {
    match json {
        Json::Null => (Type::Any, Value::Null),
        Json::Bool(truth) => (Type::Bool, Value::Bool(*truth)),
        Json::String(text) => (Type::String, Value::string(text)),
        Json::Number(number) => {
            (Type::Number, number.to_string().parse().map_or(Value::Null, Value::Number))
        }
        Json::Array(elements) => {
            let (types, values) = elements.iter().map(typed).unzip();
            (Type::Tuple(types), Value::List(values))
        }
        Json::Object(entries) => {
            let mut types = std::collections::HashMap::new();
            let mut values = BTreeMap::new();
            for (name, entry) in entries {
                let (ty, value) = typed(entry);
                types.insert(name.clone(), ty);
                values.insert(name.clone(), value);
            }
            (Type::Object(types), Value::Map(values))
        }
    }
}

/// A step into a map or an object.
pub fn attribute_step(name: &str) -> AttributePathStep {
    AttributePathStep::Attribute(name.to_owned().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(text.parse().unwrap())
    }

    #[test]
    fn unknown_parts_are_left_out_and_named() {
        let value = Value::object([
            ("a", Value::UNKNOWN),
            ("b/c", Value::object([("d", Value::UNKNOWN), ("e", Value::string("x"))])),
            ("f", Value::list([number("1"), Value::UNKNOWN])),
            ("g", Value::Null),
        ]);
        let mut written = Written::default();

        let json = written.write("/spec", &value).unwrap();

        assert_eq!(json, json!({ "b/c": { "e": "x" }, "f": [1, null] }));
        assert_eq!(written.unknown, ["/spec/a", "/spec/b~1c/d", "/spec/f/1"]);
    }

    #[test]
    fn numbers_are_written_exactly_or_not_at_all() {
        let mut written = Written::default();
        let mut write = |text: &str| written.write("/n", &number(text));

        assert_eq!(write("99.9"), Some(json!(99.9)));
        assert_eq!(write("18446744073709551615"), Some(json!(18_446_744_073_709_551_615_u64)));
        assert_eq!(write("0.12345678901234567890123"), None);
        assert_eq!(write("1e400"), None);
        assert_eq!(written.rounded, ["/n", "/n"]);
    }

    #[test]
    fn json_survives_a_round_trip_through_dynamic() {
        let json = json!({ "a": [1, "x", true, { "b": 0.5 }], "c": {} });

        let value = to_dynamic(&json);

        assert_eq!(Written::default().write("", &value), Some(json));
        assert_eq!(to_dynamic(&Json::Null), Value::Null);
    }

    #[test]
    fn pointers_come_apart_as_they_were_put_together() {
        assert_eq!(pointer_steps("/spec/env/A~1B~0"), ["spec", "env", "A/B~"]);
        assert!(pointer_steps("").is_empty());
    }
}
