//! `[server]` and `[limits]`.

use std::path::PathBuf;

use serde::Deserialize;

/// `[server]`: where it listens and who it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on. Environment: `IDP_LISTEN`.
    pub listen: String,
    /// Where clients reach the server, used for links: `https://registry.example.com`. Environment: `IDP_PUBLIC_URL`.
    pub public_url: String,
    /// The one public hostname, which names provider source, statements and lock; the host of `public_url` where
    /// unset. It stays when the listening address changes. Environment: `IDP_HOSTNAME`.
    pub hostname: String,
    /// Folder of the database, the blobs and the server's own keys. Environment: `IDP_DATA_DIR`.
    pub data_dir: PathBuf,
    /// The keys that seal secrets: outside the data folder, so that a copy of the database tells nothing.
    /// Environment: `IDP_SECRET_KEY_FILE`.
    pub secret_key_file: PathBuf,
    /// Certificate and key; without them the server speaks plain HTTP, for a proxy in front.
    /// Environment: `IDP_TLS_CERT` and `IDP_TLS_KEY`.
    pub tls: Option<Tls>,
    /// Form of the log. Environment: `IDP_LOG_FORMAT`.
    pub log_format: LogFormat,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_seconds: u64,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[server.tls]`: PEM files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, the server's own first.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: "http://127.0.0.1:8080".to_owned(),
            hostname: String::new(),
            data_dir: PathBuf::from("data"),
            secret_key_file: PathBuf::from("secrets.key"),
            tls: None,
            log_format: LogFormat::Text,
            shutdown_seconds: 30,
        }
    }
}

/// `[limits]`: what one request may cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest module archive, packed, in bytes. The archive format itself allows no more than 20 MiB.
    pub archive_bytes: u64,
    /// Largest provider release, all platforms together, in bytes.
    pub provider_bytes: u64,
    /// Largest body of any other request, in bytes.
    pub request_bytes: usize,
    /// How long any request but an upload or download may take.
    pub request_seconds: u64,
    /// How long an upload may take.
    pub upload_seconds: u64,
    /// How long a client may take to send its headers.
    pub header_seconds: u64,
    /// How many connections at once; more wait to be accepted.
    pub connections: usize,
    /// How long an archive link works.
    pub link_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 20 * 1024 * 1024,
            provider_bytes: 1024 * 1024 * 1024,
            request_bytes: 1024 * 1024,
            request_seconds: 60,
            upload_seconds: 600,
            header_seconds: 10,
            connections: 1024,
            link_seconds: 15 * 60,
        }
    }
}
