//! What callers say of one PostgreSQL server, and the TLS that follows from it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::PostgresError;
use crate::model::secret::SecretText;

/// One configured server. Nothing else is read: no variable of the environment, no password file.
#[derive(Debug, Clone)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    /// A superuser, or a role with CREATEDB and CREATEROLE.
    pub user: String,
    pub password: SecretText,
    pub tls: Tls,
    /// The database to be connected to for work on others.
    pub maintenance_database: String,
    /// Who owns what is made, such as the registry's hostname.
    pub platform: String,
    pub connect_timeout: Duration,
    pub statement_timeout: Duration,
    /// How long a lock of somebody else is waited for.
    pub lock_timeout: Duration,
    /// Most connections at once; at least two.
    pub connections: usize,
    /// The program that dumps databases.
    pub pg_dump: PathBuf,
}

impl Settings {
    /// Settings with the usual limits, for a server that TLS is not asked of.
    pub fn new(host: &str, port: u16, user: &str, password: SecretText, platform: &str) -> Self {
        Self {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            password,
            tls: Tls::Disable,
            maintenance_database: "postgres".to_owned(),
            platform: platform.to_owned(),
            connect_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_mins(1),
            lock_timeout: Duration::from_secs(10),
            connections: 8,
            pg_dump: "pg_dump".into(),
        }
    }
}

/// How the way to the server is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Not at all: for a socket or a loopback address.
    Disable,
    /// Encrypted, whoever answers.
    Require,
    /// Encrypted, and the server proves its name to an authority: a file of PEM certificates, or the system's.
    VerifyFull { authority: Option<PathBuf> },
}

impl Tls {
    pub(super) fn connector(&self) -> Result<Option<MakeRustlsConnect>, PostgresError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let wrong = |problem: String| PostgresError::InvalidSettings { problem };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?;
        let config = match self {
            Self::Disable => return Ok(None),
            Self::Require => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody { provider }))
                .with_no_client_auth(),
            Self::VerifyFull { authority } => {
                let roots = roots(authority.as_ref()).map_err(wrong)?;
                builder.with_root_certificates(roots).with_no_client_auth()
            }
        };
        Ok(Some(MakeRustlsConnect::new(config)))
    }
}

fn roots(authority: Option<&PathBuf>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(file) => {
            let unusable = |words: String| format!("CA file {}: {words}", file.display());
            let certificates = CertificateDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        Err("no CA certificate to verify the server with".to_owned())
    } else {
        Ok(roots)
    }
}

/// Takes any certificate, as `sslmode=require` does; signatures are still checked.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
