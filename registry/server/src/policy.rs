//! Policies: bundles of Rego that judge a request.
//!
//! Pure computation, but not cheap: call [`PolicyBundle::evaluate`] where blocking is allowed. Policies have no clock,
//! network, randomness or environment, and a limit on their time. A policy that fails to evaluate is an error, never
//! consent. Knows nothing of HTTP or of who asked, beyond what the input says.
//!
//! A bundle is Rego in `package idp` that defines a set `verdicts` of objects
//! `{rule, effect: deny|require_approval|warn, message, pointer?, controls?}`. A file `limits.json` beside it is its
//! data, `data.limits`. Folders named `tests` are left out.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use registry_api::Name;
use registry_api::platform::{Cost, GoldenPathRef, Kind, PlanAction, Verdict};
use regorus::Engine;
use regorus::utils::limits::ExecutionTimerConfig;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::model::environment::{EnvironmentFacts, OwnerFacts};

/// Longest that one evaluation may take.
const TIME_LIMIT: Duration = Duration::from_millis(500);
/// The rule that every bundle defines.
const VERDICTS: &str = "data.idp.verdicts";

/// The organisation's bundle that a server uses unless its configuration names another.
const EMBEDDED: [(&str, &str); 2] = [
    ("organisation.rego", include_str!("../policy/organisation.rego")),
    ("limits.json", include_str!("../policy/limits.json")),
];

/// Rules, compiled once.
#[derive(Clone)]
pub struct PolicyBundle {
    engine: Engine,
    sha256: String,
}

impl std::fmt::Debug for PolicyBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyBundle").field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

/// Why a bundle gives no verdicts.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("no file of the bundle defines the set verdicts in package idp")]
    NoVerdicts,
    #[error("the policy could not be evaluated: {0}")]
    Evaluation(String),
    #[error("a verdict of the policy has the wrong shape: {0}")]
    Verdict(#[source] serde_json::Error),
}

/// What policies judge.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyInput<'a> {
    pub action: PlanAction,
    pub kind: Kind,
    pub name: &'a Name,
    pub owner: &'a OwnerFacts,
    pub environment: &'a EnvironmentFacts,
    /// The specification with defaults filled in, or the parts of it that are known.
    pub spec: &'a Value,
    /// JSON pointers to what is not known yet.
    pub unknown: &'a [String],
    pub golden_path: Option<&'a GoldenPathRef>,
    /// What would be rendered; empty where that is not known, and for a path's own policies.
    pub objects: Vec<&'a Value>,
    pub cost: Option<&'a Cost>,
    /// Name of the token that asks.
    pub caller: &'a str,
}

impl PolicyBundle {
    /// Compiles the files of a bundle.
    pub fn load(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PolicyError> {
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(true);
        engine.set_gather_prints(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: TIME_LIMIT,
            check_interval: NonZeroU32::MIN.saturating_add(99),
        });
        let mut hash = Sha256::new();
        let mut defined = false;
        for (file, bytes) in files.iter().filter(|(file, _)| !is_test(file)) {
            let refuse = |reason: String| PolicyError::File { file: file.clone(), reason };
            let text =
                std::str::from_utf8(bytes).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
            if stem(file, ".rego").is_some() {
                let package = engine
                    .add_policy(file.clone(), text.to_owned())
                    .map_err(|cause| refuse(format!("{cause:#}").trim().to_owned()))?;
                defined |= package == "data.idp";
            } else if let Some(stem) = stem(file, ".json") {
                let data: Value =
                    serde_json::from_str(text).map_err(|cause| refuse(cause.to_string()))?;
                let data = serde_json::json!({stem: data}).to_string();
                engine.add_data_json(&data).map_err(|cause| refuse(format!("{cause:#}")))?;
            } else {
                return Err(refuse("a bundle holds .rego files and .json data only".to_owned()));
            }
            hash.update(format!("{}  {file}\n", hex::encode(Sha256::digest(bytes))));
        }
        if !defined {
            return Err(PolicyError::NoVerdicts);
        }
        Ok(Self { engine, sha256: hex::encode(hash.finalize()) })
    }

    /// The organisation's bundle that comes with the server.
    pub fn embedded() -> Result<Self, PolicyError> {
        let files = EMBEDDED.map(|(file, text)| (file.to_owned(), text.as_bytes().to_vec()));
        Self::load(&files.into())
    }

    /// Hex SHA-256 over the bundle's files.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What the bundle says, gravest first.
    pub fn evaluate(&self, input: &PolicyInput<'_>) -> Result<Vec<Verdict>, PolicyError> {
        self.judge(&serde_json::to_string(input).map_err(PolicyError::Verdict)?)
    }

    fn judge(&self, input_json: &str) -> Result<Vec<Verdict>, PolicyError> {
        let failed =
            |cause: anyhow::Error| PolicyError::Evaluation(format!("{cause:#}").trim().to_owned());
        let mut engine = self.engine.clone();
        engine.set_input_json(input_json).map_err(failed)?;
        let verdicts = engine.eval_rule(VERDICTS.to_owned()).map_err(failed)?;
        if verdicts == regorus::Value::Undefined {
            return Err(PolicyError::NoVerdicts);
        }
        let json = verdicts.to_json_str().map_err(failed)?;
        let mut verdicts: Vec<Verdict> =
            serde_json::from_str(&json).map_err(PolicyError::Verdict)?;
        verdicts.sort_by(|a, b| {
            (a.effect, &a.rule, &a.pointer, &a.message)
                .cmp(&(b.effect, &b.rule, &b.pointer, &b.message))
        });
        Ok(verdicts)
    }
}

fn is_test(file: &str) -> bool {
    file.split('/').any(|part| part == "tests")
}

fn stem<'f>(file: &'f str, suffix: &str) -> Option<&'f str> {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.strip_suffix(suffix).filter(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests;
