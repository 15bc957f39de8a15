//! What a write asks for: a given value or one to make, never both, within bounds.

use registry_api::platform::PutSecret;
use registry_api::problem::FieldError;

use crate::model::secret::SecretText;
use crate::model::secret_value::Source;
use crate::ops::refusal::{PlatformError, invalid};

/// Largest value, in bytes.
const LARGEST: usize = 64 * 1024;
/// Shortest value that the server makes.
const SHORTEST_MADE: u32 = 16;
/// Longest value that the server makes.
const LONGEST_MADE: u32 = 128;
/// Longest trigger, in bytes.
const LONGEST_TRIGGER: usize = 200;

/// What was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) source: Source,
    /// The value, where it was given.
    pub(super) given: Option<SecretText>,
}

impl Wanted {
    /// Checks a request; takes the value out of it.
    pub(super) fn parse(body: &mut PutSecret) -> Result<Self, PlatformError> {
        let given = body.value.take().map(|value| SecretText::new(value.into_inner()));
        let wrong = wrong(body, given.as_ref());
        if !wrong.is_empty() {
            return Err(invalid(wrong));
        }
        let source = match body.generate {
            Some(generate) => Source::Generated { generate, rotation: body.rotation.clone() },
            None => Source::Given { value_version: body.value_version },
        };
        Ok(Self { source, given })
    }
}

/// Everything that is wrong; quotes nothing of a value.
fn wrong(body: &PutSecret, given: Option<&SecretText>) -> Vec<FieldError> {
    let size = given.map(|value| value.expose().len());
    let trigger = body.rotation.as_ref().map(|rotation| rotation.trigger.len());
    let checks = [
        (given.is_some() == body.generate.is_some()).then(|| {
            FieldError::new(
                "/value",
                "one_source",
                "a secret has either a value or generate, and this has both or neither".to_owned(),
                "give value (value_wo in Terraform), or generate = {} to have the server make one",
            )
        }),
        size.filter(|size| !(1..=LARGEST).contains(size)).map(|size| {
            FieldError::new(
                "/value",
                "value_size",
                format!("the value has {size} bytes"),
                format!("give 1 to {LARGEST} bytes; keep files elsewhere and only their keys here"),
            )
        }),
        (body.value_version.is_some() && body.generate.is_some()).then(|| {
            FieldError::new(
                "/value_version",
                "given_only",
                "value_version belongs to a value that is given".to_owned(),
                "to make a generated value anew, change rotation.trigger",
            )
        }),
        (body.rotation.is_some() && body.generate.is_none()).then(|| {
            FieldError::new(
                "/rotation",
                "generated_only",
                "only the server can make a value anew that it made".to_owned(),
                "to replace a given value, give the next one and raise value_version",
            )
        }),
        trigger.filter(|size| *size > LONGEST_TRIGGER).map(|size| {
            FieldError::new(
                "/rotation/trigger",
                "trigger_size",
                format!("the trigger has {size} bytes"),
                format!("any text of at most {LONGEST_TRIGGER} bytes will do, such as 2026-q4"),
            )
        }),
        body.generate.filter(|g| !(SHORTEST_MADE..=LONGEST_MADE).contains(&g.length)).map(|g| {
            FieldError::new(
                "/generate/length",
                "generate_length",
                format!("{} characters", g.length),
                format!("ask for {SHORTEST_MADE} to {LONGEST_MADE}"),
            )
        }),
    ];
    checks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ops::refusal::Reason;

    fn parse(mut changes: Value) -> Result<Wanted, Vec<(String, String)>> {
        changes["owner"] = json!("payments");
        let mut body: PutSecret = serde_json::from_value(changes).unwrap();
        Wanted::parse(&mut body).map_err(|error| {
            assert!(!error.to_string().contains("hunter2"), "{error}");
            let PlatformError::Refused(refusal) = error else { panic!("{error}") };
            assert_eq!(refusal.reason, Reason::Invalid);
            refusal.errors.into_iter().map(|error| (error.pointer, error.rule)).collect()
        })
    }

    #[test]
    fn a_value_is_given_or_made() {
        let given = parse(json!({"value": "hunter2", "value_version": 3})).unwrap();
        let made = parse(json!({"generate": {}, "rotation": {"trigger": "q4"}})).unwrap();

        assert_eq!(given.source, Source::Given { value_version: Some(3) });
        assert_eq!(given.given.unwrap().expose(), "hunter2");
        assert!(matches!(made.source, Source::Generated { generate, .. } if generate.length == 32));
        assert!(made.given.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_by_its_place_and_rule() {
        for (body, pointer, rule) in [
            (json!({}), "/value", "one_source"),
            (json!({"value": "hunter2", "generate": {}}), "/value", "one_source"),
            (json!({"value": ""}), "/value", "value_size"),
            (json!({"value": "x".repeat(LARGEST + 1)}), "/value", "value_size"),
            (json!({"generate": {}, "value_version": 1}), "/value_version", "given_only"),
            (
                json!({"value": "hunter2", "rotation": {"trigger": "a"}}),
                "/rotation",
                "generated_only",
            ),
            (
                json!({"generate": {}, "rotation": {"trigger": "a".repeat(201)}}),
                "/rotation/trigger",
                "trigger_size",
            ),
            (json!({"generate": {"length": 15}}), "/generate/length", "generate_length"),
            (json!({"generate": {"length": 129}}), "/generate/length", "generate_length"),
        ] {
            let errors = parse(body.clone()).unwrap_err();

            assert_eq!(errors, [(pointer.to_owned(), rule.to_owned())], "{body}");
        }
    }
}
