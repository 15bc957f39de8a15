//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The repository's root.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        here.parent().expect("the tests lie in the repository").to_owned()
    });
    &ROOT
}

/// The folder that cargo built this test into, such as `target/debug`.
pub fn target() -> &'static Path {
    static TARGET: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/debug/deps/e2e-0123
        let folder = test.parent().and_then(Path::parent);
        folder.expect("tests are built into target/<profile>/deps").to_owned()
    });
    &TARGET
}

/// The server and command line.
pub fn idp() -> PathBuf {
    built("idp")
}

/// The provider.
pub fn provider() -> PathBuf {
    built("terraform-provider-idp")
}

/// `terraform`, or what `$TERRAFORM` names, such as `tofu`.
#[expect(clippy::disallowed_methods, reason = "the runner chooses the program to test with")]
pub fn terraform() -> String {
    std::env::var("TERRAFORM").unwrap_or_else(|_| "terraform".to_owned())
}

fn built(name: &str) -> PathBuf {
    let path = target().join(name);
    assert!(
        path.is_file(),
        "{} is not there; the tests drive the built programs, so run: cargo build --workspace --bins",
        path.display()
    );
    path
}
