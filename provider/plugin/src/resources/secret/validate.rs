//! What can be said about a secret without asking the platform. Nothing here quotes a value.

use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};

use super::model::Secret;
use crate::check::Check;

/// Records everything that is wrong.
pub(super) fn validate(config: &Secret, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
    let mut check = Check::new(config.label(), diagnostics);
    check.name("name", &config.name);
    check.name("environment", &config.environment);
    check.name("owner", &config.owner);
    source(&mut check, config);
    check.whole(AttributePath::new("value_wo_version"), &config.value_wo_version, 0, u64::MAX);
    if let Some(generate) = config.generate.known() {
        let path = AttributePath::new("generate").attribute("length");
        check.whole(path, &generate.length, 16, 128);
    }
    diagnostics.so_far()
}

/// A value is given or made.
fn source(check: &mut Check<'_>, config: &Secret) {
    let given = !config.value_wo.is_null();
    let made = !config.generate.is_null();
    let versioned = !config.value_wo_version.is_null();
    let rotated = !config.rotation.is_null();
    let empty = config.value_wo.known().is_some_and(|value| value.reveal().is_empty());
    for (wrong, attribute, detail) in [
        (given && made, "generate", "A value is given or made: use `value_wo` or `generate`."),
        (!given && !made, "value_wo", NEITHER),
        (given && !made && !versioned, "value_wo_version", UNVERSIONED),
        (!given && made && versioned, "value_wo_version", NOT_GIVEN),
        (given && !made && rotated, "rotation", NOT_MADE),
        (empty, "value_wo", "It may not be empty."),
    ] {
        if wrong {
            check.refuse(AttributePath::new(attribute), detail);
        }
    }
}

const NEITHER: &str = "A secret needs a value: give `value_wo` with `value_wo_version`, or have the platform make one with \
    `generate = {}`.";

const UNVERSIONED: &str = "Terraform stores no value and sees no change of one: give it a version, and raise that whenever \
    the value changes.";

const NOT_GIVEN: &str =
    "It belongs to `value_wo`. To have a value made anew, change `rotation.trigger`.";

const NOT_MADE: &str = "Only a value that the platform made can be made anew. To replace a given one, give the next and \
    raise `value_wo_version`.";
