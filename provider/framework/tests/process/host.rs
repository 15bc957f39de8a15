//! A host such as Terraform: starts the process, reads the handshake, connects.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, PKCS_ECDSA_P521_SHA512};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

const COOKIE: &str = "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2";

/// The program, with nothing of this process's environment that could matter.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terraform-provider-mq"));
    command
        .env_remove("TF_PLUGIN_MAGIC_COOKIE")
        .env_remove("PLUGIN_CLIENT_CERT")
        .env_remove("TF_LOG");
    command.env_remove("TF_LOG_PROVIDER");
    command
}

/// A certificate as Terraform makes it: self-signed, P-521, an authority.
pub(crate) struct Certificate {
    pem: String,
    der: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P521_SHA512).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), der: certificate.der().clone(), key: key.serialize_der() }
    }
}

/// How to start the process.
pub(crate) struct Host {
    pub(crate) protocol_versions: &'static str,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) log_level: Option<&'static str>,
}

impl Default for Host {
    fn default() -> Self {
        Self { protocol_versions: "6,5", certificate: Some(Certificate::new()), log_level: None }
    }
}

impl Host {
    pub(crate) fn command(&self) -> Command {
        let mut command = command();
        self.environment(&mut command);
        command
    }

    fn environment(&self, command: &mut Command) {
        command
            .env("TF_PLUGIN_MAGIC_COOKIE", COOKIE)
            .env("PLUGIN_PROTOCOL_VERSIONS", self.protocol_versions);
        command.env("PLUGIN_MIN_PORT", "10000").env("PLUGIN_MAX_PORT", "25000");
        if let Some(certificate) = &self.certificate {
            command.env("PLUGIN_CLIENT_CERT", &certificate.pem);
        }
        if let Some(level) = self.log_level {
            command.env("TF_LOG", level);
        }
    }

    pub(crate) fn start(self) -> Plugin {
        let command = self.command();
        Plugin::start(command, self.certificate)
    }

    /// The same with a host between that can be killed.
    pub(crate) fn start_under_a_shell(self) -> Plugin {
        let mut command = Command::new("sh");
        command.args(["-c", r#""$0" & wait"#, env!("CARGO_BIN_EXE_terraform-provider-mq")]);
        self.environment(&mut command);
        Plugin::start(command, self.certificate)
    }
}

/// A running process.
pub(crate) struct Plugin {
    child: Child,
    /// Kept open: writing to a closed pipe would end the process.
    _output: BufReader<ChildStdout>,
    line: String,
    pub(crate) fields: Vec<String>,
    certificate: Option<Certificate>,
}

impl Plugin {
    fn start(mut command: Command, certificate: Option<Certificate>) -> Self {
        // As in a pipeline without a terminal: standard input ends at once.
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let line = line.strip_suffix('\n').expect("a whole line").to_owned();
        let fields = line.split('|').map(str::to_owned).collect();
        Self { child, _output: output, line, fields, certificate }
    }

    pub(crate) fn start_for_debugging() -> Self {
        let mut command = command();
        command.arg("--debug");
        Self::start(command, None)
    }

    /// What to set to attach.
    pub(crate) fn reattach(&self) -> String {
        let json = self.line.strip_prefix("TF_REATTACH_PROVIDERS='").unwrap();
        json.strip_suffix('\'').unwrap().to_owned()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        if self.fields.len() == 6 {
            return PathBuf::from(&self.fields[3]);
        }
        let json: serde_json::Value = serde_json::from_str(&self.reattach()).unwrap();
        let entry = json.as_object().unwrap().values().next().unwrap();
        PathBuf::from(entry["Addr"]["String"].as_str().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end, and gives the exit code.
    pub(crate) async fn wait(&mut self) -> Option<i32> {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the process does not end");
    }

    /// Everything written to standard error, after the end.
    pub(crate) fn standard_error(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    /// Connects as the host that started the process.
    pub(crate) async fn connect(&self) -> Result<Client, tonic::transport::Error> {
        self.connect_as(self.certificate.as_ref()).await
    }

    /// Connects with some certificate, or none, and trusts what the handshake says.
    pub(crate) async fn connect_as(
        &self,
        client: Option<&Certificate>,
    ) -> Result<Client, tonic::transport::Error> {
        let server = CertificateDer::from(STANDARD_NO_PAD.decode(&self.fields[5]).unwrap());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(server).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match client {
            Some(client) => {
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(client.key.clone()));
                builder.with_client_auth_cert(vec![client.der.clone()], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        let socket = self.socket();
        let connect = move || {
            let (connector, socket) = (connector.clone(), socket.clone());
            async move {
                let stream = UnixStream::connect(socket).await?;
                let name = ServerName::try_from("localhost").unwrap();
                std::io::Result::Ok(TokioIo::new(connector.connect(name, stream).await?))
            }
        };
        let channel = endpoint().connect_with_connector(service_fn(move |_| connect())).await?;
        Ok(Client { channel })
    }

    /// Connects without TLS.
    pub(crate) async fn connect_in_plain_text(&self) -> Result<Client, tonic::transport::Error> {
        let socket = self.socket();
        let connect = move |socket: PathBuf| async move {
            std::io::Result::Ok(TokioIo::new(UnixStream::connect(Path::new(&socket)).await?))
        };
        let channel =
            endpoint().connect_with_connector(service_fn(move |_| connect(socket.clone()))).await?;
        Ok(Client { channel })
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // It has ended already where the test says so.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if self.fields.len() == 6
            && let Some(directory) = self.socket().parent()
        {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

fn endpoint() -> Endpoint {
    // The address is never looked up: connections are made by hand.
    Endpoint::from_static("http://localhost")
}

/// Whether the process does not talk to a client: with TLS 1.3 a client learns that only when it asks something.
pub(crate) async fn is_refused(client: Result<Client, tonic::transport::Error>) -> bool {
    match client {
        Ok(mut client) => {
            client.call::<(), ()>("/tfplugin6.Provider/GetMetadata", ()).await.is_err()
        }
        Err(_) => true,
    }
}

/// A connection to the process.
pub(crate) struct Client {
    channel: Channel,
}

impl Client {
    pub(crate) async fn call<Request, Response>(
        &mut self,
        method: &'static str,
        request: Request,
    ) -> Result<Response, tonic::Status>
    where
        Request: prost::Message + Send + Sync + 'static,
        Response: prost::Message + Default + Send + Sync + 'static,
    {
        let mut grpc =
            tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| tonic::Status::unavailable(error.to_string()))?;
        let path = method.parse().unwrap();
        let codec = tonic_prost::ProstCodec::<Request, Response>::default();
        Ok(grpc.unary(tonic::Request::new(request), path, codec).await?.into_inner())
    }
}

// The few messages that tests look into, by the protocol's field numbers.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DynamicValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) msgpack: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Diagnostic {
    #[prost(string, tag = "2")]
    pub(crate) summary: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConfigureRequest {
    #[prost(string, tag = "1")]
    pub(crate) terraform_version: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) config: Option<DynamicValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ApplyRequest {
    #[prost(string, tag = "1")]
    pub(crate) type_name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) prior: Option<DynamicValue>,
    #[prost(message, optional, tag = "3")]
    pub(crate) planned: Option<DynamicValue>,
    #[prost(message, optional, tag = "4")]
    pub(crate) config: Option<DynamicValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ApplyResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) state: Option<DynamicValue>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpenRequest {
    #[prost(string, tag = "1")]
    pub(crate) type_name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) config: Option<DynamicValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OpenResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    #[prost(message, optional, tag = "2")]
    pub(crate) renew_at: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "3")]
    pub(crate) result: Option<DynamicValue>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) private: Option<Vec<u8>>,
}

/// To renew or to close.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HeldRequest {
    #[prost(string, tag = "1")]
    pub(crate) type_name: String,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) private: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RenewResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    #[prost(message, optional, tag = "2")]
    pub(crate) renew_at: Option<prost_types::Timestamp>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(crate) private: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CloseResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RawState {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) json: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UpgradeRequest {
    #[prost(string, tag = "1")]
    pub(crate) type_name: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
    #[prost(message, optional, tag = "3")]
    pub(crate) raw_state: Option<RawState>,
}

impl UpgradeRequest {
    pub(crate) fn new(type_name: &str, version: i64, json: Vec<u8>) -> Self {
        Self { type_name: type_name.to_owned(), version, raw_state: Some(RawState { json }) }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UpgradeResponse {
    #[prost(message, optional, tag = "1")]
    pub(crate) state: Option<DynamicValue>,
}
