//! The command line: what a person types, and where their answers go.
//!
//! Exit codes: 0 done; 1 refused or failed; 2 the command itself is wrong.

mod init;
mod output;
mod serve;

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Output;

/// The command line of the platform: a signed Terraform registry and a self-service platform in one server.
#[derive(Debug, Parser)]
#[command(name = "idp", version, max_term_width = 100, after_help = GUIDE)]
struct Cli {
    /// Print one JSON object instead of text, for scripts.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const GUIDE: &str = "\
Start here:
  idp init /etc/idp                  write a configuration, keys and one admin token
  idp serve --config /etc/idp/idp.toml

Exit codes:
  0  done
  1  refused or failed; the message says why and what to do
  2  the command itself is wrong

Environment:
  IDP_CONFIG  configuration file for commands that run on the server
  IDP_SERVER  server for commands that talk to one, such as https://registry.example.com
  IDP_TOKEN   token for those commands
  IDP_LISTEN, IDP_PUBLIC_URL, IDP_HOSTNAME, IDP_DATA_DIR, IDP_TLS_CERT, IDP_TLS_KEY, IDP_LOG_FORMAT
              override the [server] section of the configuration
  IDP_LOG     what is logged, such as info or registry_server=debug";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Serve(serve::Serve),
}

/// What a command may use of the process.
struct Context<'a> {
    variables: &'a BTreeMap<String, String>,
    output: Output,
}

impl Context<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Parses the arguments of the process and runs one command.
pub fn run(variables: &BTreeMap<String, String>) -> ExitCode {
    let cli = Cli::parse();
    let context = Context { variables, output: Output::new(cli.json) };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return context.output.failed(&anyhow::Error::new(error)),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Init(command) => command.run(&context).await,
            Command::Serve(command) => command.run(&context).await,
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => context.output.failed(&error),
    }
}
