//! Running programs: what was run, what it said, how it ended.

use std::path::Path;
use std::process::{Command, Output};

/// A program that ended.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was run, for failure messages.
    pub command: String,
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Run {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Self {
        let output = command.output();
        match output {
            Ok(output) => Self::from_output(command, &output),
            Err(error) => panic!("{command:?} could not be run: {error}"),
        }
    }

    /// What `output`, which `command` gave, says.
    pub fn from_output(command: &Command, output: &Output) -> Self {
        Self {
            command: describe(command),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// All it said on one line, without the frames and line breaks that terraform lays around and into messages.
    pub fn flat(&self) -> String {
        let text = format!("{} {}", self.stdout, self.stderr);
        let words = text.split(|c: char| c.is_whitespace() || "│╷╵".contains(c));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Fails the test unless it exited with 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.succeeded(), "{self} should have succeeded");
        self
    }

    /// Fails the test unless it exited with `code`.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self} should have exited with {code}");
        self
    }

    /// Fails the test if it exited with 0, or was ended by a signal, or panicked.
    #[track_caller]
    pub fn fails(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "{self} should have failed");
        assert!(!self.flat().contains("panicked at"), "{self} panicked");
        self
    }

    /// Fails the test unless it said every one of `phrases`, wherever lines were broken.
    #[track_caller]
    pub fn says(self, phrases: &[&str]) -> Self {
        let flat = self.flat();
        for phrase in phrases {
            assert!(flat.contains(phrase), "{self}\nshould have said {phrase:?}");
        }
        self
    }

    /// Fails the test if it said any of `phrases`.
    #[track_caller]
    pub fn never_says(self, phrases: &[&str]) -> Self {
        let flat = self.flat();
        for phrase in phrases {
            assert!(!flat.contains(phrase), "{self}\nshould not have said {phrase:?}");
        }
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| format!("exit {code}"));
        write!(f, "{}\n--- {code}\n{}\n{}\n---", self.command, self.stdout, self.stderr)
    }
}

fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// A command that sees none of the user's configuration: only `PATH`, and `home` as its home.
#[expect(clippy::disallowed_methods, reason = "a test hands on where programs are found")]
pub fn clean(program: impl AsRef<Path>, home: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.env_clear().env("HOME", home).env("LC_ALL", "C.UTF-8");
    for name in ["PATH", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}
