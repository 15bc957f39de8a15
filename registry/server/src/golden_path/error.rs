//! What is wrong with a golden path: always which file, where, which rule, and how to mend it.

use std::fmt;

/// One mistake in a golden path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathError {
    /// File inside the path.
    pub file: String,
    /// Line, counted from one; zero where the file as a whole is meant.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// The rule it breaks, a stable name.
    pub rule: &'static str,
    /// How to mend it.
    pub fix: String,
}

impl PathError {
    pub(crate) fn new(
        file: &str,
        line: usize,
        rule: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { file: file.to_owned(), line, message: message.into(), rule, fix: fix.into() }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {} [{}]; {}", self.message, self.rule, self.fix)
    }
}

impl std::error::Error for PathError {}

/// Everything that is wrong with a golden path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathErrors(pub Vec<PathError>);

impl From<PathError> for PathErrors {
    fn from(error: PathError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for PathErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PathErrors {}
