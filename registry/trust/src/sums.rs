//! `SHA256SUMS` of a provider release, and the file names around it.
//!
//! Terraform reads the file more strictly than `sha256sum` does: a blank line crashes it, a `*` or `./` before a
//! name hides the entry, and any line that is none stops it from locking the other platforms.

use std::{collections::BTreeMap, fmt::Write};

use semver::Version;

use crate::digest::{Sha256, shortened};

/// The largest file that is read.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why bytes are not a `SHA256SUMS` that Terraform can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SumsError {
    /// Larger than [`MAX_BYTES`].
    #[error("SHA256SUMS is {size} bytes, more than the {MAX_BYTES} allowed")]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// No entries.
    #[error("SHA256SUMS is empty; it lists every platform's package")]
    Empty,
    /// A line that is no entry.
    #[error("SHA256SUMS:{line}: {rule}, got {given:?}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What it must be.
        rule: &'static str,
        /// What it is, shortened.
        given: String,
    },
    /// One name twice.
    #[error("SHA256SUMS:{line}: {name:?} is listed twice")]
    Duplicate {
        /// The line, from 1.
        line: usize,
        /// The file's name.
        name: String,
    },
}

/// The digests of a release's packages, by file name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, Sha256>);

impl Sums {
    /// Reads a file strictly: `sha256␠␠name` lines, each ended by a line feed, nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Self, SumsError> {
        if bytes.len() > MAX_BYTES {
            return Err(SumsError::TooLarge { size: bytes.len() });
        }
        if bytes.is_empty() {
            return Err(SumsError::Empty);
        }
        let text = String::from_utf8_lossy(bytes);
        let mut sums = BTreeMap::new();
        for (index, ended) in text.split_inclusive('\n').enumerate() {
            let number = index + 1;
            let (name, sha256) = parse_line(ended).map_err(|rule| SumsError::Line {
                line: number,
                rule,
                given: shortened(ended),
            })?;
            if sums.insert(name.to_owned(), sha256).is_some() {
                return Err(SumsError::Duplicate { line: number, name: name.to_owned() });
            }
        }
        Ok(Self(sums))
    }

    /// Adds a package; the digest that its name had before, if any.
    pub fn insert(&mut self, package: &PackageName, sha256: Sha256) -> Option<Sha256> {
        self.0.insert(package.to_string(), sha256)
    }

    /// The digest of a file.
    pub fn get(&self, name: &str) -> Option<&Sha256> {
        self.0.get(name)
    }

    /// Every entry, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Sha256)> {
        self.0.iter().map(|(name, sha256)| (name.as_str(), sha256))
    }

    /// The file's only canonical text.
    pub fn to_text(&self) -> String {
        self.iter().fold(String::new(), |mut text, (name, sha256)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sha256}  {name}");
            text
        })
    }
}

fn parse_line(ended: &str) -> Result<(&str, Sha256), &'static str> {
    let line = ended.strip_suffix('\n').ok_or("the last line must end with a line feed")?;
    if line.is_empty() {
        return Err("blank lines crash Terraform and are not allowed");
    }
    let (digits, name) = line
        .split_once("  ")
        .ok_or("a line is 64 hexadecimal digits, two spaces and a file name")?;
    let sha256 =
        digits.parse().map_err(|_| "the digest must be 64 lower-case hexadecimal digits")?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_plain) {
        return Err("the name must be a plain file name, without `*`, `./` or folders");
    }
    Ok((name, sha256))
}

/// The name of a provider's package: `terraform-provider-TYPE_VERSION_OS_ARCH.zip`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageName {
    /// The provider's type.
    pub provider_type: String,
    /// The version.
    pub version: Version,
    /// The operating system, as Go names it.
    pub os: String,
    /// The architecture, as Go names it.
    pub arch: String,
}

/// A name that is not a provider package's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a package name; it must be terraform-provider-TYPE_VERSION_OS_ARCH.zip")]
pub struct InvalidPackageName {
    /// What was given, shortened.
    pub given: String,
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { provider_type, version, os, arch } = self;
        write!(f, "terraform-provider-{provider_type}_{version}_{os}_{arch}.zip")
    }
}

impl std::str::FromStr for PackageName {
    type Err = InvalidPackageName;

    fn from_str(text: &str) -> Result<Self, InvalidPackageName> {
        parse_package(text).ok_or_else(|| InvalidPackageName { given: shortened(text) })
    }
}

fn parse_package(text: &str) -> Option<PackageName> {
    let stem = text.strip_prefix("terraform-provider-")?.strip_suffix(".zip")?;
    let mut parts = stem.split('_');
    let (provider_type, version) = (parts.next()?, parts.next()?);
    let (os, arch) = (parts.next()?, parts.next()?);
    let is_word = |word: &str| {
        (1..=32).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let is_type = (1..=64).contains(&provider_type.len())
        && provider_type.split('-').all(is_word)
        && !provider_type.starts_with("terraform-");
    let holds = is_type && is_word(os) && is_word(arch) && parts.next().is_none();
    let version = version.parse().ok()?;
    holds.then(|| PackageName {
        provider_type: provider_type.into(),
        version,
        os: os.into(),
        arch: arch.into(),
    })
}

/// The name of a release's `SHA256SUMS`.
pub fn sums_name(provider_type: &str, version: &Version) -> String {
    format!("terraform-provider-{provider_type}_{version}_SHA256SUMS")
}

/// The name of the detached signature over it.
pub fn signature_name(provider_type: &str, version: &Version) -> String {
    format!("{}.sig", sums_name(provider_type, version))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PACKAGE: &str = "terraform-provider-idp_1.2.3-rc.1_linux_amd64.zip";

    fn error(text: &str) -> String {
        Sums::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn sums_are_sorted_lines_that_read_back() {
        let mut sums = Sums::default();
        for os in ["linux", "darwin"] {
            let name = PACKAGE.replace("linux", os).parse().unwrap();
            sums.insert(&name, Sha256::of(os.as_bytes()));
        }

        let text = sums.to_text();

        let expected = format!(
            "{}  {}\n{}  {PACKAGE}\n",
            Sha256::of(b"darwin"),
            PACKAGE.replace("linux", "darwin"),
            Sha256::of(b"linux")
        );
        assert_eq!(text, expected);
        assert_eq!(Sums::parse(text.as_bytes()), Ok(sums.clone()));
        assert_eq!(sums.get(PACKAGE), Some(&Sha256::of(b"linux")));
    }

    #[test]
    fn lines_that_terraform_stumbles_over_are_refused_by_number() {
        let line = format!("{}  {PACKAGE}\n", Sha256::of(b""));
        for (text, expected) in [
            (format!("{line}\n"), "SHA256SUMS:2: blank"),
            (line.replace("  ", " *"), "SHA256SUMS:1: a line is"),
            (line.replace("  ", "  *"), "SHA256SUMS:1: the name"),
            (line.replace("  ", "  ./"), "SHA256SUMS:1: the name"),
            (line.to_uppercase(), "SHA256SUMS:1: the digest"),
            (line.replace('\n', "\r\n"), "SHA256SUMS:1: the name"),
            (line.trim_end().to_owned(), "SHA256SUMS:1: the last line"),
            (format!("{line}{line}"), "listed twice"),
            (String::new(), "empty"),
        ] {
            assert!(error(&text).contains(expected), "{expected}: {}", error(&text));
        }
    }

    #[test]
    fn a_package_name_has_type_version_and_platform() {
        let name: PackageName = PACKAGE.parse().unwrap();

        assert_eq!(
            (name.provider_type.as_str(), name.os.as_str(), name.arch.as_str()),
            ("idp", "linux", "amd64")
        );
        assert_eq!(name.to_string(), PACKAGE);
        assert_eq!(sums_name("idp", &name.version), "terraform-provider-idp_1.2.3-rc.1_SHA256SUMS");
        assert_eq!(
            signature_name("idp", &name.version),
            "terraform-provider-idp_1.2.3-rc.1_SHA256SUMS.sig"
        );
        for wrong in [
            "x.zip",
            "terraform-provider-idp_1.2_linux_amd64.zip",
            "terraform-provider-idp_1.2.3_linux.zip",
            "terraform-provider-_1.2.3_linux_amd64.zip",
            "terraform-provider-idp_1.2.3_linux_amd64_x.zip",
            "terraform-provider-terraform-idp_1.2.3_linux_amd64.zip",
        ] {
            assert!(wrong.parse::<PackageName>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_accepted_ones_round_trip(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), name in ".{0,40}",
        ) {
            let _ = name.parse::<PackageName>();
            let line = format!("{}  {name}\n", Sha256::of(&bytes));
            for text in [bytes.as_slice(), line.as_bytes()] {
                if let Ok(sums) = Sums::parse(text) {
                    prop_assert_eq!(Sums::parse(sums.to_text().as_bytes()), Ok(sums));
                }
            }
        }
    }
}
