//! How host and plugin find each other: variables one way, one line the other.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

const COOKIE_NAME: &str = "TF_PLUGIN_MAGIC_COOKIE";
const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";
const VERSIONS_NAME: &str = "PLUGIN_PROTOCOL_VERSIONS";
const CLIENT_CERTIFICATE_NAME: &str = "PLUGIN_CLIENT_CERT";

/// The version of the handshake itself.
const HANDSHAKE_VERSION: u8 = 1;
/// The version of the protocol spoken afterwards.
const PROTOCOL_VERSION: &str = "6";

/// What the host says of itself.
#[derive(Debug)]
pub(super) struct Host {
    /// The only certificate to let in; none if its user disabled TLS.
    pub(super) client_certificate: Option<CertificateDer<'static>>,
}

/// The process was not started by a host that it can serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAPlugin {
    #[error(
        "This is a provider for Terraform and OpenTofu. It is not meant to be run by itself: name it in the \
         required_providers block of a configuration and run `terraform init`. To attach a debugger, run it with \
         --debug."
    )]
    NoCookie,
    #[error(
        "This provider speaks plugin protocol {PROTOCOL_VERSION} only; the client offers {offered}. Terraform 1.0 and \
         OpenTofu 1.6 were the first to know it."
    )]
    NoCommonVersion { offered: String },
    #[error("{CLIENT_CERTIFICATE_NAME} is not a certificate in PEM format: {0}")]
    Certificate(rustls::pki_types::pem::Error),
}

impl Host {
    /// Looks for a host in the environment.
    pub(super) fn find<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Result<Self, NotAPlugin> {
        if variable(COOKIE_NAME) != Some(COOKIE) {
            return Err(NotAPlugin::NoCookie);
        }
        if let Some(offered) = variable(VERSIONS_NAME).filter(|offered| !offered.is_empty())
            && !offered.split(',').any(|version| version.trim() == PROTOCOL_VERSION)
        {
            return Err(NotAPlugin::NoCommonVersion { offered: offered.to_owned() });
        }
        let client_certificate = variable(CLIENT_CERTIFICATE_NAME)
            .filter(|pem| !pem.is_empty())
            .map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()))
            .transpose()
            .map_err(NotAPlugin::Certificate)?;
        Ok(Self { client_certificate })
    }
}

/// The line that tells the host where to connect, and whom to expect there.
pub(super) fn line(socket: &Path, certificate: Option<&CertificateDer<'_>>) -> String {
    let certificate =
        certificate.map_or(String::new(), |certificate| STANDARD_NO_PAD.encode(certificate));
    let socket = socket.display();
    format!("{HANDSHAKE_VERSION}|{PROTOCOL_VERSION}|unix|{socket}|grpc|{certificate}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(variables: &[(&str, &str)]) -> Result<Host, NotAPlugin> {
        Host::find(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
        })
    }

    #[test]
    fn without_the_magic_cookie_there_is_no_host() {
        assert!(matches!(find(&[]), Err(NotAPlugin::NoCookie)));
        assert!(matches!(find(&[(COOKIE_NAME, "other")]), Err(NotAPlugin::NoCookie)));
    }

    #[test]
    fn protocol_versions_may_come_in_any_order() {
        for offered in ["6,5", "5,6", "6", " 6 , 5", ""] {
            assert!(
                find(&[(COOKIE_NAME, COOKIE), (VERSIONS_NAME, offered)]).is_ok(),
                "{offered:?}"
            );
        }
    }

    #[test]
    fn a_host_of_another_protocol_is_told_so() {
        for offered in ["5", "4,5", "16", "66"] {
            let error = find(&[(COOKIE_NAME, COOKIE), (VERSIONS_NAME, offered)]).unwrap_err();
            assert!(error.to_string().contains(&format!("offers {offered}")), "{error}");
        }
    }

    #[test]
    fn a_client_certificate_that_is_none_is_refused() {
        let error =
            find(&[(COOKIE_NAME, COOKIE), (CLIENT_CERTIFICATE_NAME, "nonsense")]).unwrap_err();
        assert!(error.to_string().contains("PLUGIN_CLIENT_CERT"), "{error}");
    }

    #[test]
    fn the_line_has_the_certificate_without_padding() {
        let certificate = CertificateDer::from(vec![1_u8, 2]);

        let line = line(Path::new("/run/p.sock"), Some(&certificate));

        assert_eq!(line, "1|6|unix|/run/p.sock|grpc|AQI");
    }
}
