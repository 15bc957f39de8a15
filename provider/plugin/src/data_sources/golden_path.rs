//! `idp_golden_path`: what a golden path offers, and which version a constraint selects today.

use provider_framework::data_source::{
    DataSource, Found, ReadDataSourceRequest, ValidateDataSourceRequest,
};
use provider_framework::provider::Configured;
use provider_framework::schema::{
    AttributeType, ResourceSchema, computed, list, list_of_objects, optional, optional_computed,
};
use provider_framework::value::Attr;
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _, async_trait, model};
use registry_api::platform::{GoldenPath, GoldenPathVersion};
use registry_api::trust::ModuleState;
use registry_api::{ModuleAddress, VersionConstraint};

use crate::report;
use crate::settings::Platform;

const DESCRIPTION: &str = "A golden path: what it offers, which inputs it takes, and which version a constraint \
    selects today. Name it by `address`, or by `template` and `language` as `idp_service` does.";

/// The data source.
#[derive(Debug)]
pub struct GoldenPathSource {
    platform: Configured<Platform>,
}

impl GoldenPathSource {
    /// Works with whatever platform the provider is configured for.
    pub fn new(platform: Configured<Platform>) -> Self {
        Self { platform }
    }
}

model! {
    struct Model {
        address: Attr<String>,
        template: Attr<String>,
        language: Attr<String>,
        version_constraint: Attr<String>,
        version: Attr<String>,
        sha256: Attr<String>,
        publisher: Attr<String>,
        status: Attr<String>,
        title: Attr<String>,
        description: Attr<String>,
        support_owner: Attr<String>,
        support_tier: Attr<String>,
        inputs_json: Attr<String>,
        controls: Attr<Vec<String>>,
        versions: Attr<Vec<VersionModel>>,
    }
}

model! {
    struct VersionModel {
        version: Attr<String>,
        sha256: Attr<String>,
        publisher: Attr<String>,
        status: Attr<String>,
        published_at: Attr<String>,
    }
}

#[async_trait]
impl DataSource for GoldenPathSource {
    fn type_name(&self) -> &'static str {
        "idp_golden_path"
    }

    fn schema(&self) -> ResourceSchema {
        results(inputs(ResourceSchema::new(0, DESCRIPTION)))
    }

    async fn validate(
        &self,
        request: ValidateDataSourceRequest,
        diagnostics: &mut Diagnostics,
    ) -> Result<(), Failed> {
        let config: Model = request.config.to_model(diagnostics)?;
        let unknown =
            [&config.address, &config.template, &config.language].into_iter().any(Attr::is_unknown);
        if !unknown {
            address(&config, diagnostics)?;
        }
        constraint(&config, diagnostics)?;
        Ok(())
    }

    async fn read(&self, request: ReadDataSourceRequest, found: &mut Found) -> Result<(), Failed> {
        let platform = self.platform.require(&mut found.diagnostics)?;
        let config: Model = request.config.to_model(&mut found.diagnostics)?;
        let address = address(&config, &mut found.diagnostics)?;
        let constraint = constraint(&config, &mut found.diagnostics)?;
        let answer = platform.client.golden_path(&address, constraint.as_ref()).await;
        let path = answer.map_err(|error| {
            let label = format!("data idp_golden_path {address}");
            report::client_error(&mut found.diagnostics, &label, "looking it up", &error)
        })?;
        found.set(Model::of(&path, config));
        Ok(())
    }
}

fn inputs(schema: ResourceSchema) -> ResourceSchema {
    let text = AttributeType::String;
    schema
        .attribute(
            "address",
            optional_computed(
                text.clone(),
                "`<namespace>/<name>/<system>`, such as `golden/api/nodejs`.",
            ),
        )
        .attribute("template", optional(text.clone(), "Shape of the workload, such as `api`."))
        .attribute("language", optional(text.clone(), "Runtime, such as `nodejs`."))
        .attribute(
            "version_constraint",
            optional(
                text,
                "Which versions to choose from, such as `~> 1.2`; every release by default.",
            ),
        )
}

fn results(schema: ResourceSchema) -> ResourceSchema {
    let text = || AttributeType::String;
    schema
        .attribute("version", computed(text(), "The version that the constraint selects today."))
        .attribute("sha256", computed(text(), "SHA-256 of that version's archive."))
        .attribute("publisher", computed(text(), "Id of the key that signed it."))
        .attribute("status", computed(text(), "Whether it may be used: `active`."))
        .attribute("title", computed(text(), "What it is, in one line."))
        .attribute("description", computed(text(), "What it gives, in a paragraph."))
        .attribute("support_owner", computed(text(), "Who supports it."))
        .attribute(
            "support_tier",
            computed(text(), "How far: `supported`, `beta` or `experimental`."),
        )
        .attribute(
            "inputs_json",
            computed(text(), "JSON Schema of its inputs, among them those of `parameters`."),
        )
        .attribute("controls", computed(list(text()), "Ids of the controls that it meets."))
        .attribute("versions", computed(versions(), "Every published version, highest first."))
}

fn versions() -> AttributeType {
    list_of_objects([
        ("version", computed(AttributeType::String, "The version.")),
        ("sha256", computed(AttributeType::String, "SHA-256 of its archive.")),
        ("publisher", computed(AttributeType::String, "Id of the key that signed it.")),
        ("status", computed(AttributeType::String, "Whether it may be used.")),
        ("published_at", computed(AttributeType::String, "When it was published.")),
    ])
}

fn address(config: &Model, diagnostics: &mut Diagnostics) -> Result<ModuleAddress, Failed> {
    let parsed = match (&config.address, &config.template, &config.language) {
        (Attr::Known(address), Attr::Null, Attr::Null) => address.parse::<ModuleAddress>(),
        (Attr::Null, Attr::Known(template), Attr::Known(language)) => {
            ModuleAddress::new("golden", template, language)
        }
        _ => {
            return Err(diagnostics.fail(
                "data idp_golden_path: it is not clear which path is meant",
                "Set either `address`, or both `template` and `language`.",
            ));
        }
    };
    parsed.map_err(|error| {
        let attribute = if config.address.is_null() { "template" } else { "address" };
        let summary = "data idp_golden_path: the address is not valid";
        diagnostics.fail_at(AttributePath::new(attribute), summary, format!("{error}."))
    })
}

fn constraint(
    config: &Model,
    diagnostics: &mut Diagnostics,
) -> Result<Option<VersionConstraint>, Failed> {
    let parsed = config.version_constraint.known().map(|text| text.parse());
    parsed.transpose().map_err(|error| {
        let summary = "data idp_golden_path: the version constraint is not valid";
        diagnostics.fail_at(AttributePath::new("version_constraint"), summary, format!("{error}."))
    })
}

impl Model {
    fn of(path: &GoldenPath, config: Self) -> Self {
        let text = |text: &str| Attr::Known(text.to_owned());
        Self {
            address: text(&path.selected.address.to_string()),
            version: text(&path.selected.version.to_string()),
            sha256: text(&path.selected.sha256),
            publisher: text(&path.selected.publisher),
            status: text(status(path.status)),
            title: text(&path.title),
            description: text(&path.description),
            support_owner: text(&path.support_owner),
            support_tier: text(&path.support_tier),
            inputs_json: text(&path.inputs.to_string()),
            controls: Attr::Known(path.controls.clone()),
            versions: Attr::Known(path.versions.iter().map(VersionModel::of).collect()),
            ..config
        }
    }
}

impl VersionModel {
    fn of(version: &GoldenPathVersion) -> Self {
        let text = |text: &str| Attr::Known(text.to_owned());
        Self {
            version: text(&version.version.to_string()),
            sha256: text(&version.sha256),
            publisher: text(&version.publisher),
            status: text(status(version.status)),
            published_at: text(&version.published_at),
        }
    }
}

fn status(status: ModuleState) -> &'static str {
    match status {
        ModuleState::Active => "active",
        ModuleState::Deprecated => "deprecated",
        ModuleState::Yanked => "yanked",
        ModuleState::Revoked => "revoked",
    }
}
