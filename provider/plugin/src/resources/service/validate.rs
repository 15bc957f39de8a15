//! What can be said about a service without asking the platform.

use std::collections::BTreeMap;

use provider_framework::AttributePath;
use provider_framework::value::{Attr, Number};
use registry_api::platform::Access;
use registry_api::{ModuleAddress, Name};

use super::model::{Objectives, ReplicaBounds, Service, Use};
use crate::check::{Check, shortened};

/// Records everything that is wrong.
pub(super) fn validate(config: &Service, check: &mut Check<'_>) {
    golden_path(check, config);
    check.whole(AttributePath::new("port"), &config.port, 1, 65_535);
    check.not_empty("image", &config.image);
    let sources = ["terraform", "pipeline"];
    check.one_of(AttributePath::new("image_source"), &config.image_source, &sources);
    replicas(check, &config.replicas);
    slo(check, &config.slo);
    uses(check, &config.uses);
}

fn golden_path(check: &mut Check<'_>, config: &Service) {
    let (template, language) = (config.template.known(), config.language.known());
    let address =
        |template: &str, language: &str| ModuleAddress::new("golden", template, language).is_err();
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
            check.refuse(AttributePath::new(attribute), detail);
        }
    }
}

fn percent(check: &mut Check<'_>, path: AttributePath, value: &Attr<Number>) {
    let Some(number) = value.known() else { return };
    if *number <= Number::ZERO || *number >= Number::from(100_u8) {
        let detail = format!(
            "{number} must be more than 0 and less than 100: with a target of 100 percent no error is ever \
             allowed, and with 0 none is ever noticed."
        );
        check.refuse(path, detail);
    }
}

fn replicas(check: &mut Check<'_>, value: &Attr<ReplicaBounds>) {
    let Some(ReplicaBounds { min, max }) = value.known() else { return };
    let path = || AttributePath::new("replicas");
    check.whole(path().attribute("min"), min, 0, u64::from(u32::MAX));
    check.whole(path().attribute("max"), max, 1, u64::from(u32::MAX));
    if let (Some(min), Some(max)) = (min.known(), max.known())
        && min > max
    {
        check.refuse(path(), format!("The minimum, {min}, is more than the maximum, {max}."));
    }
}

fn slo(check: &mut Check<'_>, value: &Attr<Objectives>) {
    let Some(slo) = value.known() else { return };
    let path = || AttributePath::new("slo");
    percent(check, path().attribute("availability"), &slo.availability);
    let Some(latency) = slo.latency.known() else { return };
    let path = || path().attribute("latency");
    percent(check, path().attribute("target"), &latency.target);
    check.duration(path().attribute("threshold"), &latency.threshold);
}

fn uses(check: &mut Check<'_>, value: &Attr<BTreeMap<String, Attr<Use>>>) {
    let Some(uses) = value.known() else { return };
    let mut variables: BTreeMap<String, &str> = BTreeMap::new();
    for (alias, entry) in uses {
        let path = || AttributePath::new("uses").key(alias.clone());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if alias.is_empty() || !alias.bytes().all(allowed) {
            check.refuse(path(), ALIAS);
        }
        let variable = alias.to_ascii_uppercase().replace('-', "_");
        if let Some(other) = variables.insert(variable, alias) {
            let detail = format!(
                "{:?} and {:?} give environment variables of the same names, which know neither case nor dashes.",
                shortened(other),
                shortened(alias)
            );
            check.refuse(path(), detail);
        }
        match entry {
            Attr::Known(entry) => one_use(check, path(), entry),
            Attr::Null => check.refuse(path(), "It must be an object: `{ resource = … }`."),
            Attr::Unknown => {}
        }
    }
}

const ALIAS: &str = "The name becomes part of environment variable names: it must be letters, digits, dashes and \
    underscores.";

fn one_use(check: &mut Check<'_>, path: AttributePath, used: &Use) {
    let words = Access::ALL.map(Access::as_str);
    check.one_of(path.clone().attribute("access"), &used.access, &words);
    let Some(resource) = used.resource.known() else { return };
    match (kind(resource), &used.access) {
        (None, _) => {
            let detail = format!(
                "{:?} must be the id of a database or a secret, such as database/staging/orders or \
                 secret/staging/stripe.",
                shortened(resource)
            );
            check.refuse(path.attribute("resource"), detail);
        }
        (Some("database"), Attr::Null) => {
            let detail = format!("A database needs it: `{}`.", words.join("`, `"));
            check.refuse(path.attribute("access"), detail);
        }
        (Some("secret"), Attr::Known(_)) => {
            check.refuse(path.attribute("access"), "A secret is only ever read: leave it out.");
        }
        _ => {}
    }
}

/// The kind of what an id names, where services can use it.
fn kind(id: &str) -> Option<&str> {
    let [kind @ ("database" | "secret"), environment, name] = id.split('/').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    let valid = environment.parse::<Name>().is_ok() && name.parse::<Name>().is_ok();
    valid.then_some(kind)
}
