//! Placeholder.

pub mod drivers;
pub mod failpoint;
