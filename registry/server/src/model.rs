//! Pure types and rules: no I/O, no clock, no randomness.

pub mod audit;
pub mod environment;
pub mod facts;
pub mod module;
pub mod release;
pub mod revision;
pub mod right;
pub mod selection;
pub mod source;
pub mod steps;
