//! What this provider lends for a run.

pub mod database_credentials;
