//! The blocks of a file that make up an interface, whichever of the two syntaxes it is written in.

use hcl_edit::expr::{Array, Expression, Object, ObjectKey, ObjectValue};
use hcl_edit::structure::{Block, Body};
use serde_json::{Map, Value};

/// A `variable`, `output`, `terraform` or `required_providers`.
#[derive(Debug)]
pub(super) struct Declared {
    /// Which of them.
    pub(super) kind: String,
    /// Its name, where it has exactly one.
    pub(super) label: Option<String>,
    /// What it says, in the order in which it does.
    pub(super) arguments: Vec<(String, Expression)>,
}

impl Declared {
    /// The value of an argument.
    pub(super) fn get(&self, name: &str) -> Option<&Expression> {
        self.arguments.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Reads a file; none where it does not parse.
pub(super) fn declared(path: &str, content: &[u8]) -> Option<Vec<Declared>> {
    let text = std::str::from_utf8(content).ok()?;
    let mut found = Vec::new();
    if path.rsplit_once('.').is_some_and(|(_, extension)| extension == "json") {
        of_json(&serde_json::from_str(text).ok()?, &mut found);
    } else {
        of_body(&hcl_edit::parser::parse_body(text).ok()?, &mut found);
    }
    Some(found)
}

fn of_body(body: &Body, found: &mut Vec<Declared>) {
    for block in body.blocks() {
        match block.ident.as_str() {
            "variable" | "output" => found.push(of_block(block)),
            "terraform" => {
                found.push(of_block(block));
                found.extend(block.body.get_blocks("required_providers").map(of_block));
            }
            _ => {}
        }
    }
}

fn of_block(block: &Block) -> Declared {
    let label = match block.labels.as_slice() {
        [label] => Some(label.as_str().to_owned()),
        _ => None,
    };
    let arguments = block.body.attributes();
    Declared {
        kind: block.ident.as_str().to_owned(),
        label,
        arguments: arguments
            .map(|argument| (argument.key.as_str().to_owned(), argument.value.clone()))
            .collect(),
    }
}

/// A block is an object by its label, or a list of such.
fn of_json(file: &Map<String, Value>, found: &mut Vec<Declared>) {
    for kind in ["variable", "output"] {
        for labelled in objects(file.get(kind)) {
            for (label, bodies) in labelled {
                for body in objects(Some(bodies)) {
                    found.push(of_object(kind, Some(label.clone()), body));
                }
            }
        }
    }
    for terraform in objects(file.get("terraform")) {
        found.push(of_object("terraform", None, terraform));
        for providers in objects(terraform.get("required_providers")) {
            found.push(of_object("required_providers", None, providers));
        }
    }
}

fn objects(value: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    let items = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    items.iter().filter_map(Value::as_object)
}

fn of_object(kind: &str, label: Option<String>, body: &Map<String, Value>) -> Declared {
    Declared {
        kind: kind.to_owned(),
        label,
        // A comment, by convention.
        arguments: body
            .iter()
            .filter(|(name, _)| *name != "//")
            .map(|(name, value)| (name.clone(), expression(value)))
            .collect(),
    }
}

/// The value as the native syntax has it. Numbers stay text: no argument that is read takes one.
fn expression(value: &Value) -> Expression {
    match value {
        Value::Null => Expression::null(),
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => number.to_string().into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Expression::Array(items.iter().map(expression).collect::<Array>()),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let key = ObjectKey::Expression(name.as_str().into());
                (key, ObjectValue::new(expression(value)))
            });
            Expression::Object(fields.collect::<Object>())
        }
    }
}
