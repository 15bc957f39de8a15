//! `idp serve`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tracing_subscriber::EnvFilter;

use super::Context;
use crate::app::{Alone, App};
use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::jobs::Worker;
use crate::serve::Listener;
use crate::{config, router};

/// Run the server.
///
/// Ends on SIGTERM or SIGINT: takes no new connections, lets requests under way finish, then exits 0.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp serve --config /etc/idp/idp.toml
  idp serve --check                         only say whether the configuration is right
  IDP_LISTEN=0.0.0.0:8443 idp serve         override one key of [server]")]
pub(super) struct Serve {
    /// Configuration file [default: idp.toml, or IDP_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the configuration and exit
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let config = load_config(self.config.as_deref(), context)?;
        if self.check {
            return context.output.answer(
                &serde_json::json!({ "ok": true }),
                format_args!(
                    "the configuration is right: {} namespaces, {} environments, {} owners",
                    config.namespaces.len(),
                    config.environments.len(),
                    config.owners.len()
                ),
            );
        }
        start_log(config.server.log_format, context.variable("IDP_LOG"));
        let _alone = Alone::hold(&config.server.data_dir)?;
        let app = App::start(config, Clock::system()).await?;
        let listener = Listener::bind(&app.config).await?;
        run_server(app, listener).await
    }
}

/// Serves until a signal; shared with `idp dev`.
pub(super) async fn run_server(app: App, listener: Listener) -> anyhow::Result<()> {
    let address = listener.address().context("the socket has no address")?;
    tracing::info!(
        listen.address = %address,
        server.public_url = %app.config.server.public_url,
        server.hostname = %app.config.server.hostname,
        tls = app.config.server.tls.is_some(),
        "serving"
    );
    let stop = stop_signal()?;
    let worker = Worker::start(app.clone());
    listener.serve(router::build(app.clone()), stop).await;
    worker.stop(Duration::from_secs(app.config.server.shutdown_seconds)).await;
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Finds and loads the configuration of this machine.
pub(super) fn load_config(
    given: Option<&std::path::Path>,
    context: &Context<'_>,
) -> Result<Config, config::ConfigError> {
    Config::load(&config_path(given, context), context.variables)
}

/// Where the configuration of this machine is.
pub(super) fn config_path(given: Option<&std::path::Path>, context: &Context<'_>) -> PathBuf {
    let named = given.map(PathBuf::from).or_else(|| context.variable("IDP_CONFIG").map(Into::into));
    named.unwrap_or_else(|| "idp.toml".into())
}

/// Sends the log to standard error.
pub(super) fn start_log(format: LogFormat, filter: Option<&str>) {
    let filter = EnvFilter::builder().parse_lossy(filter.unwrap_or("info,sqlx=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second command in one process keeps the first one's log.
    let _ = match format {
        LogFormat::Text => log.with_target(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    // A panic is logged as everything else is, with the request that it happened in.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
}

/// Ends when the process is asked to.
pub(super) fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
