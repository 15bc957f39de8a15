//! What is wrong with a configuration whatever its kind and its golden path. The rest is the path's to say, at plan.

use provider_framework::value::{Attr, Value};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::VersionConstraint;

use super::GoldenResource;
use super::model::{Golden, Timeouts};
use crate::check::Check;

/// Records everything that is wrong.
pub(super) fn validate<R: GoldenResource>(
    config: &Golden<R>,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let common = &config.common;
    let mut check = Check::new(config.label(), diagnostics);
    check.name("name", &common.name);
    check.name("environment", &common.environment);
    check.name("owner", &common.owner);
    check.not_empty("size", &common.size);
    wait_for(&mut check, &common.wait_for);
    parameters(&mut check, &common.parameters);
    constraint(&mut check, &common.golden_path_version);
    timeouts(&mut check, &common.timeouts);
    config.own.validate(&mut check);
    diagnostics.so_far()
}

fn timeouts(check: &mut Check<'_>, value: &Attr<Timeouts>) {
    let Some(timeouts) = value.known() else { return };
    for (name, value) in
        [("create", &timeouts.create), ("update", &timeouts.update), ("delete", &timeouts.delete)]
    {
        check.duration(AttributePath::new("timeouts").attribute(name), value);
    }
}

fn wait_for(check: &mut Check<'_>, value: &Attr<String>) {
    match value.known().map(String::as_str) {
        None | Some("committed") => {}
        Some(text @ ("merged" | "synced" | "healthy")) => {
            let detail = format!(
                "Waiting for {text:?} needs the platform to look at pull requests or at the cluster, which it does \
                 not do yet. Use `committed`, or leave it out."
            );
            check.refuse(AttributePath::new("wait_for"), detail);
        }
        Some(_) => check.one_of(AttributePath::new("wait_for"), value, &["committed"]),
    }
}

fn parameters(check: &mut Check<'_>, value: &Value) {
    let object = value.is_null() || value.is_unknown() || value.as_map().is_some();
    if !object {
        let detail = "It must be an object with the golden path's own inputs, such as `{ queue = \"orders\" }`.";
        check.refuse(AttributePath::new("parameters"), detail);
    }
}

fn constraint(check: &mut Check<'_>, value: &Attr<String>) {
    if let Some(Err(error)) = value.known().map(|text| text.parse::<VersionConstraint>()) {
        check.refuse(AttributePath::new("golden_path_version"), format!("{error}."));
    }
}
