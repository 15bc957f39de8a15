//! What this provider looks up.

pub mod golden_path;
pub mod service;
pub mod verification;
