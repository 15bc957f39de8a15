//! The `idp` binary: prepares the process, then runs one command.

use std::process::ExitCode;

use registry_server::{cli, config, failpoint};

fn main() -> ExitCode {
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("idp: a TLS provider was installed already");
        return ExitCode::FAILURE;
    }
    let variables = config::process_variables();
    if let Some(name) = variables.get("IDP_FAILPOINT") {
        failpoint::arm(name);
    }
    cli::run(&variables)
}
