//! Templates to values, within limits on work, size and depth.

use super::{Kind, Partials, Piece, Template};
use crate::golden_path::error::PathError;
use crate::golden_path::expression::{Expression, Scope, from_tree};
use crate::golden_path::yaml::Tree;

/// Most values one template may render.
const MAX_NODES: usize = 50_000;
/// Deepest use of partials in partials.
const MAX_PARTIALS: usize = 16;

impl Template {
    /// Renders every value the template yields: none, one, or as many as a loop at its top has items.
    pub(in crate::golden_path) fn render(
        &self,
        renderer: &mut Renderer<'_>,
        scope: &Scope,
    ) -> Result<Vec<Tree>, PathError> {
        renderer.spend(self.line)?;
        let one = |tree| Ok(vec![tree]);
        match &self.kind {
            Kind::Constant(tree) => one(tree.clone()),
            Kind::Expression(expression) => {
                one(expression.tree(scope).map_err(|what| renderer.failed(self.line, what))?)
            }
            Kind::Text(pieces) => one(Tree::Text(renderer.text(pieces, scope, self.line)?)),
            Kind::List(items) => {
                let mut out = Vec::new();
                for item in items {
                    out.extend(item.render(renderer, scope)?);
                }
                one(Tree::List(out))
            }
            Kind::Map(entries) => one(Tree::Map(renderer.map(entries, scope)?)),
            Kind::If { condition, then, otherwise } => {
                let holds =
                    condition.holds(scope).map_err(|what| renderer.failed(self.line, what))?;
                match (holds, otherwise) {
                    (true, _) => then.render(renderer, scope),
                    (false, Some(otherwise)) => otherwise.render(renderer, scope),
                    (false, None) => Ok(Vec::new()),
                }
            }
            Kind::For { item, list, body } => renderer.repeat(item, list, body, scope, self.line),
            Kind::Use { partial, with } => renderer.partial(partial, with, scope, self.line),
            Kind::Merge(parts) => one(renderer.merge(parts, scope, self.line)?),
            Kind::Json(body) => one(Tree::Text(renderer.single(body, scope)?.to_json_text())),
        }
    }
}

/// One rendering of one file.
pub(in crate::golden_path) struct Renderer<'a> {
    file: &'a str,
    partials: &'a Partials,
    nodes: usize,
    depth: usize,
}

impl<'a> Renderer<'a> {
    pub(in crate::golden_path) const fn new(file: &'a str, partials: &'a Partials) -> Self {
        Self { file, partials, nodes: MAX_NODES, depth: 0 }
    }

    fn spend(&mut self, line: usize) -> Result<(), PathError> {
        self.nodes = self.nodes.checked_sub(1).ok_or_else(|| {
            PathError::new(
                self.file,
                line,
                "template_size",
                "the template renders too much",
                "render less",
            )
        })?;
        Ok(())
    }

    fn failed(&self, line: usize, what: String) -> PathError {
        PathError::new(
            self.file,
            line,
            "template_value",
            what,
            "correct the expression, or test for the case with $if",
        )
    }

    /// The one value a template must yield.
    pub(in crate::golden_path) fn single(
        &mut self,
        template: &Template,
        scope: &Scope,
    ) -> Result<Tree, PathError> {
        let mut values = template.render(self, scope)?;
        if template.is_loop() {
            return Ok(Tree::List(values));
        }
        match (values.len(), values.pop()) {
            (1, Some(value)) => Ok(value),
            _ => Err(self.failed(template.line, "there is no value here".to_owned())),
        }
    }

    fn text(&self, pieces: &[Piece], scope: &Scope, line: usize) -> Result<String, PathError> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Expression(expression) => {
                    let tree = expression.tree(scope).map_err(|what| self.failed(line, what))?;
                    push_text(&mut out, &tree).map_err(|()| {
                        let what = format!(
                            "{expression:?} is {}, which has no place inside a string",
                            tree.kind()
                        );
                        self.failed(line, what)
                    })?;
                }
            }
        }
        Ok(out)
    }

    fn map(
        &mut self,
        entries: &[(Vec<Piece>, Template)],
        scope: &Scope,
    ) -> Result<Vec<(String, Tree)>, PathError> {
        let mut out: Vec<(String, Tree)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.text(key, scope, value.line)?;
            let mut values = value.render(self, scope)?;
            let tree = match (value.is_loop(), values.pop()) {
                (true, last) => {
                    values.extend(last);
                    Tree::List(values)
                }
                (false, Some(tree)) => tree,
                (false, None) => continue,
            };
            if out.iter().any(|(name, _)| *name == key) {
                return Err(self.twice(&key, value.line));
            }
            out.push((key, tree));
        }
        Ok(out)
    }

    fn twice(&self, key: &str, line: usize) -> PathError {
        let message = format!("the key {key:?} comes out twice");
        PathError::new(
            self.file,
            line,
            "template_duplicate_key",
            message,
            "make the keys differ for every input",
        )
    }

    fn repeat(
        &mut self,
        item: &str,
        list: &Expression,
        body: &Template,
        scope: &Scope,
        line: usize,
    ) -> Result<Vec<Tree>, PathError> {
        let Tree::List(items) = list.tree(scope).map_err(|what| self.failed(line, what))? else {
            return Err(self.failed(line, format!("{list:?} is not a list")));
        };
        let mut out = Vec::new();
        for value in items {
            out.extend(body.render(self, &scope.with(item, from_tree(&value)))?);
        }
        Ok(out)
    }

    fn partial(
        &mut self,
        name: &str,
        with: &[(String, Template)],
        scope: &Scope,
        line: usize,
    ) -> Result<Vec<Tree>, PathError> {
        let partials = self.partials;
        let Some(partial) = partials.get(name).filter(|_| self.depth < MAX_PARTIALS) else {
            let message = format!("the partial {name:?} uses itself too deeply");
            return Err(PathError::new(
                self.file,
                line,
                "template_partial",
                message,
                "break the circle",
            ));
        };
        let mut inner = scope.clone();
        for (parameter, template) in with {
            let value = self.single(template, scope)?;
            inner.set(parameter, from_tree(&value));
        }
        let outer = std::mem::replace(&mut self.file, &partial.file);
        self.depth += 1;
        let values = partial.body.render(self, &inner);
        self.depth -= 1;
        self.file = outer;
        values
    }

    fn merge(&mut self, parts: &[Template], scope: &Scope, line: usize) -> Result<Tree, PathError> {
        let mut out: Vec<(String, Tree)> = Vec::new();
        for part in parts {
            for value in part.render(self, scope)? {
                let Tree::Map(entries) = value else {
                    return Err(
                        self.failed(part.line, format!("{} cannot join a map", value.kind()))
                    );
                };
                for (key, value) in entries {
                    if out.iter().any(|(name, _)| *name == key) {
                        return Err(self.twice(&key, line));
                    }
                    out.push((key, value));
                }
            }
        }
        Ok(Tree::Map(out))
    }
}

fn push_text(out: &mut String, tree: &Tree) -> Result<(), ()> {
    match tree {
        Tree::Text(text) => out.push_str(text),
        Tree::Int(value) => out.push_str(&value.to_string()),
        Tree::Float(value) => out.push_str(&value.to_string()),
        Tree::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Null | Tree::List(_) | Tree::Map(_) => return Err(()),
    }
    Ok(())
}
