//! The command line: what a person types, and where their answers go.
//!
//! Exit codes: 0 done; 1 refused or failed; 2 the command itself is wrong.

#![expect(
    clippy::doc_markdown,
    reason = "doc comments of arguments are help texts, printed as they are"
)]

mod audit;
mod backup;
mod client;
mod completions;
mod deploy;
mod dev;
mod evidence;
mod gitops;
mod golden_path;
mod imprint;
mod init;
mod keys;
mod lock;
mod log;
mod oidc;
mod output;
mod provider;
mod publish;
mod reference;
mod resources;
mod restore;
mod secret;
mod serve;
mod status;
mod token;
mod trust;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;
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
Try it:
  idp dev --modules modules          a whole platform on this machine, nothing to configure

Run it:
  idp init /etc/idp                  write a configuration, keys and one admin token
  idp serve --config /etc/idp/idp.toml
  idp token create --name ci --right publish:golden
  idp publish modules/api/nodejs
  idp provider keygen && idp provider publish --binary terraform-provider-idp --version 1.0.0

Use it:
  idp trust > idp.policy             pin whom a configuration believes
  idp lock && terraform init && idp verify && terraform plan

Keep it:
  idp backup /backups/idp-1.tar      everything but keys and configuration, while the server runs
  idp backup verify /backups/idp-1.tar
  idp restore /backups/idp-1.tar     on a machine with the configuration and the keys
  copy /etc/idp/secrets.key and /etc/idp/trust somewhere apart from the backups, and the former again after
  idp secret keys rotate             another key for all secrets, while the server runs

Watch it, from another machine:
  idp log verify --policy idp.policy audit everything that was ever released, revoked or changed
  idp log monitor --dir /srv/idp-log --policy idp.policy
                                     keep a copy of the log, tell what is new and what is wrong
  idp log show                       the newest entries
  idp log recover /srv/idp-log       on the server, after the restore of an older backup

Exit codes:
  0  done
  1  refused or failed; the message says why and what to do
  2  the command itself is wrong

Environment:
  IDP_CONFIG  configuration file for commands that run on the server
  TF_DATA_DIR where terraform works, as it reads it itself
  IDP_SERVER  server for commands that talk to one, such as https://registry.example.com
  IDP_TOKEN   token for those commands
  IDP_PUBLISHER_KEY, IDP_PROVIDER_KEY, IDP_PROVIDER_PASSPHRASE
              keys that sign modules and provider releases
  IDP_ID_TOKEN
              ID token of a CI job that publishes with --trusted
  IDP_LISTEN, IDP_PUBLIC_URL, IDP_HOSTNAME, IDP_DATA_DIR, IDP_SECRET_KEY_FILE, IDP_TLS_CERT,
  IDP_TLS_KEY, IDP_LOG_FORMAT
              override the [server] section of the configuration
  IDP_LOG     what is logged, such as info or registry_server=debug";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Serve(serve::Serve),
    Dev(dev::Dev),
    Publish(publish::Publish),
    GoldenPath(golden_path::GoldenPathCommand),
    Provider(provider::Provider),
    Token(token::Token),
    Resources(resources::Resources),
    Deploy(deploy::Deploy),
    Secret(secret::Secret),
    Keys(keys::Keys),
    Status(status::Status),
    Log(log::Log),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(restore::Restore),
    #[command(name = "gitops")]
    GitOps(gitops::GitOps),
    Lock(lock::Lock),
    Oidc(oidc::Oidc),
    Verify(verify::Verify),
    Trust(trust::Trust),
    Completions(completions::Completions),
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

    /// A file in the folder of the configuration, or in the current one.
    fn beside_config(&self, name: &str) -> PathBuf {
        let config = self.variable("IDP_CONFIG").map_or_else(PathBuf::new, PathBuf::from);
        config.with_file_name(name)
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
            Command::Dev(command) => command.run(&context).await,
            Command::Publish(command) => command.run(&context).await,
            Command::GoldenPath(command) => command.run(&context),
            Command::Provider(command) => command.run(&context).await,
            Command::Token(command) => command.run(&context).await,
            Command::Resources(command) => command.run(&context).await,
            Command::Deploy(command) => command.run(&context).await,
            Command::Secret(command) => command.run(&context).await,
            Command::Keys(command) => command.run(&context).await,
            Command::Status(command) => command.run(&context).await,
            Command::Log(command) => command.run(&context).await,
            Command::Audit(command) => command.run(&context).await,
            Command::Backup(command) => command.run(&context).await,
            Command::Restore(command) => command.run(&context).await,
            Command::GitOps(command) => command.run(&context).await,
            Command::Lock(command) => command.run(&context).await,
            Command::Oidc(command) => command.run(&context).await,
            Command::Verify(command) => command.run(&context).await,
            Command::Trust(command) => command.run(&context).await,
            Command::Completions(command) => {
                command.run();
                Ok(())
            }
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => context.output.failed(&error),
    }
}
