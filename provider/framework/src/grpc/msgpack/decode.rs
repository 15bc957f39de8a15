//! From MessagePack.

use std::collections::BTreeMap;
use std::fmt;

use super::reader::{Reader, Token};
use super::{REFINED_UNKNOWN, refinement};
use crate::path::{AttributePath, AttributePathStep};
use crate::schema::{Type, type_from_json};
use crate::value::{Bound, Number, Refinements, Value};

/// No value of a real configuration is nested deeper.
const DEEPEST: usize = 128;

/// What one message may decode to: enough for any real state, and a bound on what a few bytes can grow to.
const MOST_VALUES: usize = 4_000_000;

/// Core never says more about an unknown value than fits in here.
const LONGEST_REFINEMENT: usize = 1024;

/// The bytes are not a value of the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    steps: Vec<AttributePathStep>,
    message: String,
}

impl DecodeError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), message: message.into() }
    }

    fn under(mut self, step: AttributePathStep) -> Self {
        self.steps.push(step);
        self
    }

    fn under_index(self, index: usize) -> Self {
        self.under(AttributePathStep::Index(i64::try_from(index).unwrap_or(i64::MAX)))
    }

    /// Where it happened.
    pub fn path(&self) -> AttributePath {
        AttributePath { steps: self.steps.iter().rev().cloned().collect() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

/// Decodes a value of a type.
pub fn decode(bytes: &[u8], ty: &Type) -> Result<Value, DecodeError> {
    let mut decoder = Decoder { reader: Reader::new(bytes), deepest: DEEPEST, budget: MOST_VALUES };
    let value = decoder.value(ty)?;
    if decoder.reader.is_at_end() {
        Ok(value)
    } else {
        Err(DecodeError::new("bytes follow the value"))
    }
}

struct Decoder<'a> {
    reader: Reader<'a>,
    /// How much deeper values may be nested.
    deepest: usize,
    /// How many more values there may be.
    budget: usize,
}

impl Decoder<'_> {
    fn value(&mut self, ty: &Type) -> Result<Value, DecodeError> {
        self.spend(1)?;
        self.deepest = self
            .deepest
            .checked_sub(1)
            .ok_or_else(|| DecodeError::new("the value is nested too deeply"))?;
        let value = match self.reader.token()? {
            Token::Nil => Ok(Value::Null),
            Token::Extension(kind, body) => Ok(unknown(kind, body)),
            token => self.known(ty, token),
        };
        self.deepest += 1;
        value
    }

    fn spend(&mut self, count: usize) -> Result<(), DecodeError> {
        self.budget = self
            .budget
            .checked_sub(count)
            .ok_or_else(|| DecodeError::new("the value has too many parts"))?;
        Ok(())
    }

    fn known(&mut self, ty: &Type, token: Token<'_>) -> Result<Value, DecodeError> {
        match (ty, token) {
            (Type::String, Token::String(text)) => Ok(Value::string(text)),
            (Type::Bool, Token::Bool(truth)) => Ok(Value::Bool(truth)),
            (Type::Number, token) => {
                let number = number(token).ok_or_else(|| expected("a number", token))?;
                // A long fraction is short on the wire, and long as digits.
                self.spend(number.significant_digits() / 64)?;
                Ok(Value::Number(number))
            }
            (Type::List(element), Token::Array(count)) => {
                Ok(Value::List(self.elements(element, count)?))
            }
            (Type::Set(element), Token::Array(count)) => {
                Ok(Value::Set(self.elements(element, count)?.into_iter().collect()))
            }
            (Type::Tuple(types), Token::Array(count)) => self.tuple(types, count),
            (Type::Map(element), Token::Map(count)) => self.map(element, count),
            (Type::Object(_), Token::Map(count)) => self.object(ty, count),
            (Type::Any, Token::Array(2)) => self.dynamic(),
            (ty, token) => Err(expected(kind(ty), token)),
        }
    }

    fn elements(&mut self, ty: &Type, count: usize) -> Result<Vec<Value>, DecodeError> {
        let mut elements = Vec::new();
        for index in 0..count {
            elements.push(self.value(ty).map_err(|error| error.under_index(index))?);
        }
        Ok(elements)
    }

    fn tuple(&mut self, types: &[Type], count: usize) -> Result<Value, DecodeError> {
        if types.len() != count {
            return Err(DecodeError::new(format!(
                "a tuple of {} elements is required, {count} given",
                types.len()
            )));
        }
        let mut elements = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            elements.push(self.value(ty).map_err(|error| error.under_index(index))?);
        }
        Ok(Value::List(elements))
    }

    fn key(&mut self) -> Result<String, DecodeError> {
        match self.reader.token()? {
            Token::String(key) => Ok(key.to_owned()),
            token => Err(expected("a string as key", token)),
        }
    }

    fn map(&mut self, ty: &Type, count: usize) -> Result<Value, DecodeError> {
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let key = self.key()?;
            let value = self
                .value(ty)
                .map_err(|error| error.under(AttributePathStep::Key(key.clone().into())))?;
            entries.insert(key, value);
        }
        Ok(Value::Map(entries))
    }

    fn object(&mut self, ty: &Type, count: usize) -> Result<Value, DecodeError> {
        let Type::Object(attributes) = ty else {
            return Err(DecodeError::new("not an object type"));
        };
        if attributes.len() != count {
            let required = attributes.len();
            return Err(DecodeError::new(format!(
                "an object with {required} attributes is required ({count} given)"
            )));
        }
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let name = self.key()?;
            let step = || AttributePathStep::Attribute(name.clone().into());
            let ty = attributes
                .get(&name)
                .ok_or_else(|| DecodeError::new("no such attribute").under(step()))?;
            let value = self.value(ty).map_err(|error| error.under(step()))?;
            if entries.insert(name.clone(), value).is_some() {
                return Err(DecodeError::new("the attribute is given twice").under(step()));
            }
        }
        Ok(Value::Map(entries))
    }

    fn dynamic(&mut self) -> Result<Value, DecodeError> {
        let ty = match self.reader.token()? {
            Token::Binary(json) => type_from_json(json),
            Token::String(json) => type_from_json(json.as_bytes()),
            token => return Err(expected("a type", token)),
        };
        let ty = ty.map_err(|error| DecodeError::new(error.to_string()))?;
        let value = self.value(&ty)?;
        Ok(Value::dynamic(ty, value))
    }
}

fn kind(ty: &Type) -> &'static str {
    match ty {
        Type::String => "a string",
        Type::Number => "a number",
        Type::Bool => "a bool",
        Type::List(_) => "a list",
        Type::Set(_) => "a set",
        Type::Map(_) => "a map",
        Type::Object(_) => "an object",
        Type::Tuple(_) => "a tuple",
        Type::Any => "a value with its type",
    }
}

fn expected(what: &str, token: Token<'_>) -> DecodeError {
    DecodeError::new(format!("{what} is required, {} given", token.kind()))
}

/// Core sends integers as such, fractions that doubles hold exactly as doubles, and everything else as text.
fn number(token: Token<'_>) -> Option<Number> {
    match token {
        Token::Signed(integer) => Some(integer.into()),
        Token::Unsigned(integer) => Some(integer.into()),
        Token::Float(fraction) => Number::from_f64_exactly(fraction),
        Token::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Any extension is an unknown value; what is said about it is taken as far as it is understood.
fn unknown(kind: i8, body: &[u8]) -> Value {
    if kind != REFINED_UNKNOWN || body.len() > LONGEST_REFINEMENT {
        return Value::UNKNOWN;
    }
    let mut refinements = Refinements::default();
    match refine(&mut refinements, body) {
        Ok(()) => Value::refined(refinements),
        Err(_) => Value::UNKNOWN,
    }
}

fn refine(refinements: &mut Refinements, body: &[u8]) -> Result<(), DecodeError> {
    let mut reader = Reader::new(body);
    let Token::Map(count) = reader.token()? else { return Err(DecodeError::new("not a map")) };
    for _ in 0..count {
        let key = match reader.token()? {
            Token::Signed(key) => key,
            Token::Unsigned(key) => i64::try_from(key).unwrap_or(-1),
            _ => return Err(DecodeError::new("not a number")),
        };
        match key {
            refinement::IS_NULL => refinements.not_null = reader.token()? == Token::Bool(false),
            refinement::PREFIX => {
                if let Token::String(prefix) = reader.token()? {
                    refinements.prefix = Some(prefix.to_owned());
                }
            }
            refinement::MINIMUM => refinements.minimum = Some(bound(&mut reader)?),
            refinement::MAXIMUM => refinements.maximum = Some(bound(&mut reader)?),
            refinement::MINIMUM_LENGTH => refinements.minimum_length = length(reader.token()?),
            refinement::MAXIMUM_LENGTH => refinements.maximum_length = length(reader.token()?),
            _ => reader.skip()?,
        }
    }
    Ok(())
}

fn bound(reader: &mut Reader<'_>) -> Result<Bound, DecodeError> {
    let invalid = || DecodeError::new("not a bound");
    if reader.token()? != Token::Array(2) {
        return Err(invalid());
    }
    let number = number(reader.token()?).ok_or_else(invalid)?;
    let Token::Bool(inclusive) = reader.token()? else { return Err(invalid()) };
    Ok(Bound { number, inclusive })
}

fn length(token: Token<'_>) -> Option<u64> {
    number(token)?.as_u64()
}
