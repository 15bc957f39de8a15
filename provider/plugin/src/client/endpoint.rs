//! Where a platform is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

/// The base URL of a platform, without `/api/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// A text that is not an [`Endpoint`]; its display says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not an endpoint: {reason}")]
pub struct InvalidEndpoint {
    given: String,
    reason: String,
}

impl Endpoint {
    /// The URL of something below `/api/v1`.
    pub(super) fn api(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{}/{path}", self.base(), registry_api::platform::BASE_PATH));
        url
    }

    /// The URL that answers when the server lives.
    pub fn health_url(&self) -> String {
        format!("{self}/healthz")
    }

    /// Whether requests travel encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether requests stay on this machine.
    pub fn is_local(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost"
            || host.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }

    /// The hostname that addresses of its modules begin with, unless it is known under another.
    pub fn hostname(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn base(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let refuse = |given: String, reason: &str| {
            let wanted = "it must look like https://idp.example.com or http://127.0.0.1:8080";
            Err(InvalidEndpoint { given, reason: format!("{reason}; {wanted}") })
        };
        let given = || text.chars().take(200).collect();
        let Ok(url) = Url::parse(text.trim()) else {
            return refuse(given(), "it is not a URL");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return refuse(given(), "it needs http or https, and a hostname");
        }
        if !url.username().is_empty() || url.password().is_some() {
            // What was given holds a password.
            return refuse(
                "(hidden)".to_owned(),
                "credentials belong in the token, not in the URL",
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse(given(), "it may not have a query or a fragment");
        }
        if url.path().trim_end_matches('/').ends_with(registry_api::platform::BASE_PATH) {
            return refuse(given(), "leave out /api/v1, which is added to it");
        }
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_urls_lie_below_the_endpoint_whatever_its_last_slash() {
        for text in ["https://idp.example.com/base", "https://idp.example.com/base/"] {
            let endpoint: Endpoint = text.parse().unwrap();

            assert_eq!(endpoint.api("plans").as_str(), "https://idp.example.com/base/api/v1/plans");
            assert_eq!(endpoint.to_string(), "https://idp.example.com/base");
        }
    }

    #[test]
    fn what_cannot_be_an_endpoint_is_refused_with_the_reason() {
        for (text, reason) in [
            ("idp.example.com", "not a URL"),
            ("ftp://idp.example.com", "http or https"),
            ("https://idp.example.com/api/v1", "leave out /api/v1"),
            ("https://idp.example.com?x=1", "query"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_not_repeated() {
        let error = "https://me:hunter2@idp.example.com".parse::<Endpoint>().unwrap_err();

        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn the_hostname_is_the_one_of_module_addresses() {
        for (text, hostname) in [
            ("https://idp.example.com/base", "idp.example.com"),
            ("https://IDP.example.com:443", "idp.example.com"),
            ("https://idp.example.com:8443", "idp.example.com:8443"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().hostname(), hostname);
        }
    }

    #[test]
    fn local_endpoints_are_told_from_others() {
        let local = |text: &str| text.parse::<Endpoint>().unwrap().is_local();

        assert!(local("http://127.0.0.1:8080") && local("http://[::1]:8080"));
        assert!(local("http://localhost") && !local("http://idp.example.com"));
    }
}
