//! How one interface differs from another, and which differences can break a caller.

use std::collections::BTreeMap;

use registry_api::VersionConstraint;
use registry_api::interface::{
    InterfaceChange, InterfaceChangeKind as Kind, ModuleInput, ModuleInterface, ModuleOutput,
    RequiredProvider,
};

use super::pointer;
use super::types::{Difference, Type};

/// Every difference, breaking ones first, each group in the order of the interface. Descriptions do not count.
///
/// Where it cannot be decided whether a difference breaks callers, it counts as one that does and says so.
pub fn diff(old: &ModuleInterface, new: &ModuleInterface) -> Vec<InterfaceChange> {
    let mut found = Changes::default();
    found.inputs(&old.inputs, &new.inputs);
    found.outputs(&old.outputs, &new.outputs);
    found.providers(&old.required_providers, &new.required_providers);
    found.terraform(old.required_version.as_deref(), new.required_version.as_deref());
    found.unread(&old.unread, &new.unread);
    found.0.sort_by_key(|change| !change.breaking);
    found.0
}

#[derive(Debug, Default)]
struct Changes(Vec<InterfaceChange>);

impl Changes {
    fn add(&mut self, kind: Kind, subject: &str, summary: String) {
        self.0.push(InterfaceChange {
            kind,
            subject: subject.to_owned(),
            summary,
            breaking: kind.is_breaking(),
        });
    }

    fn inputs(&mut self, old: &BTreeMap<String, ModuleInput>, new: &BTreeMap<String, ModuleInput>) {
        for (name, before) in old {
            let place = pointer("inputs", name);
            match new.get(name) {
                Some(after) => self.input(&place, name, before, after),
                None => self.add(Kind::InputRemoved, &place, format!("input {name:?} was removed")),
            }
        }
        for (name, added) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            let place = pointer("inputs", name);
            if added.required {
                let summary = format!("new input {name:?} has no default, so callers must set it");
                self.add(Kind::RequiredInputAdded, &place, summary);
            } else {
                let summary = format!("new optional input {name:?}");
                self.add(Kind::OptionalInputAdded, &place, summary);
            }
        }
    }

    fn input(&mut self, place: &str, name: &str, old: &ModuleInput, new: &ModuleInput) {
        match Type::parse(&old.kind).compare(&Type::parse(&new.kind)) {
            Some(Difference::Retyped(reason)) => {
                self.add(Kind::InputRetyped, place, format!("input {name:?} {reason}"));
            }
            Some(Difference::Widened) => {
                let summary =
                    format!("input {name:?} takes more: {} became {}", old.kind, new.kind);
                self.add(Kind::InputWidened, place, summary);
            }
            None => {}
        }
        let subject = format!("input {name:?}");
        for (states, on, off) in [
            (
                [old.required, new.required],
                (Kind::InputMadeRequired, "no longer has a default"),
                (Kind::InputMadeOptional, "has a default now"),
            ),
            (
                [old.nullable, new.nullable],
                (Kind::InputNullable, "takes null now"),
                (Kind::InputNotNullable, "no longer takes null"),
            ),
            (
                [old.ephemeral, new.ephemeral],
                (Kind::InputEphemeral, "takes ephemeral values now"),
                (Kind::InputNotEphemeral, "no longer takes ephemeral values"),
            ),
            (
                [old.sensitive, new.sensitive],
                (Kind::InputSensitivity, "is sensitive now"),
                (Kind::InputSensitivity, "is no longer sensitive"),
            ),
        ] {
            self.turned(place, &subject, states, on, off);
        }
    }

    /// Notes that something was turned on or off.
    fn turned(
        &mut self,
        place: &str,
        subject: &str,
        states: [bool; 2],
        on: (Kind, &str),
        off: (Kind, &str),
    ) {
        let (kind, words) = match states {
            [false, true] => on,
            [true, false] => off,
            _ => return,
        };
        self.add(kind, place, format!("{subject} {words}"));
    }

    fn outputs(
        &mut self,
        old: &BTreeMap<String, ModuleOutput>,
        new: &BTreeMap<String, ModuleOutput>,
    ) {
        for (name, before) in old {
            let place = pointer("outputs", name);
            let Some(after) = new.get(name) else {
                self.add(Kind::OutputRemoved, &place, format!("output {name:?} was removed"));
                continue;
            };
            let subject = format!("output {name:?}");
            self.turned(
                &place,
                &subject,
                [before.sensitive, after.sensitive],
                (Kind::OutputMadeSensitive, "is sensitive now"),
                (Kind::OutputNotSensitive, "is no longer sensitive"),
            );
            self.turned(
                &place,
                &subject,
                [before.ephemeral, after.ephemeral],
                (Kind::OutputMadeEphemeral, "is ephemeral now"),
                (Kind::OutputNotEphemeral, "is no longer ephemeral"),
            );
        }
        for name in new.keys().filter(|name| !old.contains_key(*name)) {
            self.add(Kind::OutputAdded, &pointer("outputs", name), format!("new output {name:?}"));
        }
    }

    fn providers(
        &mut self,
        old: &BTreeMap<String, RequiredProvider>,
        new: &BTreeMap<String, RequiredProvider>,
    ) {
        for (name, before) in old {
            let place = pointer("required_providers", name);
            match new.get(name) {
                Some(after) => self.provider(&place, name, before, after),
                None => self.add(
                    Kind::ProviderRemoved,
                    &place,
                    format!("provider {name:?} is no longer required"),
                ),
            }
        }
        for (name, added) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            let summary = format!("provider {name:?} ({}) is required now", added.source);
            self.add(Kind::ProviderAdded, &pointer("required_providers", name), summary);
        }
    }

    fn provider(
        &mut self,
        place: &str,
        name: &str,
        old: &RequiredProvider,
        new: &RequiredProvider,
    ) {
        if old.source != new.source {
            let summary =
                format!("provider {name:?} comes from {} instead of {}", new.source, old.source);
            self.add(Kind::ProviderSourceChanged, place, summary);
        }
        if old.configuration_aliases != new.configuration_aliases {
            let list = |aliases: &[String]| {
                if aliases.is_empty() { "none".to_owned() } else { aliases.join(", ") }
            };
            let summary = format!(
                "the configurations of provider {name:?} that callers pass were {} and are {}",
                list(&old.configuration_aliases),
                list(&new.configuration_aliases)
            );
            self.add(Kind::ProviderConfigurationsChanged, place, summary);
        }
        let subject = format!("the bound of provider {name:?}");
        let kinds = [Kind::ProviderTightened, Kind::ProviderLoosened];
        self.bound(place, &subject, kinds, [old.version.as_deref(), new.version.as_deref()]);
    }

    fn terraform(&mut self, old: Option<&str>, new: Option<&str>) {
        let kinds = [Kind::TerraformTightened, Kind::TerraformLoosened];
        self.bound("/required_version", "the bound of Terraform itself", kinds, [old, new]);
    }

    fn bound(
        &mut self,
        place: &str,
        subject: &str,
        [tightened, loosened]: [Kind; 2],
        bounds: [Option<&str>; 2],
    ) {
        if bounds[0] == bounds[1] {
            return;
        }
        let words = bounds.map(|bound| bound.unwrap_or("any version"));
        let became = format!("{subject} was {:?} and is {:?}", words[0], words[1]);
        // Without a constraint every release will do.
        let parsed = bounds.map(|bound| bound.unwrap_or(">= 0.0.0").parse::<VersionConstraint>());
        let [Ok(old), Ok(new)] = parsed else {
            let summary =
                format!("{became}; what that allows cannot be decided, so it counts as tightened");
            return self.add(tightened, place, summary);
        };
        if let Some(lost) = old.allows_beyond(&new) {
            self.add(tightened, place, format!("{became}: it excludes {lost}, which was allowed"));
        } else if let Some(won) = new.allows_beyond(&old) {
            self.add(loosened, place, format!("{became}: it allows {won}, which was excluded"));
        }
    }

    /// What cannot be read is compared as text.
    fn unread(&mut self, old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) {
        let nothing = "nothing".to_owned();
        let mut places: Vec<&String> = old.keys().chain(new.keys()).collect();
        places.sort_unstable();
        places.dedup();
        for place in places.into_iter().filter(|place| old.get(*place) != new.get(*place)) {
            let [before, after] = [old, new].map(|texts| texts.get(place).unwrap_or(&nothing));
            let summary = format!(
                "{place} cannot be read, so what its change means is not known and counts as breaking: {} became {}",
                clipped(before),
                clipped(after)
            );
            self.add(Kind::Unread, place, summary);
        }
    }
}

fn clipped(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
