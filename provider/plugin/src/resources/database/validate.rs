//! What can be said about a database without asking the platform.

use provider_framework::AttributePath;
use provider_framework::value::Value;
use registry_api::ModuleAddress;

use super::model::Database;
use crate::check::{Check, shortened};

/// Records everything that is wrong.
pub(super) fn validate(config: &Database, check: &mut Check<'_>) {
    if let Some(engine) = config.engine.known()
        && ModuleAddress::new("golden", "database", engine).is_err()
    {
        let detail = format!(
            "There can be no golden path golden/database/<engine> with {:?} in it: an engine is lower-case letters and \
             digits, such as `postgres`.",
            shortened(engine)
        );
        check.refuse(AttributePath::new("engine"), detail);
    }
    let most = u64::from(u32::MAX);
    check.whole(AttributePath::new("connection_limit"), &config.connection_limit, 1, most);
    check.duration(AttributePath::new("statement_timeout"), &config.statement_timeout);
    let policies = ["delete", "retain"];
    check.one_of(AttributePath::new("deletion_policy"), &config.deletion_policy, &policies);
    extensions(check, &config.extensions);
}

fn extensions(check: &mut Check<'_>, value: &Value) {
    let empty = |element: &Value| {
        element.is_null() || element.as_str().is_some_and(|name| name.trim().is_empty())
    };
    if value.as_elements().is_some_and(|elements| elements.iter().any(empty)) {
        check.refuse(AttributePath::new("extensions"), "Every extension must have a name.");
    }
}
