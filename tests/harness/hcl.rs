//! Configurations that tests share.

/// An image by digest, which every tier accepts.
pub const IMAGE: &str =
    "ghcr.io/acme/checkout@sha256:4bc453b53cb3d914b45f4b250294236adba2c0e09ff6f03793949e7e39fd4cc1";

/// Another image by digest.
pub const OTHER_IMAGE: &str =
    "ghcr.io/acme/checkout@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Where the provider comes from, and the provider itself, configured by the environment.
pub const PROVIDER: &str = r#"
terraform {
  required_providers {
    idp = {
      source = "registry.example.com/platform/idp"
    }
  }
}

provider "idp" {}
"#;

/// One `resource` block; every attribute can be set anew.
#[derive(Debug, Clone)]
pub struct Resource {
    kind: &'static str,
    label: String,
    attributes: Vec<(String, String)>,
    blocks: Vec<String>,
}

impl Resource {
    /// An unprotected `idp_service` of that name, owned by payments, in staging.
    pub fn service(name: &str) -> Self {
        Self::named("idp_service", name)
            .with_text("template", "api")
            .with_text("language", "nodejs")
            .with_text("image", IMAGE)
            .with("port", "8080")
            .with("deletion_protection", "false")
    }

    /// An unprotected `idp_database` of that name, owned by payments, in staging.
    pub fn database(name: &str) -> Self {
        Self::named("idp_database", name)
            .with_text("engine", "postgres")
            .with("deletion_protection", "false")
    }

    /// An `idp_secret` of that name, owned by payments, in staging, still without a value.
    pub fn secret(name: &str) -> Self {
        Self::named("idp_secret", name)
    }

    fn named(kind: &'static str, name: &str) -> Self {
        Self { kind, label: name.to_owned(), attributes: Vec::new(), blocks: Vec::new() }
            .with_text("name", name)
            .with_text("environment", "staging")
            .with_text("owner", "payments")
    }

    /// With `attribute` set to an HCL expression.
    #[must_use]
    pub fn with(mut self, attribute: &str, expression: &str) -> Self {
        self = self.without(attribute);
        self.attributes.push((attribute.to_owned(), expression.to_owned()));
        self
    }

    /// With `attribute` set to a text, quoted so that terraform takes none of it for syntax.
    #[must_use]
    pub fn with_text(self, attribute: &str, text: &str) -> Self {
        self.with(attribute, &quote(text))
    }

    /// With a nested block, such as `lifecycle`.
    #[must_use]
    pub fn with_block(mut self, name: &str, body: &str) -> Self {
        self.blocks.push(format!("  {name} {{\n    {body}\n  }}\n"));
        self
    }

    /// Without `attribute`.
    #[must_use]
    pub fn without(mut self, attribute: &str) -> Self {
        self.attributes.retain(|(name, _)| name != attribute);
        self
    }

    /// The block alone.
    pub fn block(&self) -> String {
        let lines = self.attributes.iter().map(|(name, value)| format!("  {name} = {value}\n"));
        format!(
            "\nresource \"{}\" {:?} {{\n{}{}}}\n",
            self.kind,
            self.label,
            lines.collect::<String>(),
            self.blocks.concat()
        )
    }

    /// The block, and what it needs around it.
    pub fn config(&self) -> String {
        format!("{PROVIDER}{}", self.block())
    }
}

/// `text` as an HCL string literal.
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                quoted.push_str("\\u");
                quoted.extend(format!("{:04x}", u32::from(c)).chars());
            }
            c => quoted.push(c),
        }
    }
    // These two begin a template unless their sign is doubled.
    quoted.replace("${", "$${").replace("%{", "%%{") + "\""
}

/// These blocks, and what they need around them.
pub fn config(blocks: &[&Resource]) -> String {
    let blocks: String = blocks.iter().map(|block| block.block()).collect();
    format!("{PROVIDER}{blocks}")
}
