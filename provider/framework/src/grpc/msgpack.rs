//! Values as MessagePack, the way core encodes them.
//!
//! Pure: a type and bytes in, a value out, and back. Whatever the bytes are, decoding neither panics nor takes much
//! more memory or stack than they do: what they claim is never believed before it is there.

mod decode;
mod encode;
mod reader;

pub use decode::{DecodeError, decode};
pub use encode::encode;

/// The extension that stands for an unknown value of which nothing is known.
const UNKNOWN: i8 = 0;

/// The extension that stands for an unknown value of which something is known: its body says what.
const REFINED_UNKNOWN: i8 = 12;

/// Keys of the body of a refined unknown value.
mod refinement {
    pub(super) const IS_NULL: i64 = 1;
    pub(super) const PREFIX: i64 = 2;
    pub(super) const MINIMUM: i64 = 3;
    pub(super) const MAXIMUM: i64 = 4;
    pub(super) const MINIMUM_LENGTH: i64 = 5;
    pub(super) const MAXIMUM_LENGTH: i64 = 6;
}

#[cfg(test)]
mod tests;
