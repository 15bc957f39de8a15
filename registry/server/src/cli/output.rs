//! Answers on standard output, everything else on standard error; text or JSON.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

/// Where answers go and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints the answer: `value` for machines, `text` for people.
    pub(super) fn answer<T: Serialize>(self, value: &T, text: impl Display) -> anyhow::Result<()> {
        match self.write(value, text) {
            // Whoever reads has read enough, as `head` does.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            written => Ok(written?),
        }
    }

    fn write<T: Serialize>(self, value: &T, text: impl Display) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, value).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{text}")?;
        }
        out.flush()
    }

    /// Tells a person what is going on; machines do not hear it.
    pub(super) fn progress(self, text: impl Display) {
        if !self.json {
            // A closed terminal must not stop the work.
            let _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// Says why the command failed.
    pub(super) fn failed(self, error: &anyhow::Error) -> ExitCode {
        let mut err = io::stderr().lock();
        let _ = if self.json {
            writeln!(err, "{}", serde_json::json!({ "error": format!("{error:#}") }))
        } else {
            writeln!(err, "idp: {error:#}")
        };
        ExitCode::FAILURE
    }
}
