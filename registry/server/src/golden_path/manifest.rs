//! `golden-path.yaml`: what a path is, what it takes and what it gives.

use std::collections::BTreeMap;

use registry_api::platform::Kind;
use semver::Version;
use serde_json::Value;

use super::decimal::Decimal;
use super::error::PathError;
use super::slo;
use super::yaml::{Node, NodeKind};

/// Name of the file.
pub const MANIFEST: &str = "golden-path.yaml";
/// The format that this engine reads.
const FORMAT: i64 = 1;

/// What a path says about itself.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// What its resources are.
    pub kind: Kind,
    /// The path's own version.
    pub version: Version,
    /// One line for people.
    pub title: String,
    /// What it gives, in a paragraph.
    pub description: String,
    /// Who supports it.
    pub support: Support,
    /// JSON Schema of the specification it takes, with `x-idp` annotations.
    pub inputs: Value,
    /// Controls it meets.
    pub controls: Vec<Control>,
    /// Shared partials that are bundled into its archive.
    pub partials: Vec<String>,
}

/// Who supports a path, and how far.
#[derive(Debug, Clone)]
pub struct Support {
    /// `supported`, `beta` or `experimental`.
    pub tier: String,
    /// The team.
    pub owner: String,
}

/// A control that a path meets.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its id in the organisation's catalogue.
    pub id: String,
    /// How the path meets it.
    pub meets: String,
}

/// What one unit of a resource costs a month.
#[derive(Debug, Clone)]
pub(super) struct CostTable {
    pub(super) currency: String,
    pub(super) monthly: BTreeMap<String, f64>,
    pub(super) unit: Node,
    pub(super) least: Node,
    pub(super) most: Node,
}

/// Everything the file says, parts that are templates still uncompiled.
pub(super) struct Parsed {
    pub(super) manifest: Manifest,
    pub(super) values: Vec<(String, Node)>,
    pub(super) outputs: Vec<(String, Node)>,
    pub(super) cost: Option<CostTable>,
    /// Buckets of the latency histogram, in seconds; `None` where the path takes no objectives.
    pub(super) buckets: Option<Vec<Decimal>>,
}

/// Reads the manifest.
pub(super) fn parse(node: &Node) -> Result<Parsed, PathError> {
    let mut map = Fields::new(node, "the manifest")?;
    let format = map.required("format")?;
    if format.kind != NodeKind::Int(FORMAT) {
        let fix = format!("write format: {FORMAT}, or use a server that knows the newer format");
        return Err(error(format.line, "manifest_format", "this format is not known", fix));
    }
    let kind = kind(map.required("kind")?)?;
    let version = version(map.required("version")?)?;
    let title = text(map.required("title")?, "title")?;
    let description = text(map.required("description")?, "description")?;
    let support = support(map.required("support")?)?;
    let inputs = map.required("inputs")?.to_tree().to_json();
    let controls = map.optional("controls").map(controls).transpose()?.unwrap_or_default();
    let partials = map.optional("partials").map(partials).transpose()?.unwrap_or_default();
    let values = map.optional("values").map(|node| entries(node, "values")).transpose()?;
    let outputs = entries(map.required("outputs")?, "outputs")?;
    let known = output_names(kind);
    for (name, node) in &outputs {
        if !known.contains(&name.as_str()) {
            let message = format!("a {kind} has no output {name:?}");
            let fix = format!("use {}", known.join(" and "));
            return Err(error(node.line, "manifest_output", message, fix));
        }
    }
    let cost = map.optional("cost").map(cost).transpose()?;
    let buckets = map.optional("slo").map(buckets).transpose()?;
    map.finish()?;
    let manifest =
        Manifest { kind, version, title, description, support, inputs, controls, partials };
    Ok(Parsed { manifest, values: values.unwrap_or_default(), outputs, cost, buckets })
}

fn error(
    line: usize,
    rule: &'static str,
    message: impl Into<String>,
    fix: impl Into<String>,
) -> PathError {
    PathError::new(MANIFEST, line, rule, message, fix)
}

/// The keys of a map, each to be taken once.
struct Fields<'n> {
    what: &'static str,
    line: usize,
    left: Vec<(&'n str, usize, &'n Node)>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    fn new(node: &'n Node, what: &'static str) -> Result<Self, PathError> {
        let NodeKind::Map(entries) = &node.kind else {
            let message = format!("{what} is {}, not a map", node.kind());
            return Err(error(node.line, "manifest_type", message, "write key: value"));
        };
        let left =
            entries.iter().map(|entry| (entry.key.as_str(), entry.line, &entry.value)).collect();
        Ok(Self { what, line: node.line, left, known: Vec::new() })
    }

    fn optional(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        let at = self.left.iter().position(|(name, ..)| *name == key)?;
        Some(self.left.swap_remove(at).2)
    }

    fn required(&mut self, key: &'static str) -> Result<&'n Node, PathError> {
        let (line, what) = (self.line, self.what);
        self.optional(key).ok_or_else(|| {
            error(line, "manifest_missing", format!("{what} has no {key}"), format!("add {key}: …"))
        })
    }

    fn finish(mut self) -> Result<(), PathError> {
        self.left.sort_by_key(|(_, line, _)| *line);
        match self.left.first() {
            None => Ok(()),
            Some((key, line, _)) => {
                let message = format!("{} has an unknown key {key:?}", self.what);
                let fix = format!("remove it, or use one of: {}", self.known.join(", "));
                Err(error(*line, "manifest_unknown_key", message, fix))
            }
        }
    }
}

fn text(node: &Node, what: &str) -> Result<String, PathError> {
    match &node.kind {
        NodeKind::Text(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        _ => {
            let message = format!("{what} is {}, not a string with content", node.kind());
            Err(error(
                node.line,
                "manifest_type",
                message,
                "write a string, in quotes where in doubt",
            ))
        }
    }
}

fn list<'n>(node: &'n Node, what: &str) -> Result<&'n [Node], PathError> {
    let NodeKind::List(items) = &node.kind else {
        let message = format!("{what} is {}, not a list", node.kind());
        return Err(error(node.line, "manifest_type", message, "write one \"- item\" a line"));
    };
    Ok(items)
}

fn entries(node: &Node, what: &'static str) -> Result<Vec<(String, Node)>, PathError> {
    let fields = Fields::new(node, what)?;
    Ok(fields.left.into_iter().map(|(key, _, node)| (key.to_owned(), node.clone())).collect())
}

fn kind(node: &Node) -> Result<Kind, PathError> {
    match text(node, "kind")?.as_str() {
        "service" => Ok(Kind::Service),
        "database" => Ok(Kind::Database),
        other => {
            let message = format!("{other:?} is no kind of resource");
            Err(error(node.line, "manifest_kind", message, "use service or database"))
        }
    }
}

/// What a path of that kind may say that a resource gives.
const fn output_names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Service => &["url", "catalog_ref"],
        Kind::Database => &["catalog_ref"],
    }
}

fn version(node: &Node) -> Result<Version, PathError> {
    let text = text(node, "version")?;
    Version::parse(&text).map_err(|cause| {
        let message = format!("{text:?} is no version: {cause}");
        error(
            node.line,
            "manifest_version",
            message,
            "write a semantic version such as 1.2.0, in quotes",
        )
    })
}

fn support(node: &Node) -> Result<Support, PathError> {
    let mut map = Fields::new(node, "support")?;
    let tier_node = map.required("tier")?;
    let tier = text(tier_node, "support.tier")?;
    let owner = text(map.required("owner")?, "support.owner")?;
    map.finish()?;
    if !matches!(tier.as_str(), "supported" | "beta" | "experimental") {
        let message = format!("{tier:?} is no support tier");
        return Err(error(
            tier_node.line,
            "manifest_support",
            message,
            "use supported, beta or experimental",
        ));
    }
    Ok(Support { tier, owner })
}

fn controls(node: &Node) -> Result<Vec<Control>, PathError> {
    let parse = |node| {
        let mut map = Fields::new(node, "a control")?;
        let id = text(map.required("id")?, "id")?;
        let meets = text(map.required("meets")?, "meets")?;
        map.finish()?;
        Ok(Control { id, meets })
    };
    list(node, "controls")?.iter().map(parse).collect()
}

fn partials(node: &Node) -> Result<Vec<String>, PathError> {
    list(node, "partials")?
        .iter()
        .map(|node| {
            let name = text(node, "a partial")?;
            if name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
            {
                Ok(name)
            } else {
                let message = format!("{name:?} is no name of a partial");
                Err(error(
                    node.line,
                    "manifest_partial",
                    message,
                    "use lower-case letters, digits and dashes",
                ))
            }
        })
        .collect()
}

fn cost(node: &Node) -> Result<CostTable, PathError> {
    let mut map = Fields::new(node, "cost")?;
    let currency_node = map.required("currency")?;
    let currency = text(currency_node, "cost.currency")?;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        let message = format!("{currency:?} is no currency code");
        return Err(error(
            currency_node.line,
            "manifest_cost",
            message,
            "use ISO 4217, such as USD",
        ));
    }
    let monthly = entries(map.required("monthly")?, "cost.monthly")?
        .into_iter()
        .map(|(unit, node)| price(&node).map(|price| (unit, price)))
        .collect::<Result<_, _>>()?;
    let unit = map.required("unit")?.clone();
    let mut times = Fields::new(map.required("times")?, "cost.times")?;
    let (least, most) = (times.required("min")?.clone(), times.required("max")?.clone());
    times.finish()?;
    map.finish()?;
    Ok(CostTable { currency, monthly, unit, least, most })
}

#[expect(clippy::cast_precision_loss, reason = "prices stay far below 2^52")]
fn price(node: &Node) -> Result<f64, PathError> {
    match node.kind {
        NodeKind::Int(value) if value >= 0 => Ok(value as f64),
        NodeKind::Float(value) if value >= 0.0 => Ok(value),
        _ => Err(error(
            node.line,
            "manifest_cost",
            "this is no price",
            "write a number such as 9.50",
        )),
    }
}

fn buckets(node: &Node) -> Result<Vec<Decimal>, PathError> {
    let mut map = Fields::new(node, "slo")?;
    let list = list(map.required("latency_buckets")?, "slo.latency_buckets")?;
    map.finish()?;
    list.iter()
        .map(|node| {
            let written = text(node, "a bucket")?;
            slo::seconds(&written).ok_or_else(|| {
                let message = format!("{written:?} is no duration");
                error(node.line, "manifest_slo", message, "write it like 250ms or 2.5s")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::yaml::read;
    use super::*;

    const SMALL: &str = "format: 1\nkind: service\nversion: \"1.0.0\"\ntitle: T\ndescription: D\nsupport: {tier: beta, owner: platform}\ninputs: {type: object}\noutputs: {catalog_ref: x}\n";

    fn rule(text: &str) -> (&'static str, usize) {
        let error =
            read(MANIFEST, text.as_bytes()).and_then(|node| parse(&node)).map(|_| ()).unwrap_err();
        (error.rule, error.line)
    }

    #[test]
    fn a_small_manifest_is_read() {
        let parsed = parse(&read(MANIFEST, SMALL.as_bytes()).unwrap()).map(|p| p.manifest).unwrap();

        assert_eq!(
            (parsed.version.to_string().as_str(), parsed.support.tier.as_str()),
            ("1.0.0", "beta")
        );
    }

    #[test]
    fn every_mistake_names_its_rule_and_line() {
        let with = |line: &str| format!("{SMALL}{line}\n");
        assert_eq!(rule(&with("tittle: x")), ("manifest_unknown_key", 9));
        assert_eq!(rule(&with("controls: x")), ("manifest_type", 9));
        assert_eq!(rule(&with("controls: [{id: a, means: b}]")), ("manifest_missing", 9));
        assert_eq!(rule(&with("slo: {latency_buckets: [fast]}")), ("manifest_slo", 9));
        assert_eq!(rule(&with("cost: {currency: dollars}")), ("manifest_cost", 9));
        assert_eq!(rule(&with("title: again")), ("yaml_duplicate_key", 9));
        assert_eq!(rule(&SMALL.replace("kind: service", "kind: website")), ("manifest_kind", 2));
        let database = SMALL.replace("kind: service", "kind: database");
        assert_eq!(rule(&database.replace("catalog_ref", "url")), ("manifest_output", 8));
        assert_eq!(rule(&SMALL.replace("\"1.0.0\"", "1.0")), ("manifest_type", 3));
        assert_eq!(rule(&SMALL.replace("\"1.0.0\"", "\"1.0\"")), ("manifest_version", 3));
        assert_eq!(rule(&SMALL.replace("tier: beta", "tier: yes")), ("yaml_ambiguous", 6));
        assert_eq!(rule(&SMALL.replace("format: 1", "format: 2")), ("manifest_format", 1));
        assert_eq!(rule("[]"), ("manifest_type", 1));
    }
}
