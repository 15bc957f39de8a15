//! What a resource, data source, ephemeral resource, function or the provider itself accepts and returns.
//!
//! The vocabulary ([`Block`], [`Attribute`], [`Type`], …) is `tf-provider`'s. It has no place for write-only flags,
//! deprecation texts and identity, so [`ResourceSchema`] holds those beside it.

mod implied;
mod lint;
mod types;

use std::collections::BTreeMap;

pub use implied::{attribute_type, implied_type};
pub use lint::{lint_function, lint_identity, lint_schema, lint_unstored_schema};
pub use tf_provider::schema::{
    Attribute, AttributeConstraint, AttributeType, Block, Description, FunctionSchema, NestedBlock,
    Parameter, Schema, StringKind, Type,
};
pub use types::{InvalidType, type_from_json, type_to_json};

/// The schema of a resource, a data source, an ephemeral resource or the provider.
///
/// ```
/// use provider_framework::schema::{AttributeExt as _, AttributeType, ResourceSchema, computed, required};
///
/// let schema = ResourceSchema::new(0, "A topic.")
///     .attribute("name", required(AttributeType::String, "What it is called."))
///     .attribute("token", computed(AttributeType::String, "Grants access.").sensitive());
/// assert!(provider_framework::schema::lint_schema(&schema).is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSchema {
    /// Version, attributes and blocks.
    pub schema: Schema,
    /// What the vocabulary has no place for, by dotted attribute name: `slo.latency.threshold`.
    pub extras: BTreeMap<String, AttributeExtra>,
    /// What identifies an object of this type, for resources that say so.
    pub identity: Option<IdentitySchema>,
}

/// What `tf-provider`'s [`Attribute`] has no place for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeExtra {
    /// The value is passed to the provider and never stored.
    pub write_only: bool,
    /// What to use instead, for a deprecated attribute.
    pub deprecation_message: Option<String>,
}

/// What identifies an object wherever it is managed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdentitySchema {
    /// Version of the identity, apart from that of the schema.
    pub version: i64,
    /// The identifying attributes.
    pub attributes: BTreeMap<String, IdentityAttribute>,
}

/// One identifying attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityAttribute {
    /// Its type.
    pub ty: Type,
    /// What it is.
    pub description: String,
    /// Whether an import must give it; otherwise it may.
    pub required_for_import: bool,
}

impl ResourceSchema {
    /// A schema without attributes. The description is Markdown.
    pub fn new(version: i64, description: &str) -> Self {
        let block =
            Block { version, description: Description::markdown(description), ..Block::default() };
        Self { schema: Schema { version, block }, extras: BTreeMap::new(), identity: None }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: &str, attribute: Attribute) -> Self {
        self.schema.block.attributes.insert(name.to_owned(), attribute);
        self
    }

    /// Adds a nested block. New resources use nested attributes instead.
    #[must_use]
    pub fn block(mut self, name: &str, block: NestedBlock) -> Self {
        self.schema.block.blocks.insert(name.to_owned(), block);
        self
    }

    /// Marks an attribute of a managed resource, by its dotted name, as never stored.
    ///
    /// Its value stands in the configuration that requests of validate, plan, create and update carry, and nowhere else:
    /// the engine puts null in its place in whatever a resource plans or returns. As core sees no change where only such
    /// a value changes, resources have another attribute beside it whose change says so: `password_version`.
    #[must_use]
    pub fn write_only(mut self, name: &str) -> Self {
        self.extras.entry(name.to_owned()).or_default().write_only = true;
        self
    }

    /// Says, for an attribute by its dotted name, what to use instead. The attribute itself must be marked too.
    #[must_use]
    pub fn deprecation(mut self, name: &str, message: &str) -> Self {
        self.extras.entry(name.to_owned()).or_default().deprecation_message =
            Some(message.to_owned());
        self
    }

    /// Says what identifies an object.
    #[must_use]
    pub fn identity(mut self, identity: IdentitySchema) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The type that values of this schema have.
    pub fn ty(&self) -> Type {
        implied_type(&self.schema.block)
    }

    /// Whether any attribute is never stored.
    pub fn has_write_only(&self) -> bool {
        self.extras.values().any(|extra| extra.write_only)
    }

    /// Whether an attribute, by its dotted name, is never stored.
    pub fn is_write_only(&self, name: &str) -> bool {
        self.extras.get(name).is_some_and(|extra| extra.write_only)
    }
}

/// The dotted name of an attribute below another.
pub(crate) fn dotted(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

fn attribute(constraint: AttributeConstraint, ty: AttributeType, description: &str) -> Attribute {
    Attribute {
        attr_type: ty,
        description: Description::markdown(description),
        constraint,
        sensitive: false,
        deprecated: false,
    }
}

/// An attribute that must be set.
pub fn required(ty: AttributeType, description: &str) -> Attribute {
    attribute(AttributeConstraint::Required, ty, description)
}

/// An attribute that may be set.
pub fn optional(ty: AttributeType, description: &str) -> Attribute {
    attribute(AttributeConstraint::Optional, ty, description)
}

/// An attribute that the provider sets.
pub fn computed(ty: AttributeType, description: &str) -> Attribute {
    attribute(AttributeConstraint::Computed, ty, description)
}

/// An attribute that may be set, and that the provider sets otherwise.
pub fn optional_computed(ty: AttributeType, description: &str) -> Attribute {
    attribute(AttributeConstraint::OptionalComputed, ty, description)
}

/// More that can be said of an attribute.
pub trait AttributeExt {
    /// The value is hidden in the output of Terraform.
    #[must_use]
    fn sensitive(self) -> Self;

    /// The attribute should not be used any more.
    #[must_use]
    fn deprecated(self) -> Self;
}

impl AttributeExt for Attribute {
    fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }
}

fn nested(
    attributes: impl IntoIterator<Item = (&'static str, Attribute)>,
) -> std::collections::HashMap<String, Attribute> {
    attributes.into_iter().map(|(name, attribute)| (name.to_owned(), attribute)).collect()
}

/// A nested object.
pub fn object(attributes: impl IntoIterator<Item = (&'static str, Attribute)>) -> AttributeType {
    AttributeType::AttributeSingle(nested(attributes))
}

/// A list of nested objects.
pub fn list_of_objects(
    attributes: impl IntoIterator<Item = (&'static str, Attribute)>,
) -> AttributeType {
    AttributeType::AttributeList(nested(attributes))
}

/// A set of nested objects.
pub fn set_of_objects(
    attributes: impl IntoIterator<Item = (&'static str, Attribute)>,
) -> AttributeType {
    AttributeType::AttributeSet(nested(attributes))
}

/// A map of nested objects.
pub fn map_of_objects(
    attributes: impl IntoIterator<Item = (&'static str, Attribute)>,
) -> AttributeType {
    AttributeType::AttributeMap(nested(attributes))
}

/// A list of values of one type.
pub fn list(element: AttributeType) -> AttributeType {
    AttributeType::List(Box::new(element))
}

/// A set of values of one type.
pub fn set(element: AttributeType) -> AttributeType {
    AttributeType::Set(Box::new(element))
}

/// A map of values of one type.
pub fn map(element: AttributeType) -> AttributeType {
    AttributeType::Map(Box::new(element))
}
