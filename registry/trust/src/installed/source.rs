//! Where a module is from, as `modules.json` says it.

use std::fmt;

use crate::{digest::shortened_to, release::ModuleId};

/// The registry that an address without a hostname means.
const DEFAULT_HOSTNAME: &str = "registry.terraform.io";

/// Where a module is from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModuleSource {
    /// A registry.
    Registry {
        /// Which module.
        module: ModuleId,
        /// The folder within the package, where the source names one.
        subdir: Option<String>,
    },
    /// A folder, seen from the caller's.
    Local(String),
    /// Anything else: git, an archive at a URL, a bucket, a folder by its full path.
    Other(String),
}

impl ModuleSource {
    /// Reads a source as Terraform records it: normalised, with the hostname written out.
    pub fn read(text: &str) -> Self {
        if matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../") {
            return Self::Local(text.to_owned());
        }
        let (package, subdir) = match text.split_once("//") {
            Some((package, subdir)) => (package, Some(subdir.to_owned())),
            None => (text, None),
        };
        match registry_module(package) {
            Some(module) => Self::Registry { module, subdir },
            None => Self::Other(text.to_owned()),
        }
    }
}

fn registry_module(package: &str) -> Option<ModuleId> {
    match package.split('/').count() {
        3 => format!("{DEFAULT_HOSTNAME}/{package}").parse().ok(),
        4 => package.parse().ok(),
        _ => None,
    }
}

impl fmt::Display for ModuleSource {
    /// The source without what it may hold of secrets: user and password, and parameters other than the revision.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { module, subdir: None } => module.fmt(f),
            Self::Registry { module, subdir: Some(subdir) } => {
                write!(f, "{module}//{}", shortened_to(200, subdir))
            }
            Self::Local(path) => f.write_str(&shortened_to(200, path)),
            Self::Other(text) => f.write_str(&shortened_to(300, &without_secrets(text))),
        }
    }
}

fn without_secrets(text: &str) -> String {
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    let address = match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => address.to_owned(),
    };
    match query.split('&').find(|parameter| parameter.starts_with("ref=")) {
        Some(revision) => format!("{address}?{revision}"),
        None => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_source_is_a_registrys_a_folder_or_something_else() {
        let registry = |text: &str| match ModuleSource::read(text) {
            ModuleSource::Registry { module, subdir } => (module.to_string(), subdir),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            registry("registry.example.com:8443/acme/vpc/aws//modules/sub"),
            ("registry.example.com:8443/acme/vpc/aws".to_owned(), Some("modules/sub".to_owned()))
        );
        assert_eq!(registry("acme/vpc/aws").0, "registry.terraform.io/acme/vpc/aws");
        for local in [".", "./a", "../a/b"] {
            assert_eq!(ModuleSource::read(local), ModuleSource::Local(local.to_owned()));
        }
        for other in [
            "git::https://git.example/acme/vpc.git//sub?ref=v1",
            "https://example.com/vpc.zip",
            "/srv/modules/vpc",
            "B\u{fc}cher.example/acme/vpc/aws",
            "a/b",
            "",
        ] {
            assert_eq!(ModuleSource::read(other), ModuleSource::Other(other.to_owned()));
        }
    }

    #[test]
    fn passwords_and_keys_are_not_shown() {
        for (text, expected) in [
            (
                "git::https://me:secret@git.example/vpc.git//sub?sshkey=abc&ref=v1",
                "git::https://git.example/vpc.git//sub?ref=v1",
            ),
            ("git::ssh://git@git.example/vpc.git?sshkey=abc", "git::ssh://git.example/vpc.git"),
            ("https://x:y@host", "https://host"),
            ("s3::bucket/key?aws_access_key_secret=x", "s3::bucket/key"),
        ] {
            assert_eq!(ModuleSource::read(text).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_some_source(text in "([a-z.]{1,9}|/|//|@|:|\\?|&|=|.){0,12}") {
            let source = ModuleSource::read(&text);
            if let ModuleSource::Registry { module, .. } = &source {
                prop_assert_eq!(module.to_string().parse(), Ok(module.clone()));
            }
            prop_assert!(source.to_string().chars().count() <= 800);
        }
    }
}
