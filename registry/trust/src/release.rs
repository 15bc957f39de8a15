//! What a statement is about: a module's full address, and a release's version.

use std::{fmt, str::FromStr};

use semver::Version;

use crate::digest::shortened;

/// A text that cannot be a part of a module's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{part} {given:?} is not valid: {rule}")]
pub struct InvalidRelease {
    /// Which part.
    pub part: &'static str,
    /// What was given, shortened.
    pub given: String,
    /// What it must be.
    pub rule: &'static str,
}

/// A module's full address, as `hostname/namespace/name/system`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId {
    registry: String,
    namespace: String,
    name: String,
    system: String,
}

impl ModuleId {
    /// Checks each part against Terraform's rules for module addresses.
    pub fn new(
        registry: &str,
        namespace: &str,
        name: &str,
        system: &str,
    ) -> Result<Self, InvalidRelease> {
        check_registry(registry)?;
        check_namespace(namespace)?;
        check("name", name, is_name(name), NAME_RULE)?;
        check("system", system, is_system(system), "1 to 64 lower-case letters and digits")?;
        Ok(Self {
            registry: registry.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            system: system.to_owned(),
        })
    }

    /// The registry's hostname.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The target system.
    pub fn system(&self) -> &str {
        &self.system
    }

    /// `namespace/name/system`, as the registry itself writes it.
    pub fn path(&self) -> String {
        let Self { namespace, name, system, .. } = self;
        format!("{namespace}/{name}/{system}")
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, namespace, name, system } = self;
        write!(f, "{registry}/{namespace}/{name}/{system}")
    }
}

impl FromStr for ModuleId {
    type Err = InvalidRelease;

    /// Reads `hostname/namespace/name/system`.
    fn from_str(text: &str) -> Result<Self, InvalidRelease> {
        let parts: Vec<_> = text.split('/').collect();
        let [registry, namespace, name, system] = parts.as_slice() else {
            return Err(InvalidRelease {
                part: "module",
                given: shortened(text),
                rule: "hostname/namespace/name/system",
            });
        };
        Self::new(registry, namespace, name, system)
    }
}

/// A module's address and version, as `hostname/namespace/name/system@version`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId {
    module: ModuleId,
    version: Version,
}

impl ReleaseId {
    /// Checks each part against Terraform's rules for module addresses.
    pub fn new(
        registry: &str,
        namespace: &str,
        name: &str,
        system: &str,
        version: Version,
    ) -> Result<Self, InvalidRelease> {
        Self::of(ModuleId::new(registry, namespace, name, system)?, version)
    }

    /// A version of a module.
    pub fn of(module: ModuleId, version: Version) -> Result<Self, InvalidRelease> {
        check_version(&version)?;
        Ok(Self { module, version })
    }

    /// The module.
    pub fn module(&self) -> &ModuleId {
        &self.module
    }

    /// The registry's hostname.
    pub fn registry(&self) -> &str {
        &self.module.registry
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.module.namespace
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.module.name
    }

    /// The target system.
    pub fn system(&self) -> &str {
        &self.module.system
    }

    /// The version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The archive's file name, as statements have it.
    pub fn archive_name(&self) -> String {
        let ModuleId { namespace, name, system, .. } = &self.module;
        format!("{namespace}-{name}-{system}-{}.tar.gz", self.version)
    }

    /// The package URL, for display: its type has no place for the system.
    pub fn purl(&self) -> String {
        let ModuleId { registry, namespace, name, .. } = &self.module;
        let version = self.version.to_string().replace('+', "%2B");
        let registry = registry.replace(':', "%3A");
        format!(
            "pkg:terraform/{namespace}/{name}@{version}?repository_url=https%3A%2F%2F{registry}"
        )
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.module, self.version)
    }
}

impl FromStr for ReleaseId {
    type Err = InvalidRelease;

    /// Reads `hostname/namespace/name/system@version`.
    fn from_str(text: &str) -> Result<Self, InvalidRelease> {
        let refused =
            |part, given: &str, rule| InvalidRelease { part, given: shortened(given), rule };
        let (module, version) = text.split_once('@').ok_or_else(|| {
            refused("module version", text, "hostname/namespace/name/system@version")
        })?;
        let version = version
            .parse()
            .map_err(|_| refused("version", version, "a semantic version such as 1.2.3"))?;
        Self::of(module.parse()?, version)
    }
}

const NAME_RULE: &str = "1 to 64 letters, digits, `-` and `_`, a letter or digit at both ends";

pub(crate) fn check_registry(registry: &str) -> Result<(), InvalidRelease> {
    let rule = "lower-case host, with a port where it is not 443";
    check("hostname", registry, is_hostname(registry), rule)
}

pub(crate) fn check_namespace(namespace: &str) -> Result<(), InvalidRelease> {
    check("namespace", namespace, is_name(namespace), NAME_RULE)
}

pub(crate) fn check_version(version: &Version) -> Result<(), InvalidRelease> {
    let text = version.to_string();
    check("version", &text, text.len() <= 128, "at most 128 characters")
}

fn check(
    part: &'static str,
    given: &str,
    holds: bool,
    rule: &'static str,
) -> Result<(), InvalidRelease> {
    if holds { Ok(()) } else { Err(InvalidRelease { part, given: shortened(given), rule }) }
}

/// Also decides what the lock file's addresses may hold.
pub(crate) fn is_hostname(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    // Terraform normalises the default port away, so an address that has it names nothing else.
    let is_port = |port: &str| {
        port.parse::<u16>()
            .is_ok_and(|number| number.to_string() == port && !matches!(number, 0 | 443))
    };
    host.len() <= 253 && host.split('.').all(label) && port.is_none_or(is_port)
}

pub(crate) fn is_name(text: &str) -> bool {
    let ends = |end: Option<u8>| end.is_some_and(|b| b.is_ascii_alphanumeric());
    text.len() <= 64
        && ends(text.bytes().next())
        && ends(text.bytes().last())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

pub(crate) fn is_system(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(parts: [&str; 4], version: &str) -> Result<ReleaseId, InvalidRelease> {
        ReleaseId::new(parts[0], parts[1], parts[2], parts[3], version.parse().unwrap())
    }

    #[test]
    fn a_release_has_an_address_a_file_name_and_a_purl() {
        let release =
            release(["registry.example.com:8443", "acme", "vpc", "aws"], "1.2.3+b1").unwrap();

        assert_eq!(release.to_string(), "registry.example.com:8443/acme/vpc/aws@1.2.3+b1");
        assert_eq!(release.to_string().parse(), Ok(release.clone()));
        for text in ["r.example/acme/vpc/aws", "r.example/acme/vpc/aws@1.2", "acme/vpc/aws@1.2.3"] {
            assert!(text.parse::<ReleaseId>().is_err(), "{text}");
        }
        assert_eq!(release.archive_name(), "acme-vpc-aws-1.2.3+b1.tar.gz");
        assert_eq!(
            release.purl(),
            "pkg:terraform/acme/vpc@1.2.3%2Bb1?repository_url=https%3A%2F%2Fregistry.example.com%3A8443"
        );
    }

    #[test]
    fn parts_that_terraform_refuses_are_refused_by_name() {
        for (parts, part) in [
            (["Registry.example.com", "acme", "vpc", "aws"], "hostname"),
            (["registry.example.com:443", "acme", "vpc", "aws"], "hostname"),
            (["registry.example.com/x", "acme", "vpc", "aws"], "hostname"),
            (["", "acme", "vpc", "aws"], "hostname"),
            (["r.example", "-acme", "vpc", "aws"], "namespace"),
            (["r.example", "acme", "", "aws"], "name"),
            (["r.example", "acme", "v/pc", "aws"], "name"),
            (["r.example", "acme", "vpc", "a-ws"], "system"),
        ] {
            assert_eq!(release(parts, "1.0.0").unwrap_err().part, part, "{parts:?}");
        }
    }
}
