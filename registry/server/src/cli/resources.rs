//! `idp resources`.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use registry_api::Name;
use registry_api::platform::{Resource, ResourceList, ResourceSummary};

use super::Context;
use super::client::Remote;
use super::reference::{Reference, wait};

/// List, show and abandon resources.
///
/// A resource whose first operation failed stays unfinished: its owner's next apply continues it, abandoning rolls it
/// back.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  idp resources                              what the token may see
  idp resources --unfinished                 what was begun and never finished
  idp resources show staging/checkout        spec, commit, drift
  idp resources abandon staging/checkout     roll an unfinished one back"
)]
pub(super) struct Resources {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List resources
    List(List),
    /// Show one as it is in the world, drift included
    Show(One),
    /// Roll back one that was never finished
    Abandon(One),
}

#[derive(Debug, Args)]
struct List {
    /// Only those whose first operation never finished
    #[arg(long)]
    unfinished: bool,
    /// Only this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<Name>,
    /// Only this owner
    #[arg(long, value_name = "NAME")]
    owner: Option<Name>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Args)]
struct One {
    /// Which one
    #[arg(value_name = "ENVIRONMENT/NAME")]
    resource: Reference,
    #[command(flatten)]
    remote: Remote,
}

impl Resources {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            None => self.list.run(context).await,
            Some(Command::List(list)) => list.run(context).await,
            Some(Command::Show(one)) => one.show(context).await,
            Some(Command::Abandon(one)) => one.abandon(context).await,
        }
    }
}

impl List {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let mut path = format!("/api/v1/resources?unfinished={}", self.unfinished);
        // Names need no escaping in a query.
        for (key, name) in [("environment", &self.environment), ("owner", &self.owner)] {
            if let Some(name) = name {
                // Writing to a String cannot fail.
                let _ = write!(path, "&{key}={name}");
            }
        }
        let list: ResourceList = self.remote.client(context)?.get(&path).await?;
        let lines: Vec<String> = list.resources.iter().map(line).collect();
        let text = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
        context.output.answer(&list, text)
    }
}

fn line(one: &ResourceSummary) -> String {
    format!(
        "{}  {}/{}  owner {}  generation {}  {}  {} {}",
        one.reference.kind,
        one.reference.environment,
        one.reference.name,
        one.owner,
        one.generation,
        super::reference::word(&one.phase),
        one.golden_path.address,
        one.golden_path.version
    )
}

impl One {
    async fn show(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let resource: Resource = self.remote.client(context)?.get(&self.resource.path()).await?;
        let text = describe(&resource);
        context.output.answer(&resource, text)
    }

    async fn abandon(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let client = self.remote.client(context)?;
        let resource: Resource = client.get(&self.resource.path()).await?;
        let never_stood = resource.conditions.iter().any(|c| c.kind == "Committed" && !c.status);
        if !never_stood {
            return Err(anyhow!(
                "{} is finished; remove it with terraform destroy, abandoning is for what never was",
                self.resource
            ));
        }
        let accepted = client.delete_at(&self.resource.path(), resource.generation).await?;
        let operation = wait(&client, context, accepted).await?;
        context.output.answer(&operation, format_args!("{} is rolled back", self.resource))
    }
}

fn describe(resource: &Resource) -> String {
    let mut lines = vec![
        format!(
            "{} {}/{}  owner {}  generation {}  {}",
            resource.reference.kind,
            resource.reference.environment,
            resource.reference.name,
            resource.owner,
            resource.generation,
            super::reference::word(&resource.phase)
        ),
        format!("path    {} {}", resource.golden_path.address, resource.golden_path.version),
    ];
    lines.extend(resource.running_image.iter().map(|image| format!("image   {image}")));
    lines.extend(resource.outputs.url.iter().map(|url| format!("url     {url}")));
    lines.extend(resource.outputs.database.iter().map(|database| {
        format!("server  {}:{}, database {}", database.host, database.port, database.database)
    }));
    let gitops = &resource.outputs.gitops;
    let commit = gitops.commit.as_deref().unwrap_or("no commit yet");
    lines.push(format!("gitops  {} {} {commit}", gitops.repository, gitops.path));
    for condition in &resource.conditions {
        let mark = if condition.status { "yes" } else { "no " };
        lines.push(format!("{mark}     {}: {}", condition.kind, condition.message));
    }
    lines.extend(
        resource
            .drift
            .iter()
            .map(|d| format!("drift   {} {}", super::reference::word(&d.kind), d.path)),
    );
    lines.extend(resource.operation.iter().map(|id| format!("last operation {id}")));
    lines.join("\n")
}
