//! To MessagePack.

use super::{REFINED_UNKNOWN, UNKNOWN, refinement};
use crate::schema::{Type, type_to_json};
use crate::value::{Bound, Number, Refinements, Value};

/// Core cuts longer prefixes off too.
const LONGEST_PREFIX: usize = 256;

/// Encodes a value of a type. The value must be of the type: [`crate::rules::conform`] sees to that.
pub fn encode(value: &Value, ty: &Type) -> Vec<u8> {
    let mut writer = Writer(Vec::new());
    writer.value(value, ty);
    writer.0
}

struct Writer(Vec<u8>);

impl Writer {
    fn value(&mut self, value: &Value, ty: &Type) {
        match value {
            Value::Null => self.0.push(0xc0),
            Value::Unknown(refinements) => self.unknown(refinements.as_deref(), ty),
            Value::Bool(truth) => self.0.push(if *truth { 0xc3 } else { 0xc2 }),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.string(text),
            Value::List(elements) => self.sequence(elements, ty),
            Value::Set(set) => {
                let elements: Vec<Value> = set.iter().cloned().collect();
                self.sequence(&elements, ty);
            }
            Value::Map(entries) => {
                self.length(entries.len(), (0x80, 16), 0xde);
                for (name, entry) in entries {
                    self.string(name);
                    let ty = match ty {
                        Type::Object(attributes) => attributes.get(name).unwrap_or(&Type::Any),
                        Type::Map(element) => element,
                        _ => &Type::Any,
                    };
                    self.value(entry, ty);
                }
            }
            Value::Dynamic(dynamic) => {
                self.length(2, (0x90, 16), 0xdc);
                self.binary(type_to_json(&dynamic.ty).as_bytes());
                self.value(&dynamic.value, &dynamic.ty);
            }
        }
    }

    fn sequence(&mut self, elements: &[Value], ty: &Type) {
        self.length(elements.len(), (0x90, 16), 0xdc);
        for (index, element) in elements.iter().enumerate() {
            let ty = match ty {
                Type::List(element) | Type::Set(element) => element,
                Type::Tuple(types) => types.get(index).unwrap_or(&Type::Any),
                _ => &Type::Any,
            };
            self.value(element, ty);
        }
    }

    /// Integers that MessagePack has a form for use it; everything else is text, which core reads without loss.
    fn number(&mut self, number: &Number) {
        if let Some(integer) = number.as_u64() {
            self.unsigned(integer);
        } else if let Some(integer) = number.as_i64() {
            self.0.push(0xd3);
            self.0.extend(integer.to_be_bytes());
        } else {
            self.string(&number.to_string());
        }
    }

    fn unsigned(&mut self, integer: u64) {
        if let Ok(small @ 0..=0x7f) = u8::try_from(integer) {
            self.0.push(small);
        } else {
            self.0.push(0xcf);
            self.0.extend(integer.to_be_bytes());
        }
    }

    /// A length below `small.1` is part of the tag; otherwise 16 or 32 bits follow, whose tags are neighbours.
    fn length(&mut self, length: usize, small: (u8, usize), tag16: u8) {
        match u16::try_from(length) {
            Ok(short) if length < small.1 => self.0.push(small.0 | short.to_be_bytes()[1]),
            Ok(short) => {
                self.0.push(tag16);
                self.0.extend(short.to_be_bytes());
            }
            Err(_) => {
                self.0.push(tag16 + 1);
                // Nothing longer than the largest message can be built.
                self.0.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.length(text.len(), (0xa0, 32), 0xda);
        self.0.extend(text.as_bytes());
    }

    fn binary(&mut self, bytes: &[u8]) {
        self.length(bytes.len(), (0, 0), 0xc5);
        self.0.extend(bytes);
    }

    fn unknown(&mut self, refinements: Option<&Refinements>, ty: &Type) {
        let body = refinements.map_or(Vec::new(), |refinements| refined(refinements, ty));
        match u16::try_from(body.len()) {
            // Core never reads more than 1024 bytes, so 16 bits of length always do.
            Ok(length @ 1..=1024) => {
                self.0.push(0xc8);
                self.0.extend(length.to_be_bytes());
                self.0.push(REFINED_UNKNOWN.to_be_bytes()[0]);
                self.0.extend(body);
            }
            _ => self.0.extend([0xd4, UNKNOWN.to_be_bytes()[0], 0]),
        }
    }
}

/// What is known, as far as it can apply to the type: core refuses anything else. Empty if nothing is.
fn refined(refinements: &Refinements, ty: &Type) -> Vec<u8> {
    let is_number = matches!(ty, Type::Number);
    let is_collection = matches!(ty, Type::List(_) | Type::Set(_) | Type::Map(_));
    let mut entries: Vec<(i64, Writer)> = Vec::new();
    let mut entry = |key: i64, write: &dyn Fn(&mut Writer)| {
        let mut writer = Writer(Vec::new());
        write(&mut writer);
        entries.push((key, writer));
    };
    if refinements.not_null && !matches!(ty, Type::Any) {
        entry(refinement::IS_NULL, &|writer| writer.0.push(0xc2));
    }
    if let (Some(prefix), Type::String) = (&refinements.prefix, ty) {
        let mut end = prefix.len().min(LONGEST_PREFIX);
        while !prefix.is_char_boundary(end) {
            end -= 1;
        }
        entry(refinement::PREFIX, &|writer| writer.string(&prefix[..end]));
    }
    let bounds =
        [(refinement::MINIMUM, &refinements.minimum), (refinement::MAXIMUM, &refinements.maximum)];
    for (key, bound) in bounds {
        if let (Some(Bound { number, inclusive }), true) = (bound, is_number) {
            entry(key, &|writer| {
                writer.length(2, (0x90, 16), 0xdc);
                writer.number(number);
                writer.0.push(if *inclusive { 0xc3 } else { 0xc2 });
            });
        }
    }
    let lengths = [
        (refinement::MINIMUM_LENGTH, refinements.minimum_length),
        (refinement::MAXIMUM_LENGTH, refinements.maximum_length),
    ];
    for (key, length) in lengths {
        if let (Some(length), true) = (length, is_collection) {
            entry(key, &|writer| writer.unsigned(length));
        }
    }
    if entries.is_empty() {
        return Vec::new();
    }
    let mut body = Writer(Vec::new());
    body.length(entries.len(), (0x80, 16), 0xde);
    for (key, entry) in entries {
        body.unsigned(key.unsigned_abs());
        body.0.extend(entry.0);
    }
    body.0
}
