//! What can be said about a status without asking the platform.

use provider_framework::value::Attr;
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::ModuleAddress;
use registry_trust::time::Day;

use super::model::{Status, WORDS, parse_version};
use crate::check::Check;

/// Records everything that is wrong.
pub(super) fn validate(config: &Status, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
    let mut check = Check::new(config.label(), diagnostics);
    let address = config.module.known().map(|text| text.parse::<ModuleAddress>());
    if let Some(Err(error)) = address {
        check.refuse(AttributePath::new("module"), format!("{error}."));
    }
    if let Some(Err(error)) = config.version.known().map(|text| parse_version(text)) {
        check.refuse(AttributePath::new("version"), format!("{error}."));
    }
    check.one_of(AttributePath::new("state"), &config.state, &WORDS);
    text(&mut check, "reason", &config.reason, 500);
    text(&mut check, "replacement", &config.replacement, 200);
    text(&mut check, "contact", &config.contact, 200);
    if let Some(Err(error)) = config.sunset.known().map(|text| text.parse::<Day>()) {
        check.refuse(AttributePath::new("sunset"), format!("{error}."));
    }
    if let Some(state) = config.state.known() {
        together(&mut check, config, state);
    }
    diagnostics.so_far()
}

/// A state and what belongs to it.
fn together(check: &mut Check<'_>, config: &Status, state: &str) {
    if config.reason.is_null() && state != "active" && WORDS.contains(&state) {
        let detail = format!("What is {state} needs a reason: everybody who uses it reads it.");
        check.refuse(AttributePath::new("reason"), detail);
    }
    if !config.sunset.is_null() && state != "deprecated" {
        let detail = "Only what is `deprecated` has a sunset; yanking and revoking act at once.";
        check.refuse(AttributePath::new("sunset"), detail);
    }
}

fn text(check: &mut Check<'_>, name: &'static str, value: &Attr<String>, most: usize) {
    let Some(text) = value.known() else { return };
    let is_plain = !text.is_empty() && text == text.trim() && !text.contains(char::is_control);
    if !is_plain || text.chars().count() > most {
        let detail =
            format!("It must be 1 to {most} characters on one line, without space at its ends.");
        check.refuse(AttributePath::new(name), detail);
    }
}
