//! Why a call failed, in words for the person at the terminal.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use registry_api::Problem;
use reqwest::StatusCode;

use super::endpoint::Endpoint;
use super::tls::RootsError;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server understood, and refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate is not trusted.
    #[error("{0}")]
    Untrusted(String),
    /// Something answered that is not the platform, or not of this version.
    #[error("{0}")]
    NotThePlatform(String),
    /// The provider's own configuration cannot work.
    #[error("{0}")]
    Setup(String),
}

/// A problem that the server reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problem.detail)]
pub struct Refusal {
    /// What it reported.
    pub problem: Problem,
    /// The id under which it logged the request.
    pub request_id: Option<String>,
}

impl ClientError {
    /// Whether what was asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.problem.status == 404
            && refusal.problem.code == "not_found")
    }

    /// The problem that the server reported, if it did.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The stable code of the problem that the server reported, if it did.
    pub fn code(&self) -> Option<&str> {
        self.refusal().map(|refusal| refusal.problem.code.as_str())
    }

    /// Whether waiting may help: the server is away or too busy.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused(refusal) => {
                StatusCode::from_u16(refusal.problem.status).is_ok_and(super::retry::is_passing)
            }
            _ => false,
        }
    }

    /// Something that was just made is not there.
    pub(crate) fn gone(which: &registry_api::platform::ResourceRef) -> Self {
        Self::NotThePlatform(format!(
            "The platform has no {} {}/{} any more: someone removed it at the same time.",
            which.kind, which.environment, which.name,
        ))
    }

    /// A resource that this version cannot read.
    pub(crate) fn not_understood(
        which: &registry_api::platform::ResourceRef,
        error: &serde_json::Error,
    ) -> Self {
        Self::NotThePlatform(format!(
            "The platform describes {} {}/{} in a way that this provider's version ({}) does not understand: {error}. \
             Use the provider's version that belongs to the platform's.",
            which.kind,
            which.environment,
            which.name,
            env!("CARGO_PKG_VERSION"),
        ))
    }

    pub(super) fn setup(error: &RootsError) -> Self {
        Self::Setup(format!("The provider's TLS settings cannot be used: {}.", chain(error)))
    }

    pub(super) fn broken(endpoint: &Endpoint, error: &reqwest::Error, attempts: u32) -> Self {
        if let Some(tls) = find_tls(error) {
            return Self::Untrusted(untrusted(endpoint, tls));
        }
        let tried =
            if attempts == 1 { String::new() } else { format!(" (tried {attempts} times)") };
        Self::Unreachable(format!(
            "The platform at {endpoint} cannot be reached{tried}: {}.\n\nCheck that the provider's `endpoint` \
             (or IDP_ENDPOINT) is right, that the server runs, and that this answers from here: curl {}",
            chain(error),
            endpoint.health_url(),
        ))
    }

    pub(super) fn too_slow(endpoint: &Endpoint, waited: Duration, attempts: u32) -> Self {
        Self::Unreachable(format!(
            "The platform at {endpoint} did not answer within {} s (tried {attempts} times). It may be overloaded, \
             or something between here and there holds the connection. Check: curl {}",
            waited.as_secs(),
            endpoint.health_url(),
        ))
    }

    pub(super) fn redirected(endpoint: &Endpoint, to: Option<&str>) -> Self {
        let to = to.unwrap_or("somewhere it does not name");
        Self::NotThePlatform(format!(
            "{endpoint} redirects to {to}. A token is never sent after a redirect: set the provider's `endpoint` \
             (or IDP_ENDPOINT) to the address it should go to.",
        ))
    }

    pub(super) fn unreadable(endpoint: &Endpoint, status: StatusCode, why: &str) -> Self {
        Self::NotThePlatform(format!(
            "{endpoint} answered with status {status}, and {why}. Is that the platform's address, and is this \
             provider's version ({}) made for it? Check: curl {}",
            env!("CARGO_PKG_VERSION"),
            endpoint.health_url(),
        ))
    }

    /// The answer to a request that was refused.
    pub(super) fn refused(
        endpoint: &Endpoint,
        status: StatusCode,
        request_id: Option<String>,
        body: &[u8],
    ) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => {
                let request_id = problem.request_id.clone().or(request_id);
                Self::Refused(Box::new(Refusal { problem, request_id }))
            }
            // What stands in front of a server that is away answers in its own words.
            Err(_) if super::retry::is_passing(status) => Self::Unreachable(format!(
                "The platform at {endpoint} is away: what stands in front of it answers with status {status}. Check: \
                 curl {}",
                endpoint.health_url(),
            )),
            Err(_) => {
                Self::unreadable(endpoint, status, "the body is not a problem that it explains")
            }
        }
    }
}

fn untrusted(endpoint: &Endpoint, error: &rustls::Error) -> String {
    let mut text = format!("The TLS connection to {endpoint} was refused: {error}.\n\n");
    let advice = match error {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            "The server's certificate is signed by an authority that this machine does not know. If that is \
             intended, name its certificate in the provider's `ca_file` or `ca_pem`, or in SSL_CERT_FILE."
        }
        rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName
            | rustls::CertificateError::NotValidForNameContext { .. },
        ) => {
            "The server's certificate is for another hostname. Use the hostname that it names in the provider's \
             `endpoint`, or have the certificate renewed for this one; `ca_file` does not help here."
        }
        rustls::Error::InvalidCertificate(_) => {
            "Have the server's certificate renewed; if it is signed by a private authority, check that the \
             provider's `ca_file` or `ca_pem` holds the authority's current certificate."
        }
        _ => {
            "Check that the endpoint speaks TLS on this port, and which authority `ca_file` names."
        }
    };
    text.push_str(advice);
    text
}

/// The TLS error below another, however deeply it is wrapped.
fn find_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        // An I/O error hides what it wraps from `source`.
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// An error and what caused it, each once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {cause}");
        }
        next = error.source();
    }
    text
}
