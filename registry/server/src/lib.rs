//! Placeholder.

pub mod drivers;
pub mod failpoint;
pub mod model;
