//! `idp_database`: a database on a golden path.

mod model;
mod schema;
mod validate;

#[cfg(test)]
mod tests;

pub(crate) use self::model::Database;
