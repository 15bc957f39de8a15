//! Whether the files of a module are Terraform configuration at all.
//!
//! Syntax only: what the configuration means is for the client's Terraform to say. The parser bounds its own depth.

use std::fmt;

/// Largest configuration file that is parsed, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// A file that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Path within the module.
    pub file: String,
    /// Line, counted from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.message);
        }
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// Parses every configuration file; what is wrong with each, in the order of the files.
pub fn check<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<SyntaxError> {
    let mut errors = Vec::new();
    let mut root_files = 0;
    for (path, content) in files {
        if is_configuration(path) {
            root_files += usize::from(!path.contains('/'));
            errors.extend(check_file(path, content).err());
        }
    }
    if root_files == 0 {
        errors.push(SyntaxError {
            file: "*.tf".to_owned(),
            line: 0,
            column: 0,
            message:
                "the archive has no configuration file at its root; pack the module's own folder"
                    .to_owned(),
        });
    }
    errors
}

/// Terraform's own names; a skeleton or template beside them is not configuration.
fn is_configuration(path: &str) -> bool {
    let in_module = ["skeleton/", "templates/"].iter().all(|folder| !path.starts_with(folder));
    in_module
        && [".tf", ".tf.json", ".tofu", ".tofu.json", ".tftest.hcl"]
            .iter()
            .any(|suffix| path.ends_with(suffix))
}

fn check_file(path: &str, content: &[u8]) -> Result<(), SyntaxError> {
    let wrong = |line, column, message: String| SyntaxError {
        file: path.to_owned(),
        line,
        column,
        message,
    };
    if content.len() > MAX_BYTES {
        return Err(wrong(0, 0, format!("is larger than the {MAX_BYTES} bytes that are parsed")));
    }
    let text = std::str::from_utf8(content).map_err(|error| {
        let line = content[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        wrong(line, 1, "is not UTF-8 text".to_owned())
    })?;
    if path.rsplit_once('.').is_some_and(|(_, extension)| extension == "json") {
        return match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(wrong(error.line(), error.column(), error.to_string())),
        };
    }
    match hcl_edit::parser::parse_body(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let place = error.location();
            Err(wrong(place.line(), place.column(), error.message().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_one(path: &str, text: &str) -> Vec<SyntaxError> {
        check([(path, text.as_bytes())].into_iter())
    }

    #[test]
    fn a_module_parses() {
        let text = "variable \"name\" {\n  type = string\n}\n\noutput \"x\" {\n  value = \"${var.name}-x\"\n}\n";

        assert_eq!(check_one("main.tf", text), []);
    }

    #[test]
    fn what_does_not_parse_is_named_with_file_and_line() {
        let errors = check_one("main.tf", "variable \"name\" {\n  type = = string\n}\n");

        assert_eq!((errors[0].file.as_str(), errors[0].line), ("main.tf", 2), "{errors:?}");
    }

    #[test]
    fn json_configuration_is_parsed_as_json() {
        assert_eq!(check_one("main.tf.json", "{\"variable\": {}}"), []);
        assert_eq!(check_one("main.tf.json", "{\n]").len(), 1);
    }

    #[test]
    fn an_archive_without_configuration_at_its_root_is_no_module() {
        assert_eq!(check_one("module/main.tf", "").len(), 1);
        assert_eq!(check_one("README.md", "text").len(), 1);
    }

    #[test]
    fn deep_nesting_is_refused_and_does_no_harm() {
        for unit in ["[", "{", "!", "-", "(", "${\"", "a ? b : ", "a {"] {
            let text = format!("x = {}", unit.repeat(20_000));
            assert!(!check_one("main.tf", &text).is_empty(), "{unit:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_no_harm(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            check([("main.tf", content.as_slice())].into_iter());
        }
    }
}
