//! The platform through its router: a real database, a real golden path, a real git repository.

mod audit;
mod authority;
mod changes;
mod command_line;
mod crash;
mod document;
mod failures;
mod harness;
mod plans;
mod program;
mod reading;
