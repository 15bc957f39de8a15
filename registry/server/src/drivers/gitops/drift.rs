//! How what is in git differs from what was written. Pure.

use std::collections::BTreeMap;

use super::path::is_within;

/// One file that is not as the platform left it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    pub path: String,
    pub kind: DriftKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriftKind {
    /// Deleted.
    Missing,
    /// Other content, or no longer a plain file.
    Modified,
    /// A file that the platform did not write, in a directory that is its own.
    Unexpected,
}

/// Compares what was written (path → SHA-256) with what is there, sorted by path.
///
/// Files outside `directories` that nobody expects are not drift: they belong to others.
pub fn drift(
    expected: &BTreeMap<String, String>,
    observed: &BTreeMap<String, String>,
    directories: &[String],
) -> Vec<Drift> {
    let mut found: Vec<Drift> = expected
        .iter()
        .filter_map(|(path, sha256)| {
            let kind = match observed.get(path) {
                None => DriftKind::Missing,
                Some(seen) if seen != sha256 => DriftKind::Modified,
                Some(_) => return None,
            };
            Some(Drift { path: path.clone(), kind })
        })
        .collect();
    let unexpected = observed.keys().filter(|path| {
        !expected.contains_key(*path) && directories.iter().any(|dir| is_within(path, dir))
    });
    found.extend(unexpected.map(|path| Drift { path: path.clone(), kind: DriftKind::Unexpected }));
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(path, sum)| ((*path).to_owned(), (*sum).to_owned())).collect()
    }

    #[test]
    fn drift_names_what_is_missing_modified_and_unexpected() {
        let expected = files(&[("d/a", "1"), ("d/b", "2"), ("argocd/x", "3")]);
        let observed = files(&[("d/a", "9"), ("d/new", "4"), ("argocd/x", "3"), ("argocd/y", "5")]);

        let found = drift(&expected, &observed, &["d".into()]);

        let names: Vec<_> = found.iter().map(|drift| (drift.path.as_str(), drift.kind)).collect();
        assert_eq!(
            names,
            [
                ("d/a", DriftKind::Modified),
                ("d/b", DriftKind::Missing),
                ("d/new", DriftKind::Unexpected),
            ]
        );
    }

    #[test]
    fn equal_files_are_no_drift() {
        let same = files(&[("d/a", "1")]);

        assert_eq!(drift(&same, &same, &["d".into()]), []);
    }
}
