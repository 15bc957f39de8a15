//! Types as JSON, the way core writes them: `"string"`, `["list","number"]`, `["object",{"a":"bool"}]`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::Type;

/// No type of a real configuration is nested deeper.
const DEEPEST: usize = 64;

/// The JSON does not describe a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a type")]
pub struct InvalidType(String);

/// Writes a type as JSON, attributes in order of name.
pub fn type_to_json(ty: &Type) -> String {
    to_json(ty).to_string()
}

fn to_json(ty: &Type) -> Json {
    let pair = |kind: &str, of: Json| Json::Array(vec![Json::from(kind), of]);
    match ty {
        Type::String => Json::from("string"),
        Type::Number => Json::from("number"),
        Type::Bool => Json::from("bool"),
        Type::Any => Json::from("dynamic"),
        Type::List(element) => pair("list", to_json(element)),
        Type::Set(element) => pair("set", to_json(element)),
        Type::Map(element) => pair("map", to_json(element)),
        Type::Tuple(elements) => pair("tuple", elements.iter().map(to_json).collect()),
        Type::Object(attributes) => {
            // Through an ordered map: the order of JSON objects depends on how serde_json was built.
            let sorted: std::collections::BTreeMap<_, _> = attributes.iter().collect();
            pair(
                "object",
                sorted.into_iter().map(|(name, ty)| (name.clone(), to_json(ty))).collect(),
            )
        }
    }
}

/// Reads a type from JSON.
pub fn type_from_json(json: &[u8]) -> Result<Type, InvalidType> {
    let json: Json =
        serde_json::from_slice(json).map_err(|_| invalid(&String::from_utf8_lossy(json)))?;
    from_json(&json, DEEPEST)
}

fn invalid(shown: &str) -> InvalidType {
    InvalidType(shown.chars().take(80).collect())
}

fn from_json(json: &Json, deepest: usize) -> Result<Type, InvalidType> {
    let refuse = || invalid(&json.to_string());
    let deeper = deepest.checked_sub(1).ok_or_else(refuse)?;
    match json {
        Json::String(name) => match name.as_str() {
            "string" => Ok(Type::String),
            "number" => Ok(Type::Number),
            "bool" => Ok(Type::Bool),
            "dynamic" => Ok(Type::Any),
            _ => Err(refuse()),
        },
        Json::Array(parts) => {
            let (kind, of) = match parts.as_slice() {
                [Json::String(kind), of] => (kind.as_str(), of),
                // The third part names optional attributes, which matters to conversions only.
                [Json::String(kind), of, Json::Array(_)] if kind == "object" => ("object", of),
                _ => return Err(refuse()),
            };
            let element = || from_json(of, deeper).map(Box::new);
            match (kind, of) {
                ("list", _) => element().map(Type::List),
                ("set", _) => element().map(Type::Set),
                ("map", _) => element().map(Type::Map),
                ("tuple", Json::Array(elements)) => elements
                    .iter()
                    .map(|of| from_json(of, deeper))
                    .collect::<Result<_, _>>()
                    .map(Type::Tuple),
                ("object", Json::Object(attributes)) => attributes
                    .iter()
                    .map(|(name, of)| Ok((name.clone(), from_json(of, deeper)?)))
                    .collect::<Result<HashMap<_, _>, _>>()
                    .map(Type::Object),
                _ => Err(refuse()),
            }
        }
        _ => Err(refuse()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_survive_a_round_trip() {
        for json in [
            r#""string""#,
            r#"["list",["map","number"]]"#,
            r#"["object",{"a":"bool","b":["set","dynamic"]}]"#,
            r#"["tuple",["string",["object",{}]]]"#,
        ] {
            assert_eq!(type_to_json(&type_from_json(json.as_bytes()).unwrap()), json);
        }
    }

    #[test]
    fn optional_attribute_names_are_tolerated() {
        assert!(type_from_json(br#"["object",{"a":"bool"},["a"]]"#).is_ok());
    }

    #[test]
    fn what_is_not_a_type_is_refused() {
        let deep = format!("{}\"string\"{}", "[\"list\",".repeat(100), "]".repeat(100));
        for json in
            ["", "{}", "null", "\"text\"", "[\"list\"]", "[\"tuple\",{}]", "[\"object\",[]]", &deep]
        {
            assert!(type_from_json(json.as_bytes()).is_err(), "{json}");
        }
    }
}
