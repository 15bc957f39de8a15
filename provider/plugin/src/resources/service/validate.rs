//! What can be said about a configuration without asking the platform.
//!
//! Only what is wrong whatever the golden path: names, numbers, words of which there are few. The rest is the path's
//! to say, at plan.

use provider_framework::value::{Attr, Number, Value};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_api::{ModuleAddress, Name, VersionConstraint};

use super::model::{Objectives, ReplicaBounds, Service, Timeouts};
use crate::duration;
use crate::report::line_of;

/// Records everything that is wrong.
pub(super) fn validate(config: &Service, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
    let mut check = Check { label: config.label(), diagnostics };
    check.name("name", &config.name);
    check.name("environment", &config.environment);
    check.name("owner", &config.owner);
    check.golden_path(config);
    check.whole(AttributePath::new("port"), &config.port, 1, 65_535);
    check.not_empty("image", &config.image);
    check.not_empty("size", &config.size);
    check.one_of("image_source", &config.image_source, &["terraform", "pipeline"]);
    check.wait_for(&config.wait_for);
    check.replicas(&config.replicas);
    check.slo(&config.slo);
    check.parameters(&config.parameters);
    check.constraint(&config.golden_path_version);
    check.timeouts(&config.timeouts);
    diagnostics.so_far()
}

struct Check<'a> {
    label: String,
    diagnostics: &'a mut Diagnostics,
}

impl Check<'_> {
    fn refuse(&mut self, path: AttributePath, detail: impl Into<String>) {
        let name = provider_framework::path::show(&path);
        let summary = format!("{}: `{name}` is not valid", self.label);
        self.diagnostics.fail_at(line_of(path), summary, detail.into());
    }

    fn name(&mut self, attribute: &'static str, value: &Attr<String>) {
        if let Some(Err(error)) = value.known().map(|text| text.parse::<Name>()) {
            let detail = format!("{:?} must {}.", error.given, error.rule);
            self.refuse(AttributePath::new(attribute), detail);
        }
    }

    fn golden_path(&mut self, config: &Service) {
        let (template, language) = (config.template.known(), config.language.known());
        let address = |template: &str, language: &str| {
            ModuleAddress::new("golden", template, language).is_err()
        };
        for (attribute, given, wrong) in [
            ("template", template, template.is_some_and(|text| address(text, "x"))),
            ("language", language, language.is_some_and(|text| address("x", text))),
        ] {
            if wrong {
                let detail = format!(
                    "There can be no golden path golden/<template>/<language> with {:?} in it: a template is \
                     letters, digits, dashes and underscores, a language is lower-case letters and digits.",
                    given.map(|text| shortened(text)).unwrap_or_default(),
                );
                self.refuse(AttributePath::new(attribute), detail);
            }
        }
    }

    fn whole(&mut self, path: AttributePath, value: &Attr<Number>, least: u64, most: u64) {
        let Some(number) = value.known() else { return };
        if !number.as_u64().is_some_and(|number| (least..=most).contains(&number)) {
            let detail = format!("{number} must be a whole number from {least} to {most}.");
            self.refuse(path, detail);
        }
    }

    fn percent(&mut self, path: AttributePath, value: &Attr<Number>) {
        let Some(number) = value.known() else { return };
        if *number <= Number::ZERO || *number >= Number::from(100_u8) {
            let detail = format!(
                "{number} must be more than 0 and less than 100: with a target of 100 percent no error is ever \
                 allowed, and with 0 none is ever noticed."
            );
            self.refuse(path, detail);
        }
    }

    fn not_empty(&mut self, attribute: &'static str, value: &Attr<String>) {
        if value.known().is_some_and(|text| text.trim().is_empty()) {
            self.refuse(AttributePath::new(attribute), "It may not be empty.");
        }
    }

    fn one_of(&mut self, attribute: &'static str, value: &Attr<String>, words: &[&str]) {
        if let Some(text) = value.known()
            && !words.contains(&text.as_str())
        {
            let words = words.join("` or `");
            let detail = format!("{:?} must be `{words}`.", shortened(text));
            self.refuse(AttributePath::new(attribute), detail);
        }
    }

    fn wait_for(&mut self, value: &Attr<String>) {
        match value.known().map(String::as_str) {
            None | Some("committed") => {}
            Some(text @ ("merged" | "synced" | "healthy")) => {
                let detail = format!(
                    "Waiting for {text:?} needs the platform to look at pull requests or at the cluster, which it does \
                     not do yet. Use `committed`, or leave it out."
                );
                self.refuse(AttributePath::new("wait_for"), detail);
            }
            Some(_) => self.one_of("wait_for", value, &["committed"]),
        }
    }

    fn replicas(&mut self, value: &Attr<ReplicaBounds>) {
        let Some(ReplicaBounds { min, max }) = value.known() else { return };
        let path = || AttributePath::new("replicas");
        self.whole(path().attribute("min"), min, 0, u64::from(u32::MAX));
        self.whole(path().attribute("max"), max, 1, u64::from(u32::MAX));
        if let (Some(min), Some(max)) = (min.known(), max.known())
            && min > max
        {
            self.refuse(path(), format!("The minimum, {min}, is more than the maximum, {max}."));
        }
    }

    fn slo(&mut self, value: &Attr<Objectives>) {
        let Some(slo) = value.known() else { return };
        let path = || AttributePath::new("slo");
        self.percent(path().attribute("availability"), &slo.availability);
        let Some(latency) = slo.latency.known() else { return };
        let path = || path().attribute("latency");
        self.percent(path().attribute("target"), &latency.target);
        self.duration(path().attribute("threshold"), &latency.threshold);
    }

    fn parameters(&mut self, value: &Value) {
        let object = value.is_null() || value.is_unknown() || value.as_map().is_some();
        if !object {
            let detail = "It must be an object with the golden path's own inputs, such as `{ queue = \"orders\" }`.";
            self.refuse(AttributePath::new("parameters"), detail);
        }
    }

    fn constraint(&mut self, value: &Attr<String>) {
        if let Some(Err(error)) = value.known().map(|text| text.parse::<VersionConstraint>()) {
            self.refuse(AttributePath::new("golden_path_version"), format!("{error}."));
        }
    }

    fn timeouts(&mut self, value: &Attr<Timeouts>) {
        let Some(timeouts) = value.known() else { return };
        for (name, value) in [
            ("create", &timeouts.create),
            ("update", &timeouts.update),
            ("delete", &timeouts.delete),
        ] {
            self.duration(AttributePath::new("timeouts").attribute(name), value);
        }
    }

    fn duration(&mut self, path: AttributePath, value: &Attr<String>) {
        if let Some(Err(error)) = value.known().map(|text| duration::parse(text)) {
            self.refuse(path, format!("{error}."));
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
