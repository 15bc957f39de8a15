//! Certificates for tests.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tests::{Platform, Start};

/// A certificate, and the authority that vouches for it and for nothing else.
pub(crate) struct Certificate {
    authority: String,
    shown: String,
    key: String,
}

impl Certificate {
    /// One for these hostnames or addresses.
    pub(crate) fn for_names(names: &[&str]) -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_pem = authority.self_signed(&authority_key).expect("a certificate").pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        Self { authority: authority_pem, shown: certificate.pem(), key: key.serialize_pem() }
    }

    /// How a server that shows it is started.
    pub(crate) fn start(&self, platform: &Platform) -> Start {
        let file = |name: &str, text: &str| {
            let path = platform.folder().join(name);
            fs::write(&path, text).expect("a file is written");
            path.display().to_string()
        };
        let variables = vec![
            ("IDP_TLS_CERT".to_owned(), file("cert.pem", &self.shown)),
            ("IDP_TLS_KEY".to_owned(), file("key.pem", &self.key)),
        ];
        Start { variables, tls: true, ..Start::default() }
    }

    /// A file with the authority's certificate, for `SSL_CERT_FILE`.
    pub(crate) fn authority_file(&self, platform: &Platform, name: &str) -> String {
        let path = platform.folder().join(format!("{name}.pem"));
        fs::write(&path, &self.authority).expect("a file is written");
        path.display().to_string()
    }
}
