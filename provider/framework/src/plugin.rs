//! The process that Terraform starts: handshake, mutual TLS, and serving until the host is done.
//!
//! Knows nothing of what a provider does. The environment and the arguments come from `main`.

mod certificate;
mod connection;
mod handshake;
mod listener;
mod reattach;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use self::handshake::{Host, NotAPlugin};
use self::listener::Listener;
use crate::grpc::{Controller, Service};
use crate::provider::Provider;
use crate::server::Server;

/// How long running calls may take to return what they know, and what is open to be closed; the host kills the process
/// after two seconds.
const GRACE: Duration = Duration::from_millis(1500);

/// How often to look whether the host is still there.
const PARENT_CHECK: Duration = Duration::from_millis(500);

/// How the process was started, as `main` knows it.
#[derive(Clone, Debug)]
pub struct Invocation {
    address: String,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
}

impl Invocation {
    /// Takes the provider's own address (`registry.example.com/acme/mq`), the process's arguments (the first of which
    /// names the program) and its environment.
    pub fn new(
        address: impl Into<String>,
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        Self {
            address: address.into(),
            arguments: arguments.into_iter().skip(1).collect(),
            environment: environment.into_iter().collect(),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(std::ffi::OsStr::new(name))?.to_str()
    }
}

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    NotAPlugin(#[from] NotAPlugin),
    #[error("the provider cannot make a certificate for itself")]
    Certificate(#[from] certificate::CertificateError),
    #[error("the provider cannot listen")]
    Listen(#[source] io::Error),
    #[error("the provider cannot talk to its host")]
    Handshake(#[source] io::Error),
    #[error("the provider cannot serve")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves a provider: the whole `main` of one.
///
/// Started by Terraform or OpenTofu, it serves until they are done. With the argument `--debug` it serves whoever sets
/// the variable that it prints, so that it can run in a debugger. Otherwise it says what it is, and fails.
pub fn run(provider: impl Provider, invocation: &Invocation) -> ExitCode {
    match try_run(provider, invocation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                text.push_str(": ");
                text.push_str(&error.to_string());
                cause = error.source();
            }
            // Nothing is left to do if not even that can be said.
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(provider: impl Provider, invocation: &Invocation) -> Result<(), ServeError> {
    // Two providers of cryptography in one process make rustls refuse to choose.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let is_debug = invocation.arguments.iter().any(|argument| argument == "--debug");
    let host = if is_debug { None } else { Some(Host::find(|name| invocation.variable(name))?) };
    crate::logging::start(|name| invocation.variable(name));

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Listen)?;
    let served = runtime.block_on(async {
        let listener = Listener::bind().map_err(ServeError::Listen)?;
        let announcement = match host {
            Some(Host { client_certificate: Some(client) }) => {
                let identity = certificate::Identity::generate()?;
                let line = handshake::line(listener.path(), Some(identity.certificate()));
                let tls = identity.accept_only(client)?;
                return serve(provider, listener, Some(tls), &line, false).await;
            }
            Some(Host { client_certificate: None }) => handshake::line(listener.path(), None),
            None => reattach::announcement(&invocation.address, listener.path()),
        };
        serve(provider, listener, None, &announcement, is_debug).await
    });
    // Calls that did not end in time must not keep the process.
    runtime.shutdown_background();
    served
}

async fn serve(
    provider: impl Provider,
    listener: Listener,
    tls: Option<tokio_rustls::TlsAcceptor>,
    announcement: &str,
    is_debug: bool,
) -> Result<(), ServeError> {
    let interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Listen)?;
    let terminate = signal(SignalKind::terminate()).map_err(ServeError::Listen)?;
    // As soon as the socket is announced, the host may be gone.
    let parent = std::os::unix::process::parent_id();
    let server = Arc::new(Server::new(Arc::new(provider)));
    let (shutdown, requested) = watch::channel(false);
    let (connections, _directory) = listener.connections(tls);

    announce(announcement).map_err(ServeError::Handshake)?;

    let (leave, asked_to_leave) = oneshot::channel::<()>();
    let serving = tonic::transport::Server::builder()
        .add_service(Service::new(Arc::clone(&server)).into_service())
        .add_service(Controller::service(shutdown))
        .serve_with_incoming_shutdown(connections, async {
            // The sender is never dropped before it sends.
            let _ = asked_to_leave.await;
        });
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result?,
        () = wait_until_done(requested, interrupt, terminate, parent, is_debug) => {
            server.stop();
            let _ = leave.send(());
            let ending = async {
                // Not after the running calls: they may take all the time there is.
                let (result, ()) = tokio::join!(serving, server.close_what_is_open());
                // What these calls opened meanwhile.
                server.close_what_is_open().await;
                result
            };
            if let Ok(result) = tokio::time::timeout(GRACE, ending).await {
                result?;
            }
        }
    }
    Ok(())
}

/// The host reads one line from standard output.
fn announce(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Completes when there is nobody left to serve.
///
/// Standard input says nothing: the host passes its own on, which ends at once in a pipeline without a terminal. A
/// dead host shows in the process having another parent.
async fn wait_until_done(
    mut requested: watch::Receiver<bool>,
    mut interrupt: Signal,
    mut terminate: Signal,
    parent: u32,
    is_debug: bool,
) {
    let mut check = tokio::time::interval(PARENT_CHECK);
    loop {
        tokio::select! {
            // A host that merely attached is not the one to end the process.
            _ = requested.wait_for(|requested| *requested), if !is_debug => return,
            // An interrupt at the terminal reaches the host too, which decides what is to happen.
            _ = interrupt.recv() => if is_debug { return },
            _ = terminate.recv() => return,
            _ = check.tick(), if !is_debug => {
                if std::os::unix::process::parent_id() != parent {
                    tracing::warn!("the host is gone; leaving");
                    return;
                }
            }
        }
    }
}
