//! Templates from YAML: cuts strings at `${`, reads the keys that begin with `$`, and checks every name.

use std::collections::BTreeMap;

use super::{Kind, Piece, ROOT_NAMES, Template};
use crate::golden_path::error::PathError;
use crate::golden_path::expression::Expression;
use crate::golden_path::yaml::{Entry, Node, NodeKind, Tree};

/// Compiles the nodes of one file.
pub(in crate::golden_path) struct Compiler<'a> {
    pub(in crate::golden_path) file: &'a str,
    /// Names in scope.
    pub(in crate::golden_path) names: Vec<String>,
    /// Parameters of every partial of the path.
    pub(in crate::golden_path) partials: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> Compiler<'a> {
    pub(in crate::golden_path) fn new(
        file: &'a str,
        partials: &'a BTreeMap<String, Vec<String>>,
    ) -> Self {
        Self { file, names: ROOT_NAMES.map(str::to_owned).to_vec(), partials }
    }

    pub(in crate::golden_path) fn compile(&mut self, node: &Node) -> Result<Template, PathError> {
        let kind = match &node.kind {
            NodeKind::Text(text) => self.text(text, node.line)?,
            NodeKind::List(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| self.compile(item)).collect::<Result<_, _>>()?;
                Kind::List(items)
            }
            NodeKind::Map(entries) => self.map(entries, node.line)?,
            _ => Kind::Constant(node.to_tree()),
        };
        Ok(Template { line: node.line, kind }.folded())
    }

    fn text(&self, text: &str, line: usize) -> Result<Kind, PathError> {
        let mut pieces = self.pieces(text, line)?;
        Ok(match (pieces.len(), pieces.pop()) {
            (_, None) => Kind::Constant(Tree::Text(String::new())),
            (1, Some(Piece::Literal(text))) => Kind::Constant(Tree::Text(text)),
            (1, Some(Piece::Expression(expression))) => Kind::Expression(expression),
            (_, Some(last)) => {
                pieces.push(last);
                Kind::Text(pieces)
            }
        })
    }

    /// Cuts a string into literals and expressions.
    fn pieces(&self, text: &str, line: usize) -> Result<Vec<Piece>, PathError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                literal.push_str(&rest[..at - 1]);
                literal.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            literal.push_str(&rest[..at]);
            let body = &rest[at + 2..];
            let end = expression_end(body).ok_or_else(|| {
                let fix = "close it with }, or write $${ for a literal ${";
                self.error(line, "template_syntax", "an expression ${ is not closed", fix)
            })?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Expression(self.expression(&body[..end], line)?));
            rest = &body[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(pieces)
    }

    fn expression(&self, source: &str, line: usize) -> Result<Expression, PathError> {
        let expression = Expression::compile(source).map_err(|what| {
            let message = format!("${{{source}}} is not an expression: {what}");
            self.error(
                line,
                "template_expression",
                message,
                "see the expression language in the guide",
            )
        })?;
        if let Some(name) = expression.names().find(|name| !self.names.contains(name)) {
            let message =
                format!("${{{}}} uses {name:?}, which is not defined here", source.trim());
            let fix = format!("use one of: {}", self.names.join(", "));
            return Err(self.error(line, "template_name", message, fix));
        }
        Ok(expression)
    }

    fn map(&mut self, entries: &[Entry], line: usize) -> Result<Kind, PathError> {
        let (directives, rest): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| is_directive(&entry.key));
        if directives.is_empty() {
            return self.plain_map(&rest);
        }
        let mut found = Directives::default();
        for entry in directives {
            found.take(self, entry)?;
        }
        found.build(self, &rest, line)
    }

    fn plain_map(&mut self, entries: &[&Entry]) -> Result<Kind, PathError> {
        let mut out = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = entry.key.strip_prefix('$').filter(|key| key.starts_with('$'));
            let key = self.pieces(key.unwrap_or(&entry.key), entry.line)?;
            out.push((key, self.compile(&entry.value)?));
        }
        Ok(Kind::Map(out))
    }

    fn error(
        &self,
        line: usize,
        rule: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) -> PathError {
        PathError::new(self.file, line, rule, message, fix)
    }
}

fn is_directive(key: &str) -> bool {
    key.starts_with('$') && !key.starts_with("$$") && !key.starts_with("${")
}

/// Where the expression ends: at the brace that closes it, outside strings and inner braces.
fn expression_end(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            (Some(_) | None, _) => {}
        }
    }
    None
}

/// The `$` keys of one map.
#[derive(Default)]
struct Directives<'n> {
    condition: Option<(&'n Entry, &'n str)>,
    otherwise: Option<&'n Node>,
    each: Option<(&'n Entry, &'n str)>,
    value: Option<&'n Entry>,
    partial: Option<(&'n Entry, &'n str)>,
    with: Option<&'n Entry>,
    merge: Option<&'n Entry>,
    json: Option<&'n Entry>,
}

impl<'n> Directives<'n> {
    fn take(&mut self, compiler: &Compiler<'_>, entry: &'n Entry) -> Result<(), PathError> {
        match entry.key.as_str() {
            "$if" => self.condition = Some((entry, string(compiler, entry)?)),
            "$else" => self.otherwise = Some(&entry.value),
            "$for" => self.each = Some((entry, string(compiler, entry)?)),
            "$value" => self.value = Some(entry),
            "$use" => self.partial = Some((entry, string(compiler, entry)?)),
            "$with" => self.with = Some(entry),
            "$merge" => self.merge = Some(entry),
            "$json" => self.json = Some(entry),
            other => {
                let message = format!("{other} is no directive");
                let fix = "use $if, $else, $for, $value, $use, $with, $merge or $json; write $$ for a key that begins with $";
                return Err(compiler.error(entry.line, "template_directive", message, fix));
            }
        }
        Ok(())
    }

    fn build(
        &self,
        compiler: &mut Compiler<'_>,
        rest: &[&Entry],
        line: usize,
    ) -> Result<Kind, PathError> {
        let outer = compiler.names.clone();
        let each = self.each.map(|(entry, text)| split_for(compiler, entry, text)).transpose()?;
        if let Some((item, _)) = &each {
            compiler.names.push(item.clone());
        }
        let condition = self
            .condition
            .map(|(entry, text)| compiler.expression(text, entry.line))
            .transpose()?;
        let mut template = Template { line, kind: self.content(compiler, rest, line)? }.folded();
        let otherwise = self.otherwise.map(|node| compiler.compile(node)).transpose()?;
        match condition {
            Some(condition) => {
                let (then, otherwise) = (Box::new(template), otherwise.map(Box::new));
                template = Template { line, kind: Kind::If { condition, then, otherwise } };
            }
            None if otherwise.is_some() => {
                return Err(compiler.error(
                    line,
                    "template_directive",
                    "$else stands without $if",
                    "add $if",
                ));
            }
            None => {}
        }
        compiler.names = outer;
        Ok(match each {
            Some((item, list)) => Kind::For { item, list, body: Box::new(template) },
            None => template.kind,
        })
    }

    /// The value that the directives are about.
    fn content(
        &self,
        compiler: &mut Compiler<'_>,
        rest: &[&Entry],
        line: usize,
    ) -> Result<Kind, PathError> {
        let single = [self.value, self.json].into_iter().flatten().collect::<Vec<_>>();
        let joined = self.partial.is_some() || self.merge.is_some();
        if single.len() > 1 || (!single.is_empty() && (joined || !rest.is_empty())) {
            let message = "$value or $json stands beside other content";
            return Err(compiler.error(line, "template_directive", message, "keep one of them"));
        }
        if self.with.is_some() && self.partial.is_none() {
            return Err(compiler.error(
                line,
                "template_directive",
                "$with stands without $use",
                "add $use",
            ));
        }
        if let Some(entry) = self.value {
            return Ok(compiler.compile(&entry.value)?.kind);
        }
        if let Some(entry) = self.json {
            return Ok(Kind::Json(Box::new(compiler.compile(&entry.value)?)));
        }
        let mut parts = Vec::new();
        if let Some((entry, name)) = self.partial {
            parts.push(Template { line: entry.line, kind: self.usage(compiler, entry, name)? });
        }
        if let Some(entry) = self.merge {
            let NodeKind::List(items) = &entry.value.kind else {
                return Err(compiler.error(
                    entry.line,
                    "template_directive",
                    "$merge is not a list",
                    "give it a list of maps",
                ));
            };
            for item in items {
                parts.push(compiler.compile(item)?);
            }
        }
        if !rest.is_empty() || parts.is_empty() {
            parts.push(Template { line, kind: compiler.plain_map(rest)? });
        }
        Ok(match (parts.len(), parts.pop()) {
            (1, Some(only)) => only.kind,
            (_, last) => {
                parts.extend(last);
                Kind::Merge(parts)
            }
        })
    }

    fn usage(
        &self,
        compiler: &mut Compiler<'_>,
        entry: &Entry,
        name: &str,
    ) -> Result<Kind, PathError> {
        let Some(parameters) = compiler.partials.get(name) else {
            let known = compiler.partials.keys().cloned().collect::<Vec<_>>().join(", ");
            let message = format!("there is no partial {name:?}");
            let fix = format!("add partials/{name}.yaml, or use one of: {known}");
            return Err(compiler.error(entry.line, "template_partial", message, fix));
        };
        let mut with = Vec::new();
        if let Some(given) = self.with {
            let NodeKind::Map(entries) = &given.value.kind else {
                return Err(compiler.error(
                    given.line,
                    "template_directive",
                    "$with is not a map",
                    "give it parameter: value",
                ));
            };
            for given in entries {
                with.push((given.key.clone(), compiler.compile(&given.value)?));
            }
        }
        let mut names: Vec<_> = with.iter().map(|(name, _)| name.clone()).collect();
        let mut wanted = parameters.clone();
        names.sort();
        wanted.sort();
        if names != wanted {
            let message = format!(
                "the partial {name:?} takes [{}], not [{}]",
                wanted.join(", "),
                names.join(", ")
            );
            return Err(compiler.error(
                entry.line,
                "template_partial",
                message,
                "give $with exactly these",
            ));
        }
        Ok(Kind::Use { partial: name.to_owned(), with })
    }
}

fn string<'n>(compiler: &Compiler<'_>, entry: &'n Entry) -> Result<&'n str, PathError> {
    let NodeKind::Text(text) = &entry.value.kind else {
        let message = format!("{} takes a string, this is {}", entry.key, entry.value.kind());
        return Err(compiler.error(entry.line, "template_directive", message, "put it in quotes"));
    };
    Ok(text)
}

fn split_for(
    compiler: &Compiler<'_>,
    entry: &Entry,
    text: &str,
) -> Result<(String, Expression), PathError> {
    let (item, list) = text.split_once(" in ").unwrap_or((text, ""));
    let item = item.trim();
    let is_name = item.starts_with(|c: char| c.is_ascii_lowercase())
        && item.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !is_name || list.trim().is_empty() {
        let message = format!("$for: {text:?} is not of the form \"item in list\"");
        return Err(compiler.error(
            entry.line,
            "template_directive",
            message,
            "write $for: \"port in spec.ports\"",
        ));
    }
    Ok((item.to_owned(), compiler.expression(list, entry.line)?))
}
