//! Renders a path for one resource: inputs in, files out. Pure: the same request gives the same bytes.

use std::collections::BTreeMap;

use registry_api::Name;
use registry_api::platform::{Cost, GitOpsLocation, GoldenPathRef, Kind, Notice, Outputs, Slo};
use registry_api::problem::FieldError;
use serde_json::Value;

use super::check;
use super::error::{PathError, PathErrors};
use super::expression::{Scope, from_tree};
use super::layout::{self, Files, Placed, RenderedObject};
use super::manifest::MANIFEST;
use super::path::GoldenPath;
use super::slo;
use super::template::Renderer;
use super::yaml::Tree;
use crate::model::environment::{EnvironmentFacts, OwnerFacts, PlatformFacts};
use crate::model::names::{DatabaseNames, owner_role};
use crate::model::spec::Spec;
use crate::model::uses::used;

/// What to render, for whom, and where.
#[derive(Debug, Clone)]
pub struct RenderRequest {
    pub name: Name,
    pub owner: OwnerFacts,
    pub environment: EnvironmentFacts,
    pub platform: PlatformFacts,
    pub spec: Spec,
    pub path: GoldenPathRef,
}

/// What a path makes of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// Every file by its path in the repository, the machine file included.
    pub files: Files,
    /// Every object, in the order of the templates.
    pub objects: Vec<RenderedObject>,
    /// Digest of the files, [`layout::rendered_sha256`].
    pub rendered_sha256: String,
    /// Digest of everything that went in.
    pub inputs_sha256: String,
    /// The specification with defaults filled in.
    pub spec: Value,
    /// What the resource gives; the repository is the environment's, the commit is not known here.
    pub outputs: Outputs,
    pub cost: Option<Cost>,
    pub notices: Vec<Notice>,
}

/// Why nothing was rendered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// The request is at fault; pointers begin with `/spec`.
    #[error("the inputs are not valid")]
    Inputs(Vec<FieldError>),
    /// The path is at fault.
    #[error("the golden path could not be rendered")]
    Path(#[source] PathErrors),
}

impl From<PathError> for RenderError {
    fn from(error: PathError) -> Self {
        Self::Path(error.into())
    }
}

/// A request whose inputs are checked.
pub(super) struct Prepared {
    spec: Value,
    notices: Vec<Notice>,
    inputs_sha256: String,
    pub(super) scope: Scope,
}

impl GoldenPath {
    /// Renders the path for one resource.
    pub fn render(&self, request: &RenderRequest) -> Result<Rendered, RenderError> {
        let Prepared { spec, notices, inputs_sha256, scope } = self.prepare(request)?;
        let environment = request.environment.name.as_str();
        let kind = self.manifest.kind;
        let directory = layout::directory(environment, kind, request.name.as_str());
        let application = layout::application(environment, kind, request.name.as_str());
        let placed = self.place(&scope)?;
        let (mut files, objects) =
            layout::lay_out(&application, &directory, &placed).map_err(|(template, path)| {
                let message = format!("a second object would be written to {path}");
                PathError::new(
                    &template,
                    0,
                    "object_twice",
                    message,
                    "give the objects different names",
                )
            })?;
        let rendered_sha256 = layout::rendered_sha256(&files);
        let reference = format!("{kind}/{environment}/{}", request.name);
        let machine = layout::machine_file(
            &reference,
            &request.path,
            &inputs_sha256,
            &rendered_sha256,
            &files,
        );
        files.insert(format!("{directory}/{}", layout::MACHINE_FILE), machine);

        let outputs = self.outputs(&scope, &request.environment.gitops.repository, directory)?;
        let cost = self.cost(&scope)?;
        Ok(Rendered {
            files,
            objects,
            rendered_sha256,
            inputs_sha256,
            spec,
            outputs,
            cost,
            notices,
        })
    }

    /// Checks the inputs and makes the names that templates use.
    pub(super) fn prepare(&self, request: &RenderRequest) -> Result<Prepared, RenderError> {
        let given = request.spec.to_json();
        let spec =
            self.inputs.fill(request.environment.tier, &given, &[]).map_err(RenderError::Inputs)?;
        let (slo, notices) =
            self.slo(&given, &spec, &request.environment).map_err(RenderError::Inputs)?;
        let inputs_sha256 = inputs_sha256(request, &spec);
        let mut scope = self.scope(request, &spec, &slo, &inputs_sha256)?;
        self.add_values(&mut scope)?;
        Ok(Prepared { spec, notices, inputs_sha256, scope })
    }

    fn slo(
        &self,
        given: &Value,
        spec: &Value,
        environment: &EnvironmentFacts,
    ) -> Result<(Tree, Vec<Notice>), Vec<FieldError>> {
        let slo =
            spec.get("slo").cloned().and_then(|value| serde_json::from_value::<Slo>(value).ok());
        let (Some(slo), Some(buckets)) = (slo, &self.buckets) else {
            return Ok((Tree::Null, Vec::new()));
        };
        match &environment.prometheus {
            Some(prometheus) => {
                let objectives = slo::objectives(&slo, buckets, prometheus)?;
                Ok((objectives.tree, objectives.notices))
            }
            None if given.get("slo").is_some() => Err(vec![FieldError::new(
                "/spec/slo",
                "slo_needs_prometheus",
                format!(
                    "nothing measures it: the environment {} has no Prometheus",
                    environment.name
                ),
                "leave slo out, or give the environment a Prometheus",
            )]),
            None => Ok((Tree::Null, Vec::new())),
        }
    }

    /// The names that templates use.
    fn scope(
        &self,
        request: &RenderRequest,
        spec: &Value,
        slo: &Tree,
        inputs_sha256: &str,
    ) -> Result<Scope, RenderError> {
        let facts = |value: Result<Value, serde_json::Error>| {
            from_tree(&Tree::from_json(&value.unwrap_or_default()))
        };
        let mut scope = Scope::new();
        scope.set("name", request.name.as_str().into());
        scope.set("owner", facts(serde_json::to_value(&request.owner)));
        scope.set("environment", facts(serde_json::to_value(&request.environment)));
        scope.set("platform", facts(serde_json::to_value(&request.platform)));
        let path = serde_json::to_value(&request.path).map(|mut path| {
            path["inputs_sha256"] = inputs_sha256.into();
            path["kind"] = self.manifest.kind.as_str().into();
            path["directory"] = layout::directory(
                request.environment.name.as_str(),
                self.manifest.kind,
                request.name.as_str(),
            )
            .into();
            path["title"] = self.manifest.title.as_str().into();
            path
        });
        scope.set("path", facts(path));
        scope.set("spec", from_tree(&Tree::from_json(spec)));
        scope.set("slo", from_tree(slo));
        match &request.spec {
            Spec::Service(service) => {
                let uses = used(&request.name, &request.environment, &service.uses)
                    .map_err(RenderError::Inputs)?;
                scope.set("uses", facts(serde_json::to_value(uses)));
            }
            Spec::Database(_) => scope.set("database", facts(Ok(database(request)?))),
        }
        Ok(scope)
    }

    /// The path's own names, each of which may use those before it.
    fn add_values(&self, scope: &mut Scope) -> Result<(), PathError> {
        let mut values = BTreeMap::new();
        scope.set("values", values.clone().into());
        for (name, template) in &self.values {
            let tree = self.manifest_renderer().single(template, scope)?;
            values.insert(name.clone(), from_tree(&tree));
            scope.set("values", values.clone().into());
        }
        Ok(())
    }

    const fn manifest_renderer(&self) -> Renderer<'_> {
        Renderer::new(MANIFEST, &self.partials)
    }

    fn place(&self, scope: &Scope) -> Result<Vec<Placed>, PathError> {
        let mut placed = Vec::new();
        for template in &self.templates {
            let mut renderer = Renderer::new(&template.file, &self.partials);
            let documents = template.body.render(&mut renderer, scope)?;
            for tree in documents.into_iter().flat_map(Tree::into_items) {
                check::object(&tree).map_err(|(rule, message, fix)| {
                    PathError::new(&template.file, 0, rule, message, fix)
                })?;
                placed.push(Placed {
                    number: template.number.clone(),
                    template: template.file.clone(),
                    tree,
                });
            }
        }
        Ok(placed)
    }

    fn outputs(
        &self,
        scope: &Scope,
        repository: &str,
        directory: String,
    ) -> Result<Outputs, PathError> {
        let gitops =
            GitOpsLocation { repository: repository.to_owned(), commit: None, path: directory };
        let mut outputs = Outputs { gitops, ..Outputs::default() };
        for (name, template) in &self.outputs {
            let value = template.render(&mut self.manifest_renderer(), scope)?.pop();
            let text = value.as_ref().and_then(Tree::as_str).map(str::to_owned);
            match name.as_str() {
                "url" => outputs.url = text,
                _ => outputs.catalog_ref = text.unwrap_or_default(),
            }
        }
        Ok(outputs)
    }

    fn cost(&self, scope: &Scope) -> Result<Option<Cost>, PathError> {
        let Some(cost) = &self.cost else { return Ok(None) };
        let single = |template| self.manifest_renderer().single(template, scope);
        let unit = single(&cost.unit)?;
        let wrong = |message: String| {
            PathError::new(MANIFEST, cost.table.unit.line, "cost", message, "correct cost")
        };
        let price = unit.as_str().and_then(|unit| cost.table.monthly.get(unit));
        let price = *price
            .ok_or_else(|| wrong(format!("cost.monthly has no row for {}", unit.to_json())))?;
        let times = |tree: &Tree| match tree {
            Tree::Int(count) => u32::try_from(*count).map(f64::from).ok(),
            _ => None,
        };
        let (least, most) = (times(&single(&cost.least)?), times(&single(&cost.most)?));
        let (Some(least), Some(most)) = (least, most) else {
            return Err(wrong("cost.times does not give whole numbers".to_owned()));
        };
        Ok(Some(Cost {
            currency: cost.table.currency.clone(),
            monthly_min: cents(price * least),
            monthly_max: cents(price * most),
        }))
    }
}

/// What templates may know of a database: how it is called on its server, and how it is reached.
fn database(request: &RenderRequest) -> Result<Value, RenderError> {
    let refuse = |rule: &str, detail: String, fix: &str| {
        RenderError::Inputs(vec![FieldError::new("/name", rule, detail, fix)])
    };
    let Some(postgres) = &request.environment.postgres else {
        return Err(refuse(
            "no_databases",
            format!("environment {:?} has no database server", request.environment.name.as_str()),
            "use another environment, or have the platform team add [environment.postgres]",
        ));
    };
    let names = DatabaseNames::new(&postgres.prefix, &request.name)
        .map_err(|cause| refuse(cause.rule(), cause.to_string(), "choose another name"))?;
    Ok(serde_json::json!({
        "name": names.database,
        "owner_role": owner_role(&names.database),
        "host": postgres.host,
        "port": postgres.port,
        "secret": format!("{}/{}/{}", Kind::Database, request.environment.name, request.name),
    }))
}

fn cents(amount: f64) -> f64 {
    (amount * 100.0).round() / 100.0
}

/// Digest of everything that can change a rendering, besides the path's own bytes, whose digest is part of it.
fn inputs_sha256(request: &RenderRequest, spec: &Value) -> String {
    let all = serde_json::json!({
        "name": request.name,
        "owner": request.owner,
        "environment": request.environment,
        "platform": request.platform,
        "golden_path": {
            "address": request.path.address,
            "version": request.path.version,
            "sha256": request.path.sha256,
        },
        "spec": spec,
    });
    layout::hex_sha256(Tree::from_json(&all).to_json_text().as_bytes())
}
