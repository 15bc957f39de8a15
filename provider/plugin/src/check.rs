//! Checks of a configuration that every resource needs, and how what is wrong is told.

use provider_framework::value::{Attr, Number};
use provider_framework::{AttributePath, Diagnostics, Report as _};
use registry_api::Name;

use crate::duration;
use crate::report::line_of;

/// Checks of one configuration.
pub(crate) struct Check<'a> {
    label: String,
    diagnostics: &'a mut Diagnostics,
}

impl<'a> Check<'a> {
    /// Begins to check what messages call so.
    pub(crate) fn new(label: String, diagnostics: &'a mut Diagnostics) -> Self {
        Self { label, diagnostics }
    }

    /// Records what is wrong with an attribute.
    pub(crate) fn refuse(&mut self, path: AttributePath, detail: impl Into<String>) {
        let name = provider_framework::path::show(&path);
        let summary = format!("{}: `{name}` is not valid", self.label);
        self.diagnostics.fail_at(line_of(path), summary, detail.into());
    }

    pub(crate) fn name(&mut self, attribute: &'static str, value: &Attr<String>) {
        if let Some(Err(error)) = value.known().map(|text| text.parse::<Name>()) {
            let detail = format!("{:?} must {}.", error.given, error.rule);
            self.refuse(AttributePath::new(attribute), detail);
        }
    }

    pub(crate) fn whole(
        &mut self,
        path: AttributePath,
        value: &Attr<Number>,
        least: u64,
        most: u64,
    ) {
        let Some(number) = value.known() else { return };
        if !number.as_u64().is_some_and(|number| (least..=most).contains(&number)) {
            let detail = format!("{number} must be a whole number from {least} to {most}.");
            self.refuse(path, detail);
        }
    }

    pub(crate) fn not_empty(&mut self, attribute: &'static str, value: &Attr<String>) {
        if value.known().is_some_and(|text| text.trim().is_empty()) {
            self.refuse(AttributePath::new(attribute), "It may not be empty.");
        }
    }

    pub(crate) fn one_of(&mut self, path: AttributePath, value: &Attr<String>, words: &[&str]) {
        if let Some(text) = value.known()
            && !words.contains(&text.as_str())
        {
            let words = words.join("` or `");
            self.refuse(path, format!("{:?} must be `{words}`.", shortened(text)));
        }
    }

    pub(crate) fn duration(&mut self, path: AttributePath, value: &Attr<String>) {
        if let Some(Err(error)) = value.known().map(|text| duration::parse(text)) {
            self.refuse(path, format!("{error}."));
        }
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
