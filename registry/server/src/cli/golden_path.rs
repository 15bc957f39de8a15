//! `idp golden-path`: try a path before it is published.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use registry_api::ModuleAddress;
use serde_json::json;

use super::Context;
use crate::golden_path::{
    Files, GoldenPath, Outcome, RenderError, fixtures_request, read_directory, run_fixtures,
};

/// Try a golden path before it is published.
#[derive(Debug, Args)]
pub(super) struct GoldenPathCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run its fixtures: what must be rendered, refused and warned about.
    Test {
        /// Folder of the path, such as modules/api/nodejs.
        directory: PathBuf,
        /// Write what is rendered now as what is expected, after you have looked at the difference.
        #[arg(long)]
        update: bool,
    },
    /// Render it for one request.
    Render {
        /// Folder of the path.
        directory: PathBuf,
        /// The request, in the form of tests/cases/NAME.yaml.
        #[arg(long)]
        input: PathBuf,
        /// Write the files here instead of printing them.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Render the files a new repository starts with instead of what is deployed.
        #[arg(long)]
        skeleton: bool,
    },
}

impl GoldenPathCommand {
    pub(super) fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.action {
            Action::Test { directory, update } => test(context, &directory, update),
            Action::Render { directory, input, out, skeleton } => {
                render(context, &directory, &input, out.as_deref(), skeleton)
            }
        }
    }
}

/// The path, its files, and the address it will have in the namespace `golden`.
fn load(directory: &Path) -> anyhow::Result<(GoldenPath, Files, ModuleAddress)> {
    let files = read_directory(directory)?;
    let path = GoldenPath::parse(&files)?;
    let full = fs::canonicalize(directory).with_context(|| directory.display().to_string())?;
    let mut parts = full.iter().rev().filter_map(|part| part.to_str());
    let (system, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let address = ModuleAddress::new("golden", name, system)
        .context("a golden path lies in <name>/<system>, such as modules/api/nodejs")?;
    Ok((path, files, address))
}

fn test(context: &Context<'_>, directory: &Path, update: bool) -> anyhow::Result<()> {
    let (path, files, address) = load(directory)?;
    let mut outcomes = run_fixtures(&path, &address, &files)?;
    if update {
        for outcome in &mut outcomes {
            if let Some(rendered) = outcome.rendered.take() {
                let folder = directory.join("tests/rendered").join(&outcome.case);
                rewrite(&folder, &rendered)?;
                outcome.failures.retain(|failure| !failure.starts_with("tests/rendered/"));
            }
        }
    }
    let version = interface_version(&files, &path.manifest().version.to_string());
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    let total = outcomes.len();
    let mut text: Vec<_> = outcomes.iter().map(describe).collect();
    text.extend(version.clone());
    text.push(format!("{} of {total} cases pass", total - failed));
    let json = json!({
        "cases": outcomes.iter().map(|o| json!({"case": o.case, "failures": o.failures})).collect::<Vec<_>>(),
        "interface": version,
    });
    context.output.answer(&json, text.join("\n"))?;
    if failed > 0 || version.is_some() {
        bail!(
            "the golden path does not do what its tests say; correct it, or accept with --update"
        );
    }
    Ok(())
}

fn describe(outcome: &Outcome) -> String {
    if outcome.failures.is_empty() {
        return format!("ok      {}", outcome.case);
    }
    format!("FAILED  {}\n{}", outcome.case, outcome.failures.join("\n"))
}

/// The HCL interface must ask for the very version it is shipped with.
fn interface_version(files: &Files, version: &str) -> Option<String> {
    let wanted = format!("\"{version}\"");
    for (file, bytes) in files.iter().filter(|(file, _)| is_interface(file)) {
        let text = String::from_utf8_lossy(bytes);
        let assigned = |line: &&str| {
            line.trim_start().starts_with("golden_path_version") && line.contains('=')
        };
        for (index, line) in text.lines().enumerate().filter(|(_, line)| assigned(line)) {
            if !line.contains(&wanted) {
                return Some(format!(
                    "{file}:{}: golden_path_version is not {wanted}, the version of the manifest",
                    index + 1
                ));
            }
        }
    }
    None
}

fn is_interface(file: &str) -> bool {
    file.strip_suffix(".tf").is_some_and(|stem| !stem.contains('/'))
}

fn render(
    context: &Context<'_>,
    directory: &Path,
    input: &Path,
    out: Option<&Path>,
    skeleton: bool,
) -> anyhow::Result<()> {
    let (path, files, address) = load(directory)?;
    let bytes = fs::read(input).with_context(|| input.display().to_string())?;
    let request = fixtures_request(&path, &address, &input.display().to_string(), &bytes, &files)?;
    let rendered = if skeleton {
        path.render_skeleton(&request)
    } else {
        path.render(&request).map(|rendered| rendered.files)
    };
    let rendered = rendered.map_err(explain)?;
    if let Some(out) = out {
        write(out, &rendered)?;
        let text = format!("{} files written to {}", rendered.len(), out.display());
        let json = json!({"files": rendered.keys().collect::<Vec<_>>()});
        return context.output.answer(&json, text);
    }
    let texts: BTreeMap<_, _> =
        rendered.iter().map(|(path, bytes)| (path, String::from_utf8_lossy(bytes))).collect();
    let text: Vec<_> = texts.iter().map(|(path, text)| format!("# {path}\n{text}")).collect();
    context.output.answer(&texts, text.join("\n"))
}

fn explain(error: RenderError) -> anyhow::Error {
    match error {
        RenderError::Path(errors) => errors.into(),
        RenderError::Inputs(errors) => {
            let lines: Vec<_> = errors
                .iter()
                .map(|error| {
                    let fix =
                        error.fix.as_deref().map_or_else(String::new, |fix| format!("; {fix}"));
                    format!("{}: {} [{}]{fix}", error.pointer, error.detail, error.rule)
                })
                .collect();
            anyhow::anyhow!("the request is refused\n{}", lines.join("\n"))
        }
    }
}

/// Replaces everything in a folder.
fn rewrite(folder: &Path, files: &Files) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    write(folder, files)
}

fn write(folder: &Path, files: &Files) -> anyhow::Result<()> {
    for (path, bytes) in files {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        fs::write(&file, bytes).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
