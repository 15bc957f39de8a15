//! Structs that model a resource: one field per attribute.

use super::{ConversionError, FromValue, Value};
use crate::path::AttributePathStep;

/// Declares a struct with one field per attribute of an object, and its conversions from and to [`Value`].
///
/// Field names are attribute names (`r#type` stands for `type`). Use [`Attr`](crate::value::Attr) wherever a value may
/// be null or unknown, which in a configuration or a plan is everywhere, also for elements of collections; plain types
/// where it may not be. Nested attributes are models too.
///
/// ```
/// use std::collections::BTreeMap;
/// use provider_framework::{model, value::{Attr, FromValue, IntoValue, Value}};
///
/// model! {
///     /// A topic.
///     pub struct Topic {
///         /// What it is called.
///         pub name: Attr<String>,
///         pub retention: Attr<Retention>,
///         pub labels: Attr<BTreeMap<String, Attr<String>>>,
///     }
/// }
///
/// model! {
///     /// How long messages are kept.
///     pub struct Retention {
///         pub hours: Attr<u32>,
///     }
/// }
///
/// let value = Value::object([
///     ("name", Value::string("orders")),
///     ("retention", Value::object([("hours", 48)])),
///     ("labels", Value::UNKNOWN),
/// ]);
/// let topic = Topic::from_value(&value).unwrap();
///
/// assert_eq!(topic.retention, Attr::Known(Retention { hours: Attr::Known(48) }));
/// assert_eq!(topic.into_value(), value);
/// ```
#[macro_export]
macro_rules! model {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $( $(#[$field_attribute:meta])* $field_visibility:vis $field:ident : $type:ty ),* $(,)?
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, PartialEq)]
        $visibility struct $name {
            $( $(#[$field_attribute])* $field_visibility $field: $type, )*
        }

        impl $crate::value::FromValue for $name {
            fn from_value(
                value: &$crate::value::Value,
            ) -> ::core::result::Result<Self, $crate::value::ConversionError> {
                let object = $crate::value::ObjectReader::new(value)?;
                ::core::result::Result::Ok(Self {
                    $( $field: object.read(::core::stringify!($field))?, )*
                })
            }
        }

        impl $crate::value::IntoValue for $name {
            fn into_value(self) -> $crate::value::Value {
                let entries: [(&str, $crate::value::Value); _] = [
                    $( (
                        $crate::value::attribute_name(::core::stringify!($field)),
                        $crate::value::IntoValue::into_value(self.$field),
                    ), )*
                ];
                $crate::value::Value::object(entries)
            }
        }
    };
}

/// The attribute that a field stands for.
pub fn attribute_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

/// Reads the attributes of one object into fields.
#[derive(Debug)]
pub struct ObjectReader<'a> {
    value: &'a Value,
}

impl<'a> ObjectReader<'a> {
    /// Starts reading; fails if the value is not a known object.
    pub fn new(value: &'a Value) -> Result<Self, ConversionError> {
        match value.as_map() {
            Some(_) => Ok(Self { value }),
            None => Err(ConversionError::expected("an object", value)),
        }
    }

    /// Reads the attribute that a field stands for.
    pub fn read<T: FromValue>(&self, field: &'static str) -> Result<T, ConversionError> {
        let name = attribute_name(field);
        let step = AttributePathStep::Attribute(name.into());
        // A missing attribute is a slip in the model, not a null: engine values always hold all of them.
        let Some(value) = self.value.get(name) else {
            return Err(ConversionError::new("the schema has no such attribute").under(step));
        };
        T::from_value(value).map_err(|error| error.under(step))
    }
}

#[cfg(test)]
mod tests {
    use crate::AttributePath;
    use crate::value::{Attr, FromValue as _, IntoValue as _, Value};

    model! {
        struct Rule {
            r#type: Attr<String>,
            ports: Attr<Vec<Attr<u16>>>,
        }
    }

    #[test]
    fn a_field_named_after_a_keyword_stands_for_the_keyword() {
        let value =
            Value::object([("type", Value::string("tcp")), ("ports", Value::list([80, 443]))]);

        let rule = Rule::from_value(&value).unwrap();

        assert_eq!(rule.r#type, Attr::from("tcp"));
        assert_eq!(rule.into_value(), value);
    }

    #[test]
    fn what_does_not_fit_is_named_by_its_path() {
        let value = Value::object([("type", Value::Null), ("ports", Value::list([80, 65536]))]);

        let error = Rule::from_value(&value).unwrap_err();

        assert_eq!(error.path(), AttributePath::new("ports").index(1));
        assert_eq!(
            error.to_string(),
            "ports[1]: expected a whole number from 0 to 65535, found 65536"
        );
    }

    #[test]
    fn an_attribute_missing_from_the_schema_is_an_error() {
        let error = Rule::from_value(&Value::object([("type", Value::Null)])).unwrap_err();

        assert_eq!(error.to_string(), "ports: the schema has no such attribute");
    }
}
