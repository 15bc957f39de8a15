//! What the service does, one file per thing.

pub mod publish_module;
