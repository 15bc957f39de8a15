//! Where in an object something is.

pub use tf_provider::{AttributePath, AttributePathStep};

/// Shows a path the way it is written in a configuration: `uses["orders"].access`, `ports[1]`.
pub fn show(path: &AttributePath) -> String {
    use std::fmt::Write as _;
    let mut shown = String::new();
    for step in &path.steps {
        // Writing to a string cannot fail.
        let _ = match step {
            AttributePathStep::Attribute(name) if shown.is_empty() => write!(shown, "{name}"),
            AttributePathStep::Attribute(name) => write!(shown, ".{name}"),
            AttributePathStep::Key(key) => write!(shown, "[{key:?}]"),
            AttributePathStep::Index(index) => write!(shown, "[{index}]"),
        };
    }
    shown
}

/// The path with one more step.
pub(crate) fn join(path: &AttributePath, step: AttributePathStep) -> AttributePath {
    let mut longer = path.clone();
    longer.add_step(step);
    longer
}

/// The path of an attribute below another path.
pub(crate) fn attribute(path: &AttributePath, name: &str) -> AttributePath {
    join(path, AttributePathStep::Attribute(name.to_owned().into()))
}

/// The path of an element of a list.
pub(crate) fn index(path: &AttributePath, index: usize) -> AttributePath {
    join(path, AttributePathStep::Index(i64::try_from(index).unwrap_or(i64::MAX)))
}

/// The path of an element of a map.
pub(crate) fn key(path: &AttributePath, key: &str) -> AttributePath {
    join(path, AttributePathStep::Key(key.to_owned().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_a_reference() {
        let path = AttributePath::new("uses").key("orders").attribute("access").index(3);

        assert_eq!(show(&path), r#"uses["orders"].access[3]"#);
        assert_eq!(show(&AttributePath::root()), "");
    }
}
