//! The report for people: a line a module, what is wrong and what to do below it.

use std::{error::Error, fmt};

use super::{Finding, Report, Verdict};

/// How many callers of one module are named.
const MOST_CALLS: usize = 5;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            finding.fmt(f)?;
        }
        let packages = self.packages();
        if packages == 0 {
            return f.write_str("no modules are installed");
        }
        let counts: Vec<String> = Verdict::ALL
            .iter()
            .rev()
            .map(|verdict| (self.counts.get(verdict.word()).copied().unwrap_or(0), verdict))
            .filter(|(count, _)| *count > 0)
            .map(|(count, verdict)| format!("{count} {}", words(*verdict)))
            .collect();
        let noun = if packages == 1 { "module" } else { "modules" };
        write!(f, "{packages} {noun}: {}", counts.join(", "))?;
        match self.counts.get("not_locked") {
            None | Some(0) => Ok(()),
            Some(count) => write!(f, "; {count} not locked"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = words(self.verdict);
        let word = if self.refused { word.to_uppercase() } else { word.to_owned() };
        write!(f, "{word:<16}  {}", self.source)?;
        if let Some(version) = &self.version {
            write!(f, " {version}")?;
        }
        let shown: Vec<&str> = self.calls.iter().take(MOST_CALLS).map(String::as_str).collect();
        write!(f, "  ({}", shown.join(", "))?;
        match self.calls.len().checked_sub(MOST_CALLS) {
            None | Some(0) => writeln!(f, ")")?,
            Some(more) => writeln!(f, " and {more} more)")?,
        }
        if self.verdict == Verdict::Verified && !self.not_locked {
            return Ok(());
        }
        let code = self.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        indented(f, "", &format!("{}{code}", self.message))?;
        if let Some(files) = &self.files {
            indented(f, "  ", &files.to_string())?;
        }
        match &self.fix {
            Some(fix) => indented(f, "-> ", fix),
            None => Ok(()),
        }
    }
}

fn indented(f: &mut fmt::Formatter<'_>, prefix: &str, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "{:18}{prefix}{line}", ""))
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::PastSunset => "past sunset",
        Verdict::UnknownRegistry => "unknown registry",
        other => other.word(),
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
