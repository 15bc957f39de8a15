//! Whom the provider believes about modules, and what follows from what it finds.

use std::io::ErrorKind;
use std::path::Path;

use provider_framework::schema::{AttributeType, ResourceSchema, optional};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_trust::policy::{self, Policy};

use super::{ProcessEnvironment, Settings, read_bounded};

/// What follows where an installed module is not what was published, or may not be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VerifyModules {
    /// Nothing is planned.
    Enforce,
    /// It is told.
    #[default]
    Warn,
    /// Nobody looks.
    Off,
}

/// Whom to believe about modules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// What follows from what is found.
    pub verify: VerifyModules,
    /// Which registry is believed on whose word; nothing where nothing is pinned.
    pub policy: Option<Policy>,
}

const WORDS: &str = "It must be `enforce`, `warn` or `off`.";

pub(super) fn attributes(schema: ResourceSchema) -> ResourceSchema {
    schema
        .attribute(
            "verify_modules",
            optional(
                AttributeType::String,
                "What follows where a module that `terraform init` installed is not what was published, cannot be proven \
                 to be, or is revoked. `enforce` (the default where a trust policy is pinned): an error, and nothing is \
                 planned. `warn` (the default otherwise): a warning. `off`: nobody looks. This detects, it does not \
                 prevent: `terraform init && idp verify && terraform plan` does.",
            ),
        )
        .attribute(
            "trust_policy",
            optional(
                AttributeType::String,
                "Text of a trust policy, from `idp trust`: which registry is believed, and on whose word.",
            ),
        )
        .attribute(
            "trust_policy_file",
            optional(
                AttributeType::String,
                "The same as a file; `idp.policy` where Terraform runs by default, if it exists.",
            ),
        )
}

/// Records what is wrong with what is known.
pub(super) fn validate(settings: &Settings, diagnostics: &mut Diagnostics) {
    // What is wrong is recorded.
    let _ = verify_modules(settings, diagnostics);
    if !settings.trust_policy.is_null() && !settings.trust_policy_file.is_null() {
        diagnostics.fail_at(
            AttributePath::new("trust_policy_file"),
            "Two trust policies are given",
            "Set `trust_policy` or `trust_policy_file`, not both.",
        );
    }
    if let Some(text) = settings.trust_policy.known() {
        let _ = parse(text, "trust_policy", "of the provider block", diagnostics);
    }
}

/// Reads the policy, and says what follows from it.
pub(super) fn configure(
    settings: &Settings,
    environment: &ProcessEnvironment,
    diagnostics: &mut Diagnostics,
) -> Result<Trust, Failed> {
    let verify = verify_modules(settings, diagnostics)?;
    if verify == Some(VerifyModules::Off) {
        return Ok(Trust { verify: VerifyModules::Off, policy: None });
    }
    let policy = match settings.trust_policy.known() {
        Some(text) => Some(parse(text, "trust_policy", "of the provider block", diagnostics)?),
        None => read(settings, environment, diagnostics)?,
    };
    let default = if policy.is_some() { VerifyModules::Enforce } else { VerifyModules::default() };
    Ok(Trust { verify: verify.unwrap_or(default), policy })
}

fn verify_modules(
    settings: &Settings,
    diagnostics: &mut Diagnostics,
) -> Result<Option<VerifyModules>, Failed> {
    match settings.verify_modules.known().map(String::as_str) {
        None => Ok(None),
        Some("enforce") => Ok(Some(VerifyModules::Enforce)),
        Some("warn") => Ok(Some(VerifyModules::Warn)),
        Some("off") => Ok(Some(VerifyModules::Off)),
        Some(_) => {
            let path = AttributePath::new("verify_modules");
            Err(diagnostics.fail_at(path, "Choice of `verify_modules` is not valid", WORDS))
        }
    }
}

fn read(
    settings: &Settings,
    environment: &ProcessEnvironment,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Policy>, Failed> {
    let given = settings.trust_policy_file.known().map(String::as_str);
    let file = given.unwrap_or(policy::FILE_NAME);
    let path = environment.folder().join(Path::new(file));
    match read_bounded(&path, policy::MAX_BYTES) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            parse(&text, "trust_policy_file", file, diagnostics).map(Some)
        }
        Err(error) if error.kind() == ErrorKind::NotFound && given.is_none() => Ok(None),
        Err(error) => Err(diagnostics.fail_at(
            AttributePath::new("trust_policy_file"),
            format!("Trust policy {file} cannot be read"),
            format!("{error}.\n\nWrite it with `idp trust > {file}`."),
        )),
    }
}

fn parse(
    text: &str,
    attribute: &'static str,
    which: &str,
    diagnostics: &mut Diagnostics,
) -> Result<Policy, Failed> {
    text.parse().map_err(|error: policy::PolicyError| {
        let summary = format!("Trust policy {which} is not valid");
        let detail = format!("{error}.\n\nWrite it again with `idp trust`.");
        diagnostics.fail_at(AttributePath::new(attribute), summary, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{COMPLETE, refusals, settings};
    use super::*;

    const POLICY: &str =
        "registry registry.example.com\nroot 1 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";

    fn trust(entries: &[(&'static str, &str)], environment: &ProcessEnvironment) -> Trust {
        configure(&settings(entries), environment, &mut Diagnostics::default()).unwrap()
    }

    #[test]
    fn what_is_pinned_is_enforced_unless_the_configuration_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let here = ProcessEnvironment {
            folder: Some(folder.path().to_owned()),
            ..ProcessEnvironment::default()
        };
        assert_eq!(trust(&[], &here), Trust { verify: VerifyModules::Warn, policy: None });

        std::fs::write(folder.path().join("idp.policy"), POLICY).unwrap();

        assert_eq!(
            trust(&[], &here),
            Trust { verify: VerifyModules::Enforce, policy: Some(POLICY.parse().unwrap()) }
        );
        assert_eq!(trust(&[("verify_modules", "warn")], &here).verify, VerifyModules::Warn);
        let off = trust(&[("verify_modules", "off")], &here);
        assert_eq!((off.verify, off.policy), (VerifyModules::Off, None));
        let elsewhere = ProcessEnvironment::default();
        assert_eq!(trust(&[("trust_policy", POLICY)], &elsewhere).verify, VerifyModules::Enforce);
    }

    #[test]
    fn what_is_wrong_is_told_at_its_attribute_and_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bad.policy");
        std::fs::write(&file, format!("{POLICY}max-age tomorrow\n")).unwrap();
        let (bad, missing) = (file.to_str().unwrap(), folder.path().join("none.policy"));
        for (entry, part) in [
            (
                ("trust_policy", "root 1"),
                "of the provider block is not valid: line 1 of the policy",
            ),
            (("trust_policy", ""), "no `registry` line"),
            (("trust_policy_file", bad), "bad.policy is not valid: line 3 of the policy"),
            (("trust_policy_file", missing.to_str().unwrap()), "none.policy cannot be read"),
            (("verify_modules", "strict"), "`enforce`, `warn` or `off`"),
        ] {
            let refused = refusals(&settings(&[COMPLETE[0], COMPLETE[1], entry]));

            assert_eq!(refused.len(), 1, "{refused:?}");
            assert!(refused[0].contains(part), "{part}: {refused:?}");
        }
    }

    #[test]
    fn two_policies_are_one_too_many() {
        let both = settings(&[("trust_policy", POLICY), ("trust_policy_file", "idp.policy")]);
        let mut diagnostics = Diagnostics::default();

        validate(&both, &mut diagnostics);

        assert_eq!(diagnostics.errors[0].summary, "Two trust policies are given");
    }
}
