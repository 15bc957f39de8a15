//! Answers on standard output, everything else on standard error; text or JSON.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::ops::backup::Watch;

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

    /// Tells a person at a terminal how far something long is.
    pub(super) fn meter(self, what: &'static str) -> Meter {
        self.count(what, "")
    }

    /// The same of things that are counted.
    pub(super) fn count(self, what: &'static str, unit: &'static str) -> Meter {
        let is_shown = !self.json && io::stderr().is_terminal();
        Meter { what: is_shown.then_some(what), unit, shown: AtomicU64::new(u64::MAX) }
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

/// One line on a terminal, written over as it moves.
#[derive(Debug)]
pub(super) struct Meter {
    what: Option<&'static str>,
    /// Of what; bytes where it is empty.
    unit: &'static str,
    shown: AtomicU64,
}

impl Watch for Meter {
    fn at(&self, done: u64, total: u64) {
        let Some(what) = self.what else { return };
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        if self.shown.swap(percent, Ordering::Relaxed) != percent {
            let total = match self.unit {
                "" => size(total),
                unit => format!("{total} {unit}"),
            };
            // A closed terminal must not stop the work.
            let _ = write!(io::stderr(), "\r{what}: {percent} % of {total}");
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.what.is_some() && self.shown.load(Ordering::Relaxed) != u64::MAX {
            let _ = writeln!(io::stderr());
        }
    }
}

/// `12 KiB`, for people.
pub(super) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut shown = (bytes, "bytes");
    for unit in units {
        if shown.0 < 10 * 1024 {
            break;
        }
        shown = (shown.0 / 1024, unit);
    }
    format!("{} {}", shown.0, shown.1)
}
