//! One page.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;

use provider_framework::schema::{Attribute, AttributeConstraint, AttributeType, ResourceSchema};

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// The first page: the provider itself.
    pub(super) fn provider(schema: &ResourceSchema, usage: &str) -> String {
        let mut page = Self::start("Provider: idp", "idp Provider", schema);
        page.code("## Example Usage", "terraform", usage);
        page.schema(schema);
        page.text
    }

    /// A managed resource, and how to import one.
    pub(super) fn resource(
        name: &str,
        schema: &ResourceSchema,
        usage: &str,
        import_block: &str,
        import_command: &str,
    ) -> String {
        let title = format!("{name} Resource - idp");
        let mut page = Self::start(&title, &format!("{name} (Resource)"), schema);
        page.code("## Example Usage", "terraform", usage);
        page.schema(schema);
        page.line(
            "\n## Import\n\nAn `import` block plans the import together with everything else:",
        );
        page.code("", "terraform", import_block);
        page.line("\nThe command does it at once:");
        page.code("", "shell", import_command);
        page.text
    }

    /// A data source.
    pub(super) fn data_source(name: &str, schema: &ResourceSchema, usage: &str) -> String {
        let title = format!("{name} Data Source - idp");
        let mut page = Self::start(&title, &format!("{name} (Data Source)"), schema);
        page.code("## Example Usage", "terraform", usage);
        page.schema(schema);
        page.text
    }

    /// An ephemeral resource.
    pub(super) fn ephemeral_resource(name: &str, schema: &ResourceSchema, usage: &str) -> String {
        let title = format!("{name} Ephemeral Resource - idp");
        let mut page = Self::start(&title, &format!("{name} (Ephemeral Resource)"), schema);
        page.code("## Example Usage", "terraform", usage);
        page.schema(schema);
        page.text
    }

    fn start(page_title: &str, heading: &str, schema: &ResourceSchema) -> Self {
        let description = &schema.schema.block.description.content;
        let first = description.lines().next().unwrap_or_default();
        let mut page = Self::default();
        page.line(&format!(
            "---\npage_title: \"{page_title}\"\nsubcategory: \"\"\ndescription: |-\n  {first}\n---\n\n# {heading}\n\n\
             {description}"
        ));
        page
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn code(&mut self, heading: &str, language: &str, code: &str) {
        if !heading.is_empty() {
            self.line(&format!("\n{heading}"));
        }
        self.line(&format!("\n```{language}\n{}\n```", code.trim_end()));
    }

    fn schema(&mut self, schema: &ResourceSchema) {
        self.line("\n## Schema");
        let attributes = &schema.schema.block.attributes;
        for group in GROUPS {
            self.group("###", "", group, attributes, schema);
        }
        self.nested("", attributes, schema);
    }

    fn group(
        &mut self,
        heading: &str,
        prefix: &str,
        (title, constraints): (&str, &[AttributeConstraint]),
        attributes: &HashMap<String, Attribute>,
        schema: &ResourceSchema,
    ) {
        let sorted: BTreeMap<_, _> = attributes
            .iter()
            .filter(|(_, attribute)| constraints.contains(&attribute.constraint))
            .collect();
        if sorted.is_empty() {
            return;
        }
        self.line(&format!("\n{heading} {title}\n"));
        for (name, attribute) in sorted {
            let mut kind = type_name(&attribute.attr_type);
            if attribute.sensitive {
                kind.push_str(", Sensitive");
            }
            if schema.is_write_only(&dotted(&anchor(prefix, name))) {
                kind.push_str(", Write-only");
            }
            let mut line = format!("- `{name}` ({kind}) {}", attribute.description.content);
            if nested_attributes(&attribute.attr_type).is_some() {
                // Writing to a string cannot fail.
                let _ = write!(line, " (see [below](#nestedatt--{}))", anchor(prefix, name));
            }
            self.line(&line);
        }
    }

    fn nested(
        &mut self,
        prefix: &str,
        attributes: &HashMap<String, Attribute>,
        schema: &ResourceSchema,
    ) {
        let sorted: BTreeMap<_, _> = attributes.iter().collect();
        for (name, attribute) in sorted {
            let Some(inner) = nested_attributes(&attribute.attr_type) else { continue };
            let anchor = anchor(prefix, name);
            let path = dotted(&anchor);
            self.line(&format!(
                "\n<a id=\"nestedatt--{anchor}\"></a>\n### Nested Schema for `{path}`"
            ));
            for group in GROUPS {
                self.group("####", &anchor, group, inner, schema);
            }
            self.nested(&anchor, inner, schema);
        }
    }
}

const GROUPS: [(&str, &[AttributeConstraint]); 3] = [
    ("Required", &[AttributeConstraint::Required]),
    ("Optional", &[AttributeConstraint::Optional, AttributeConstraint::OptionalComputed]),
    ("Read-Only", &[AttributeConstraint::Computed]),
];

fn anchor(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}--{name}") }
}

fn dotted(anchor: &str) -> String {
    anchor.replace("--", ".")
}

fn nested_attributes(ty: &AttributeType) -> Option<&HashMap<String, Attribute>> {
    match ty {
        AttributeType::AttributeSingle(inner)
        | AttributeType::AttributeList(inner)
        | AttributeType::AttributeSet(inner)
        | AttributeType::AttributeMap(inner) => Some(inner),
        _ => None,
    }
}

fn type_name(ty: &AttributeType) -> String {
    match ty {
        AttributeType::String => "String".to_owned(),
        AttributeType::Number => "Number".to_owned(),
        AttributeType::Bool => "Boolean".to_owned(),
        AttributeType::List(element) => format!("List of {}", type_name(element)),
        AttributeType::Set(element) => format!("Set of {}", type_name(element)),
        AttributeType::Map(element) => format!("Map of {}", type_name(element)),
        AttributeType::Object(_) => "Object".to_owned(),
        AttributeType::Tuple(_) => "Tuple".to_owned(),
        AttributeType::AttributeSingle(_) => "Attributes".to_owned(),
        AttributeType::AttributeList(_) => "Attributes List".to_owned(),
        AttributeType::AttributeSet(_) => "Attributes Set".to_owned(),
        AttributeType::AttributeMap(_) => "Attributes Map".to_owned(),
        AttributeType::Any => "Dynamic".to_owned(),
    }
}
