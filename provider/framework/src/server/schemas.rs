//! What the provider offers.

use std::collections::BTreeMap;

use super::{BUG, Compiled, Server, Unusable};
use crate::diagnostics::{Diagnostics, Report as _};
use crate::schema::{FunctionSchema, ResourceSchema, lint_function, lint_schema};

/// Every schema of the provider.
pub(crate) struct Schemas<'a> {
    pub(crate) provider: &'a ResourceSchema,
    pub(crate) resources: BTreeMap<&'a str, &'a ResourceSchema>,
    pub(crate) data_sources: BTreeMap<&'a str, &'a ResourceSchema>,
    pub(crate) functions: BTreeMap<&'a str, &'a FunctionSchema>,
}

impl Server {
    /// Every schema; or what is wrong with them, all of it. Core crashes on some slips, so none are sent.
    pub(crate) fn schemas(&self) -> Result<Schemas<'_>, Diagnostics> {
        let mut problems = self.repeated_names.clone();
        let mut checked = |name: String, compiled: Result<&'_ Compiled, &Unusable>| match compiled {
            Ok(compiled) => {
                problems.extend(
                    lint_schema(&compiled.schema)
                        .into_iter()
                        .map(|problem| format!("{name}: {problem}")),
                );
            }
            Err(Unusable(problem)) => problems.push(problem.clone()),
        };
        if let Ok(provider) = self.provider_schema() {
            checked("provider".to_owned(), Ok(provider));
        }
        for (name, entry) in &self.resources {
            checked(format!("resource `{name}`"), entry.compiled(|| entry.offered.schema(), name));
        }
        for (name, entry) in &self.data_sources {
            checked(
                format!("data source `{name}`"),
                entry.compiled(|| entry.offered.schema(), name),
            );
        }
        for (name, entry) in &self.functions {
            match entry.schema() {
                Ok(schema) => problems.extend(lint_function(name, schema)),
                Err(Unusable(problem)) => problems.push(problem.clone()),
            }
        }
        let provider = self.provider_schema()?;
        if !problems.is_empty() {
            let mut diagnostics = Diagnostics::default();
            for problem in problems {
                diagnostics.fail("Invalid provider schema", format!("{problem}. {BUG}"));
            }
            return Err(diagnostics);
        }
        Ok(self.sound_schemas(provider))
    }

    fn sound_schemas<'a>(&'a self, provider: &'a Compiled) -> Schemas<'a> {
        let resource = |compiled: Result<&'a Compiled, &Unusable>| {
            compiled.ok().map(|compiled| &compiled.schema)
        };
        Schemas {
            provider: &provider.schema,
            resources: (self.resources.iter())
                .filter_map(|(name, entry)| {
                    Some((
                        name.as_str(),
                        resource(entry.compiled(|| entry.offered.schema(), name))?,
                    ))
                })
                .collect(),
            data_sources: (self.data_sources.iter())
                .filter_map(|(name, entry)| {
                    Some((
                        name.as_str(),
                        resource(entry.compiled(|| entry.offered.schema(), name))?,
                    ))
                })
                .collect(),
            functions: (self.functions.iter())
                .filter_map(|(name, entry)| Some((name.as_str(), entry.schema().ok()?)))
                .collect(),
        }
    }

    /// The names of resource types.
    pub(crate) fn resource_names(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    /// The names of data sources.
    pub(crate) fn data_source_names(&self) -> impl Iterator<Item = &str> {
        self.data_sources.keys().map(String::as_str)
    }

    /// The names of functions.
    pub(crate) fn function_names(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }
}
