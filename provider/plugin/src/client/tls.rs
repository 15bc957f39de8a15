//! Whom the client trusts.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Certificate authorities that are trusted besides those of the system (`SSL_CERT_FILE`, `SSL_CERT_DIR`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraRoots {
    /// A PEM file.
    pub file: Option<PathBuf>,
    /// PEM text.
    pub pem: Option<String>,
}

/// Certificates that cannot be used; its display says which and why.
#[derive(Debug, thiserror::Error)]
pub(super) enum RootsError {
    #[error("ca_file {} cannot be read", file.display())]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{from} holds no PEM certificate (-----BEGIN CERTIFICATE-----)")]
    Empty { from: String },
    #[error("{from} holds a PEM certificate that cannot be read")]
    Pem { from: String, source: rustls_pki_types::pem::Error },
    #[error("{from} holds a certificate that cannot be used as an authority")]
    Certificate { from: String, source: rustls::Error },
    #[error("TLS cannot be set up")]
    Versions(#[source] rustls::Error),
}

impl ExtraRoots {
    /// A TLS configuration that trusts these and the system's authorities.
    pub(super) fn client_config(&self) -> Result<ClientConfig, RootsError> {
        let mut roots = RootCertStore::empty();
        // A machine without certificates may still speak plain HTTP or to the extra authorities.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        self.add_to(&mut roots)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(RootsError::Versions)?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    fn add_to(&self, roots: &mut RootCertStore) -> Result<(), RootsError> {
        if let Some(file) = &self.file {
            let pem = std::fs::read(file)
                .map_err(|source| RootsError::Read { file: file.clone(), source })?;
            add_pem(roots, &pem, &format!("ca_file {}", file.display()))?;
        }
        if let Some(pem) = &self.pem {
            add_pem(roots, pem.as_bytes(), "ca_pem")?;
        }
        Ok(())
    }
}

fn add_pem(roots: &mut RootCertStore, pem: &[u8], from: &str) -> Result<(), RootsError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|source| RootsError::Pem { from: from.to_owned(), source })?;
        roots
            .add(certificate)
            .map_err(|source| RootsError::Certificate { from: from.to_owned(), source })?;
    }
    if roots.len() == before {
        return Err(RootsError::Empty { from: from.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(roots: &ExtraRoots) -> String {
        roots.client_config().unwrap_err().to_string()
    }

    #[test]
    fn a_missing_file_is_named() {
        let roots = ExtraRoots { file: Some("/nowhere/ca.pem".into()), pem: None };

        assert_eq!(refused(&roots), "ca_file /nowhere/ca.pem cannot be read");
    }

    #[test]
    fn text_without_a_certificate_is_refused() {
        let roots = ExtraRoots { file: None, pem: Some("not a certificate".to_owned()) };

        assert!(refused(&roots).starts_with("ca_pem holds no PEM certificate"));
    }

    #[test]
    fn a_damaged_certificate_is_refused() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let roots = ExtraRoots { file: None, pem: Some(pem.to_owned()) };

        assert!(refused(&roots).contains("cannot be used as an authority"));
    }
}
