//! What a path takes: JSON Schema, with a mode, defaults and bounds per tier on top.
//!
//! Every property of the schema may carry
//!
//! ```yaml
//! x-idp:
//!   mode: free | bounded | locked    # locked: the path decides, the default is the value
//!   default: 2                       # where the specification is silent
//!   fix: what to do instead          # shown with every error about the property
//!   tiers:
//!     production: {default: 3, minimum: 2}    # a default, and schema keywords that hold in this tier only
//! ```
//!
//! What depends on another input stands in a conditional of JSON Schema, whose defaults hold where its condition does:
//!
//! ```yaml
//! allOf:
//!   - if: {required: [size], properties: {size: {const: small}}}
//!     then: {properties: {connection_limit: {default: 20, maximum: 50}}}
//! ```

use std::collections::BTreeMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use registry_api::problem::FieldError;
use serde_json::{Map, Value};

use super::error::PathError;
use super::manifest::MANIFEST;
use crate::model::environment::Tier;

const ANNOTATION: &str = "x-idp";
/// Most errors that are reported at once.
const MAX_ERRORS: usize = 50;

/// The compiled inputs of a path, per tier.
#[derive(Debug)]
pub(super) struct Inputs(BTreeMap<Tier, TierInputs>);

#[derive(Debug)]
struct TierInputs {
    validator: Validator,
    /// The schema of this tier, overlays merged in, with `default` and `x-idp` at each property.
    schema: Value,
}

impl Inputs {
    pub(super) fn compile(schema: &Value) -> Result<Self, PathError> {
        refuse_references(schema)?;
        let mut tiers = BTreeMap::new();
        for tier in Tier::ALL {
            let mut merged = schema.clone();
            overlay(&mut merged, tier, "")?;
            let validator = jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .with_pattern_options(PatternOptions::regex())
                .build(&merged)
                .map_err(|cause| {
                    wrong(
                        &format!("the inputs are no JSON Schema for {tier}: {cause}"),
                        "correct the keyword at that place",
                    )
                })?;
            let inputs = TierInputs { validator, schema: merged };
            inputs.check_defaults(tier)?;
            tiers.insert(tier, inputs);
        }
        Ok(Self(tiers))
    }

    /// Fills in defaults and checks; pointers begin with `/spec`. What `unknown` names (pointers from the root of the
    /// request), and what a missing part of it would violate, is left alone.
    pub(super) fn fill(
        &self,
        tier: Tier,
        spec: &Value,
        unknown: &[String],
    ) -> Result<Value, Vec<FieldError>> {
        let Some(inputs) = self.0.get(&tier) else {
            return Ok(spec.clone());
        };
        let mut errors = Vec::new();
        let mut filled = spec.clone();
        TierInputs::complete(&inputs.schema, &mut filled, "/spec", unknown, &mut errors);
        let is_reported = |error: &FieldError| {
            errors.iter().any(|known: &FieldError| known.pointer == error.pointer)
        };
        let more: Vec<_> = inputs
            .validator
            .iter_errors(&filled)
            .take(MAX_ERRORS)
            .flat_map(|error| inputs.explain(&error))
            .filter(|error| !is_reported(error) && !touches_unknown(error, unknown))
            .collect();
        errors.extend(more);
        if errors.is_empty() { Ok(filled) } else { Err(errors) }
    }
}

/// Whether an error may only be there because part of the specification is not known yet.
fn touches_unknown(error: &FieldError, unknown: &[String]) -> bool {
    unknown.iter().any(|pointer| {
        let inside = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        inside(&error.pointer, pointer) || inside(pointer, &error.pointer)
    })
}

impl TierInputs {
    /// Sets defaults and refuses values for locked properties.
    fn complete(
        schema: &Value,
        value: &mut Value,
        pointer: &str,
        unknown: &[String],
        errors: &mut Vec<FieldError>,
    ) {
        let (Some(properties), Some(object)) =
            (schema.get("properties").and_then(Value::as_object), value.as_object_mut())
        else {
            return;
        };
        for (name, property) in properties {
            let here = format!("{pointer}/{}", escape(name));
            let default = property.get("default");
            if is_locked(property) && object.get(name).is_some_and(|given| Some(given) != default) {
                let shown = default.map_or_else(String::new, |value| format!(" to {value}"));
                errors.push(FieldError::new(
                    here,
                    "locked",
                    format!("the golden path fixes {name}{shown}"),
                    hint(property).unwrap_or_else(|| format!("remove {name}")),
                ));
                continue;
            }
            if !object.contains_key(name)
                && !unknown.contains(&here)
                && let Some(default) = default
            {
                object.insert(name.clone(), default.clone());
            }
            if let Some(inner) = object.get_mut(name) {
                Self::complete(property, inner, &here, unknown, errors);
            }
        }
        for (condition, then) in conditionals(schema) {
            if holds(condition, value) {
                Self::complete(then, value, pointer, unknown, errors);
            }
        }
    }

    /// Defaults must be values that the path itself accepts.
    fn check_defaults(&self, tier: Tier) -> Result<(), PathError> {
        let mut problem = None;
        walk(&self.schema, "", &mut |pointer, property| {
            let Some(default) = property.get("default") else { return };
            let checked = jsonschema::options()
                .with_pattern_options(PatternOptions::regex())
                .build(property)
                .map_or_else(
                    |cause| Some(cause.to_string()),
                    |validator| {
                        validator.iter_errors(default).next().map(|error| error.to_string())
                    },
                );
            if let Some(what) = checked {
                problem.get_or_insert(format!(
                    "the default of {pointer} is not valid in {tier}: {what}"
                ));
            }
        });
        problem
            .map_or(Ok(()), |what| Err(wrong(&what, "give a default that its own schema accepts")))
    }

    fn explain(&self, error: &ValidationError<'_>) -> Vec<FieldError> {
        let base = format!("/spec{}", error.instance_path().as_str());
        let rule = error.kind().keyword().to_owned();
        let property = self.property(error.instance_path().as_str());
        let fix = |usual: Option<String>| property.and_then(hint).or(usual);
        let one = |pointer: String, detail: String, usual: Option<String>| {
            vec![FieldError { pointer, detail, rule: rule.clone(), fix: fix(usual) }]
        };
        match error.kind() {
            ValidationErrorKind::Required { property } => {
                let name = property.as_str().unwrap_or_default();
                one(
                    format!("{base}/{}", escape(name)),
                    format!("{name} is missing"),
                    Some(format!("set {name}")),
                )
            }
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = property.and_then(|p| p.get("properties")).and_then(Value::as_object);
                let known = known
                    .map(|map| map.keys().cloned().collect::<Vec<_>>().join(", "))
                    .unwrap_or_default();
                let advice = if known.is_empty() {
                    "remove it".to_owned()
                } else {
                    format!("remove it, or use one of: {known}")
                };
                let unexpected = unexpected.iter().take(MAX_ERRORS);
                unexpected
                    .map(|name| {
                        FieldError::new(
                            format!("{base}/{}", escape(name)),
                            "unknown_input",
                            format!("this path takes no {name:?}"),
                            advice.clone(),
                        )
                    })
                    .collect()
            }
            ValidationErrorKind::Enum { options } => {
                let words: Vec<_> = options.as_array().into_iter().flatten().map(plain).collect();
                one(
                    base,
                    format!("{} is not offered", shown(error.instance())),
                    Some(format!("use one of: {}", words.join(", "))),
                )
            }
            ValidationErrorKind::Pattern { pattern } => one(
                base,
                format!("{} does not have the form {pattern}", shown(error.instance())),
                None,
            ),
            _ => one(base, clip(&error.to_string()), None),
        }
    }

    /// The schema of the property at a pointer.
    fn property(&self, pointer: &str) -> Option<&Value> {
        let steps = pointer.split('/').skip(1);
        steps.into_iter().try_fold(&self.schema, |schema, step| {
            let name = step.replace("~1", "/").replace("~0", "~");
            schema.get("properties").and_then(|map| map.get(&name))
        })
    }
}

/// What holds under a condition, with the condition.
fn conditionals(schema: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let rules = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(|rule| Some((rule.get("if")?, rule.get("then")?)))
}

/// Whether a value meets a condition, which was found to be a schema when the path was read.
fn holds(condition: &Value, value: &Value) -> bool {
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(condition)
        .is_ok_and(|validator| validator.is_valid(value))
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    clip(&value.to_string())
}

fn clip(text: &str) -> String {
    if text.chars().count() <= 200 {
        text.to_owned()
    } else {
        text.chars().take(200).chain(['…']).collect()
    }
}

fn is_locked(property: &Value) -> bool {
    property.get(ANNOTATION).and_then(|x| x.get("mode")).and_then(Value::as_str) == Some("locked")
}

fn hint(property: &Value) -> Option<String> {
    property.get(ANNOTATION)?.get("fix")?.as_str().map(str::to_owned)
}

fn wrong(what: &str, fix: &str) -> PathError {
    PathError::new(MANIFEST, 0, "inputs_schema", what, fix)
}

/// References would need a network or another file.
fn refuse_references(schema: &Value) -> Result<(), PathError> {
    match schema {
        Value::Object(map) => {
            if let Some(key) = ["$ref", "$dynamicRef", "$id", "$schema"]
                .into_iter()
                .find(|key| map.contains_key(*key))
            {
                return Err(wrong(
                    &format!("the inputs use {key}"),
                    "write the schema out; it is JSON Schema 2020-12",
                ));
            }
            map.values().try_for_each(refuse_references)
        }
        Value::Array(items) => items.iter().try_for_each(refuse_references),
        _ => Ok(()),
    }
}

/// Merges what holds in a tier into every property, and moves defaults to where JSON Schema keeps them.
fn overlay(schema: &mut Value, tier: Tier, pointer: &str) -> Result<(), PathError> {
    let Some(map) = schema.as_object_mut() else {
        return Ok(());
    };
    if let Some(annotation) = map.get(ANNOTATION).cloned() {
        apply(map, &annotation, tier, pointer)?;
    }
    if let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            overlay(property, tier, &format!("{pointer}/{}", escape(name)))?;
        }
    }
    for rule in map.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(then) = rule.get_mut("then") {
            overlay(then, tier, pointer)?;
        }
    }
    Ok(())
}

fn apply(
    map: &mut Map<String, Value>,
    annotation: &Value,
    tier: Tier,
    pointer: &str,
) -> Result<(), PathError> {
    let at = format!("x-idp of {pointer}");
    let Some(annotation) = annotation.as_object() else {
        return Err(wrong(&format!("{at} is not a map"), "give it mode, default, fix or tiers"));
    };
    for key in annotation.keys() {
        if !matches!(key.as_str(), "mode" | "default" | "fix" | "tiers") {
            return Err(wrong(
                &format!("{at} has an unknown key {key:?}"),
                "use mode, default, fix or tiers",
            ));
        }
    }
    let mode = annotation.get("mode").and_then(Value::as_str).unwrap_or_default();
    if !matches!(mode, "free" | "bounded" | "locked") {
        return Err(wrong(&format!("{at} has no mode"), "set mode to free, bounded or locked"));
    }
    if let Some(default) = annotation.get("default") {
        map.insert("default".to_owned(), default.clone());
    }
    let no_tiers = Map::new();
    let tiers = annotation.get("tiers").map_or(Some(&no_tiers), Value::as_object);
    let tiers = tiers
        .ok_or_else(|| wrong(&format!("tiers in {at} is not a map"), "give it tier: {keywords}"))?;
    if let Some(unknown) = tiers.keys().find(|word| Tier::from_word(word).is_none()) {
        let words = Tier::ALL.map(Tier::as_str).join(", ");
        return Err(wrong(
            &format!("{at} names an unknown tier {unknown:?}"),
            &format!("use {words}"),
        ));
    }
    if let Some(keywords) = tiers.get(tier.as_str()) {
        let keywords = keywords.as_object().ok_or_else(|| {
            wrong(&format!("{tier} in {at} is not a map"), "give it schema keywords")
        })?;
        map.extend(keywords.clone());
    }
    if mode == "locked" && !map.contains_key("default") {
        return Err(wrong(
            &format!("{at} is locked without a default"),
            "say what it is locked to",
        ));
    }
    Ok(())
}

fn walk(schema: &Value, pointer: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(pointer, schema);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            walk(property, &format!("{pointer}/{}", escape(name)), visit);
        }
    }
    for (_, then) in conditionals(schema) {
        walk(then, pointer, visit);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn inputs() -> Inputs {
        Inputs::compile(&json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["image", "port"],
            "properties": {
                "image": {"type": "string", "x-idp": {"mode": "free", "fix": "name an image"}},
                "port": {"type": "integer", "minimum": 1024},
                "language": {"type": "string", "x-idp": {"mode": "locked", "default": "nodejs"}},
                "replicas": {
                    "type": "object",
                    "x-idp": {"mode": "bounded", "default": {}},
                    "properties": {
                        "min": {"type": "integer", "x-idp": {
                            "mode": "bounded", "default": 1,
                            "tiers": {"production": {"default": 3, "minimum": 2}},
                        }},
                    },
                },
            },
        }))
        .unwrap()
    }

    fn refused(tier: Tier, spec: &Value) -> Vec<(String, String)> {
        let errors = inputs().fill(tier, spec, &[]).unwrap_err();
        errors.into_iter().map(|e| (e.pointer, e.rule)).collect()
    }

    #[test]
    fn defaults_depend_on_the_tier() {
        let spec = json!({"image": "a", "port": 8080});

        let production = inputs().fill(Tier::Production, &spec, &[]).unwrap();
        let staging = inputs().fill(Tier::Staging, &spec, &[]).unwrap();

        assert_eq!(
            production,
            json!({"image": "a", "port": 8080, "language": "nodejs", "replicas": {"min": 3}})
        );
        assert_eq!(staging["replicas"]["min"], 1);
    }

    #[test]
    fn bounds_depend_on_the_tier() {
        let spec = json!({"image": "a", "port": 8080, "replicas": {"min": 1}});

        assert!(inputs().fill(Tier::Staging, &spec, &[]).is_ok());
        assert_eq!(
            refused(Tier::Production, &spec),
            [("/spec/replicas/min".to_owned(), "minimum".to_owned())]
        );
    }

    #[test]
    fn a_locked_input_takes_its_own_value_and_no_other() {
        let with = |language: &str| json!({"image": "a", "port": 8080, "language": language});

        assert!(inputs().fill(Tier::Staging, &with("nodejs"), &[]).is_ok());
        assert_eq!(
            refused(Tier::Staging, &with("cobol")),
            [("/spec/language".to_owned(), "locked".to_owned())]
        );
    }

    #[test]
    fn every_error_points_at_its_property_and_says_what_to_do() {
        let errors =
            inputs().fill(Tier::Staging, &json!({"port": "x", "a/b": 1}), &[]).unwrap_err();

        let mut pointers: Vec<_> = errors.iter().map(|e| e.pointer.as_str()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/spec/a~1b", "/spec/image", "/spec/port"]);
    }

    #[test]
    fn a_default_and_a_bound_may_depend_on_another_input() {
        let of_size = |size: &str, default: u32| {
            json!({
                "if": {"required": ["size"], "properties": {"size": {"const": size}}},
                "then": {"properties": {"limit": {"maximum": 50, "x-idp": {
                    "mode": "bounded", "default": default,
                    "tiers": {"production": {"default": default + 1}},
                }}}},
            })
        };
        let schema = json!({
            "properties": {
                "size": {"enum": ["small", "large"], "x-idp": {"mode": "free", "default": "small"}},
                "limit": {"type": "integer", "x-idp": {"mode": "bounded", "fix": "ask for less"}},
            },
            "allOf": [of_size("small", 20), of_size("large", 40)],
        });
        let inputs = Inputs::compile(&schema).unwrap();
        let fill = |spec: Value| inputs.fill(Tier::Staging, &spec, &[]);

        assert_eq!(fill(json!({})).unwrap(), json!({"size": "small", "limit": 20}));
        assert_eq!(fill(json!({"size": "large"})).unwrap()["limit"], 40);
        assert_eq!(fill(json!({"size": "large", "limit": 3})).unwrap()["limit"], 3);
        let production = inputs.fill(Tier::Production, &json!({}), &[]).unwrap();
        assert_eq!(production["limit"], 21);
        let [error] = &fill(json!({"limit": 51})).unwrap_err()[..] else { panic!("one error") };
        assert_eq!((error.pointer.as_str(), error.rule.as_str()), ("/spec/limit", "maximum"));
        assert_eq!(error.fix.as_deref(), Some("ask for less"));
        let size_is_unknown = inputs.fill(Tier::Staging, &json!({}), &["/spec/size".to_owned()]);
        assert_eq!(size_is_unknown.unwrap(), json!({}));
    }

    #[test]
    fn what_is_not_known_yet_is_not_an_error() {
        let unknown = ["/spec/image".to_owned(), "/spec/replicas".to_owned()];

        assert!(inputs().fill(Tier::Production, &json!({"port": 8080}), &unknown).is_ok());
        assert!(inputs().fill(Tier::Production, &json!({"port": 80}), &unknown).is_err());
    }

    #[test]
    fn mistakes_in_annotations_are_refused() {
        for (annotation, what) in [
            (json!({"mode": "looked"}), "no mode"),
            (json!({"mode": "locked"}), "without a default"),
            (json!({"mode": "free", "tiers": {"prod": {}}}), "unknown tier"),
            (json!({"mode": "free", "defualt": 1}), "unknown key"),
            (json!({"mode": "free", "default": "x"}), "default of /a"),
            (json!({"mode": "free", "tiers": {"staging": {"minimum": "x"}}}), "no JSON Schema"),
        ] {
            let schema = json!({"properties": {"a": {"type": "integer", "x-idp": annotation}}});
            let conditional = json!({"allOf": [{"if": true, "then": schema}]});
            for schema in [schema, conditional] {
                let error = Inputs::compile(&schema).unwrap_err();
                assert!(error.message.contains(what), "{error}");
            }
        }
        assert!(Inputs::compile(&json!({"$ref": "http://example.com"})).is_err());
    }
}
