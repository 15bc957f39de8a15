//! The platform through its router: a real database, a real golden path, a real git repository.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test that called it")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "bodies read better when they are made in place"
)]

mod audit;
mod authority;
mod backup;
mod changes;
mod command_line;
mod crash;
mod credentials;
mod database_harness;
mod databases;
mod document;
mod failures;
mod harness;
mod minimum_age;
mod plans;
mod program;
mod reading;
mod secret_faults;
mod secrets;
