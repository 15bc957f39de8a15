//! `idp secret keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::super::{Context, serve};
use crate::app::open_store;
use crate::clock::{Clock, rfc3339};
use crate::config::Config;
use crate::secrets::{self, KeyStatus};
use crate::store::Store;

/// List and rotate the keys that seal secrets.
///
/// The database holds secrets only sealed; the keys are in the file server.secret_key_file (secrets.key beside idp.toml).
/// Whoever has both reads every secret, and without the file nobody does. Keep a copy of the file apart from the copies
/// of the database, a new one after each rotation, and the old ones as long as databases of their time: a database that
/// is restored needs the file that it was used with.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp secret keys list --config /etc/idp/idp.toml
  idp secret keys rotate --config /etc/idp/idp.toml   then copy the key file
  idp serve                                    makes the file where the database never had one

Both work on the server's machine, while the server runs or not.")]
pub(in crate::cli) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(List),
    Rotate(Rotate),
}

/// Show each key: its state, how many values it seals, whether the key file has it.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: Place,
}

/// Make a new key, seal every value under it, and forget the keys before it.
///
/// The server may run and be used meanwhile. Interrupted at any moment, it leaves everything usable; the next call goes
/// on where it stopped. Copy the key file when it is done.
#[derive(Debug, Args)]
struct Rotate {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Keys {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::List(list) => list.run(context).await,
            Command::Rotate(rotate) => rotate.run(context).await,
        }
    }
}

impl Place {
    async fn open(&self, context: &Context<'_>) -> anyhow::Result<(Config, Store)> {
        let config = serve::load_config(self.config.as_deref(), context)?;
        let store = open_store(&config).await?;
        Ok((config, store))
    }
}

impl List {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let (config, store) = self.place.open(context).await?;
        let keys = secrets::overview(&store, &config.server.secret_key_file).await;
        store.close().await;
        let keys = keys?;
        let machine: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id,
                    "state": state(key),
                    "values": key.row.as_ref().map_or(0, |row| row.values),
                    "since": key.row.as_ref().map(|row| rfc3339(row.created_at)),
                    "in_file": key.in_file,
                })
            })
            .collect();
        let lines: Vec<String> = keys.iter().map(line).collect();
        let text = if lines.is_empty() { "none".to_owned() } else { lines.join("\n") };
        context.output.answer(&machine, text)
    }
}

fn state(key: &KeyStatus) -> &'static str {
    match &key.row {
        Some(row) if row.is_primary => "primary",
        Some(_) => "retiring",
        None => "unused",
    }
}

fn line(key: &KeyStatus) -> String {
    let Some(row) = &key.row else {
        return format!("{}  unused: the file has it, the database does not know it", key.id);
    };
    let missing = if key.in_file { "" } else { "  MISSING from the key file" };
    format!(
        "{}  {}  seals {} values  since {}{missing}",
        key.id,
        state(key),
        row.values,
        rfc3339(row.created_at)
    )
}

impl Rotate {
    async fn run(&self, context: &Context<'_>) -> anyhow::Result<()> {
        let (config, store) = self.place.open(context).await?;
        let file = &config.server.secret_key_file;
        let rotated = secrets::rotate(&store, file, Clock::system().now()).await;
        store.close().await;
        let rotated = rotated?;
        let done = if rotated.resumed { "finished the earlier rotation" } else { "rotated" };
        context.output.answer(
            &json!({
                "primary": rotated.primary,
                "resumed": rotated.resumed,
                "resealed": rotated.resealed,
                "forgotten": rotated.forgotten,
                "file": file,
            }),
            format_args!(
                "{done} to key {}: sealed {} values anew, forgot {}\ncopy {} now, apart from the copies of the database",
                rotated.primary,
                rotated.resealed,
                if rotated.forgotten.is_empty() { "no key".to_owned() } else { rotated.forgotten.join(", ") },
                file.display()
            ),
        )
    }
}
