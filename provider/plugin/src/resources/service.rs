//! `idp_service`: a workload on a golden path.

mod model;
mod schema;
mod validate;
