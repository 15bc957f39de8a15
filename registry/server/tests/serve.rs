//! The real process on a real socket: TLS, slow clients, full disks, and ending well.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::cli::{idp, ok, text};
use super::support::MODULE;

/// A server process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// A folder with configuration, keys, token and a module to publish.
pub(crate) fn prepare(more: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let init = ["--json", "init", ".", "--hostname", "registry.test.example"];
    let made = ok(&idp(folder.path()).args(init).output().unwrap());
    let config = folder.path().join("idp.toml");
    let text = std::fs::read_to_string(&config).unwrap() + more;
    std::fs::write(config, text).unwrap();
    write_module(folder.path(), MODULE);
    (folder, made["admin_token"].as_str().unwrap().to_owned())
}

/// Writes the files of the folder that [`Process::publish`] publishes.
pub(crate) fn write_module(folder: &Path, files: &[(&str, &str)]) {
    let module = folder.join("module");
    std::fs::create_dir_all(&module).unwrap();
    for (path, content) in files {
        std::fs::write(module.join(path), content).unwrap();
    }
}

impl Process {
    pub(crate) fn start(more: &str) -> Self {
        let (folder, token) = prepare(more);
        Self::start_in(folder, token, |_| {})
    }

    pub(crate) fn start_in(
        folder: tempfile::TempDir,
        token: String,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let port = free_port();
        let mut command = idp(folder.path());
        command.arg("serve");
        change(&mut command);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command
            .env("IDP_LISTEN", format!("127.0.0.1:{port}"))
            .env("IDP_PUBLIC_URL", format!("http://127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        wait("the server to listen", || {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the server ended: {}",
                std::fs::read_to_string(folder.path().join("log")).unwrap()
            );
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, folder, port, token }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `idp publish module` as the admin.
    pub(crate) fn publish(&self, version: &str) -> std::process::Output {
        idp(self.folder.path())
            .args([
                "--json",
                "publish",
                "module",
                "--address",
                "golden/greeting/test",
                "--version",
                version,
            ])
            .env("IDP_SERVER", self.url())
            .env("IDP_TOKEN", &self.token)
            .output()
            .unwrap()
    }

    /// `idp` as the admin.
    pub(crate) fn idp(&self, arguments: &[&str]) -> std::process::Output {
        idp(self.folder.path())
            .arg("--json")
            .args(arguments)
            .env("IDP_SERVER", self.url())
            .env("IDP_TOKEN", &self.token)
            .output()
            .unwrap()
    }

    /// Asks for SIGTERM and waits.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it died by itself, then gives the folder back.
    pub(crate) fn wait_for_death(mut self) -> (tempfile::TempDir, String) {
        self.wait_to_die();
        self.into_folder()
    }

    /// Waits until it died by itself.
    pub(crate) fn wait_to_die(&mut self) {
        let mut status = None;
        wait("the server to die", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(!status.unwrap().success());
    }

    /// Gives the folder and the token back.
    pub(crate) fn into_folder(mut self) -> (tempfile::TempDir, String) {
        self.take_folder()
    }

    /// The same for a process that is over and goes on to be named.
    pub(crate) fn take_folder(&mut self) -> (tempfile::TempDir, String) {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        (folder, std::mem::take(&mut self.token))
    }

    /// One HTTP/1.1 answer, head and body; as much of it as came.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        // Not every server that is asked speaks plain HTTP.
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer));
        text(&answer)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[track_caller]
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_module_is_published_and_listed_over_the_wire() {
    let server = Process::start("");

    let first = ok(&server.publish("1.0.0"));
    let again = ok(&server.publish("1.0.0"));

    assert_eq!((&first["created"], &again["created"]), (&true.into(), &false.into()));
    let list = server.get("/v1/modules/golden/greeting/test/versions");
    assert!(list.contains("1.0.0"), "{list}");
    let refused = {
        write_module(server.folder.path(), &[("main.tf", "# other\n")]);
        server.publish("1.0.0")
    };
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("version_taken"), "{}", text(&refused.stderr));
}

#[test]
fn it_is_ready_when_it_can_work() {
    let server = Process::start("");

    assert!(server.get("/healthz").starts_with("HTTP/1.1 200"));
    assert!(server.get("/readyz").starts_with("HTTP/1.1 200"));
    std::fs::remove_dir_all(server.folder.path().join("data/blobs/tmp")).unwrap();
    let answer = server.get("/readyz");

    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not_ready"), "{answer}");
}

#[test]
fn what_goes_wrong_has_a_request_id_that_the_log_knows() {
    let server = Process::start("");

    let answer = server.get("/nothing");

    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
    assert!(answer.contains(&format!("\"request_id\":\"{id}\"")), "{answer}");
    assert!(server.log().contains(id), "{}", server.log());
}

#[test]
fn a_request_under_way_finishes_when_the_server_is_told_to_stop() {
    let mut server = Process::start("");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let body = r#"{"name":"ci","rights":["admin"]}"#;
    write!(
        stream,
        "POST /api/v1/tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{}",
        server.token,
        body.len(),
        &body[..10]
    )
    .unwrap();
    // The server has the head once it answers somebody else's later request.
    server.get("/healthz");

    let stopper = std::thread::spawn(move || {
        let status = server.stop();
        (server, status)
    });
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(&body.as_bytes()[10..]).unwrap();

    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 201"), "{line}");
    drop(stream);
    let (_server, status) = stopper.join().unwrap();
    assert!(status.success());
}

#[test]
fn a_client_that_does_not_finish_its_headers_is_cut_off() {
    let server = Process::start("\n[limits]\nheader_seconds = 1\n");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();

    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();

    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(!text(&rest).contains("200 OK"), "{}", text(&rest));
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let (folder, token) = prepare("");
    // Files of this process cannot grow beyond a limit; ignoring the signal turns that into an error, as a full disk is.
    let server = Process::start_in(folder, token, |command| {
        let mut limited = Command::new("sh");
        limited
            .args([
                "-c",
                "trap '' XFSZ; ulimit -f 2048; exec \"$0\" serve",
                env!("CARGO_BIN_EXE_idp"),
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            limited.env(name, value.unwrap());
        }
        *command = limited;
    });
    let big: String = incompressible(3 << 20);
    write_module(server.folder.path(), &[("data.txt", &big)]);

    let refused = server.publish("1.0.0");

    let said = text(&refused.stderr);
    assert!(said.contains("disk is full") && said.contains("HTTP 507"), "{said}");
    assert!(server.log().contains("no room left on the disk"), "{}", server.log());
    assert!(server.get("/v1/modules/golden/greeting/test/versions").starts_with("HTTP/1.1 404"));
    std::fs::remove_file(server.folder.path().join("module/data.txt")).unwrap();
    ok(&server.publish("1.0.0"));
}

/// Text that no compression makes small.
fn incompressible(length: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'0' + u8::try_from(state % 64).unwrap())
    })
    .take(length)
    .collect()
}

#[test]
fn tls_is_spoken_with_the_configured_certificate_and_no_other() {
    let (folder, token) = prepare("");
    let (certificate, _key) = write_certificate(folder.path());
    let server = Process::start_in(folder, token, |command| {
        command.env("IDP_TLS_CERT", "cert.pem").env("IDP_TLS_KEY", "key.pem");
    });
    let list = |trust: Option<&PathBuf>| {
        let mut command = idp(server.folder.path());
        command
            .args(["--json", "token", "list"])
            .env("IDP_SERVER", format!("https://127.0.0.1:{}", server.port))
            .env("IDP_TOKEN", &server.token);
        if let Some(certificate) = trust {
            command.env("SSL_CERT_FILE", certificate);
        }
        command.output().unwrap()
    };

    ok(&list(Some(&certificate)));
    let untrusted = list(None);

    assert_eq!(untrusted.status.code(), Some(1));
    // A client that speaks no TLS gets no further either.
    assert!(!server.get("/healthz").contains("200 OK"));
}

fn write_certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn a_second_server_on_the_same_data_is_refused_until_the_first_is_gone() {
    let mut first = Process::start("");

    let second = idp(first.folder.path()).arg("serve").env("IDP_LISTEN", "127.0.0.1:0").output();

    let second = second.unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = text(&second.stderr);
    assert!(said.contains("in use by another process (") && said.contains("data_dir"), "{said}");
    assert!(first.get("/readyz").starts_with("HTTP/1.1 200"));
    first.stop();
    let (folder, token) = first.into_folder();
    Process::start_in(folder, token, |_| {});
}
