//! A platform of one's own for each test: a server with published golden paths, and the repository it commits to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tempfile::TempDir;

use crate::git::Repository;
use crate::http::{self, Answer};
use crate::run::Run;
use crate::server::{self, Server, Start, free_port};
use crate::template;
use crate::workspace::{Provider, Started, Workspace};

/// A platform; everything of it goes when it is dropped.
#[derive(Debug)]
pub struct Platform {
    // Dropped before the folder that it works in.
    server: Option<Server>,
    folder: TempDir,
    port: u16,
    token: String,
}

impl Platform {
    /// A running one.
    pub fn start() -> Self {
        Self::start_with(|config| config)
    }

    /// A running one with a changed configuration.
    pub fn start_with(edit: impl FnOnce(String) -> String) -> Self {
        let mut platform = Self::prepare();
        platform.edit_config(edit);
        platform.run();
        platform
    }

    /// One whose server is not running yet.
    pub fn prepare() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        template::copy(folder.path());
        let token = template::admin_token(folder.path());
        Self { server: None, folder, port: free_port(), token }
    }

    /// Starts the server.
    pub fn run(&mut self) {
        self.run_with(&Start::default());
    }

    /// Starts the server so that it dies when it comes to `failpoint`.
    pub fn run_until(&mut self, failpoint: &str) {
        self.run_with(&Start { failpoint: Some(failpoint.to_owned()), ..Start::default() });
    }

    /// Starts the server.
    pub fn run_with(&mut self, start: &Start) {
        assert!(self.server.is_none(), "the server runs already");
        let folder = self.server_folder();
        self.server = Server::start(&folder, self.port, start);
        if self.server.is_none() {
            let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
            panic!("the server did not start:\n{log}");
        }
    }

    /// Asks the server to end and waits until it did.
    pub fn stop(&mut self) -> ExitStatus {
        self.server.take().expect("the server runs").stop()
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.server.take().expect("the server runs").kill();
    }

    /// Fails the test, saying `otherwise`, unless the server died at its failpoint; what made it do so has been
    /// answered, or cut off, already.
    #[track_caller]
    pub fn expect_death(&mut self, otherwise: &str) {
        let mut server = self.server.take().expect("the server runs");
        let status = server.end_within_a_moment().unwrap_or_else(|| panic!("{otherwise}"));
        assert!(!status.success(), "the server ended in peace: {otherwise}");
    }

    /// Whether the server died; it can be run again then.
    pub fn has_died(&mut self) -> bool {
        let died = self.server.as_mut().is_some_and(Server::has_ended);
        if died {
            self.server = None;
        }
        died
    }

    /// Changes the configuration; the server reads it when it starts.
    pub fn edit_config(&self, edit: impl FnOnce(String) -> String) {
        let file = self.server_folder().join("idp.toml");
        let text = fs::read_to_string(&file).expect("there is a configuration");
        fs::write(file, edit(text)).expect("the configuration is written");
    }

    /// Stops the server, changes its configuration, starts it again.
    pub fn reconfigure(&mut self, edit: impl FnOnce(String) -> String) {
        assert!(self.stop().success(), "the server did not end well");
        self.edit_config(edit);
        self.run();
    }

    /// Where the server is reached.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A token that may do everything.
    pub fn admin_token(&self) -> &str {
        &self.token
    }

    /// Makes a token with these rights.
    pub fn token(&self, name: &str, rights: &[&str]) -> String {
        let mut arguments = vec!["--json", "token", "create", "--name", name];
        arguments.extend(rights.iter().flat_map(|right| ["--right", right]));
        let made = self.idp(&arguments).ok();
        let made: Value = serde_json::from_str(&made.stdout).expect("an answer in JSON");
        made["token"].as_str().expect("a token").to_owned()
    }

    /// The folder of the server's configuration and data.
    pub fn server_folder(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    /// A folder for what a test needs beside.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The repository that environments are committed to.
    pub fn repository(&self) -> Repository {
        Repository::open(&self.folder.path().join("clusters.git"))
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.server_folder().join("server.log")).unwrap_or_default()
    }

    /// Runs the command line as the admin.
    pub fn idp(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.idp_command(arguments))
    }

    /// Starts the command line as the admin and leaves it running.
    pub fn start_idp(&self, arguments: &[&str]) -> Started {
        Started::spawn(self.idp_command(arguments))
    }

    /// The command line as the admin.
    pub fn idp_command(&self, arguments: &[&str]) -> Command {
        let mut command = server::command(&self.server_folder());
        command.env("IDP_SERVER", self.url()).env("IDP_TOKEN", &self.token).args(arguments);
        command
    }

    /// Asks the platform API as the admin.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str) -> Answer {
        self.api_with(method, path, &[])
    }

    /// Asks the platform API as the admin, with more headers.
    #[track_caller]
    pub fn api_with(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.api_as(&self.token, method, path, headers, None)
    }

    /// Asks the platform API with a token, and with a body where there is one.
    #[track_caller]
    pub fn api_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        self.try_api_as(token, method, path, headers, body)
            .unwrap_or_else(|| panic!("{method} {path} was not answered"))
    }

    /// Asks the platform API as the admin; nothing where the server does not answer.
    pub fn try_api(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        self.try_api_as(&self.token, method, path, headers, body)
    }

    fn try_api_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        let authorization = format!("Bearer {token}");
        let mut headers = [&[("authorization", authorization.as_str())], headers].concat();
        headers.extend(body.map(|_| ("content-type", "application/json")));
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let url = format!("{}{path}", self.url());
        http::try_send(method, &url, &headers, body)
    }

    /// A Terraform folder for this platform, as the admin.
    pub fn workspace(&self, provider: Provider) -> Workspace {
        let token = self.token.clone();
        self.workspace_as(provider, &token)
    }

    /// A Terraform folder for this platform, with a token.
    pub fn workspace_as(&self, provider: Provider, token: &str) -> Workspace {
        let mut workspace = Workspace::new(&self.url(), provider);
        workspace.env("IDP_ENDPOINT", self.url()).env("IDP_TOKEN", token);
        workspace
    }
}
