//! What the provider offers.

use std::collections::BTreeMap;

use super::{BUG, Compiled, Entry, Server, Unusable};
use crate::diagnostics::{Diagnostics, Report as _};
use crate::schema::{
    FunctionSchema, ResourceSchema, lint_function, lint_schema, lint_unstored_schema,
};

/// Every schema of the provider.
pub(crate) struct Schemas<'a> {
    pub(crate) provider: &'a ResourceSchema,
    pub(crate) resources: BTreeMap<&'a str, &'a ResourceSchema>,
    pub(crate) data_sources: BTreeMap<&'a str, &'a ResourceSchema>,
    pub(crate) ephemeral_resources: BTreeMap<&'a str, &'a ResourceSchema>,
    pub(crate) functions: BTreeMap<&'a str, &'a FunctionSchema>,
}

impl Server {
    /// Every schema; or what is wrong with them, all of it. Core crashes on some slips, so none are sent.
    pub(crate) fn schemas(&self) -> Result<Schemas<'_>, Diagnostics> {
        let mut problems = self.repeated_names.clone();
        let provider = self.provider_schema()?;
        problems.extend(prefixed("provider", lint_unstored_schema(&provider.schema)));
        let schemas = Schemas {
            provider: &provider.schema,
            resources: sound(&self.resources, "resource", lint_schema, &mut problems),
            data_sources: sound(
                &self.data_sources,
                "data source",
                lint_unstored_schema,
                &mut problems,
            ),
            ephemeral_resources: sound(
                &self.ephemeral_resources,
                "ephemeral resource",
                lint_unstored_schema,
                &mut problems,
            ),
            functions: self.sound_functions(&mut problems),
        };
        if problems.is_empty() {
            return Ok(schemas);
        }
        let mut diagnostics = Diagnostics::default();
        for problem in problems {
            diagnostics.fail("Invalid provider schema", format!("{problem}. {BUG}"));
        }
        Err(diagnostics)
    }

    fn sound_functions(&self, problems: &mut Vec<String>) -> BTreeMap<&str, &FunctionSchema> {
        let mut schemas = BTreeMap::new();
        for (name, entry) in &self.functions {
            match entry.schema() {
                Ok(schema) => {
                    problems.extend(lint_function(name, schema));
                    schemas.insert(name.as_str(), schema);
                }
                Err(Unusable(problem)) => problems.push(problem.clone()),
            }
        }
        schemas
    }

    /// The names of resource types.
    pub(crate) fn resource_names(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// The names of data sources.
    pub(crate) fn data_source_names(&self) -> impl Iterator<Item = &str> {
        self.data_sources.keys().map(String::as_str)
    }

    /// The names of types of ephemeral resources.
    pub(crate) fn ephemeral_resource_names(&self) -> impl Iterator<Item = &str> {
        self.ephemeral_resources.keys().map(String::as_str)
    }

    /// The names of functions.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }
}

/// The schemas of a kind, by name, having recorded what is wrong with them.
fn sound<'a, T: ?Sized>(
    entries: &'a BTreeMap<String, Entry<T>>,
    kind: &str,
    lint: fn(&ResourceSchema) -> Vec<String>,
    problems: &mut Vec<String>,
) -> BTreeMap<&'a str, &'a ResourceSchema> {
    let mut schemas = BTreeMap::new();
    for (name, entry) in entries {
        match entry.compiled(name) {
            Ok(Compiled { schema, .. }) => {
                problems.extend(prefixed(&format!("{kind} `{name}`"), lint(schema)));
                schemas.insert(name.as_str(), schema);
            }
            Err(Unusable(problem)) => problems.push(problem.clone()),
        }
    }
    schemas
}

fn prefixed(name: &str, problems: Vec<String>) -> impl Iterator<Item = String> {
    problems.into_iter().map(move |problem| format!("{name}: {problem}"))
}
