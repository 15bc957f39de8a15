//! Pure types and rules: no I/O, no clock, no randomness.

pub mod audit;
pub mod changelog;
pub mod environment;
pub mod facts;
pub mod guard;
pub mod interface;
pub mod module;
pub mod names;
pub mod provision;
pub mod provisioned;
pub mod release;
pub mod revision;
pub mod right;
pub mod secret;
pub mod secret_value;
pub mod selection;
pub mod source;
pub mod spec;
pub mod steps;
pub mod uses;
