//! A golden path: read once from its files, then rendered for every resource that uses it.

use std::collections::BTreeMap;

use registry_api::problem::FieldError;
use serde_json::Value;

use super::decimal::Decimal;
use super::error::{PathError, PathErrors};
use super::inputs::Inputs;
use super::layout::Files;
use super::manifest::{self, CostTable, MANIFEST, Manifest};
use super::skeleton::Skeleton;
use super::template::{Compiler, Partial, Partials, Template};
use super::yaml::{self, Node, NodeKind};
use crate::model::environment::Tier;
use crate::policy::PolicyBundle;

/// A golden path, parsed and checked. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct GoldenPath {
    pub(super) manifest: Manifest,
    pub(super) inputs: Inputs,
    pub(super) values: Vec<(String, Template)>,
    pub(super) outputs: Vec<(String, Template)>,
    pub(super) cost: Option<Cost>,
    pub(super) buckets: Option<Vec<Decimal>>,
    pub(super) templates: Vec<TemplateFile>,
    pub(super) partials: Partials,
    pub(super) skeleton: Skeleton,
    policy: Option<PolicyBundle>,
}

/// One file of `templates/`.
#[derive(Debug)]
pub(super) struct TemplateFile {
    pub(super) file: String,
    /// The digits its name begins with.
    pub(super) number: String,
    pub(super) body: Template,
}

/// The cost table with its templates compiled.
#[derive(Debug)]
pub(super) struct Cost {
    pub(super) table: CostTable,
    pub(super) unit: Template,
    pub(super) least: Template,
    pub(super) most: Template,
}

impl GoldenPath {
    /// Reads a path from the files of its archive. Reports everything that is wrong, not only the first thing.
    pub fn parse(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PathErrors> {
        let Some(bytes) = files.get(MANIFEST) else {
            let error = PathError::new(
                MANIFEST,
                0,
                "manifest_missing",
                "there is no manifest",
                "add golden-path.yaml",
            );
            return Err(error.into());
        };
        let parsed = yaml::read(MANIFEST, bytes).and_then(|node| manifest::parse(&node))?;
        let mut errors = Vec::new();
        let mut keep = |result: Result<(), PathError>| errors.extend(result.err());

        let nodes = partial_nodes(files, &parsed.manifest.partials, &mut keep);
        let parameters: BTreeMap<_, _> = nodes
            .iter()
            .map(|(name, partial)| (name.clone(), partial.parameters.clone()))
            .collect();
        let mut partials = Partials::new();
        for (name, PartialNode { file, parameters: own, body }) in nodes {
            let mut compiler = Compiler::new(&file, &parameters);
            compiler.names.extend(own);
            let body = compiler.compile(&body);
            keep(body.map(|body| {
                partials.insert(name, Partial { file: file.clone(), body });
            }));
        }
        let templates = templates(files, &parameters, &mut keep);
        let compile = |node: &Node| Compiler::new(MANIFEST, &parameters).compile(node);
        let all = |list: Vec<(String, Node)>| {
            list.into_iter()
                .map(|(key, node)| Ok((key, compile(&node)?)))
                .collect::<Result<Vec<_>, _>>()
        };
        let mut values = Vec::new();
        keep(all(parsed.values).map(|compiled| values = compiled));
        let mut outputs = Vec::new();
        keep(all(parsed.outputs).map(|compiled| outputs = compiled));
        let cost = parsed.cost.map(|table| {
            let (unit, least, most) =
                (compile(&table.unit)?, compile(&table.least)?, compile(&table.most)?);
            Ok(Cost { table, unit, least, most })
        });
        let cost = cost.transpose().map_err(|error| keep(Err(error))).ok().flatten();
        let inputs = Inputs::compile(&parsed.manifest.inputs);
        let skeleton = Skeleton::parse(files);
        let policy = policy(files);
        match (inputs, skeleton, policy) {
            (Ok(inputs), Ok(skeleton), Ok(policy)) if errors.is_empty() => Ok(Self {
                manifest: parsed.manifest,
                inputs,
                values,
                outputs,
                cost,
                buckets: parsed.buckets,
                templates,
                partials,
                skeleton,
                policy,
            }),
            (inputs, skeleton, policy) => {
                errors.extend([inputs.err(), skeleton.err(), policy.err()].into_iter().flatten());
                Err(PathErrors(errors))
            }
        }
    }

    /// What the path says about itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The path's own policies, where it has some. They judge its inputs only.
    pub const fn policy(&self) -> Option<&PolicyBundle> {
        self.policy.as_ref()
    }

    /// Checks a specification of which parts are not known yet (`unknown`: JSON pointers such as `/spec/image`).
    pub fn check(&self, tier: Tier, spec: &Value, unknown: &[String]) -> Vec<FieldError> {
        self.inputs.fill(tier, spec, unknown).err().unwrap_or_default()
    }
}

struct PartialNode {
    file: String,
    parameters: Vec<String>,
    body: Node,
}

fn partial_nodes(
    files: &Files,
    listed: &[String],
    keep: &mut impl FnMut(Result<(), PathError>),
) -> BTreeMap<String, PartialNode> {
    let mut nodes = BTreeMap::new();
    for (path, bytes) in files {
        let Some(name) = path.strip_prefix("partials/") else { continue };
        let Some(name) = name.strip_suffix(".yaml").filter(|name| !name.contains('/')) else {
            keep(Err(PathError::new(
                path,
                0,
                "partial_name",
                "this is no partial",
                "name it partials/<name>.yaml",
            )));
            continue;
        };
        keep(yaml::read(path, bytes).and_then(|node| partial(path, node)).map(|partial| {
            nodes.insert(name.to_owned(), partial);
        }));
    }
    for name in listed.iter().filter(|name| !nodes.contains_key(*name)) {
        let message = format!("the shared partial {name:?} is not in the archive");
        let fix = "pack the path with idp publish, which bundles shared partials";
        keep(Err(PathError::new(MANIFEST, 0, "partial_missing", message, fix)));
    }
    nodes
}

/// Takes `$params: [name, …]` off the top of a partial.
fn partial(file: &str, mut node: Node) -> Result<PartialNode, PathError> {
    let mut parameters = Vec::new();
    if let NodeKind::Map(entries) = &mut node.kind
        && let Some(at) = entries.iter().position(|entry| entry.key == "$params")
    {
        let entry = entries.remove(at);
        let refuse = || {
            let fix = "write $params: [first, second]";
            PathError::new(
                file,
                entry.line,
                "partial_params",
                "$params is not a list of names",
                fix,
            )
        };
        let NodeKind::List(items) = &entry.value.kind else { return Err(refuse()) };
        for item in items {
            let NodeKind::Text(name) = &item.kind else { return Err(refuse()) };
            parameters.push(name.clone());
        }
    }
    Ok(PartialNode { file: file.to_owned(), parameters, body: node })
}

fn templates(
    files: &Files,
    parameters: &BTreeMap<String, Vec<String>>,
    keep: &mut impl FnMut(Result<(), PathError>),
) -> Vec<TemplateFile> {
    let mut templates = Vec::new();
    for (path, bytes) in files {
        let Some(name) = path.strip_prefix("templates/") else { continue };
        let number = name.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let is_template = name.strip_suffix(".yaml").is_some_and(|stem| !stem.contains('/'));
        let (Some(number), true) = (number, is_template) else {
            let fix = "name it templates/NN-<what>.yaml, NN two digits that order the files";
            keep(Err(PathError::new(path, 0, "template_name", "this is no template", fix)));
            continue;
        };
        let compiled =
            yaml::read(path, bytes).and_then(|node| Compiler::new(path, parameters).compile(&node));
        keep(compiled.map(|body| {
            templates.push(TemplateFile { file: path.clone(), number: number.to_owned(), body });
        }));
    }
    if templates.is_empty() {
        keep(Err(PathError::new(
            "templates",
            0,
            "template_missing",
            "no template renders anything",
            "add one",
        )));
    }
    templates
}

fn policy(files: &Files) -> Result<Option<PolicyBundle>, PathError> {
    let own: BTreeMap<_, _> = files
        .iter()
        .filter(|(path, _)| path.starts_with("policies/"))
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect();
    if own.is_empty() {
        return Ok(None);
    }
    PolicyBundle::load(&own).map(Some).map_err(|cause| {
        PathError::new(
            "policies",
            0,
            "policy",
            cause.to_string(),
            "correct the policy; idp golden-path test checks it",
        )
    })
}
