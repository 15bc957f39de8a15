//! What a provider release must be, so that every supported Terraform installs it.

use std::io::{Read, Seek};

use registry_api::ProviderAddress;
use semver::Version;

/// Largest unpacked package, in bytes.
const UNPACKED_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Why a package cannot be installed; its display says what and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Not a zip.
    #[error("is not a zip archive that can be read: {0}")]
    Zip(#[from] zip::result::ZipError),
    /// No program where Terraform looks for it.
    #[error("has no {name:?} at its root; Terraform looks for the program there and nowhere else")]
    NoProgram {
        /// The name it must have.
        name: String,
    },
    /// A program that cannot be started.
    #[error(
        "stores {name:?} without the executable bit; Terraform would install it and fail to start it"
    )]
    NotExecutable {
        /// The program.
        name: String,
    },
    /// A path that leaves the folder.
    #[error("holds the path {path:?}, which leaves the folder it is unpacked into")]
    Path {
        /// The path.
        path: String,
    },
    /// A bomb.
    #[error("unpacks to more than {UNPACKED_BYTES} bytes")]
    TooLarge,
}

/// Name of the program inside a package.
pub fn program_name(address: &ProviderAddress, version: &Version) -> String {
    format!("terraform-provider-{}_v{version}", address.kind())
}

/// Checks one zip.
pub fn check_package(
    zip: impl Read + Seek,
    address: &ProviderAddress,
    version: &Version,
) -> Result<(), PackageError> {
    let name = program_name(address, version);
    let mut zip = zip::ZipArchive::new(zip)?;
    let (mut unpacked, mut program) = (0_u64, None);
    for index in 0..zip.len() {
        let entry = zip.by_index_raw(index)?;
        let path = entry.name()?;
        if entry.enclosed_name().is_none() {
            return Err(PackageError::Path { path: path.chars().take(200).collect() });
        }
        unpacked = unpacked.saturating_add(entry.size());
        if path == name || path == format!("{name}.exe") {
            program = Some((path.into_owned(), entry.unix_mode()));
        }
    }
    if unpacked > UNPACKED_BYTES {
        return Err(PackageError::TooLarge);
    }
    match program {
        None => Err(PackageError::NoProgram { name }),
        Some((name, mode)) if mode.is_none_or(|mode| mode & 0o111 == 0) => {
            Err(PackageError::NotExecutable { name })
        }
        Some(_) => Ok(()),
    }
}

/// Whether a text is a plugin protocol that this registry serves: `5.x` or `6.x`.
pub fn is_protocol(text: &str) -> bool {
    text.split_once('.').is_some_and(|(major, minor)| {
        matches!(major, "5" | "6")
            && (1..=2).contains(&minor.len())
            && minor.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use proptest::prelude::*;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn package(name: &str, mode: u32) -> Cursor<Vec<u8>> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(b"program").unwrap();
        let mut content = zip.finish().unwrap();
        content.set_position(0);
        content
    }

    fn check(name: &str, mode: u32) -> Result<(), PackageError> {
        let address = "platform/idp".parse().unwrap();
        check_package(package(name, mode), &address, &Version::new(1, 2, 3))
    }

    #[test]
    fn the_program_must_be_executable_and_at_the_root() {
        assert!(check("terraform-provider-idp_v1.2.3", 0o755).is_ok());
        assert!(matches!(
            check("terraform-provider-idp_v1.2.3", 0o644),
            Err(PackageError::NotExecutable { .. })
        ));
        for name in ["terraform-provider-idp", "bin/terraform-provider-idp_v1.2.3"] {
            assert!(matches!(check(name, 0o755), Err(PackageError::NoProgram { .. })), "{name}");
        }
        assert!(matches!(check("../evil", 0o755), Err(PackageError::Path { .. })));
    }

    #[test]
    fn protocols_are_those_that_clients_speak() {
        assert!(is_protocol("6.0") && is_protocol("5.0") && is_protocol("6.10"));
        for text in ["6", "7.0", "six", "6.", "6.0.1", ""] {
            assert!(!is_protocol(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_no_package(content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let address = "platform/idp".parse().unwrap();
            let checked = check_package(Cursor::new(content), &address, &Version::new(1, 0, 0));
            prop_assert!(checked.is_err());
        }
    }
}
