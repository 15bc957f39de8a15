//! Values as Terraform sees them: null, unknown, or known, without loss.
//!
//! Knows nothing of schemas' attributes, protobuf or MessagePack. The `Value` of `tf-provider` is not used: it holds
//! numbers as `i64` only, and has neither refinements of unknown values, nor sets, nor values that carry their type.

mod attr;
mod convert;
mod json;
mod model;
mod number;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

pub use attr::Attr;
pub use convert::{ConversionError, FromValue, IntoValue};
pub use json::from_json;
#[doc(hidden)]
pub use model::{ObjectReader, attribute_name};
pub use number::{InvalidNumber, Number};

use crate::path::{AttributePath, AttributePathStep};
use crate::schema::Type;

/// A value of any type.
///
/// The shape follows the wire: lists and tuples are both [`Value::List`], maps and objects both [`Value::Map`];
/// the schema says which is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// A value that will be known only after apply, and what is known about it already.
    Unknown(Option<Box<Refinements>>),
    /// `true` or `false`.
    Bool(bool),
    /// A number of any size and precision.
    Number(Number),
    /// Text.
    String(String),
    /// A list or tuple.
    List(Vec<Value>),
    /// A set: order and repetition carry no meaning.
    Set(Set),
    /// A map or object.
    Map(BTreeMap<String, Value>),
    /// The value of an attribute whose type is `dynamic`, with the type that it turned out to have.
    Dynamic(Box<Dynamic>),
}

impl Value {
    /// A plain unknown value.
    pub const UNKNOWN: Self = Self::Unknown(None);

    /// Makes a string.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// Makes a list or tuple.
    pub fn list<T: IntoValue>(elements: impl IntoIterator<Item = T>) -> Self {
        Self::List(elements.into_iter().map(IntoValue::into_value).collect())
    }

    /// Makes a set.
    pub fn set<T: IntoValue>(elements: impl IntoIterator<Item = T>) -> Self {
        Self::Set(elements.into_iter().map(IntoValue::into_value).collect())
    }

    /// Makes a map or object.
    pub fn object<K: Into<String>, T: IntoValue>(
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Self {
        Self::Map(
            entries.into_iter().map(|(name, value)| (name.into(), value.into_value())).collect(),
        )
    }

    /// Makes an unknown value of which something is known already.
    pub fn refined(refinements: Refinements) -> Self {
        if refinements == Refinements::default() {
            return Self::UNKNOWN;
        }
        Self::Unknown(Some(Box::new(refinements)))
    }

    /// Makes a value for an attribute whose type is `dynamic`.
    pub fn dynamic(ty: Type, value: impl IntoValue) -> Self {
        Self::Dynamic(Box::new(Dynamic { ty, value: value.into_value() }))
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        matches!(self.undynamic(), Self::Null)
    }

    /// Whether the value as a whole is unknown; parts of a known value may still be.
    pub fn is_unknown(&self) -> bool {
        matches!(self.undynamic(), Self::Unknown(_))
    }

    /// Whether nothing in the value is unknown.
    pub fn is_wholly_known(&self) -> bool {
        self.first_unknown().is_none()
    }

    /// The path of something unknown in the value, if anything is.
    pub fn first_unknown(&self) -> Option<AttributePath> {
        self.unknown_steps().map(|mut steps| {
            steps.reverse();
            AttributePath { steps }
        })
    }

    fn unknown_steps(&self) -> Option<Vec<AttributePathStep>> {
        let under = |step: AttributePathStep| {
            move |mut steps: Vec<AttributePathStep>| {
                steps.push(step);
                steps
            }
        };
        match self {
            Self::Unknown(_) => Some(Vec::new()),
            Self::List(elements) => elements.iter().enumerate().find_map(|(index, element)| {
                let index = i64::try_from(index).unwrap_or(i64::MAX);
                element.unknown_steps().map(under(AttributePathStep::Index(index)))
            }),
            // Elements of a set have no address of their own.
            Self::Set(set) => set.iter().find_map(Self::unknown_steps).map(|_| Vec::new()),
            Self::Map(entries) => entries.iter().find_map(|(name, entry)| {
                entry.unknown_steps().map(under(AttributePathStep::Attribute(name.clone().into())))
            }),
            Self::Dynamic(dynamic) => dynamic.value.unknown_steps(),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => None,
        }
    }

    /// The text, of a known string.
    pub fn as_str(&self) -> Option<&str> {
        match self.undynamic() {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, of a known bool.
    pub fn as_bool(&self) -> Option<bool> {
        match self.undynamic() {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The number, of a known number.
    pub fn as_number(&self) -> Option<&Number> {
        match self.undynamic() {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements, of a known list, tuple or set.
    pub fn as_elements(&self) -> Option<&[Value]> {
        match self.undynamic() {
            Self::List(elements) => Some(elements),
            Self::Set(set) => Some(&set.0),
            _ => None,
        }
    }

    /// The entries, of a known map or object.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        match self.undynamic() {
            Self::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// An attribute of a known object, or an entry of a known map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_map()?.get(name)
    }

    /// Replaces an attribute of a known object; does nothing to any other value.
    pub fn set_attribute(&mut self, name: &str, value: impl IntoValue) {
        if let Self::Map(entries) = self {
            entries.insert(name.to_owned(), value.into_value());
        }
    }

    /// Follows a path; `None` where it leads nowhere. Steps into sets lead nowhere.
    pub fn at(&self, path: &AttributePath) -> Option<&Value> {
        path.steps.iter().try_fold(self, |value, step| match step {
            AttributePathStep::Attribute(name) | AttributePathStep::Key(name) => value.get(name),
            AttributePathStep::Index(index) => match value.undynamic() {
                Self::List(elements) => elements.get(usize::try_from(*index).ok()?),
                _ => None,
            },
        })
    }

    /// The value without the wrapper that says which type a `dynamic` turned out to have.
    pub fn undynamic(&self) -> &Self {
        match self {
            Self::Dynamic(dynamic) => dynamic.value.undynamic(),
            other => other,
        }
    }

    /// The same value with nothing said about its unknown parts.
    #[must_use]
    pub fn without_refinements(&self) -> Self {
        match self {
            Self::Unknown(_) => Self::UNKNOWN,
            Self::List(elements) => {
                Self::List(elements.iter().map(Self::without_refinements).collect())
            }
            Self::Set(set) => Self::Set(set.iter().map(Self::without_refinements).collect()),
            Self::Map(entries) => Self::Map(
                entries
                    .iter()
                    .map(|(name, entry)| (name.clone(), entry.without_refinements()))
                    .collect(),
            ),
            Self::Dynamic(dynamic) => Self::Dynamic(Box::new(Dynamic {
                ty: dynamic.ty.clone(),
                value: dynamic.value.without_refinements(),
            })),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) => self.clone(),
        }
    }

    /// Reads the value into a model, recording what does not fit as an error.
    pub fn to_model<T: FromValue>(
        &self,
        diagnostics: &mut crate::Diagnostics,
    ) -> Result<T, crate::Failed> {
        use crate::diagnostics::Report as _;
        T::from_value(self).map_err(|error| {
            diagnostics.fail_at(
                error.path(),
                "Value does not fit",
                format!(
                    "{error}. This is a bug in the provider if the configuration passed validation."
                ),
            )
        })
    }
}

/// Shows a value the way a person would write it, for messages.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn sequence(f: &mut fmt::Formatter<'_>, elements: &[Value]) -> fmt::Result {
            f.write_str("[")?;
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                write!(f, "{element}")?;
            }
            f.write_str("]")
        }
        match self {
            Self::Null => f.write_str("null"),
            Self::Unknown(_) => f.write_str("(unknown)"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::String(text) => write!(f, "{text:?}"),
            Self::List(elements) => sequence(f, elements),
            Self::Set(set) => sequence(f, &set.0),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (name, entry)) in entries.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    write!(f, "{name} = {entry}")?;
                }
                f.write_str("}")
            }
            Self::Dynamic(dynamic) => write!(f, "{}", dynamic.value),
        }
    }
}

/// The elements of a set, in one canonical order, without duplicates.
///
/// Elements that are not wholly known are never taken for duplicates: they may turn out to differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set(Vec<Value>);

impl Set {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every element, in canonical order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.0.iter()
    }
}

impl FromIterator<Value> for Set {
    fn from_iter<I: IntoIterator<Item = Value>>(elements: I) -> Self {
        let mut elements: Vec<Value> = elements.into_iter().collect();
        elements.sort();
        elements.dedup_by(|one, other| one == other && one.is_wholly_known());
        Self(elements)
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A value together with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dynamic {
    /// The type.
    pub ty: Type,
    /// The value, of that type.
    pub value: Value,
}

impl PartialOrd for Dynamic {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dynamic {
    fn cmp(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value).then_with(|| {
            crate::schema::type_to_json(&self.ty).cmp(&crate::schema::type_to_json(&other.ty))
        })
    }
}

/// What is known of an unknown value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refinements {
    /// The value will not be null.
    pub not_null: bool,
    /// A string will begin so.
    pub prefix: Option<String>,
    /// A number will be at least this.
    pub minimum: Option<Bound>,
    /// A number will be at most this.
    pub maximum: Option<Bound>,
    /// A collection will have at least so many elements.
    pub minimum_length: Option<u64>,
    /// A collection will have at most so many elements.
    pub maximum_length: Option<u64>,
}

impl Refinements {
    /// The value will not be null.
    pub fn not_null() -> Self {
        Self { not_null: true, ..Self::default() }
    }

    /// The value will be a string that begins so.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { not_null: true, prefix: Some(prefix.into()), ..Self::default() }
    }
}

/// One end of a range of numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// The number at the end of the range.
    pub number: Number,
    /// Whether that number itself is in the range.
    pub inclusive: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_ignores_order_and_repetition() {
        assert_eq!(Value::set(["b", "a", "b"]), Value::set(["a", "b"]));
    }

    #[test]
    fn unknown_elements_of_a_set_are_never_the_same() {
        assert_eq!(Value::set([Value::UNKNOWN, Value::UNKNOWN]).as_elements().unwrap().len(), 2);
    }

    #[test]
    fn the_first_unknown_part_is_named() {
        let value = Value::object([
            ("a", Value::string("x")),
            ("b", Value::list([Value::Null, Value::object([("c", Value::UNKNOWN)])])),
        ]);

        let path = value.first_unknown().unwrap();

        assert_eq!(path, AttributePath::new("b").index(1).attribute("c"));
        assert!(value.at(&path).unwrap().is_unknown());
    }
}
