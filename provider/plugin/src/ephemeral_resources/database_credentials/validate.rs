//! What can be said about credentials without asking the platform.

use std::time::Duration;

use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::platform::Access;

use super::model::Credentials;
use crate::check::{Check, shortened};
use crate::duration;

const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(1);

/// Records everything that is wrong.
pub(super) fn validate(config: &Credentials, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
    let mut check = Check::new(config.label(), diagnostics);
    if let Some(id) = config.connection_id.known()
        && (id.trim().is_empty() || id == "." || id == "..")
    {
        let detail = "It must be the `connection_id` of an `idp_database`.";
        check.refuse(AttributePath::new("connection_id"), detail);
    }
    let words = Access::ALL.map(Access::as_str);
    check.one_of(AttributePath::new("privilege"), &config.privilege, &words);
    check.duration(AttributePath::new("ttl"), &config.ttl);
    if let Some(text) = config.ttl.known()
        && duration::parse(text).is_ok_and(|ttl| !(SHORTEST..=LONGEST).contains(&ttl))
    {
        let detail = format!("{:?} must be from 1m to 1h.", shortened(text));
        check.refuse(AttributePath::new("ttl"), detail);
    }
    diagnostics.so_far()
}
