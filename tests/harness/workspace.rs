//! A folder with a Terraform configuration, and terraform run in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::binaries;
use crate::run::{Run, clean};

/// Where provider and modules are named to come from, whatever port a test's server has.
pub const HOSTNAME: &str = "registry.example.com";

/// How terraform finds the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The built binary, without `init`.
    Built,
    /// From the registry, by `init`.
    Installed,
}

/// A configuration and what terraform keeps beside it.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

impl Workspace {
    /// An empty one whose registry services are reached at `url`.
    pub fn new(url: &str, provider: Provider) -> Self {
        let services = format!(
            "host \"{HOSTNAME}\" {{\n  services = {{\n    \"modules.v1\"   = \"{url}/v1/modules/\"\n    \
             \"providers.v1\" = \"{url}/v1/providers/\"\n  }}\n}}\n"
        );
        let overrides = match provider {
            Provider::Installed => String::new(),
            Provider::Built => format!(
                "provider_installation {{\n  dev_overrides {{\n    \"{HOSTNAME}/platform/idp\" = \"{}\"\n  \
                 }}\n  direct {{}}\n}}\n",
                binaries::target().display()
            ),
        };
        Self::with_cli_config(&format!("{services}{overrides}"))
    }

    /// An empty one with this CLI configuration.
    pub fn with_cli_config(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["home", "main"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let cli_config = folder.path().join("terraform.rc");
        fs::write(&cli_config, text).expect("the CLI configuration is written");
        let environment = [
            ("CHECKPOINT_DISABLE", "1".to_owned()),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("TF_INPUT", "0".to_owned()),
            ("TF_CLI_CONFIG_FILE", cli_config.display().to_string()),
            // One attempt is enough for tests of a server that is down.
            ("TF_REGISTRY_DISCOVERY_RETRY", "0".to_owned()),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Self { folder, environment }
    }

    /// Where the configuration is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("main")
    }

    /// Sets a variable for every later run.
    pub fn env(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Writes a file of the configuration.
    pub fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, text).expect("the configuration is written");
        self
    }

    /// Copies a folder of configuration files here.
    pub fn copy(&self, from: &Path) -> &Self {
        crate::files::copy_tree(from, &self.path());
        self
    }

    /// Runs terraform with these arguments.
    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Starts terraform and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Started {
        Started::spawn(self.command(arguments))
    }

    /// `terraform init`.
    pub fn init(&self) -> Run {
        self.run(&["init", "-no-color"])
    }

    /// `terraform validate`.
    pub fn validate(&self) -> Run {
        self.run(&["validate", "-no-color"])
    }

    /// `terraform plan -detailed-exitcode`: 0 nothing to do, 1 an error, 2 changes.
    pub fn plan(&self) -> Run {
        self.run(&["plan", "-no-color", "-detailed-exitcode"])
    }

    /// `terraform plan -refresh-only`. What it found it only says: its exit code is 2 for states that are equal to
    /// people and not to core.
    pub fn refresh_plan(&self) -> Run {
        self.run(&["plan", "-no-color", "-refresh-only"])
    }

    /// `terraform plan -out saved.tfplan`.
    pub fn save_plan(&self) -> Run {
        self.run(&["plan", "-no-color", "-out", "saved.tfplan"])
    }

    /// `terraform apply` of the plan that [`Workspace::save_plan`] saved.
    pub fn apply_saved(&self) -> Run {
        self.run(&["apply", "-no-color", "saved.tfplan"])
    }

    /// `terraform apply` without asking.
    pub fn apply(&self) -> Run {
        self.run(&["apply", "-no-color", "-auto-approve"])
    }

    /// `terraform destroy` without asking.
    pub fn destroy(&self) -> Run {
        self.run(&["destroy", "-no-color", "-auto-approve"])
    }

    /// The saved plan as JSON.
    pub fn planned(&self) -> Value {
        json(&self.run(&["show", "-json", "saved.tfplan"]).ok())
    }

    /// The planned change of one resource of the saved plan.
    pub fn planned_change(&self, address: &str) -> Value {
        let plan = self.planned();
        let changes = plan["resource_changes"].as_array().cloned().unwrap_or_default();
        let found = changes.into_iter().find(|change| change["address"] == address);
        found.unwrap_or_else(|| panic!("the plan has no {address}: {plan:#}"))["change"].clone()
    }

    /// The state as JSON.
    pub fn state(&self) -> Value {
        json(&self.run(&["show", "-json"]).ok())
    }

    /// The addresses in the state.
    pub fn addresses(&self) -> Vec<String> {
        let list = self.run(&["state", "list"]);
        list.stdout.lines().map(str::to_owned).collect()
    }

    /// The attributes of one resource in the state, root module only.
    pub fn attributes(&self, address: &str) -> Value {
        let state = self.state();
        let resources = state["values"]["root_module"]["resources"].as_array().cloned();
        let found =
            resources.unwrap_or_default().into_iter().find(|found| found["address"] == address);
        found.unwrap_or_else(|| panic!("the state has no {address}: {state:#}"))["values"].clone()
    }

    /// The value of an output.
    pub fn output(&self, name: &str) -> Value {
        json(&self.run(&["output", "-json", name]).ok())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean(binaries::terraform(), &self.folder.path().join("home"));
        command.current_dir(self.path()).args(arguments).envs(&self.environment);
        command
    }
}

/// A program that runs beside the test.
#[derive(Debug)]
pub struct Started {
    child: Child,
    command: Command,
}

impl Started {
    /// Starts `command`.
    pub fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().expect("the program runs");
        Self { child, command }
    }

    /// Whether it ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a process can be asked").is_some()
    }

    /// Ends it without a chance to clean up, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process can be killed");
        self.child.wait().expect("the program ends");
    }

    /// Waits for its end.
    pub fn finish(self) -> Run {
        let output = self.child.wait_with_output().expect("the program ends");
        Run::from_output(&self.command, &output)
    }
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{run}\nis not JSON: {error}"))
}
