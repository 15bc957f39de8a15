//! The documentation of the provider, in the layout and the words that registries show.
//!
//! Generated from the schemas, whose descriptions are its text, and from the examples. Writing it again changes
//! nothing: a test compares it with what is checked in.

mod page;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use provider_framework::provider::Provider as _;

use self::page::Page;
use crate::provider::Idp;
use crate::settings::ProcessEnvironment;

/// Why the documentation cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be {}", path.display(), what)]
pub struct DocsError {
    path: PathBuf,
    what: &'static str,
    source: io::Error,
}

/// Writes every page below a folder.
pub fn write(folder: &Path, examples: &Path) -> Result<(), DocsError> {
    for (name, text) in pages(examples)? {
        let path = folder.join(name);
        let fail = |source| DocsError { path: path.clone(), what: "written", source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        fs::write(&path, text).map_err(fail)?;
    }
    Ok(())
}

/// Every page, by its path below the documentation's folder.
pub fn pages(examples: &Path) -> Result<Vec<(PathBuf, String)>, DocsError> {
    let provider = Idp::new(ProcessEnvironment::default());
    let index = Page::provider(&provider.schema(), &example(examples, "provider/provider.tf")?);
    let mut pages = vec![(PathBuf::from("index.md"), index)];
    for resource in provider.resources() {
        let name = resource.type_name();
        let folder = format!("resources/{name}");
        let usage = example(examples, &format!("{folder}/resource.tf"))?;
        let import = example(examples, &format!("{folder}/import.sh"))?;
        let block = example(examples, &format!("{folder}/import-by-string-id.tf"))?;
        let text = Page::resource(name, &resource.schema(), &usage, &block, &import);
        pages.push((page_path("resources", name), text));
    }
    for source in provider.data_sources() {
        let name = source.type_name();
        let usage = example(examples, &format!("data-sources/{name}/data-source.tf"))?;
        let text = Page::data_source(name, &source.schema(), &usage);
        pages.push((page_path("data-sources", name), text));
    }
    for resource in provider.ephemeral_resources() {
        let name = resource.type_name();
        let usage =
            example(examples, &format!("ephemeral-resources/{name}/ephemeral-resource.tf"))?;
        let text = Page::ephemeral_resource(name, &resource.schema(), &usage);
        pages.push((page_path("ephemeral-resources", name), text));
    }
    Ok(pages)
}

/// Registries leave the provider's name out of a page's.
fn page_path(folder: &str, name: &str) -> PathBuf {
    PathBuf::from(folder).join(format!("{}.md", name.strip_prefix("idp_").unwrap_or(name)))
}

fn example(examples: &Path, name: &str) -> Result<String, DocsError> {
    let path = examples.join(name);
    fs::read_to_string(&path).map_err(|source| DocsError { path, what: "read", source })
}
