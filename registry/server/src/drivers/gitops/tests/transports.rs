//! The same driver over HTTP and ssh, with credentials.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Stdio,
};

use super::*;

/// git's own HTTP server program behind just enough of a web server.
struct WebServer {
    address: String,
}

impl WebServer {
    /// Serves the folder to whoever knows `authorization`.
    fn start(folder: PathBuf, authorization: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, folder) = (stream.unwrap(), folder.clone());
                std::thread::spawn(move || answer(stream, &folder, authorization));
            }
        });
        Self { address }
    }
}

fn answer(stream: TcpStream, folder: &Path, authorization: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut request = String::new();
    reader.read_line(&mut request).unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let header = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let mut stream = stream;
    if header("authorization") != authorization {
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap();
        return;
    }
    let body = body(&mut reader, &header("content-length"));
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut backend = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", folder)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "git")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = backend.stdin.take().unwrap();
    let feed = std::thread::spawn(move || stdin.write_all(&body));
    let output = backend.wait_with_output().unwrap().stdout;
    let _ = feed.join().unwrap();
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status =
        head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let length = output.len() - end - 4;
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&output[end + 4..]).unwrap();
}

fn body(reader: &mut impl std::io::BufRead, length: &str) -> Vec<u8> {
    let mut body = vec![0; length.parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    body
}

fn web_driver(remote: &Remote, address: &str, token: &str, folder: &str) -> GitOps {
    let token = Credentials::HttpsToken { username: "git".into(), token: Secret::new(token) };
    let settings = repository(&format!("http://{address}/remote.git"), token);
    GitOps::new(settings, remote.path().join(folder))
}

/// `git:t0ps3cret`
const AUTHORIZATION: &str = "Basic Z2l0OnQwcHMzY3JldA==";

#[tokio::test]
async fn changes_travel_over_http_with_a_token() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    remote.git(&["config", "http.receivepack", "true"]);
    let server = WebServer::start(remote.path().to_owned(), AUTHORIZATION);
    let driver = web_driver(&remote, &server.address, "t0ps3cret", "mirror");
    driver.check().await.unwrap();

    let done = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(done.commit, Some(remote.git(&["rev-parse", "main"])));
    let seen = driver.observe(&["staging"]).await.unwrap();
    assert_eq!(seen.commit, done.commit);
    // No file of the mirror holds the token.
    let config = std::fs::read_to_string(remote.path().join("mirror/mirror.git/config")).unwrap();
    assert!(!config.contains("extraHeader"), "{config}");
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_told_and_not_shown() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let server = WebServer::start(remote.path().to_owned(), AUTHORIZATION);

    let error = web_driver(&remote, &server.address, "wr0ng", "mirror").check().await.unwrap_err();

    assert!(matches!(error, GitOpsError::Unauthorised { .. }), "{error}");
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    assert!(error.to_string().contains("renew the token"), "{error}");
}

#[tokio::test]
async fn a_token_that_may_not_push_is_found_by_the_check() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    remote.git(&["config", "http.receivepack", "false"]);
    let server = WebServer::start(remote.path().to_owned(), AUTHORIZATION);
    let driver = web_driver(&remote, &server.address, "t0ps3cret", "mirror");

    let checked = driver.check().await.unwrap_err();
    let refused = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await;

    assert!(matches!(checked, GitOpsError::Unauthorised { .. }), "{checked}");
    assert!(matches!(refused, Err(GitOpsError::Unauthorised { .. })), "{refused:?}");
    assert_eq!(driver.observe(&["README.md"]).await.unwrap().files.len(), 1);
}

#[tokio::test]
async fn changes_travel_over_ssh_with_a_pinned_host_and_one_key() {
    let remote = Remote::with_files(&[("README.md", "hello\n")]);
    let ssh = remote.path().join("bin dir/ssh");
    // Notes its arguments and runs the last one, as the other end would.
    script(
        &ssh,
        &format!(
            "for last; do echo \"$last\" >> '{}'; done; exec sh -c \"$last\"",
            remote.path().join("ssh.log").display()
        ),
    );
    let url = format!("ssh://git@git.example.com{}", remote.bare().display());
    let key = Credentials::SshKey { key: "/keys/it's".into(), known_hosts: "/keys/hosts".into() };
    let program = GitProgram::default().with_ssh(ssh);
    let settings = repository(&url, key).with_git(program);
    let driver = GitOps::new(settings, remote.path().join("mirror"));

    let done = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(done.commit, Some(remote.git(&["rev-parse", "main"])));
    let log = std::fs::read_to_string(remote.path().join("ssh.log")).unwrap();
    let arguments: Vec<_> = log.lines().collect();
    for expected in [
        "/dev/null",
        "/keys/it's",
        "IdentitiesOnly=yes",
        "StrictHostKeyChecking=yes",
        "UserKnownHostsFile=\"/keys/hosts\"",
        "BatchMode=yes",
        "git@git.example.com",
    ] {
        assert!(arguments.contains(&expected), "{expected} is not in {arguments:?}");
    }
}

#[tokio::test]
async fn a_repository_with_sha256_objects_is_served_too() {
    let folder = tempfile::tempdir().unwrap();
    run_git(
        folder.path(),
        &["init", "--quiet", "--bare", "-b", "main", "--object-format=sha256", "remote.git"],
    );
    let remote = Remote { folder };
    remote.edit(&[("README.md", "hello\n")]);
    let driver = remote.driver();

    let done = driver.commit(change("op1", "checkout", &[("a.yaml", "a\n")])).await.unwrap();

    assert_eq!(done.commit.as_ref().map(String::len), Some(64));
    let seen = driver.observe(&["staging"]).await.unwrap();
    assert_eq!(seen.files["staging/service/checkout/a.yaml"], sha256(b"a\n"));
}
