//! Which modules of a registry a configuration calls: from its files, from what is installed, or from a plan.
//!
//! Pure: texts in, calls out. Terraform wants a source and a version to be written out, so files say nearly everything.

use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use registry_api::VersionConstraint;
use registry_trust::installed::{ModuleSource, Package};
use registry_trust::release::ModuleId;
use semver::Version;
use serde_json::Value;

use super::configuration::line_of;

/// The most calls that are followed, and how deep.
const MOST_CALLS: usize = 20_000;
const DEEPEST: usize = 32;

/// A call of a registry's module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// Its address, as `module.a.module.b`.
    pub(super) address: String,
    /// Who says so: `main.tf:3 module.vpc`.
    pub(super) place: String,
    /// Which module.
    pub(super) module: ModuleId,
    /// Which versions it allows.
    pub(super) constraint: Option<VersionConstraint>,
    /// Which version is installed for it.
    pub(super) installed: Option<Version>,
}

/// A local module, whose files are still to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    /// The address of the call.
    pub(super) address: String,
    /// Its folder, seen from the caller's.
    pub(super) path: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Calls {
    /// Calls of registries' modules.
    pub(super) modules: Vec<Call>,
    /// Calls of packages that are not a registry's, by address.
    pub(super) others: Vec<String>,
    /// Local modules, in the order in which they were found.
    pub(super) locals: Vec<Local>,
    /// Calls that only a plan knows, with the reason.
    pub(super) unclear: Vec<String>,
}

impl Calls {
    /// Adds what one file calls, of the module at `within`.
    pub(super) fn read_file(&mut self, within: &str, file: &str, text: &str) -> anyhow::Result<()> {
        let body = parse_body(text).map_err(|error| {
            let (line, column) = (error.location().line(), error.location().column());
            anyhow::anyhow!("{file}:{line}:{column}: {}", error.message())
        })?;
        for block in body.get_blocks("module") {
            let [name] = block.labels.as_slice() else { continue };
            let address = child(within, name.as_str());
            let place = format!("{file}:{} {address}", line_of(text, block));
            let literal = |name: &str| {
                let value = block.body.get_attribute(name).map(|attribute| &attribute.value);
                (value.is_some(), value.and_then(Expression::as_str).map(str::to_owned))
            };
            let (source, version) = (literal("source"), literal("version"));
            match (source, version) {
                // `terraform validate` says so better.
                ((false, _), _) => {}
                ((true, Some(source)), (false, _)) => self.add(address, place, &source, None)?,
                ((true, Some(source)), (true, Some(version))) => {
                    self.add(address, place, &source, Some(&version))?;
                }
                _ => self
                    .unclear
                    .push(format!("{place}: `source` or `version` is not a plain string")),
            }
        }
        Ok(())
    }

    /// Adds what a plan calls, as `terraform show -json` prints it. False where it does not say: a state does not.
    pub(super) fn read_plan(&mut self, json: &[u8]) -> anyhow::Result<bool> {
        let plan: Value = serde_json::from_slice(json)?;
        let Some(root) = plan.pointer("/configuration/root_module") else { return Ok(false) };
        self.read_module("", root, 0)?;
        Ok(true)
    }

    fn read_module(&mut self, within: &str, module: &Value, depth: usize) -> anyhow::Result<()> {
        let calls = module.get("module_calls").and_then(Value::as_object).into_iter().flatten();
        for (name, call) in calls {
            let address = child(within, name);
            if let Some(source) = call["source"].as_str() {
                let version = call["version_constraint"].as_str();
                self.add(address.clone(), address.clone(), source, version)?;
            }
            if depth > DEEPEST {
                anyhow::bail!("{address}: modules call each other more than {DEEPEST} levels deep");
            }
            self.read_module(&address, &call["module"], depth + 1)?;
        }
        Ok(())
    }

    /// Adds what is installed but stands in no file of the configuration: what its modules call. Says what is installed
    /// of the others.
    pub(super) fn add_installed(&mut self, packages: &[Package]) {
        for package in packages {
            let ModuleSource::Registry { module, .. } = &package.source else { continue };
            let known = self.modules.iter().position(|call| call.address == package.call);
            if let Some(at) = known {
                let call = &mut self.modules[at];
                // Another module than the configuration calls now: `terraform init` replaces it.
                if call.module == *module {
                    call.installed.clone_from(&package.version);
                }
            } else if self.is_below_a_package(&package.call) {
                self.modules.push(Call {
                    address: package.call.clone(),
                    place: package.call.clone(),
                    module: module.clone(),
                    constraint: package.version.as_ref().map(VersionConstraint::exactly),
                    installed: package.version.clone(),
                });
            }
        }
    }

    /// Whether what is at this address is called by a package that the configuration calls, or for its tests.
    fn is_below_a_package(&self, address: &str) -> bool {
        let is_below =
            |above: &str| address.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'));
        address.starts_with("test.")
            || self.modules.iter().any(|call| is_below(&call.address))
            || self.others.iter().any(|above| is_below(above))
    }

    /// Whether every package that is called is installed, so that what those call is known too.
    pub(super) fn is_installed(&self, packages: &[Package]) -> bool {
        let is_there = |address: &String| packages.iter().any(|package| package.call == *address);
        self.modules.iter().all(|call| call.installed.is_some()) && self.others.iter().all(is_there)
    }

    fn add(
        &mut self,
        address: String,
        place: String,
        source: &str,
        version: Option<&str>,
    ) -> anyhow::Result<()> {
        if self.modules.len() + self.others.len() + self.locals.len() > MOST_CALLS {
            anyhow::bail!("{place}: there are more than {MOST_CALLS} calls of modules");
        }
        match ModuleSource::read(&normalised(source)) {
            ModuleSource::Local(path) => {
                if address.matches(".module.").count() >= DEEPEST {
                    anyhow::bail!(
                        "{place}: modules call each other more than {DEEPEST} levels deep"
                    );
                }
                self.locals.push(Local { address, path });
            }
            ModuleSource::Registry { module, .. } => {
                let constraint = version
                    .map(|text| text.parse().map_err(|error| anyhow::anyhow!("{place}: {error}")))
                    .transpose()?;
                self.modules.push(Call { address, place, module, constraint, installed: None });
            }
            ModuleSource::Other(_) => self.others.push(address),
        }
        Ok(())
    }
}

/// The hostname as Terraform records it: lower case, without the port that is the default.
fn normalised(source: &str) -> String {
    match source.split_once('/') {
        Some((host, rest)) if host.contains('.') && !source.starts_with('.') => {
            let host = host.to_ascii_lowercase();
            format!("{}/{rest}", host.strip_suffix(":443").unwrap_or(&host))
        }
        _ => source.to_owned(),
    }
}

fn child(within: &str, name: &str) -> String {
    if within.is_empty() { format!("module.{name}") } else { format!("{within}.module.{name}") }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn shown(calls: &Calls) -> Vec<String> {
        let line = |call: &Call| {
            let constraint = call.constraint.as_ref().map_or("any", VersionConstraint::as_str);
            let installed = call.installed.as_ref().map_or("-".to_owned(), ToString::to_string);
            format!("{} {} {constraint} {installed}", call.place, call.module.path())
        };
        calls.modules.iter().map(line).collect()
    }

    fn package(call: &str, source: &str, version: &str) -> Package {
        Package {
            call: call.to_owned(),
            source: ModuleSource::read(source),
            version: version.parse().ok(),
            directory: PathBuf::new(),
            problem: None,
        }
    }

    const FILE: &str = r#"
module "vpc" {
  source  = "Registry.example.com:443/acme/vpc/aws//sub"
  version = "~> 1.2"
}
module "near" {
  source = "./near"
}
module "git" {
  source = "git::https://git.example/x.git"
}
module "moving" {
  source  = "registry.example.com/acme/vpc/aws"
  version = var.version
}
module "any" {
  source = "registry.example.com:8443/acme/vpc/aws"
}
module "broken" {
}
"#;

    #[test]
    fn calls_are_found_with_their_line() {
        let mut calls = Calls::default();

        calls.read_file("module.up", "main.tf", FILE).unwrap();

        assert_eq!(
            shown(&calls),
            [
                "main.tf:2 module.up.module.vpc acme/vpc/aws ~> 1.2 -",
                "main.tf:16 module.up.module.any acme/vpc/aws any -",
            ]
        );
        assert_eq!(calls.modules[0].module.registry(), "registry.example.com");
        assert_eq!(calls.modules[1].module.registry(), "registry.example.com:8443");
        assert_eq!(calls.others, ["module.up.module.git"]);
        let local =
            Local { address: "module.up.module.near".to_owned(), path: "./near".to_owned() };
        assert_eq!(calls.locals, [local]);
        assert_eq!(
            calls.unclear,
            ["main.tf:12 module.up.module.moving: `source` or `version` is not a plain string"]
        );
    }

    #[test]
    fn a_constraint_that_is_none_is_named_by_its_place() {
        let text = FILE.replace("~> 1.2", "=> 1.2");

        let error = Calls::default().read_file("", "main.tf", &text).unwrap_err();

        assert!(error.to_string().starts_with("main.tf:2 module.vpc: "), "{error}");
    }

    #[test]
    fn what_packages_call_is_known_once_they_are_installed() {
        let mut calls = Calls::default();
        calls.read_file("", "main.tf", FILE).unwrap();
        let host = "registry.example.com";
        let vpc = package("module.vpc", &format!("{host}/acme/vpc/aws"), "1.2.5");
        let mut packages = vec![
            vpc,
            package("module.vpc.module.leaf", &format!("{host}/acme/leaf/aws"), "1.0.0"),
            package("module.git.module.leaf", &format!("{host}/acme/leaf/aws"), "1.1.0"),
            package("module.removed", &format!("{host}/acme/old/aws"), "1.0.0"),
            package("module.any", &format!("{host}/acme/other/aws"), "1.0.0"),
        ];

        calls.add_installed(&packages);

        assert_eq!(
            shown(&calls),
            [
                "main.tf:2 module.vpc acme/vpc/aws ~> 1.2 1.2.5",
                "main.tf:16 module.any acme/vpc/aws any -",
                "module.vpc.module.leaf acme/leaf/aws 1.0.0 1.0.0",
                "module.git.module.leaf acme/leaf/aws 1.1.0 1.1.0",
            ]
        );
        assert!(!calls.is_installed(&packages));
        calls.modules[1].installed = Some(Version::new(1, 0, 0));
        assert!(!calls.is_installed(&packages));
        packages.push(package("module.git", "git::https://git.example/x.git", ""));
        assert!(calls.is_installed(&packages));
    }

    #[test]
    fn a_plan_shows_calls_at_every_level() {
        let json = br#"{"configuration":{"root_module":{"module_calls":{
            "vpc":{"source":"registry.example.com/acme/vpc/aws","version_constraint":"1.2.0","module":{
                "module_calls":{"leaf":{"source":"registry.example.com/acme/leaf/aws","module":{}},
                                "in":{"source":"./in","module":{}}}}}}}}}"#;
        let mut calls = Calls::default();

        assert!(calls.read_plan(json).unwrap());

        assert_eq!(
            shown(&calls),
            ["module.vpc acme/vpc/aws 1.2.0 -", "module.vpc.module.leaf acme/leaf/aws any -"]
        );
        assert!(!Calls::default().read_plan(b"{\"values\":{}}").unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}", source in ".{0,40}") {
            let _ = Calls::default().read_file("", "a.tf", &text);
            let _ = Calls::default().read_plan(text.as_bytes());
            let _ = Calls::default().add("module.a".to_owned(), "a".to_owned(), &source, None);
        }
    }
}
