//! The real programs, the real terraform, the real git: what a user does, and what they then see.
//!
//! Files are named by what is done: installed, published, applied, refused, crashed, drifted, deployed, locked.

mod apply_golden_path;
mod apply_rendered;
mod apply_service;
mod crash_client;
mod crash_server;
mod deploy_service;
mod disk;
mod drift_service;
mod install_configuration;
mod install_module;
mod install_provider;
mod keys;
mod lock_golden_path;
mod publish_archive;
mod publish_module;
mod refuse_service;
mod refuse_yaml;
mod tls;
mod tls_discovery;
mod yaml;
