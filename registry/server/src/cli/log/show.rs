//! `idp log show`.

use anyhow::bail;
use clap::Args;
use registry_trust::log::tile::WIDTH;
use serde_json::json;

use super::From;
use super::text::{line, value};
use crate::cli::Context;

/// How many entries are shown where none is named.
const NEWEST: u64 = 20;

/// Print entries of the log.
///
/// As they are served: `idp log verify` is what checks them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp log show                the newest entries, one line each
  idp log show 12             what entry 12 says, word for word
  idp log show --from /srv/idp-log 12")]
pub(super) struct Show {
    /// Positions, from 0 [default: the newest 20, one line each]
    #[arg(value_name = "INDEX")]
    indexes: Vec<u64>,
    #[command(flatten)]
    from: From,
}

impl Show {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let source = self.from.source(context)?;
        let size = source.head().await?.size();
        let is_brief = self.indexes.is_empty();
        let indexes =
            if is_brief { (size.saturating_sub(NEWEST)..size).collect() } else { self.indexes };
        let (mut lines, mut values) = (Vec::new(), Vec::new());
        let mut bundle: Option<(u64, Vec<Vec<u8>>)> = None;
        for index in indexes {
            if index >= size {
                bail!("the log has {size} entries, counted from 0; there is no entry {index}");
            }
            let (tile, place) = (index / u64::from(WIDTH), index % u64::from(WIDTH));
            let leaves = match bundle.take() {
                Some((at, leaves)) if at == tile => leaves,
                _ => source.leaves(tile, size).await?,
            };
            let leaf = usize::try_from(place).ok().and_then(|place| leaves.get(place));
            let leaf = leaf.map(Vec::as_slice).unwrap_or_default();
            let machine = value(index, leaf);
            lines.push(line(index, leaf));
            if !is_brief {
                lines.push(serde_json::to_string_pretty(&machine["statement"])?);
            }
            values.push(machine);
            bundle = Some((tile, leaves));
        }
        context.output.answer(&json!({ "size": size, "entries": values }), lines.join("\n"))
    }
}
