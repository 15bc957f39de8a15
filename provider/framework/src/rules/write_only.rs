//! What is passed to the provider and must never come back.

use std::collections::HashMap;

use super::place::Place;
use crate::path::AttributePath;
use crate::schema::{Attribute, AttributeType, Block, NestedBlock, ResourceSchema};
use crate::value::Value;

/// The value with null for every attribute that must not be stored. It must be of the schema's type.
pub fn strip_write_only(schema: &ResourceSchema, value: Value) -> Value {
    Strip::from(schema, value).0
}

/// Where the value holds something that must not be stored; elements of sets are not told apart. It must be of the
/// schema's type.
pub fn write_only_paths(schema: &ResourceSchema, value: &Value) -> Vec<AttributePath> {
    Strip::from(schema, value.clone()).1
}

struct Strip<'a> {
    schema: &'a ResourceSchema,
    found: Vec<AttributePath>,
}

impl<'a> Strip<'a> {
    fn from(schema: &'a ResourceSchema, mut value: Value) -> (Value, Vec<AttributePath>) {
        let mut strip = Self { schema, found: Vec::new() };
        if schema.has_write_only() {
            strip.block(&schema.schema.block, &Place::default(), &mut value);
        }
        (value, strip.found)
    }

    fn block(&mut self, block: &Block, place: &Place, value: &mut Value) {
        self.attributes(&block.attributes, place, value);
        let Value::Map(entries) = value else { return };
        for (name, nested) in &block.blocks {
            let Some(value) = entries.get_mut(name) else { continue };
            let place = place.attribute(name, false);
            match nested {
                NestedBlock::Single(inner) | NestedBlock::Group(inner) => {
                    self.block(inner, &place, value);
                }
                NestedBlock::List(inner)
                | NestedBlock::Optional(inner)
                | NestedBlock::Map(inner)
                | NestedBlock::Set(inner) => {
                    self.elements(&place, value, |strip, place, value| {
                        strip.block(inner, place, value);
                    });
                }
            }
        }
    }

    fn attributes(
        &mut self,
        attributes: &HashMap<String, Attribute>,
        place: &Place,
        value: &mut Value,
    ) {
        let Value::Map(entries) = value else { return };
        for (name, attribute) in attributes {
            if let Some(value) = entries.get_mut(name) {
                self.attribute(attribute, &place.attribute(name, false), value);
            }
        }
    }

    fn attribute(&mut self, attribute: &Attribute, place: &Place, value: &mut Value) {
        if self.schema.is_write_only(&place.dotted) {
            if !value.is_null() {
                self.found.push(place.path.clone());
            }
            *value = Value::Null;
            return;
        }
        match &attribute.attr_type {
            AttributeType::AttributeSingle(inner) => self.attributes(inner, place, value),
            AttributeType::AttributeList(inner)
            | AttributeType::AttributeMap(inner)
            | AttributeType::AttributeSet(inner) => {
                self.elements(place, value, |strip, place, value| {
                    strip.attributes(inner, place, value);
                });
            }
            _ => {}
        }
    }

    fn elements(
        &mut self,
        place: &Place,
        value: &mut Value,
        strip: impl Fn(&mut Self, &Place, &mut Value),
    ) {
        match value {
            Value::List(elements) => {
                for (index, element) in elements.iter_mut().enumerate() {
                    strip(self, &place.index(index), element);
                }
            }
            Value::Map(entries) => {
                for (key, entry) in entries {
                    strip(self, &place.key(key), entry);
                }
            }
            Value::Set(set) => {
                let mut elements: Vec<Value> = set.iter().cloned().collect();
                for element in &mut elements {
                    strip(self, place, element);
                }
                *set = elements.into_iter().collect();
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::show;
    use crate::schema::{list_of_objects, map_of_objects, object, optional};

    fn schema() -> ResourceSchema {
        let text = || optional(AttributeType::String, "");
        let inner = || [("password", text()), ("user", text())];
        let block = Block {
            attributes: [("password".to_owned(), text())].into_iter().collect(),
            ..Block::default()
        };
        ResourceSchema::new(0, "")
            .attribute("password", text())
            .attribute("one", optional(object(inner()), ""))
            .attribute("many", optional(list_of_objects(inner()), ""))
            .attribute("named", optional(map_of_objects(inner()), ""))
            .block("listener", NestedBlock::List(block))
            .write_only("password")
            .write_only("one.password")
            .write_only("many.password")
            .write_only("named.password")
            .write_only("listener.password")
    }

    fn login(password: Value) -> Value {
        Value::object([("password", password), ("user", Value::string("u"))])
    }

    /// A map with a key that is also the name of an attribute, of which it says nothing.
    fn value(password: &Value) -> Value {
        let login = || login(password.clone());
        let listener = Value::object([("password", password.clone())]);
        Value::object([
            ("password", password.clone()),
            ("one", login()),
            ("many", Value::list([login(), login()])),
            ("named", Value::object([("password", login()), ("user", login())])),
            ("listener", Value::list([listener])),
        ])
    }

    #[test]
    fn what_is_write_only_is_stripped_wherever_it_is_and_nothing_else() {
        for password in [Value::string("hunter2"), Value::UNKNOWN] {
            assert_eq!(strip_write_only(&schema(), value(&password)), value(&Value::Null));
        }
    }

    #[test]
    fn what_is_write_only_and_set_is_found() {
        let paths = write_only_paths(&schema(), &value(&Value::string("hunter2")));
        let mut shown: Vec<String> = paths.iter().map(show).collect();
        shown.sort();

        assert_eq!(
            shown,
            [
                "listener[0].password",
                "many[0].password",
                "many[1].password",
                r#"named["password"].password"#,
                r#"named["user"].password"#,
                "one.password",
                "password",
            ]
        );
        assert_eq!(write_only_paths(&schema(), &value(&Value::Null)), []);
    }
}
