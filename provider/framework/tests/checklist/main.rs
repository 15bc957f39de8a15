//! What core demands of a provider, one test for each demand, through the entry that the RPCs use.

mod apply;
mod calls;
mod ephemeral;
mod plan;
mod schema;
mod scripted;
mod state;
mod write_only;
