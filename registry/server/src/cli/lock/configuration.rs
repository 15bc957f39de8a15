//! Which golden paths a configuration uses: from its files, or from a plan.
//!
//! Pure: texts in, uses out. Only what stands in a file literally is known without Terraform; the rest is reported,
//! and found in a plan.

use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::parser::parse_body;
use hcl_edit::structure::{Block, Body};
use registry_api::{ModuleAddress, VersionConstraint};
use serde_json::Value;

/// The resource type that uses golden paths.
const RESOURCE: &str = "idp_service";

/// One use of a golden path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Use {
    /// Which path.
    pub(super) address: ModuleAddress,
    /// Which versions it allows.
    pub(super) constraint: Option<VersionConstraint>,
    /// Who says so: `main.tf:3 idp_service.checkout`.
    pub(super) place: String,
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Uses that are known.
    pub(super) uses: Vec<Use>,
    /// Uses that only a plan knows, with the reason.
    pub(super) unclear: Vec<String>,
}

impl Found {
    /// Adds what one file of a configuration uses.
    pub(super) fn read_file(&mut self, file: &str, text: &str) -> anyhow::Result<()> {
        let body = parse_body(text).map_err(|error| {
            let (line, column) = (error.location().line(), error.location().column());
            anyhow::anyhow!("{file}:{line}:{column}: {}", error.message())
        })?;
        for block in body.get_blocks("resource") {
            let [kind, name] = block.labels.as_slice() else { continue };
            if kind.as_str() == RESOURCE {
                let line = line_of(text, block);
                self.read_block(
                    &format!("{file}:{line} {RESOURCE}.{}", name.as_str()),
                    &block.body,
                )?;
            }
        }
        Ok(())
    }

    fn read_block(&mut self, place: &str, body: &Body) -> anyhow::Result<()> {
        let mut texts = [None, None, None];
        for (text, name) in texts.iter_mut().zip(["template", "language", "golden_path_version"]) {
            let value = body.get_attribute(name).map(|attribute| &attribute.value);
            *text = value.and_then(Expression::as_str).map(str::to_owned);
            let is_literal = text.is_some() || matches!(value, None | Some(Expression::Null(_)));
            if !is_literal {
                self.unclear.push(format!("{place}: `{name}` is not a plain string"));
                return Ok(());
            }
        }
        let [template, language, constraint] = texts;
        match (template, language) {
            (Some(template), Some(language)) => {
                self.add(place, &template, &language, constraint.as_deref())
            }
            // `terraform validate` says so better.
            _ => Ok(()),
        }
    }

    /// Adds what a plan uses, as `terraform show -json` prints it.
    pub(super) fn read_plan(&mut self, json: &[u8]) -> anyhow::Result<()> {
        let plan: Value = serde_json::from_slice(json)?;
        let root = plan.pointer("/planned_values/root_module");
        let root = root.or_else(|| plan.pointer("/values/root_module"));
        let Some(root) = root else {
            anyhow::bail!("it is not what `terraform show -json` prints for a plan or a state");
        };
        self.read_module(root)
    }

    fn read_module(&mut self, module: &Value) -> anyhow::Result<()> {
        for resource in list(module, "resources").filter(|resource| resource["type"] == RESOURCE) {
            let place = resource["address"].as_str().unwrap_or(RESOURCE);
            let text = |name: &str| resource["values"][name].as_str();
            match (text("template"), text("language")) {
                (Some(template), Some(language)) => {
                    self.add(place, template, language, text("golden_path_version"))?;
                }
                _ => self
                    .unclear
                    .push(format!("{place}: `template` or `language` is known only after apply")),
            }
        }
        list(module, "child_modules").try_for_each(|child| self.read_module(child))
    }

    fn add(
        &mut self,
        place: &str,
        template: &str,
        language: &str,
        constraint: Option<&str>,
    ) -> anyhow::Result<()> {
        let address = ModuleAddress::new("golden", template, language)
            .map_err(|error| anyhow::anyhow!("{place}: {error}"))?;
        let constraint = constraint
            .map(|text| text.parse().map_err(|error| anyhow::anyhow!("{place}: {error}")))
            .transpose()?;
        self.uses.push(Use { address, constraint, place: place.to_owned() });
        Ok(())
    }
}

fn list<'a>(module: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    module.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn line_of(text: &str, block: &Block) -> usize {
    let start = block.span().map_or(0, |span| span.start);
    1 + text.bytes().take(start).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(found: &Found) -> Vec<String> {
        let constraint =
            |found: &Use| found.constraint.as_ref().map_or("any".to_owned(), ToString::to_string);
        found
            .uses
            .iter()
            .map(|found| format!("{} {} {}", found.place, found.address, constraint(found)))
            .collect()
    }

    #[test]
    fn literal_uses_are_found_with_their_line() {
        let text = r#"
# a comment
resource "idp_service" "checkout" {
  template            = "api"
  language            = "nodejs"
  golden_path_version = "~> 1.2"
}

resource "idp_service" "search" {
  template = "api"
  language = "go"
  golden_path_version = null
}

resource "terraform_data" "other" {
  template = "x"
}
"#;
        let mut found = Found::default();

        found.read_file("main.tf", text).unwrap();

        assert_eq!(
            shown(&found),
            [
                "main.tf:3 idp_service.checkout golden/api/nodejs ~> 1.2",
                "main.tf:9 idp_service.search golden/api/go any",
            ]
        );
        assert!(found.unclear.is_empty());
    }

    #[test]
    fn what_only_terraform_can_work_out_is_reported() {
        let text =
            "resource \"idp_service\" \"a\" {\n  template = var.template\n  language = \"go\"\n}\n";
        let mut found = Found::default();

        found.read_file("a.tf", text).unwrap();

        assert_eq!(found.unclear, ["a.tf:1 idp_service.a: `template` is not a plain string"]);
    }

    #[test]
    fn what_does_not_parse_is_named_by_its_place() {
        let error = Found::default().read_file("a.tf", "resource \"x\" {\n  a = \n}").unwrap_err();

        assert!(error.to_string().starts_with("a.tf:2:"), "{error}");
    }

    #[test]
    fn a_constraint_that_is_none_is_named_by_its_place() {
        let text = "resource \"idp_service\" \"a\" {\n template = \"api\"\n language = \"go\"\n \
                    golden_path_version = \"=> 1\"\n}\n";

        let error = Found::default().read_file("a.tf", text).unwrap_err();

        assert!(error.to_string().starts_with("a.tf:1 idp_service.a: "), "{error}");
    }

    #[test]
    fn a_plan_shows_uses_in_every_module() {
        let json = br#"{"planned_values":{"root_module":{
            "resources":[{"address":"idp_service.a","type":"idp_service",
                "values":{"template":"api","language":"go","golden_path_version":"1.0.0"}}],
            "child_modules":[{"child_modules":[{"resources":[{"address":"module.m.module.n.idp_service.b",
                "type":"idp_service","values":{"template":"api","language":"nodejs"}},
                {"address":"idp_service.c","type":"idp_service","values":{"template":"api"}}]}]}]}}}"#;
        let mut found = Found::default();

        found.read_plan(json).unwrap();

        assert_eq!(
            shown(&found),
            [
                "idp_service.a golden/api/go 1.0.0",
                "module.m.module.n.idp_service.b golden/api/nodejs any"
            ]
        );
        assert_eq!(found.unclear.len(), 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = Found::default().read_file("a.tf", &text);
            let _ = Found::default().read_plan(text.as_bytes());
        }
    }
}
