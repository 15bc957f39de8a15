//! The real programs, the real terraform, the real git: what a user does, and what they then see.
//!
//! Files are named by what is done: installed, published, applied, used, adopted, protected, refused, crashed, drifted,
//! deployed, locked, rotated, verified, retired; and by what must not happen: leaks.

mod adopt_database;
mod apply_database;
mod apply_golden_path;
mod apply_rendered;
mod apply_service;
mod crash_client;
mod crash_database;
mod crash_server;
mod deploy_service;
mod disk;
mod drift_database;
mod drift_service;
mod ephemeral_credentials;
mod install_configuration;
mod install_module;
mod install_provider;
mod leaks;
mod lock_golden_path;
mod plan_verified;
mod protect_database;
mod publish_archive;
mod publish_module;
mod refuse_database;
mod refuse_service;
mod refuse_yaml;
mod rotate_credentials;
mod secrets;
mod tls;
mod tls_discovery;
mod use_database;
mod verify_modules;
mod yaml;
