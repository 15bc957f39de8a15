//! A socket that nobody else can reach.

use std::fs::Permissions;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;

use super::connection::Connection;

/// Socket addresses are a little over a hundred bytes on every Unix.
const LONGEST_PATH: usize = 100;

/// A client that takes longer to prove who it is will not.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// A listening socket in a directory of its own.
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    directory: TempDir,
}

/// Keeps the socket's directory; dropping this removes it.
pub(super) struct Directory(#[expect(dead_code, reason = "kept to be dropped")] TempDir);

impl Listener {
    /// Listens. Needs a runtime.
    pub(super) fn bind() -> io::Result<Self> {
        let mut directory = private_directory(&std::env::temp_dir())?;
        if directory.path().as_os_str().as_bytes().len() + "/socket".len() > LONGEST_PATH {
            directory = private_directory(Path::new("/tmp"))?;
        }
        let path = directory.path().join("socket");
        let socket = UnixListener::bind(&path)?;
        Ok(Self { socket, path, directory })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Every connection, once it has proved who it is; and the directory, to keep as long as there may be any.
    pub(super) fn connections(
        self,
        tls: Option<TlsAcceptor>,
    ) -> (impl Stream<Item = io::Result<Connection>>, Directory) {
        let Self { socket, directory, .. } = self;
        let (sender, connections) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                let stream = tokio::select! {
                    accepted = socket.accept() => accepted,
                    () = sender.closed() => return,
                };
                match stream {
                    Ok((stream, _)) => {
                        tokio::spawn(admit(stream, tls.clone(), sender.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        // Out of file descriptors, most likely: trying again at once would spin.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        });
        (ReceiverStream::new(connections), Directory(directory))
    }
}

fn private_directory(parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("provider-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
}

/// Passes a connection on, if it is the host's.
async fn admit(
    stream: UnixStream,
    tls: Option<TlsAcceptor>,
    sender: mpsc::Sender<io::Result<Connection>>,
) {
    let connection = match tls {
        None => Connection::Plain(stream),
        Some(tls) => match tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => Connection::Tls(Box::new(stream)),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a client was refused");
                return;
            }
            Err(_) => {
                tracing::warn!("a client was refused: it did not prove who it is in time");
                return;
            }
        },
    };
    // Nobody receives it any more when serving has ended.
    let _ = sender.send(Ok(connection)).await;
}
