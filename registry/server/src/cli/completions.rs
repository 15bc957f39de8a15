//! `idp completions`.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp completions bash > /etc/bash_completion.d/idp
  idp completions zsh > \"${fpath[1]}/_idp\"
  idp completions fish > ~/.config/fish/completions/idp.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) {
        clap_complete::generate(self.shell, &mut super::Cli::command(), "idp", &mut io::stdout());
    }
}
