//! `idp log recover`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Context, serve};
use crate::clock::Clock;
use crate::ops::log_copy::LogCopy;
use crate::ops::recover_log;

/// Bring the log of this server's database up to what was signed, from a copy that a monitor keeps.
///
/// For a server that does not start after the restore of an older backup, because its log is older than what it signed.
/// The server must not run. The copy must continue this database and reach what was signed last; nothing is changed
/// otherwise. Releases whose archive was lost stay in the log: publish the same archive again to have them back.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp restore /backups/idp-1.tar && idp log recover /srv/idp-log && idp serve")]
pub(super) struct Recover {
    /// Folder of the copy, as `idp log monitor --dir` keeps it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Recover {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let config = serve::load_config(self.config.as_deref(), context)?;
        let copy = LogCopy::new(&self.folder);
        let recovered = recover_log::recover(&config, &copy, Clock::system().now()).await?;
        let (before, after) = (recovered.before, recovered.after);
        let mut text = match after - before {
            0 => format!("nothing is missing: the log has {after} entries"),
            count => format!("brought back {count} entries: the log has {after}, it had {before}"),
        };
        for release in &recovered.without_archive {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  {release} has no archive; publish the same one again");
        }
        text.push_str("\n\nnext:\n  idp serve\n  idp log verify");
        context.output.answer(&recovered, text)
    }
}
