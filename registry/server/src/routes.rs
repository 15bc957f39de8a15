//! The HTTP edge: extract, authorise, one call, answer.

pub mod health;
