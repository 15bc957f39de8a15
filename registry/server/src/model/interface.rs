//! What a module promises its callers: read from its files, compared between versions.
//!
//! Pure, and nothing is evaluated. Files are those that Terraform reads, at the root of the archive: `*.tf`,
//! `*.tf.json`, and after them the overrides of either, which replace single arguments. What is not written as a
//! literal is kept as its text and said to be unread, never guessed.

mod declared;
mod diff;
mod types;

use hcl_edit::expr::{Expression, Object, TraversalOperator};
use registry_api::interface::{ModuleInput, ModuleInterface, ModuleOutput, RequiredProvider};

use self::declared::{Declared, declared};
use self::types::{Type, collapsed};

pub use self::diff::diff;

/// Reads the interface from the files of an archive. Files that do not parse are unread as a whole.
pub fn read<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> ModuleInterface {
    let mut files: Vec<_> = files.filter(|(path, _)| is_read(path)).collect();
    files.sort_unstable_by_key(|(path, _)| (is_override(path), *path));
    let mut reader = Reader::default();
    for (path, content) in files {
        match declared(path, content) {
            Some(blocks) => reader.file(blocks, is_override(path)),
            None => reader.unread("", path, "is not configuration"),
        }
    }
    reader.interface
}

/// The files of a module itself, not of modules or tests within it.
fn is_read(path: &str) -> bool {
    !path.contains('/')
        && !path.starts_with('.')
        && (has_extension(path, ".tf") || has_extension(path, ".tf.json"))
}

fn is_override(path: &str) -> bool {
    let stem = path.trim_end_matches(".json").trim_end_matches(".tf");
    stem == "override" || stem.ends_with("_override")
}

fn has_extension(path: &str, extension: &str) -> bool {
    path.ends_with(extension)
}

#[derive(Debug, Default)]
struct Reader {
    interface: ModuleInterface,
}

impl Reader {
    fn file(&mut self, blocks: Vec<Declared>, overrides: bool) {
        let mut core: Vec<String> = Vec::new();
        for block in blocks {
            match (block.kind.as_str(), block.label.clone()) {
                ("variable", Some(name)) => self.input(&name, &block, overrides),
                ("output", Some(name)) => self.output(&name, &block, overrides),
                ("terraform", _) => core.extend(self.core(&block)),
                ("required_providers", _) => self.providers(&block, overrides),
                (kind, _) => self.unread("", kind, "has no name"),
            }
        }
        if core.is_empty() {
            return;
        }
        // Constraints of several files all hold, but for overrides: theirs hold instead.
        let before = self.interface.required_version.take().filter(|_| !overrides);
        let all: Vec<String> = before.into_iter().chain(core).collect();
        self.interface.required_version = Some(all.join(", "));
    }

    fn input(&mut self, name: &str, block: &Declared, overrides: bool) {
        let place = pointer("inputs", name);
        let mut input = match self.interface.inputs.remove(name) {
            Some(before) => {
                self.declared_again(&place, overrides);
                before
            }
            None => ModuleInput {
                kind: Type::Any.to_string(),
                required: true,
                nullable: true,
                sensitive: false,
                ephemeral: false,
                description: None,
            },
        };
        if let Some(kind) = block.get("type") {
            input.kind = Type::read(kind).to_string();
        }
        input.required &= block.get("default").is_none();
        self.flag(&place, block, "nullable", &mut input.nullable);
        self.flag(&place, block, "sensitive", &mut input.sensitive);
        self.flag(&place, block, "ephemeral", &mut input.ephemeral);
        input.description = block.get("description").map_or(input.description, text);
        self.interface.inputs.insert(name.to_owned(), input);
    }

    fn output(&mut self, name: &str, block: &Declared, overrides: bool) {
        let place = pointer("outputs", name);
        let mut output = match self.interface.outputs.remove(name) {
            Some(before) => {
                self.declared_again(&place, overrides);
                before
            }
            None => ModuleOutput { sensitive: false, ephemeral: false, description: None },
        };
        self.flag(&place, block, "sensitive", &mut output.sensitive);
        self.flag(&place, block, "ephemeral", &mut output.ephemeral);
        output.description = block.get("description").map_or(output.description, text);
        self.interface.outputs.insert(name.to_owned(), output);
    }

    /// The constraint that a `terraform` block has on Terraform itself.
    fn core(&mut self, block: &Declared) -> Option<String> {
        let constraint = block.get("required_version")?;
        let read = text(constraint);
        if read.is_none() {
            self.unread("", "required_version", &constraint.to_string());
        }
        read
    }

    fn providers(&mut self, block: &Declared, overrides: bool) {
        for (name, value) in &block.arguments {
            let place = pointer("required_providers", name);
            let mut provider = RequiredProvider {
                source: format!("hashicorp/{}", name.to_lowercase()),
                version: None,
                configuration_aliases: Vec::new(),
            };
            match value {
                Expression::Object(entry) => self.provider(&place, entry, &mut provider),
                // Before 0.13 a provider had only a version.
                value => match text(value) {
                    Some(version) => provider.version = Some(version),
                    None => self.unread(&place, "", &value.to_string()),
                },
            }
            if self.interface.required_providers.insert(name.clone(), provider).is_some() {
                self.declared_again(&place, overrides);
            }
        }
    }

    fn provider(&mut self, place: &str, entry: &Object, provider: &mut RequiredProvider) {
        for (key, value) in entry {
            let value = value.expr();
            match (types::name(key).as_deref(), text(value), value) {
                (Some("source"), Some(source), _) => provider.source = source.to_lowercase(),
                (Some("version"), Some(version), _) => provider.version = Some(version),
                (Some("configuration_aliases"), _, Expression::Array(aliases)) => {
                    let read: Option<Vec<String>> = aliases.iter().map(alias).collect();
                    match read {
                        Some(read) => provider.configuration_aliases = read,
                        None => {
                            self.unread(place, "configuration_aliases", &value.to_string());
                        }
                    }
                    provider.configuration_aliases.sort();
                }
                (key, _, _) => self.unread(place, key.unwrap_or_default(), &value.to_string()),
            }
        }
    }

    /// Reads a literal `true` or `false`, also as text, which Terraform takes for the same.
    fn flag(&mut self, place: &str, block: &Declared, name: &str, flag: &mut bool) {
        let Some(value) = block.get(name) else { return };
        match value {
            Expression::Bool(literal) => *flag = *literal.value(),
            Expression::String(literal) if literal.as_str() == "true" => *flag = true,
            Expression::String(literal) if literal.as_str() == "false" => *flag = false,
            // The same as leaving it out.
            Expression::Null(_) => {}
            other => self.unread(place, name, &other.to_string()),
        }
    }

    /// Terraform refuses two declarations of one name, except where one is an override.
    fn declared_again(&mut self, place: &str, overrides: bool) {
        if !overrides {
            self.unread(place, "", "is declared more than once");
        }
    }

    fn unread(&mut self, place: &str, argument: &str, text: &str) {
        let mut place = place.to_owned();
        if !argument.is_empty() {
            place = format!("{place}/{}", escaped(argument));
        }
        self.interface.unread.insert(place, collapsed(text));
    }
}

/// The text of a literal; none where something in it is evaluated.
fn text(expression: &Expression) -> Option<String> {
    match expression {
        Expression::String(text) => Some(text.value().clone()),
        Expression::HeredocTemplate(heredoc) => {
            let parts = heredoc
                .template
                .iter()
                .map(|element| element.as_literal().map(|text| text.as_str()));
            Some(parts.collect::<Option<String>>()?.trim_end().to_owned())
        }
        _ => None,
    }
}

/// `aws.replica`, written so or as text.
fn alias(expression: &Expression) -> Option<String> {
    match expression {
        Expression::String(text) => Some(text.value().clone()),
        Expression::Traversal(path) => match (&path.expr, path.operators.as_slice()) {
            (Expression::Variable(provider), [operator]) => match operator.value() {
                TraversalOperator::GetAttr(name) => {
                    Some(format!("{}.{}", provider.as_str(), name.as_str()))
                }
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

fn pointer(section: &str, name: &str) -> String {
    format!("/{section}/{}", escaped(name))
}

/// A name as a part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
