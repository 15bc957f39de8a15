//! MessagePack tokens.

use super::decode::DecodeError;

/// One token. Arrays and maps are followed by their content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    String(&'a str),
    Binary(&'a [u8]),
    Array(usize),
    Map(usize),
    Extension(i8, &'a [u8]),
}

impl Token<'_> {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "null",
            Self::Bool(_) => "a bool",
            Self::Signed(_) | Self::Unsigned(_) | Self::Float(_) => "a number",
            Self::String(_) => "a string",
            Self::Binary(_) => "binary data",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Extension(..) => "an unknown value",
        }
    }
}

/// Takes tokens off the front of bytes.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| DecodeError::new("the value ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn length8(&mut self) -> Result<usize, DecodeError> {
        Ok(usize::from(u8::from_be_bytes(self.fixed()?)))
    }

    fn length16(&mut self) -> Result<usize, DecodeError> {
        Ok(usize::from(u16::from_be_bytes(self.fixed()?)))
    }

    fn length32(&mut self) -> Result<usize, DecodeError> {
        let length = u32::from_be_bytes(self.fixed()?);
        usize::try_from(length).map_err(|_| DecodeError::new("a length is too large"))
    }

    fn string(&mut self, length: usize) -> Result<Token<'a>, DecodeError> {
        let text = std::str::from_utf8(self.take(length)?)
            .map_err(|_| DecodeError::new("a string is not UTF-8"))?;
        Ok(Token::String(text))
    }

    fn extension(&mut self, length: usize) -> Result<Token<'a>, DecodeError> {
        let [kind] = self.fixed()?;
        Ok(Token::Extension(i8::from_be_bytes([kind]), self.take(length)?))
    }

    /// Every element takes at least one byte: a longer array or map than there are bytes cannot be.
    fn counted(&self, count: usize) -> Result<usize, DecodeError> {
        if count > self.rest.len() {
            return Err(DecodeError::new("the value ends too early"));
        }
        Ok(count)
    }

    fn array(&self, count: usize) -> Result<Token<'a>, DecodeError> {
        self.counted(count).map(Token::Array)
    }

    fn map(&self, count: usize) -> Result<Token<'a>, DecodeError> {
        self.counted(count).map(Token::Map)
    }

    /// Takes one token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, DecodeError> {
        let [tag] = self.fixed()?;
        match tag {
            0x00..=0x7f => Ok(Token::Unsigned(u64::from(tag))),
            0x80..=0x8f => self.map(usize::from(tag & 0x0f)),
            0x90..=0x9f => self.array(usize::from(tag & 0x0f)),
            0xa0..=0xbf => self.string(usize::from(tag & 0x1f)),
            0xe0..=0xff => Ok(Token::Signed(i64::from(i8::from_be_bytes([tag])))),
            0xc0 => Ok(Token::Nil),
            0xc1 => Err(DecodeError::new("a byte is reserved by MessagePack")),
            0xc2 => Ok(Token::Bool(false)),
            0xc3 => Ok(Token::Bool(true)),
            0xc4..=0xc6 => self.binary(tag),
            0xca..=0xd3 => self.number(tag),
            0xd9 => self.length8().and_then(|length| self.string(length)),
            0xda => self.length16().and_then(|length| self.string(length)),
            0xdb => self.length32().and_then(|length| self.string(length)),
            0xdc => self.length16().and_then(|count| self.array(count)),
            0xdd => self.length32().and_then(|count| self.array(count)),
            0xde => self.length16().and_then(|count| self.map(count)),
            0xdf => self.length32().and_then(|count| self.map(count)),
            0xc7 => self.length8().and_then(|length| self.extension(length)),
            0xc8 => self.length16().and_then(|length| self.extension(length)),
            0xc9 => self.length32().and_then(|length| self.extension(length)),
            0xd4..=0xd8 => self.extension(1 << (tag - 0xd4)),
        }
    }

    fn binary(&mut self, tag: u8) -> Result<Token<'a>, DecodeError> {
        let length = match tag {
            0xc4 => self.length8()?,
            0xc5 => self.length16()?,
            _ => self.length32()?,
        };
        self.take(length).map(Token::Binary)
    }

    fn number(&mut self, tag: u8) -> Result<Token<'a>, DecodeError> {
        Ok(match tag {
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.fixed()?))),
            0xcb => Token::Float(f64::from_be_bytes(self.fixed()?)),
            0xcc => Token::Unsigned(u64::from(u8::from_be_bytes(self.fixed()?))),
            0xcd => Token::Unsigned(u64::from(u16::from_be_bytes(self.fixed()?))),
            0xce => Token::Unsigned(u64::from(u32::from_be_bytes(self.fixed()?))),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.fixed()?)),
            0xd0 => Token::Signed(i64::from(i8::from_be_bytes(self.fixed()?))),
            0xd1 => Token::Signed(i64::from(i16::from_be_bytes(self.fixed()?))),
            0xd2 => Token::Signed(i64::from(i32::from_be_bytes(self.fixed()?))),
            _ => Token::Signed(i64::from_be_bytes(self.fixed()?)),
        })
    }

    /// Takes one whole value, whatever it is, without looking at it.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut pending: usize = 1;
        while pending > 0 {
            pending -= 1;
            let more = match self.token()? {
                Token::Array(count) => count,
                Token::Map(count) => count.saturating_mul(2),
                _ => 0,
            };
            pending = pending.saturating_add(more);
        }
        Ok(())
    }
}
