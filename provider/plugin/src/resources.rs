//! What this provider manages.

pub mod service;
