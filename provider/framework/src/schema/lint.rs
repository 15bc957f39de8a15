//! Slips in schemas that core refuses, or crashes on, or that users would trip over.

use std::collections::HashMap;

use super::{
    Attribute, AttributeConstraint, AttributeType, Block, FunctionSchema, IdentitySchema,
    NestedBlock, ResourceSchema, Type, attribute_type, dotted,
};

/// Names that Terraform itself gives a meaning to at the top of a block.
const META_ARGUMENTS: [&str; 7] =
    ["connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioner"];

/// Everything wrong with a schema, one sentence each; empty if it is sound.
///
/// That an attribute is at least one of required, optional and computed, and not required and something else, is not
/// checked: [`AttributeConstraint`] cannot express it otherwise. The same goes for attributes with two types or none,
/// for nesting modes that do not exist, for types that are not JSON, and for the bounds of nested blocks.
pub fn lint_schema(schema: &ResourceSchema) -> Vec<String> {
    let mut lint = Lint { schema, problems: Vec::new() };
    let block = &schema.schema.block;
    for name in META_ARGUMENTS {
        if block.attributes.contains_key(name) || block.blocks.contains_key(name) {
            lint.problem(name, "is a meta-argument of Terraform and cannot be used as a name");
        }
    }
    if schema.schema.version < 0 {
        lint.problems
            .push(format!("the schema's version is {}, which is below 0", schema.schema.version));
    }
    lint.block(block, "", Within::default());
    lint.extras();
    if let Some(identity) = &schema.identity {
        lint.problems.extend(lint_identity(identity));
    }
    lint.problems.sort();
    lint.problems
}

/// Everything wrong with a schema of what is no managed resource: the provider, a data source or an ephemeral resource.
pub fn lint_unstored_schema(schema: &ResourceSchema) -> Vec<String> {
    let mut problems = lint_schema(schema);
    let write_only = schema.extras.iter().filter(|(_, extra)| extra.write_only);
    problems.extend(write_only.map(|(name, _)| {
        format!("`{name}` is write-only, which only attributes of managed resources can be")
    }));
    problems
}

struct Lint<'a> {
    schema: &'a ResourceSchema,
    problems: Vec<String>,
}

/// What an attribute is part of.
#[derive(Clone, Copy, Default)]
struct Within {
    a_set: bool,
    something_computed: bool,
}

impl Lint<'_> {
    fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("`{name}` {what}"));
    }

    fn block(&mut self, block: &Block, prefix: &str, within: Within) {
        self.attributes(&block.attributes, prefix, within);
        for (name, nested) in &block.blocks {
            let path = dotted(prefix, name);
            self.name(&path, name);
            if block.attributes.contains_key(name) {
                self.problem(&path, "is both an attribute and a block");
            }
            let (inner, repeated) = match nested {
                NestedBlock::Single(inner) | NestedBlock::Group(inner) => (inner, false),
                NestedBlock::List(inner)
                | NestedBlock::Set(inner)
                | NestedBlock::Map(inner)
                | NestedBlock::Optional(inner) => (inner, true),
            };
            // Core encodes these as one dynamic value, which block structure cannot be checked against.
            if repeated && has_dynamic(&super::implied_type(inner)) {
                self.problem(
                    &path,
                    "is a repeated block with a dynamic attribute inside: use nested attributes",
                );
            }
            let a_set = within.a_set || matches!(nested, NestedBlock::Set(_));
            self.block(inner, &path, Within { a_set, ..within });
        }
    }

    fn attributes(
        &mut self,
        attributes: &HashMap<String, Attribute>,
        prefix: &str,
        within: Within,
    ) {
        for (name, attribute) in attributes {
            let path = dotted(prefix, name);
            self.name(&path, name);
            self.attribute(attribute, &path, within);
        }
    }

    fn name(&mut self, path: &str, name: &str) {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.is_empty() || !name.bytes().all(lower) || name.as_bytes()[0].is_ascii_digit() {
            self.problem(
                path,
                "must be lower-case letters, digits and underscores, not beginning with a digit",
            );
        }
    }

    fn attribute(&mut self, attribute: &Attribute, path: &str, within: Within) {
        let is_computed = matches!(
            attribute.constraint,
            AttributeConstraint::Computed | AttributeConstraint::OptionalComputed
        );
        if self.schema.is_write_only(path) {
            self.write_only(path, is_computed, within);
        }
        let inside =
            Within { something_computed: within.something_computed || is_computed, ..within };
        match &attribute.attr_type {
            AttributeType::AttributeSingle(inner)
            | AttributeType::AttributeList(inner)
            | AttributeType::AttributeMap(inner) => self.attributes(inner, path, inside),
            AttributeType::AttributeSet(inner) => {
                self.set_element(&attribute_type(&attribute.attr_type), path);
                self.attributes(inner, path, Within { a_set: true, ..inside });
            }
            other => {
                let ty = attribute_type(other);
                if within.a_set && has_dynamic(&ty) {
                    self.problem(
                        path,
                        "is dynamic inside a set, whose elements must be of one type",
                    );
                }
                self.set_element(&ty, path);
            }
        }
    }

    fn write_only(&mut self, path: &str, is_computed: bool, within: Within) {
        if is_computed {
            self.problem(path, "is write-only and computed: it could never be given a value");
        }
        if within.something_computed {
            self.problem(path, "is write-only inside something computed, whose parts are stored");
        }
        if within.a_set {
            self.problem(
                path,
                "is write-only inside a set, whose elements could not be told apart",
            );
        }
    }

    /// Sets anywhere in a type must hold elements of one type.
    fn set_element(&mut self, ty: &Type, path: &str) {
        match ty {
            Type::Set(element) if has_dynamic(element) => {
                self.problem(
                    path,
                    "is a set with dynamic members, whose elements must be of one type",
                );
            }
            Type::List(element) | Type::Set(element) | Type::Map(element) => {
                self.set_element(element, path);
            }
            Type::Object(attributes) => {
                for ty in attributes.values() {
                    self.set_element(ty, path);
                }
            }
            Type::Tuple(elements) => elements.iter().for_each(|ty| self.set_element(ty, path)),
            Type::String | Type::Number | Type::Bool | Type::Any => {}
        }
    }

    fn extras(&mut self) {
        for (name, extra) in &self.schema.extras {
            match find(&self.schema.schema.block, name) {
                None => self
                    .problems
                    .push(format!("`{name}` is marked but is not an attribute of the schema")),
                Some(attribute) if extra.deprecation_message.is_some() && !attribute.deprecated => {
                    self.problems.push(format!(
                        "`{name}` has a deprecation message but is not marked deprecated"
                    ));
                }
                Some(_) => {}
            }
        }
    }
}

/// Finds an attribute by its dotted name.
fn find<'a>(block: &'a Block, name: &str) -> Option<&'a Attribute> {
    let Some((first, rest)) = name.split_once('.') else {
        return block.attributes.get(name);
    };
    if let Some(nested) = block.blocks.get(first) {
        let (NestedBlock::Single(inner)
        | NestedBlock::List(inner)
        | NestedBlock::Set(inner)
        | NestedBlock::Map(inner)
        | NestedBlock::Group(inner)
        | NestedBlock::Optional(inner)) = nested;
        return find(inner, rest);
    }
    rest.split('.').try_fold(block.attributes.get(first)?, |attribute, name| {
        match &attribute.attr_type {
            AttributeType::AttributeSingle(inner)
            | AttributeType::AttributeList(inner)
            | AttributeType::AttributeSet(inner)
            | AttributeType::AttributeMap(inner) => inner.get(name),
            _ => None,
        }
    })
}

fn has_dynamic(ty: &Type) -> bool {
    match ty {
        Type::Any => true,
        Type::List(element) | Type::Set(element) | Type::Map(element) => has_dynamic(element),
        Type::Object(attributes) => attributes.values().any(has_dynamic),
        Type::Tuple(elements) => elements.iter().any(has_dynamic),
        Type::String | Type::Number | Type::Bool => false,
    }
}

/// Everything wrong with an identity, one sentence each.
pub fn lint_identity(identity: &IdentitySchema) -> Vec<String> {
    let primitive = |ty: &Type| matches!(ty, Type::String | Type::Number | Type::Bool);
    let mut problems = Vec::new();
    for (name, attribute) in &identity.attributes {
        let sound = match &attribute.ty {
            Type::List(element) => primitive(element),
            ty => primitive(ty),
        };
        if !sound {
            problems.push(format!(
                "identity attribute `{name}` must be a string, number, bool, or a list of those"
            ));
        }
    }
    problems
}

/// Everything wrong with a function's schema, one sentence each.
pub fn lint_function(name: &str, schema: &FunctionSchema) -> Vec<String> {
    let mut problems = Vec::new();
    let mut identifier = |what: &str, name: &str| {
        let body = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            || !name.bytes().all(body)
        {
            problems.push(format!("{what} `{name}` is not an identifier"));
        }
    };
    identifier("function", name);
    let parameters = schema.parameters.iter().chain(&schema.variadic);
    let mut seen = std::collections::BTreeSet::new();
    let mut repeated = Vec::new();
    for parameter in parameters {
        identifier(&format!("parameter of `{name}`"), &parameter.name);
        if !seen.insert(parameter.name.as_str()) {
            repeated.push(format!("function `{name}` has two parameters `{}`", parameter.name));
        }
    }
    problems.extend(repeated);
    problems
}
