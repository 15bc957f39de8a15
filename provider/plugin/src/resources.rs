//! What this provider manages.

pub mod database;
pub mod secret;
pub mod service;
