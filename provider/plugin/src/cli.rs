//! What the program does when a person starts it.
//!
//! Terraform starts it without arguments. Everything else is small and read by hand: a parser of arguments would cost
//! more to load than the rest of a start.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::docs;

/// The address that `--debug` announces unless told otherwise.
const ADDRESS: &str = "registry.example.com/platform/idp";

const USAGE: &str = "\
terraform-provider-idp is a plugin: Terraform and OpenTofu start it, from a `provider \"idp\"` block.

For people:
  terraform-provider-idp --version
  terraform-provider-idp --debug [--address HOST/platform/idp]
      serve until interrupted, and print what to set in the shell that runs terraform
  terraform-provider-idp docs DIR [--examples DIR]
      write the documentation of every resource, data source and ephemeral resource
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Be a plugin.
    Serve {
        /// Its own address.
        address: String,
    },
    /// Say which version this is.
    Version,
    /// Say how to use it.
    Help,
    /// Write the documentation.
    Docs {
        /// Where to.
        folder: PathBuf,
        /// Where examples are.
        examples: PathBuf,
    },
}

impl Command {
    /// Reads the arguments, without the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let command = match arguments.next().as_deref() {
            None => Self::Serve { address: ADDRESS.to_owned() },
            Some("--debug") => {
                let address = option(&mut arguments, "--address")?;
                Self::Serve { address: address.unwrap_or_else(|| ADDRESS.to_owned()) }
            }
            Some("--version" | "-V") => Self::Version,
            Some("--help" | "-h") => Self::Help,
            Some("docs") => {
                let folder = arguments.next().ok_or("docs needs a folder to write to")?;
                let examples = option(&mut arguments, "--examples")?;
                let examples = examples.unwrap_or_else(|| "examples".to_owned());
                Self::Docs { folder: folder.into(), examples: examples.into() }
            }
            Some(other) => return Err(format!("{other:?} is not something that it can do")),
        };
        match arguments.next() {
            None => Ok(command),
            Some(extra) => Err(format!("{extra:?} is one argument too many")),
        }
    }
}

fn option(
    arguments: &mut impl Iterator<Item = String>,
    name: &str,
) -> Result<Option<String>, String> {
    match arguments.next() {
        None => Ok(None),
        Some(given) if given == name => {
            arguments.next().map(Some).ok_or_else(|| format!("{name} needs a value"))
        }
        Some(other) => Err(format!("{other:?} is not an option here")),
    }
}

/// Does what needs no plugin host.
pub fn run(command: &Command) -> ExitCode {
    match command {
        Command::Version => {
            say(concat!("terraform-provider-idp ", env!("CARGO_PKG_VERSION"), "\n"))
        }
        Command::Help | Command::Serve { .. } => say(USAGE),
        Command::Docs { folder, examples } => match docs::write(folder, examples) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        },
    }
}

fn say(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says what is wrong with how it was started.
pub fn fail(error: &str) -> ExitCode {
    // Nothing is left to do if not even that can be said.
    let _ = writeln!(io::stderr(), "terraform-provider-idp: {error}\n\n{USAGE}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        Command::parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn without_arguments_it_is_a_plugin() {
        assert_eq!(parse(&[]), Ok(Command::Serve { address: ADDRESS.to_owned() }));
    }

    #[test]
    fn debugging_may_be_told_the_address() {
        let command = parse(&["--debug", "--address", "idp.acme.dev/platform/idp"]);

        assert_eq!(command, Ok(Command::Serve { address: "idp.acme.dev/platform/idp".to_owned() }));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for arguments in
            [&["--verbose"][..], &["docs"], &["docs", "a", "--examples"], &["--version", "x"]]
        {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
