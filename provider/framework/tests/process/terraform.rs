//! The program as the real `terraform`, or what `$TERRAFORM` names, runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// `terraform`, or what `$TERRAFORM` names, such as `tofu`.
#[expect(clippy::disallowed_methods, reason = "the runner chooses the program to test with")]
fn terraform() -> String {
    std::env::var("TERRAFORM").unwrap_or_else(|_| "terraform".to_owned())
}

const PROVIDER: &str = r#"
terraform {
  required_providers {
    mq = { source = "registry.example.com/acme/mq" }
  }
}

provider "mq" {
  directory = "./topics"
}
"#;

const ACCESS: &str = r#"
ephemeral "mq_access" "orders" {
  topic = "orders"
}
"#;

/// The time to renew is long past: Terraform renews at once.
const ACCESS_TO_RENEW: &str = r#"
ephemeral "mq_access" "orders" {
  topic    = "orders"
  renew_at = "2001-09-09T01:46:40Z"
}
"#;

/// A configuration of the provider, and what terraform keeps beside it.
struct Workspace(TempDir);

impl Workspace {
    fn new(access: &str, topic: &str) -> Self {
        let workspace = Self(tempfile::tempdir().unwrap());
        fs::create_dir(workspace.topics()).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_terraform-provider-mq"));
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"registry.example.com/acme/mq\" = \"{}\"\n  }}\n  \
             direct {{}}\n}}\n",
            program.parent().unwrap().display(),
        );
        fs::write(workspace.path("terraform.rc"), overrides).unwrap();
        fs::write(workspace.path("main.tf"), [PROVIDER, access, topic].concat()).unwrap();
        workspace
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the provider keeps its topics.
    fn topics(&self) -> PathBuf {
        self.path("topics")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(terraform())
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("TF_LOG")
            .env_remove("TF_LOG_PROVIDER")
            .env("TF_CLI_CONFIG_FILE", self.path("terraform.rc"))
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("TF_INPUT", "0")
            .output()
            .unwrap()
    }

    /// What a run says that must succeed.
    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }

    /// What happened to each access, in order.
    fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.topics().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// The files that a plan file, which is a zip archive, consists of.
    fn unpack(&self, plan: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = self.path("unpacked");
        let unpacked = Command::new("python3")
            .args(["-m", "zipfile", "-e", plan])
            .arg(&folder)
            .current_dir(self.0.path())
            .status()
            .unwrap();
        assert!(unpacked.success());
        let mut files = Vec::new();
        read_all(&folder, &mut files);
        files
    }
}

fn read_all(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, files);
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn terraform_passes_an_ephemeral_value_to_a_write_only_attribute_and_stores_it_nowhere() {
    let workspace = Workspace::new(
        ACCESS_TO_RENEW,
        r#"
resource "mq_topic" "orders" {
  name             = "orders"
  delay_seconds    = 1
  password         = ephemeral.mq_access.orders.token
  password_version = 1
}
"#,
    );

    workspace.succeed(&["plan", "-no-color", "-out=plan.bin"]);
    let planned = workspace.log();
    let mut written = workspace.unpack("plan.bin");
    let mut output = workspace.succeed(&["apply", "-no-color", "plan.bin"]);
    let applied = workspace.log().split_off(planned.len());
    let topic = fs::read_to_string(workspace.topics().join("orders.json")).unwrap();
    output += &workspace.succeed(&["plan", "-no-color", "-detailed-exitcode"]);
    output += &workspace.succeed(&["show", "-json"]);
    written.push(("state".into(), fs::read(workspace.path("terraform.tfstate")).unwrap()));

    let without_renewals = |log: &[String]| -> Vec<String> {
        log.iter().filter(|line| *line != "renew").cloned().collect()
    };
    assert_eq!(without_renewals(&planned), ["open", "close 1"]);
    let number = planned.len() + 1;
    assert_eq!(applied, ["open".to_owned(), "renew".to_owned(), format!("close {number}")]);
    assert!(topic.contains(&format!("access {number} to orders")), "{topic}");
    let is_plan =
        |(path, bytes): &(PathBuf, Vec<u8>)| path.ends_with("tfplan") && holds(bytes, "orders");
    assert!(written.iter().any(is_plan), "what is planned can be read in the plan file");
    for (path, bytes) in &written {
        assert!(!holds(bytes, "to orders"), "{} holds the token", path.display());
    }
    assert!(!output.contains("to orders"), "{output}");
}

#[test]
fn terraform_refuses_an_ephemeral_value_for_an_attribute_that_is_stored() {
    let workspace = Workspace::new(
        ACCESS,
        r#"
resource "mq_topic" "orders" {
  name   = "orders"
  labels = { token = ephemeral.mq_access.orders.token }
}
"#,
    );

    let output = workspace.run(&["plan", "-no-color"]);

    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("Ephemeral values are not valid for") && said.contains("labels"),
        "{said}"
    );
    assert!(workspace.log().is_empty(), "nothing is opened for it");
}

#[test]
fn what_terraform_opened_is_closed_though_the_run_fails() {
    let workspace = Workspace::new(
        ACCESS,
        r#"
resource "mq_topic" "too_long" {
  name     = join("", [for _ in range(300) : "x"])
  password = ephemeral.mq_access.orders.token
}
"#,
    );

    let output = workspace.run(&["apply", "-no-color", "-auto-approve"]);

    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot be saved") && !said.contains("to orders"), "{said}");
    assert_eq!(workspace.log(), ["open", "close 1", "open", "close 3"]);
}
