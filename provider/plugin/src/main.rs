//! `terraform-provider-idp`.

use std::process::ExitCode;

use provider_framework::plugin::{self, Invocation};
use provider_plugin::cli::{self, Command};
use provider_plugin::provider::Idp;
use provider_plugin::settings::ProcessEnvironment;

fn main() -> ExitCode {
    let command = match Command::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => return cli::fail(&error),
    };
    match command {
        Command::Serve { address } => {
            let invocation = Invocation::new(address, std::env::args_os(), std::env::vars_os());
            plugin::run(Idp::new(ProcessEnvironment::read()), &invocation)
        }
        other => cli::run(&other),
    }
}
