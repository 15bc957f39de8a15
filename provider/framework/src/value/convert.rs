//! Between values and the types that a resource's author works with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Number, Value};
use crate::path::{AttributePath, AttributePathStep};

/// A type that a value can be read into.
pub trait FromValue: Sized {
    /// Reads the value.
    fn from_value(value: &Value) -> Result<Self, ConversionError>;
}

/// A type that turns into a value.
pub trait IntoValue {
    /// Makes the value.
    fn into_value(self) -> Value;
}

/// A value is not what the model says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionError {
    /// Innermost first: an error learns where it happened on its way out.
    steps: Vec<AttributePathStep>,
    message: String,
}

impl ConversionError {
    /// Makes an error about the value at hand.
    pub fn new(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), message: message.into() }
    }

    pub(crate) fn expected(what: &str, found: &Value) -> Self {
        // The value itself is not shown: it may be a secret.
        let found = match found.undynamic() {
            Value::Null => "null",
            Value::Unknown(_) => "a value that is not known yet",
            Value::Bool(_) => "a bool",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::List(_) => "a list",
            Value::Set(_) => "a set",
            Value::Map(_) => "an object or map",
            Value::Dynamic(_) => "a dynamic value",
        };
        Self::new(format!("expected {what}, found {found}"))
    }

    /// The same error, seen from one level further out.
    #[must_use]
    pub fn under(mut self, step: AttributePathStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Where it happened.
    pub fn path(&self) -> AttributePath {
        AttributePath { steps: self.steps.iter().rev().cloned().collect() }
    }

    /// What happened, without where.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", crate::path::show(&self.path()), self.message)
    }
}

impl std::error::Error for ConversionError {}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        Ok(value.clone())
    }
}

impl IntoValue for Value {
    fn into_value(self) -> Value {
        self
    }
}

impl IntoValue for &Value {
    fn into_value(self) -> Value {
        self.clone()
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        value.as_bool().ok_or_else(|| ConversionError::expected("a bool", value))
    }
}

impl IntoValue for bool {
    fn into_value(self) -> Value {
        Value::Bool(self)
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| ConversionError::expected("a string", value))
    }
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::String(self)
    }
}

impl IntoValue for &str {
    fn into_value(self) -> Value {
        Value::string(self)
    }
}

impl FromValue for Number {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        value.as_number().cloned().ok_or_else(|| ConversionError::expected("a number", value))
    }
}

impl IntoValue for Number {
    fn into_value(self) -> Value {
        Value::Number(self)
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl FromValue for $integer {
            fn from_value(value: &Value) -> Result<Self, ConversionError> {
                let number = Number::from_value(value)?;
                number
                    .as_i64()
                    .and_then(|integer| Self::try_from(integer).ok())
                    .or_else(|| number.as_u64().and_then(|integer| Self::try_from(integer).ok()))
                    .ok_or_else(|| ConversionError::new(format!(
                        "expected a whole number from {} to {}, found {number}", Self::MIN, Self::MAX,
                    )))
            }
        }

        impl IntoValue for $integer {
            fn into_value(self) -> Value {
                Value::Number(self.into())
            }
        }
    )*};
}

integers!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

/// Null is `None`; unknown is an error.
impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, IntoValue::into_value)
    }
}

fn elements<T: FromValue, C: FromIterator<T>>(value: &Value) -> Result<C, ConversionError> {
    let elements =
        value.as_elements().ok_or_else(|| ConversionError::expected("a list or set", value))?;
    let read = |(index, element)| {
        T::from_value(element).map_err(|error| {
            error.under(AttributePathStep::Index(i64::try_from(index).unwrap_or(i64::MAX)))
        })
    };
    elements.iter().enumerate().map(read).collect()
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        elements(value)
    }
}

impl<T: IntoValue> IntoValue for Vec<T> {
    fn into_value(self) -> Value {
        Value::list(self)
    }
}

impl<T: FromValue + Ord> FromValue for BTreeSet<T> {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        elements(value)
    }
}

impl<T: IntoValue> IntoValue for BTreeSet<T> {
    fn into_value(self) -> Value {
        Value::set(self)
    }
}

impl<T: FromValue> FromValue for BTreeMap<String, T> {
    fn from_value(value: &Value) -> Result<Self, ConversionError> {
        let entries = value.as_map().ok_or_else(|| ConversionError::expected("a map", value))?;
        let read = |(key, entry): (&String, _)| match T::from_value(entry) {
            Ok(entry) => Ok((key.clone(), entry)),
            Err(error) => Err(error.under(AttributePathStep::Key(key.clone().into()))),
        };
        entries.iter().map(read).collect()
    }
}

impl<T: IntoValue> IntoValue for BTreeMap<String, T> {
    fn into_value(self) -> Value {
        Value::object(self)
    }
}
