//! A listener between a client and the server, for tests that must know what was said.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Hands on what a client and a server say, and keeps what the server said.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// One before the server at `port` of this machine. It listens as long as the process lives.
    pub fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let own = listener.local_addr().expect("a bound socket has an address").port();
        let heard = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                connect(&client, &server, &kept);
            }
        });
        Self { port: own, heard }
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every text that the server answered as the field `name` of some JSON.
    pub fn fields(&self, name: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&heard);
        let begin = format!("\"{name}\":\"");
        let after = text.split(&begin).skip(1);
        after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
    }
}

fn connect(client: &TcpStream, server: &TcpStream, heard: &Arc<Mutex<Vec<u8>>>) {
    let clone = |stream: &TcpStream| stream.try_clone().expect("a socket can be shared");
    let (from, to) = (clone(client), clone(server));
    thread::spawn(move || hand_on(from, to, |_| {}));
    let (from, to, heard) = (clone(server), clone(client), Arc::clone(heard));
    thread::spawn(move || {
        hand_on(from, to, |bytes| {
            heard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        });
    });
}

/// Until one of the two ends it.
fn hand_on(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut buffer) {
        keep(&buffer[..count]);
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other direction ends by itself.
    let _ = to.shutdown(Shutdown::Write);
}
