//! The specification of a request as JSON: which part is wrong, by pointer.
//!
//! Only its shape: what values are allowed is the golden path's schema to say.

use std::collections::{BTreeMap, BTreeSet};

use registry_api::platform::{DeletionPolicy, ImageSource, Kind, Latency, Replicas, Rotation, Use};
use registry_api::problem::FieldError;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refusal::{PlatformError, invalid};
use crate::model::spec::Spec;

/// Attributes that a specification must have.
const fn required(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["template", "language", "image", "port"],
        Kind::Database => &["engine"],
    }
}

/// Everything whose shape is wrong. Parts named in `unknown` may be absent or null.
pub(super) fn check(kind: Kind, spec: &Value, unknown: &[String]) -> Vec<FieldError> {
    let Some(fields) = spec.as_object() else {
        return vec![wrong("/spec", "is not an object".to_owned())];
    };
    let is_unknown = |pointer: &str| {
        unknown.iter().any(|unknown| {
            pointer == unknown || pointer.starts_with(&format!("{unknown}/")) || unknown == "/spec"
        })
    };
    let mut errors = Vec::new();
    for name in required(kind) {
        let pointer = format!("/spec/{name}");
        if !fields.contains_key(*name) && !is_unknown(&pointer) {
            errors.push(FieldError::new(
                &pointer,
                "required",
                format!("{name} is missing"),
                "set it",
            ));
        }
    }
    let holds_unknown =
        |pointer: &str| unknown.iter().any(|unknown| unknown.starts_with(&format!("{pointer}/")));
    for (name, value) in fields {
        let pointer = format!("/spec/{}", escape(name));
        // What holds an unknown part is incomplete: its schema judges the rest.
        if !is_unknown(&pointer) && !holds_unknown(&pointer) {
            errors.extend(match kind {
                Kind::Service => check_service(name, value, &pointer),
                Kind::Database => check_database(name, value, &pointer),
            });
        }
    }
    errors
}

/// Reads a whole specification, which [`check`] found nothing wrong with.
pub(super) fn parse(kind: Kind, spec: &Value) -> Result<Spec, PlatformError> {
    Spec::parse(kind, spec.clone())
        .map_err(|error| invalid(vec![wrong("/spec", error.to_string())]))
}

fn check_service(name: &str, value: &Value, pointer: &str) -> Vec<FieldError> {
    match name {
        "template" | "language" | "image" | "size" => read::<String>(value, pointer),
        "image_source" => read::<ImageSource>(value, pointer),
        "port" => read::<u16>(value, pointer),
        "replicas" => read::<Option<Replicas>>(value, pointer),
        "env" => read::<BTreeMap<String, String>>(value, pointer),
        "uses" => read::<BTreeMap<String, Use>>(value, pointer),
        "parameters" => read::<BTreeMap<String, Value>>(value, pointer),
        "slo" => check_slo(value, pointer),
        _ => {
            let known = "template, language, image, image_source, port, size, replicas, env, slo, uses, parameters";
            vec![unknown_attribute(Kind::Service, name, pointer, known)]
        }
    }
}

fn check_database(name: &str, value: &Value, pointer: &str) -> Vec<FieldError> {
    match name {
        "engine" | "size" => read::<String>(value, pointer),
        "extensions" => read::<BTreeSet<String>>(value, pointer),
        "connection_limit" => read::<Option<u32>>(value, pointer),
        "statement_timeout" => read::<Option<String>>(value, pointer),
        "deletion_policy" => read::<DeletionPolicy>(value, pointer),
        "final_dump" => read::<bool>(value, pointer),
        "rotation" => read::<Option<Rotation>>(value, pointer),
        "parameters" => read::<BTreeMap<String, Value>>(value, pointer),
        _ => {
            let known = "engine, size, extensions, connection_limit, statement_timeout, deletion_policy, final_dump, \
                         rotation, parameters";
            vec![unknown_attribute(Kind::Database, name, pointer, known)]
        }
    }
}

fn unknown_attribute(kind: Kind, name: &str, pointer: &str, known: &str) -> FieldError {
    FieldError::new(
        pointer,
        "unknown_attribute",
        format!("a {kind} has no attribute {name:?}"),
        format!("use one of {known}; what only one path takes goes into parameters"),
    )
}

fn check_slo(value: &Value, pointer: &str) -> Vec<FieldError> {
    let empty = Map::new();
    let fields = match value {
        Value::Null => &empty,
        Value::Object(fields) => fields,
        _ => return vec![wrong(pointer, "is not an object".to_owned())],
    };
    fields
        .iter()
        .flat_map(|(name, value)| {
            let pointer = format!("{pointer}/{}", escape(name));
            match name.as_str() {
                "availability" => read::<Option<f64>>(value, &pointer),
                "latency" => read::<Option<Latency>>(value, &pointer),
                _ => vec![FieldError::new(
                    &pointer,
                    "unknown_attribute",
                    format!("slo has no attribute {name:?}"),
                    "use availability and latency",
                )],
            }
        })
        .collect()
}

fn read<T: DeserializeOwned>(value: &Value, pointer: &str) -> Vec<FieldError> {
    match serde_json::from_value::<T>(value.clone()) {
        Ok(_) => Vec::new(),
        Err(error) => vec![wrong(pointer, error.to_string())],
    }
}

fn wrong(pointer: &str, detail: String) -> FieldError {
    FieldError::new(
        pointer,
        "type",
        detail,
        "write a value of the type that the schema of the resource says",
    )
}

/// A name as one part of a JSON pointer.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn pointers(spec: &Value, unknown: &[&str]) -> Vec<String> {
        let unknown: Vec<String> = unknown.iter().map(|text| (*text).to_owned()).collect();
        check(Kind::Service, spec, &unknown).into_iter().map(|error| error.pointer).collect()
    }

    fn whole() -> Value {
        json!({"template": "api", "language": "nodejs", "image": "app:1", "port": 8080,
               "slo": {"availability": 99.9, "latency": {"threshold": "250ms", "target": 99}},
               "replicas": {"min": 1, "max": 2}, "env": {"A": "b"}, "parameters": {"x": [1]}})
    }

    #[test]
    fn a_whole_specification_is_right_and_parses() {
        assert!(pointers(&whole(), &[]).is_empty());
        assert_eq!(parse(Kind::Service, &whole()).unwrap().service().unwrap().port, 8080);
    }

    #[test]
    fn each_wrong_part_is_named() {
        let mut spec = whole();
        spec["port"] = json!(70_000);
        spec["replicas"] = json!({"min": -1, "max": 2});
        spec["slo"]["availability"] = json!("high");
        spec["a/b"] = json!(1);
        spec.as_object_mut().unwrap().remove("image");

        let mut found = pointers(&spec, &[]);
        found.sort();

        assert_eq!(
            found,
            ["/spec/a~1b", "/spec/image", "/spec/port", "/spec/replicas", "/spec/slo/availability"]
        );
    }

    #[test]
    fn what_is_not_known_yet_may_be_absent() {
        let spec =
            json!({"template": "api", "language": "nodejs", "port": 8080, "env": {"A": null}});

        assert!(pointers(&spec, &["/spec/image", "/spec/env/A"]).is_empty());
        assert_eq!(pointers(&spec, &["/spec/env/A"]), ["/spec/image"]);
    }

    proptest! {
        #[test]
        fn what_passes_parses(port in any::<i64>(), image in ".*", extra in "[a-z_]{1,12}") {
            let spec = json!({"template": "api", "language": "nodejs", "image": image, "port": port, extra: 1});
            prop_assert_eq!(check(Kind::Service, &spec, &[]).is_empty(), parse(Kind::Service, &spec).is_ok());
        }

        #[test]
        fn what_passes_for_a_database_parses(limit in any::<i64>(), timeout in ".*", extra in "[a-z_]{1,12}") {
            let spec = json!({"engine": "postgres", "connection_limit": limit, "statement_timeout": timeout, extra: 1});
            prop_assert_eq!(check(Kind::Database, &spec, &[]).is_empty(), parse(Kind::Database, &spec).is_ok());
        }
    }
}
