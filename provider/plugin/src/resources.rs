//! What this provider manages.

pub mod database;
pub mod module_status;
pub mod secret;
pub mod service;
