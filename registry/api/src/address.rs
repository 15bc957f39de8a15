//! Addresses of modules and providers, and platforms, as Terraform writes them.
//!
//! Only the part that a registry sees: the hostname has already chosen the registry.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `namespace/name/system`, a module in this registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleAddress {
    namespace: String,
    name: String,
    system: String,
}

/// `namespace/type`, a provider in this registry; lower case, as Terraform normalises it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProviderAddress {
    namespace: String,
    kind: String,
}

/// `os_arch`, one build of a provider: `linux_amd64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    arch: String,
}

/// A text that is not the address it should be; its display says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidAddress {
    given: String,
    wanted: &'static str,
}

impl ModuleAddress {
    /// Checks the three parts: namespace and name of 1 to 64 letters, digits, `-` and `_` with a letter or
    /// digit at both ends, system of 1 to 64 lower-case letters and digits.
    pub fn new(namespace: &str, name: &str, system: &str) -> Result<Self, InvalidAddress> {
        let system_ok = (1..=64).contains(&system.len())
            && system.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !(is_module_label(namespace) && is_module_label(name) && system_ok) {
            return Err(InvalidAddress {
                given: clip(&format!("{namespace}/{name}/{system}")),
                wanted: "a module address is namespace/name/system: letters, digits, \"-\" and \"_\" in the \
                         first two, lower-case letters and digits in the third, 64 characters at most each",
            });
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            system: system.to_owned(),
        })
    }

    /// The owner part.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The second part.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The third part.
    pub fn system(&self) -> &str {
        &self.system
    }
}

impl ProviderAddress {
    /// Checks both parts: lower-case letters, digits and single dashes, a letter or digit at both ends; the type
    /// may not begin with `terraform-`.
    pub fn new(namespace: &str, kind: &str) -> Result<Self, InvalidAddress> {
        if !(is_provider_label(namespace) && is_provider_label(kind))
            || kind.starts_with("terraform-")
        {
            return Err(InvalidAddress {
                given: clip(&format!("{namespace}/{kind}")),
                wanted: "a provider address is namespace/type: lower-case letters, digits and single dashes, 64 \
                         characters at most each; the type does not start with \"terraform-\"",
            });
        }
        Ok(Self { namespace: namespace.to_owned(), kind: kind.to_owned() })
    }

    /// The owner part.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The type, as in `terraform-provider-TYPE`.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl Platform {
    /// Checks both parts: 1 to 32 lower-case letters and digits.
    pub fn new(os: &str, arch: &str) -> Result<Self, InvalidAddress> {
        let ok = |part: &str| {
            (1..=32).contains(&part.len())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        };
        if !(ok(os) && ok(arch)) {
            return Err(InvalidAddress {
                given: clip(&format!("{os}_{arch}")),
                wanted: "a platform is os_arch in Go's words, such as linux_amd64",
            });
        }
        Ok(Self { os: os.to_owned(), arch: arch.to_owned() })
    }

    /// Operating system, in Go's words.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// Architecture, in Go's words.
    pub fn arch(&self) -> &str {
        &self.arch
    }
}

fn is_module_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_provider_label(text: &str) -> bool {
    let word_ok = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.len() <= 64 && text.split('-').all(word_ok)
}

fn clip(text: &str) -> String {
    text.chars().take(200).collect()
}

impl FromStr for ModuleAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let mut parts = text.splitn(3, '/');
        let mut next = || parts.next().unwrap_or_default();
        Self::new(next(), next(), next())
    }
}

impl FromStr for ProviderAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (namespace, kind) = text.split_once('/').unwrap_or((text, ""));
        Self::new(namespace, kind)
    }
}

impl FromStr for Platform {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (os, arch) = text.split_once('_').unwrap_or((text, ""));
        Self::new(os, arch)
    }
}

impl fmt::Display for ModuleAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.namespace, self.name, self.system)
    }
}

impl fmt::Display for ProviderAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.kind)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.os, self.arch)
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.given, self.wanted)
    }
}

impl std::error::Error for InvalidAddress {}

/// Serde reads and writes each of them as its text.
macro_rules! as_text {
    ($($kind:ty),+) => {$(
        impl TryFrom<String> for $kind {
            type Error = InvalidAddress;

            fn try_from(text: String) -> Result<Self, InvalidAddress> {
                text.parse()
            }
        }

        impl From<$kind> for String {
            fn from(value: $kind) -> Self {
                value.to_string()
            }
        }
    )+};
}

as_text!(ModuleAddress, ProviderAddress, Platform);
crate::text_schema!(ModuleAddress, ProviderAddress, Platform);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_they_were_written() {
        assert_eq!(
            "golden/api/nodejs".parse::<ModuleAddress>().unwrap().to_string(),
            "golden/api/nodejs"
        );
        assert_eq!("platform/idp".parse::<ProviderAddress>().unwrap().to_string(), "platform/idp");
        assert_eq!("linux_amd64".parse::<Platform>().unwrap().to_string(), "linux_amd64");
    }

    #[test]
    fn what_terraform_refuses_is_refused() {
        for text in ["a/b", "a/b/c/d", "a/b/c-d", "a/b/C", "_a/b/c", "a//c", "../b/c", "a/b/c\n"] {
            assert!(text.parse::<ModuleAddress>().is_err(), "{text:?}");
        }
        for text in ["a", "A/b", "a/b--c", "a/b_c", "a/terraform-b", "a/b/c", "-a/b"] {
            assert!(text.parse::<ProviderAddress>().is_err(), "{text:?}");
        }
        for text in ["linux", "linux_", "Linux_amd64", "linux_amd64_v2", "../x"] {
            assert!(text.parse::<Platform>().is_err(), "{text:?}");
        }
    }
}
