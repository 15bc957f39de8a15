//! `idp_verification`: what was found of installed modules when the provider was configured. Asks nobody again.

use std::collections::BTreeSet;

use provider_framework::data_source::{
    DataSource, Found, ReadDataSourceRequest, ValidateDataSourceRequest,
};
use provider_framework::provider::Configured;
use provider_framework::schema::{
    AttributeType, ResourceSchema, computed, list, list_of_objects, optional, set,
};
use provider_framework::value::{Attr, Number};
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _, async_trait, model};
use registry_trust::report::{Denied, Finding, Report};

use crate::settings::Platform;
use crate::verification::{Verification, remarks};

const DESCRIPTION: &str = "What the provider found when it compared the modules that `terraform init` installed with what was \
    published.\n\nThe provider looks when it is configured, and Terraform configures no provider that nothing uses: in a \
    configuration without other `idp` resources, this data source is what makes it look. It detects and does not prevent, \
    as a module that was tampered with has been loaded by then. The gate is `terraform init && idp verify && terraform plan`.";

/// The data source.
#[derive(Debug)]
pub struct VerificationSource {
    platform: Configured<Platform>,
}

impl VerificationSource {
    /// Shows what was found when the provider was configured.
    pub fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

model! {
    struct Model {
        deny: Attr<Vec<Attr<String>>>,
        verified: Attr<bool>,
        registry: Attr<String>,
        log_size: Attr<Number>,
        issued_at: Attr<String>,
        modules: Attr<Vec<ModuleModel>>,
    }
}

model! {
    struct ModuleModel {
        address: Attr<String>,
        version: Attr<String>,
        verdict: Attr<String>,
        publisher: Attr<String>,
        calls: Attr<Vec<String>>,
        sunset: Attr<String>,
        replacement: Attr<String>,
        message: Attr<String>,
    }
}

#[async_trait]
impl DataSource for VerificationSource {
    fn type_name(&self) -> &'static str {
        "idp_verification"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    async fn validate(
        &self,
        request: ValidateDataSourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let config: Model = request.config.to_model(diagnostics)?;
        denied(&config, diagnostics).map(drop)
    }

    async fn read(&self, request: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed> {
        let platform = self.platform.require(&mut found.diagnostics)?;
        let config: Model = request.config.to_model(&mut found.diagnostics)?;
        let denied = denied(&config, &mut found.diagnostics)?;
        match &platform.verification {
            Verification::Judged(report) => {
                refuse(report, &denied, &mut found.diagnostics)?;
                found.set(Model::of(report, config));
            }
            nothing if denied.is_empty() => {
                // It was told, where somebody wants to be told.
                tracing::debug!(?nothing, "no module was verified");
                found.set(Model::nothing(config));
            }
            nothing => return Err(unverified(nothing, &mut found.diagnostics)),
        }
        Ok(())
    }
}

fn schema() -> ResourceSchema {
    let text = || AttributeType::String;
    ResourceSchema::new(0, DESCRIPTION)
        .attribute(
            "deny",
            optional(
                set(text()),
                "What is refused with an error, besides modules that were tampered with, cannot be proven, or are \
                 revoked: `deprecated`, `past_sunset`, `yanked`, `unsigned` (from git, an archive or a folder outside), \
                 `unknown_registry` (from another registry than the policy's), `not_locked` (there is a lock file, and it \
                 does not have the version).",
            ),
        )
        .attribute(
            "verified",
            computed(
                AttributeType::Bool,
                "Whether every installed module of the registry is what was published, and none is revoked. False where \
                 nothing was verified.",
            ),
        )
        .attribute(
            "registry",
            computed(text(), "Hostname of the registry that the trust policy is about. Null where nothing was verified."),
        )
        .attribute(
            "log_size",
            computed(
                AttributeType::Number,
                "How many entries the registry's log had. Null where no module needed a proof.",
            ),
        )
        .attribute(
            "issued_at",
            computed(
                text(),
                "When the registry last said what is deprecated or revoked. Null where no module needed a proof.",
            ),
        )
        .attribute(
            "modules",
            computed(
                modules(),
                "Every installed version of every module from elsewhere, the worst first. Null where nothing was verified.",
            ),
        )
}

fn modules() -> AttributeType {
    let text = |description| computed(AttributeType::String, description);
    list_of_objects([
        ("address", text("Where it is from: `hostname/namespace/name/system` of a registry's.")),
        ("version", text("Which version. Null where the source has none.")),
        (
            "verdict",
            text(
                "`verified`, `deprecated`, `yanked`, `past_sunset`, `unknown_registry`, `unsigned`, `revoked`, `failed` or \
                 `tampered`.",
            ),
        ),
        ("publisher", text("Id of the key that signed it.")),
        (
            "calls",
            computed(
                list(AttributeType::String),
                "Who calls it, such as `module.network.module.vpc`.",
            ),
        ),
        ("sunset", text("The day from which on nothing new may use it.")),
        ("replacement", text("What to use instead.")),
        ("message", text("What was found, in a sentence.")),
    ])
}

/// What is refused besides what always is.
fn denied(config: &Model, diagnostics: &mut Diagnostics) -> Result<BTreeSet<Denied>, Failed> {
    let mut denied = BTreeSet::new();
    for word in config.deny.known().into_iter().flatten().filter_map(Attr::known) {
        match word.parse::<Denied>() {
            Ok(word) => drop(denied.insert(word)),
            Err(error) => {
                let summary = "data idp_verification: `deny` is not valid";
                diagnostics.fail_at(AttributePath::new("deny"), summary, format!("{error}."));
            }
        }
    }
    diagnostics.so_far().map(|()| denied)
}

fn refuse(
    report: &Report,
    denied: &BTreeSet<Denied>,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let is_denied = |finding: &&Finding| {
        denied.contains(&Denied::Verdict(finding.verdict))
            || finding.not_locked && denied.contains(&Denied::NotLocked)
    };
    for finding in report.findings.iter().filter(is_denied) {
        let summary = format!("{}, which `deny` refuses", remarks::summary(finding, report));
        diagnostics.fail_at(AttributePath::new("deny"), summary, remarks::detail(finding));
    }
    diagnostics.so_far()
}

/// What somebody wants refused is not waved through because nobody looked.
fn unverified(nothing: &Verification, diagnostics: &mut Diagnostics) -> Failed {
    let why = match nothing {
        Verification::Off => "`verify_modules` is `off` in the provider block.",
        Verification::Unpinned => {
            "No trust policy is pinned. Run `idp trust > idp.policy`, compare the root key id in it with what the platform \
             team announced, and commit it."
        }
        Verification::Unreadable | Verification::Judged(_) => {
            "It cannot be said which modules are installed. Run `terraform init` again."
        }
    };
    let summary = "data idp_verification: nothing was verified, so nothing can be refused";
    diagnostics.fail_at(AttributePath::new("deny"), summary, why)
}

impl Model {
    fn of(report: &Report, config: Self) -> Self {
        Self {
            deny: config.deny,
            verified: Attr::Known(report.refused == 0),
            registry: Attr::Known(report.registry.clone()),
            log_size: report.checkpoint.as_ref().map(|head| Number::from(head.size)).into(),
            issued_at: report.issued_at.map(|moment| moment.to_string()).into(),
            modules: Attr::Known(report.findings.iter().map(ModuleModel::of).collect()),
        }
    }

    fn nothing(config: Self) -> Self {
        Self {
            deny: config.deny,
            verified: Attr::Known(false),
            registry: Attr::Null,
            log_size: Attr::Null,
            issued_at: Attr::Null,
            modules: Attr::Null,
        }
    }
}

impl ModuleModel {
    fn of(finding: &Finding) -> Self {
        let standing = finding.standing.as_ref();
        Self {
            address: Attr::Known(finding.source.clone()),
            version: finding.version.as_ref().map(ToString::to_string).into(),
            verdict: Attr::Known(finding.verdict.word().to_owned()),
            publisher: finding.publisher.as_ref().map(|by| by.key.to_string()).into(),
            calls: Attr::Known(finding.calls.clone()),
            sunset: standing.and_then(|stands| stands.sunset).map(|day| day.to_string()).into(),
            replacement: standing.and_then(|stands| stands.replacement.clone()).into(),
            message: Attr::Known(finding.message.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&super::schema()), Vec::<String>::new());
    }
}
