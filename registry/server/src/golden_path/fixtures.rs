//! `tests/` of a path: what it must render, refuse and warn about.
//!
//! ```text
//! tests/facts.yaml           platform, owners and environments that cases name
//! tests/cases/<case>.yaml    one request, and what must come of it
//! tests/rendered/<case>/…    the files it must render, to the byte
//! ```
//!
//! Pure: works on the files of the path. The digest of the path is all zeros here, so that what a case renders does
//! not depend on the rest of the path's bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use registry_api::platform::{GoldenPathRef, PlanAction, Verdict};
use registry_api::{ModuleAddress, Name};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::PathError;
use super::layout::Files;
use super::path::GoldenPath;
use super::render::{RenderError, RenderRequest, Rendered};
use super::yaml;
use crate::model::environment::{EnvironmentFacts, OwnerFacts, PlatformFacts};
use crate::model::spec::Spec;
use crate::policy::PolicyInput;

const FACTS: &str = "tests/facts.yaml";
const CASES: &str = "tests/cases/";
const RENDERED: &str = "tests/rendered/";
/// Most lines of a difference that are shown.
const SHOWN_LINES: usize = 12;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    platform: PlatformFacts,
    owners: BTreeMap<String, OwnerFacts>,
    environments: BTreeMap<String, EnvironmentFacts>,
}

/// One request and what must come of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What the case is about, for people.
    #[serde(rename = "description")]
    _description: String,
    name: Name,
    owner: String,
    environment: String,
    spec: Value,
    /// `<pointer> <rule>` of every error; nothing is rendered then.
    #[serde(default)]
    refused: Vec<String>,
    /// `<effect> <rule>` of what the path's own policies say.
    #[serde(default)]
    verdicts: Vec<String>,
}

/// How one case went.
#[derive(Debug)]
pub struct Outcome {
    /// Its name.
    pub case: String,
    /// What is wrong, each with its file; empty when all is well.
    pub failures: Vec<String>,
    /// What it rendered, where it should: the files that belong below `tests/rendered/<case>/`.
    pub rendered: Option<Files>,
}

/// Runs every case of a path.
pub fn run(
    path: &GoldenPath,
    address: &ModuleAddress,
    files: &Files,
) -> Result<Vec<Outcome>, PathError> {
    let facts: Facts = typed(FACTS, files)?;
    let mut outcomes = Vec::new();
    for file in files.keys().filter(|file| file.starts_with(CASES)) {
        let name = file[CASES.len()..].trim_end_matches(".yaml").to_owned();
        outcomes.push(one(path, address, &facts, file, name, files)?);
    }
    if outcomes.is_empty() {
        return Err(PathError::new(
            "tests/cases",
            0,
            "tests_missing",
            "the path has no case",
            "add tests/cases/<case>.yaml",
        ));
    }
    Ok(outcomes)
}

/// Reads one request, in the form of a case.
pub fn request(
    path: &GoldenPath,
    address: &ModuleAddress,
    file: &str,
    bytes: &[u8],
    files: &Files,
) -> Result<RenderRequest, PathError> {
    let facts: Facts = typed(FACTS, files)?;
    let case: Case = typed(file, &Files::from([(file.to_owned(), bytes.to_vec())]))?;
    build(path, address, &facts, file, &case)
}

fn one(
    path: &GoldenPath,
    address: &ModuleAddress,
    facts: &Facts,
    file: &str,
    name: String,
    files: &Files,
) -> Result<Outcome, PathError> {
    let case: Case = typed(file, files)?;
    let request = match build(path, address, facts, file, &case) {
        Err(error) if error.rule == "case_spec" && !case.refused.is_empty() => {
            return Ok(Outcome { case: name, failures: Vec::new(), rendered: None });
        }
        other => other?,
    };
    let mut failures = Vec::new();
    let rendered = match path.render(&request) {
        Ok(rendered) => {
            if !case.refused.is_empty() {
                failures.push(format!(
                    "{file}: it was rendered, though it should be refused: {}",
                    case.refused.join(", ")
                ));
            }
            judge(path, &request, &rendered, &case, file, &mut failures);
            Some(rendered.files)
        }
        Err(RenderError::Inputs(errors)) => {
            let mut found: Vec<_> =
                errors.iter().map(|error| format!("{} {}", error.pointer, error.rule)).collect();
            found.sort();
            let mut wanted = case.refused.clone();
            wanted.sort();
            if found != wanted {
                let details: Vec<_> = errors
                    .iter()
                    .map(|error| format!("{}: {}", error.pointer, error.detail))
                    .collect();
                failures.push(format!(
                    "{file}: refused with [{}], not [{}]\n{}",
                    found.join(", "),
                    wanted.join(", "),
                    details.join("\n")
                ));
            }
            None
        }
        Err(RenderError::Path(errors)) => {
            failures.push(errors.to_string());
            None
        }
    };
    if failures.is_empty() && case.refused.is_empty() {
        compare(&name, rendered.as_ref(), files, &mut failures);
    }
    Ok(Outcome { case: name, failures, rendered })
}

fn build(
    path: &GoldenPath,
    address: &ModuleAddress,
    facts: &Facts,
    file: &str,
    case: &Case,
) -> Result<RenderRequest, PathError> {
    let unknown = |what: &str, name: &str| {
        let message = format!("{FACTS} has no {what} {name:?}");
        PathError::new(file, 0, "case_facts", message, "add it there, or use another")
    };
    let spec = Spec::parse(path.manifest().kind, case.spec.clone()).map_err(|cause| {
        PathError::new(
            file,
            0,
            "case_spec",
            format!("spec is no specification: {cause}"),
            "correct spec",
        )
    })?;
    Ok(RenderRequest {
        name: case.name.clone(),
        owner: facts
            .owners
            .get(&case.owner)
            .cloned()
            .ok_or_else(|| unknown("owner", &case.owner))?,
        environment: facts
            .environments
            .get(&case.environment)
            .cloned()
            .ok_or_else(|| unknown("environment", &case.environment))?,
        platform: facts.platform.clone(),
        spec,
        path: GoldenPathRef {
            address: address.clone(),
            version: path.manifest().version.clone(),
            sha256: "0".repeat(64),
            publisher: "unpublished".to_owned(),
        },
    })
}

fn judge(
    path: &GoldenPath,
    request: &RenderRequest,
    rendered: &Rendered,
    case: &Case,
    file: &str,
    failures: &mut Vec<String>,
) {
    let Some(policy) = path.policy() else { return };
    let verdicts = policy.evaluate(&PolicyInput {
        action: PlanAction::Create,
        kind: path.manifest().kind,
        name: &request.name,
        owner: &request.owner,
        environment: &request.environment,
        spec: &rendered.spec,
        unknown: &[],
        golden_path: Some(&request.path),
        objects: Vec::new(),
        cost: rendered.cost.as_ref(),
        caller: "tests",
    });
    match verdicts {
        Ok(verdicts) => {
            let found: Vec<_> = verdicts.iter().map(short).collect();
            if found != case.verdicts {
                failures.push(format!(
                    "{file}: the policies say [{}], not [{}]",
                    found.join(", "),
                    case.verdicts.join(", ")
                ));
            }
        }
        Err(error) => failures.push(format!("policies: {error}")),
    }
}

fn short(verdict: &Verdict) -> String {
    let effect = serde_json::to_value(verdict.effect).unwrap_or_default();
    format!("{} {}", effect.as_str().unwrap_or_default(), verdict.rule)
}

/// Compares what was rendered with the files of the case.
fn compare(case: &str, rendered: Option<&Files>, files: &Files, failures: &mut Vec<String>) {
    let folder = format!("{RENDERED}{case}/");
    let expected: Files = files
        .iter()
        .filter_map(|(file, bytes)| Some((file.strip_prefix(&folder)?.to_owned(), bytes.clone())))
        .collect();
    let empty = Files::new();
    let rendered = rendered.unwrap_or(&empty);
    for file in expected.keys().filter(|file| !rendered.contains_key(*file)) {
        failures.push(format!("{folder}{file}: it is expected, but not rendered"));
    }
    for (file, bytes) in rendered {
        match expected.get(file) {
            None => failures.push(format!("{folder}{file}: it is rendered, but not expected")),
            Some(wanted) if wanted != bytes => {
                failures.push(format!("{folder}{file}:{}", difference(wanted, bytes)));
            }
            Some(_) => {}
        }
    }
}

/// The lines between the first and the last that differ, `-` expected and `+` rendered.
fn difference(expected: &[u8], rendered: &[u8]) -> String {
    let (expected, rendered) =
        (String::from_utf8_lossy(expected), String::from_utf8_lossy(rendered));
    let (mut old, mut new): (Vec<_>, Vec<_>) =
        (expected.lines().collect(), rendered.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    old.drain(..same);
    new.drain(..same);
    while let (Some(a), Some(b)) = (old.last(), new.last()) {
        if a != b {
            break;
        }
        old.pop();
        new.pop();
    }
    let mut out = format!("{}: it differs", same + 1);
    for (sign, lines) in [('-', &old), ('+', &new)] {
        for line in lines.iter().take(SHOWN_LINES) {
            let _ = write!(out, "\n  {sign} {line}");
        }
        if lines.len() > SHOWN_LINES {
            let _ = write!(out, "\n  {sign} … {} more lines", lines.len() - SHOWN_LINES);
        }
    }
    out
}

fn typed<T: DeserializeOwned>(file: &str, files: &Files) -> Result<T, PathError> {
    let bytes = files.get(file).ok_or_else(|| {
        PathError::new(file, 0, "case_missing", "the file is not there", "add it")
    })?;
    let json = yaml::read(file, bytes)?.to_tree().to_json();
    serde_json::from_value(json).map_err(|cause| {
        PathError::new(file, 0, "case_shape", cause.to_string(), "see the fixtures of another path")
    })
}
