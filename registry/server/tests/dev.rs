//! `idp dev`: a platform from nothing.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::cli::{idp, ok};
use super::serve::free_port;
use super::support::MODULE;

/// A running `idp dev`; killed when dropped.
struct Dev(Child);

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_platform_starts_from_nothing_and_from_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let listen = format!("127.0.0.1:{}", free_port());
        let mut command = idp(folder.path());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").stdout(Stdio::piped());
        let child = command.args(["--json", "dev", "play", "--listen", &listen]).spawn().unwrap();
        let mut dev = Dev(child);
        let mut line = String::new();
        BufReader::new(dev.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        (dev, serde_json::from_str::<Value>(&line).unwrap())
    };
    let (mut first, told) = start();
    let module = folder.path().join("module");
    std::fs::create_dir(&module).unwrap();
    for (path, content) in MODULE {
        std::fs::write(module.join(path), content).unwrap();
    }

    let publish = |told: &Value| {
        let output = idp(folder.path())
            .args(["--json", "publish", "module", "--address", "golden/greeting/test"])
            .args(["--version", "1.0.0", "--key", "play/publisher.pem"])
            .env("IDP_SERVER", told["url"].as_str().unwrap())
            .env("IDP_TOKEN", told["token"].as_str().unwrap())
            .output()
            .unwrap();
        ok(&output)["created"].clone()
    };
    assert_eq!(publish(&told), true);
    assert!(folder.path().join("play/gitops.git/HEAD").exists());
    let tfrc = std::fs::read_to_string(told["cli_config"].as_str().unwrap()).unwrap();
    assert!(tfrc.contains(told["url"].as_str().unwrap()), "{tfrc}");
    let id = first.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(first.0.wait().unwrap().success());

    let (_second, told) = start();

    assert_eq!(publish(&told), false);
}
