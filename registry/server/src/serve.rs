//! Sockets: accepting, TLS, header timeouts, and ending without cutting anyone off.

use std::fs::File;
use std::io::{self, BufReader, Cursor};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::config::{Config, Tls};

/// Why the service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// As configured.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A PEM file holds something else.
    #[error("{}: {what}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Certificate and key do not belong together.
    #[error("the TLS certificate and key cannot be used")]
    Tls(#[source] rustls::Error),
}

/// A bound socket, ready to serve.
pub struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
    drain: Duration,
    connections: Arc<Semaphore>,
}

impl Listener {
    /// Binds the configured address and loads the certificate.
    pub async fn bind(config: &Config) -> Result<Self, ListenError> {
        let address = &config.server.listen;
        let tls = config.server.tls.as_ref().map(acceptor).transpose()?;
        let socket = TcpListener::bind(address)
            .await
            .map_err(|source| ListenError::Bind { address: address.clone(), source })?;
        Ok(Self {
            socket,
            tls,
            header_timeout: Duration::from_secs(config.limits.header_seconds),
            drain: Duration::from_secs(config.server.shutdown_seconds),
            connections: Arc::new(Semaphore::new(config.limits.connections)),
        })
    }

    /// Where it really listens: a configured port 0 has become one.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next connection, once there is room for one.
    async fn accept(&self) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let permit =
            Arc::clone(&self.connections).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.socket.accept().await?;
        Ok((stream, permit))
    }

    /// Serves until `stop` ends, then lets requests under way finish.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let (stream, permit) = tokio::select! {
                accepted = self.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        // Out of file descriptors: wait for some to come back instead of spinning.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = &mut stop => break,
            };
            let watcher = graceful.watcher();
            let connection =
                Connection { tls: self.tls.clone(), header_timeout: self.header_timeout };
            let router = router.clone();
            tokio::spawn(async move {
                connection.run(stream, router, watcher).await;
                drop(permit);
            });
        }
        drop(self.socket);
        tracing::info!("stopping: no new connections, waiting for requests under way");
        if tokio::time::timeout(self.drain, graceful.shutdown()).await.is_err() {
            tracing::warn!(
                waited_seconds = self.drain.as_secs(),
                "some requests did not finish in time and are cut off"
            );
        }
    }
}

struct Connection {
    tls: Option<TlsAcceptor>,
    header_timeout: Duration,
}

impl Connection {
    async fn run(self, stream: TcpStream, router: Router, watcher: Watcher) {
        // Small answers should not wait for the next packet.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = &self.tls else {
            return self.http1(stream, router, watcher).await;
        };
        match tokio::time::timeout(self.header_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                self.http2(stream, router, watcher).await;
            }
            Ok(Ok(stream)) => self.http1(stream, router, watcher).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn http1<S: Stream>(&self, stream: S, router: Router, watcher: Watcher) {
        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.header_timeout);
        serve_on(&builder, stream, router, watcher).await;
    }

    /// hyper waits without end for the 24 bytes that start HTTP/2, so they are read here first.
    async fn http2<S: Stream>(&self, stream: S, router: Router, watcher: Watcher) {
        let (mut reader, writer) = tokio::io::split(stream);
        let mut preface = [0_u8; 24];
        let read = tokio::time::timeout(self.header_timeout, reader.read_exact(&mut preface)).await;
        if !matches!(read, Ok(Ok(_))) {
            return tracing::debug!("the client did not start HTTP/2 in time");
        }
        let stream = tokio::io::join(Cursor::new(preface).chain(reader), writer);
        let mut builder = auto::Builder::new(TokioExecutor::new()).http2_only();
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .keep_alive_timeout(Duration::from_secs(20))
            .max_concurrent_streams(100);
        serve_on(&builder, stream, router, watcher).await;
    }
}

/// What HTTP can be spoken over.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

async fn serve_on<S: Stream>(
    builder: &auto::Builder<TokioExecutor>,
    stream: S,
    router: Router,
    watcher: Watcher,
) {
    let connection = builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(error = %error, "connection ended early");
    }
}

/// Loads certificate and key, for HTTP/2 and HTTP/1.1.
fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ListenError> {
    let pem = |path: &PathBuf, what: String| ListenError::Pem { path: path.clone(), what };
    let open =
        |path: &PathBuf| File::open(path).map(BufReader::new).map_err(|e| pem(path, e.to_string()));
    let chain = CertificateDer::pem_reader_iter(open(&tls.cert)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| pem(&tls.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(pem(&tls.cert, "holds no certificate".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_reader(open(&tls.key)?)
        .map_err(|error| pem(&tls.key, format!("holds no private key: {error}")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(ListenError::Tls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
