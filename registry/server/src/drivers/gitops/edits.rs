//! From a change and the present state of its paths to the edits of one commit. Pure.
//!
//! This is where the promise is kept that foreign files are never touched.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::CheckedChange,
    drift::{Drift, DriftKind},
    path::{ancestors, is_within},
};

/// Present files: path → SHA-256.
pub(super) type Files = BTreeMap<String, String>;

/// What a commit does, and what is worth telling about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Edits {
    pub(super) written: Vec<String>,
    pub(super) removed: Vec<String>,
    pub(super) mended: Vec<Drift>,
    pub(super) foreign: Vec<String>,
}

impl Edits {
    pub(super) fn is_empty(&self) -> bool {
        self.written.is_empty() && self.removed.is_empty()
    }
}

/// Decides the edits, or names the foreign files that are in the way.
///
/// `present` holds at least every file at, above or below a path of the change's scope.
pub(super) fn edits(checked: &CheckedChange, present: &Files) -> Result<Edits, Vec<String>> {
    let owned = checked.owned_among(present);
    let mut edits = Edits::default();

    for (&path, &expected) in &owned {
        let seen = present.get(path);
        let wanted = checked.wanted.get(path);
        if wanted.is_none() && seen.is_some() {
            edits.removed.push(path.to_owned());
        }
        let kind = match seen {
            None if wanted.is_some() => DriftKind::Missing,
            Some(seen) if seen != expected && Some(seen) != wanted => DriftKind::Modified,
            _ => continue,
        };
        edits.mended.push(Drift { path: path.to_owned(), kind });
    }

    let removed: BTreeSet<&str> = edits.removed.iter().map(String::as_str).collect();
    let mut in_the_way = BTreeSet::new();
    for (path, wanted) in &checked.wanted {
        match present.get(path) {
            Some(seen) if seen == wanted => continue,
            Some(_) if !owned.contains_key(path.as_str()) => {
                in_the_way.insert(path.clone());
            }
            _ => edits.written.push(path.clone()),
        }
        // git would silently drop a file to make room for a directory of its name, or the reverse.
        in_the_way.extend(obstacles(path, present, &removed).map(str::to_owned));
    }
    if !in_the_way.is_empty() {
        return Err(in_the_way.into_iter().collect());
    }

    edits.foreign = present
        .keys()
        .filter(|path| !owned.contains_key(path.as_str()) && !checked.wanted.contains_key(*path))
        .filter(|path| checked.change.directories.iter().any(|dir| is_within(path, dir)))
        .cloned()
        .collect();
    Ok(edits)
}

fn obstacles<'a>(
    path: &'a str,
    present: &'a Files,
    removed: &BTreeSet<&str>,
) -> impl Iterator<Item = &'a str> {
    let above = ancestors(path).filter(|above| present.contains_key(*above));
    let below = below(path, present).map(|(name, _)| name.as_str());
    above.chain(below).filter(|name| !removed.contains(name))
}

/// The entries under the directory `path`, without an entry `path` itself.
pub(super) fn below<'a, V>(
    path: &str,
    map: &'a BTreeMap<String, V>,
) -> impl Iterator<Item = (&'a String, &'a V)> {
    let prefix = format!("{path}/");
    map.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(&prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::drivers::gitops::change::{Change, sha256};

    fn checked(files: &[(&str, &str)], owned: &[(&str, &str)]) -> CheckedChange {
        CheckedChange::new(Change {
            operation_id: "op".into(),
            directories: vec!["d".into()],
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
                .collect(),
            owned: present(owned),
            attempted: BTreeMap::new(),
            author: None,
            committed_at_seconds: 0,
            subject: "x".into(),
            body: String::new(),
            trailers: Vec::new(),
        })
        .unwrap()
    }

    fn present(files: &[(&str, &str)]) -> Files {
        files.iter().map(|(path, text)| ((*path).to_owned(), sha256(text.as_bytes()))).collect()
    }

    #[test]
    fn a_foreign_file_with_other_content_is_in_the_way_and_an_equal_one_is_adopted() {
        let change = checked(&[("d/a", "new"), ("d/b", "same")], &[]);

        assert_eq!(edits(&change, &present(&[("d/a", "theirs")])), Err(vec!["d/a".into()]));

        let adopted = edits(&change, &present(&[("d/b", "same")])).unwrap();
        assert_eq!(adopted.written, ["d/a"]);
    }

    #[test]
    fn hand_edits_of_owned_files_are_mended_and_reported() {
        let change =
            checked(&[("d/a", "1"), ("d/b", "2")], &[("d/a", "1"), ("d/b", "2"), ("d/c", "3")]);

        let made = edits(&change, &present(&[("d/a", "edited"), ("d/c", "edited")])).unwrap();

        assert_eq!(made.written, ["d/a", "d/b"]);
        assert_eq!(made.removed, ["d/c"]);
        let kinds: Vec<_> = made.mended.iter().map(|drift| drift.kind).collect();
        assert_eq!(kinds, [DriftKind::Modified, DriftKind::Missing, DriftKind::Modified]);
    }

    #[test]
    fn a_directory_is_not_made_out_of_a_foreign_file_nor_the_reverse() {
        let change = checked(&[("d/a/b", "1"), ("d/c", "2")], &[]);

        let refused = edits(&change, &present(&[("d/a", "x"), ("d/c/deep", "y")]));

        assert_eq!(refused, Err(vec!["d/a".into(), "d/c/deep".into()]));
        let moved = checked(&[("d/a/b", "1")], &[("d/a", "x")]);
        assert_eq!(edits(&moved, &present(&[("d/a", "x")])).unwrap().removed, ["d/a"]);
    }

    #[test]
    fn destroying_removes_only_what_is_owned_and_names_the_rest() {
        let change = checked(&[], &[("d/a", "1"), ("d/gone", "2")]);

        let made = edits(&change, &present(&[("d/a", "1"), ("d/notes", "n"), ("e/x", "x")]));

        let made = made.unwrap();
        assert_eq!(made.removed, ["d/a"]);
        assert_eq!(made.foreign, ["d/notes"]);
        assert_eq!(made.mended, []);
    }

    #[test]
    fn what_a_failed_attempt_would_have_written_is_owned_only_while_it_is_just_that() {
        let mut retry = checked(&[("d/a", "new"), ("d/b", "new")], &[]);
        let mut removal = checked(&[], &[]);
        let attempted = ["d/a", "d/b"].map(|path| (path.to_owned(), [sha256(b"tried")].into()));
        retry.change.attempted = attempted.clone().into();
        removal.change.attempted = attempted.into();
        let mixed = present(&[("d/a", "tried"), ("d/b", "theirs")]);

        assert_eq!(edits(&retry, &mixed), Err(vec!["d/b".into()]));
        let made = edits(&retry, &present(&[("d/a", "tried")])).unwrap();
        assert_eq!((made.written.len(), made.mended.len()), (2, 0));
        let made = edits(&removal, &mixed).unwrap();
        assert_eq!((made.removed, made.foreign), (vec!["d/a".into()], vec!["d/b".into()]));
    }

    proptest! {
        #[test]
        fn foreign_files_survive_every_change(
            wanted in proptest::collection::btree_map("[abc](/[abc]){0,2}", "[12]", 0..6),
            owned in proptest::collection::btree_map("[abc](/[abc]){0,2}", "[12]", 0..6),
            there in proptest::collection::btree_map("[abc](/[abc]){0,2}", "[12]", 0..6),
        ) {
            fn pairs(map: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
                map.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect()
            }
            let clash = |map: &BTreeMap<String, String>| {
                map.keys().any(|path| ancestors(path).any(|above| map.contains_key(above)))
            };
            prop_assume!(!clash(&wanted) && !clash(&there));
            let change = checked(&pairs(&wanted), &pairs(&owned));
            let before = present(&pairs(&there));

            if let Ok(made) = edits(&change, &before) {
                let mut after = before.clone();
                for path in &made.removed {
                    prop_assert!(owned.contains_key(path));
                    after.remove(path);
                }
                for path in &made.written {
                    after.insert(path.clone(), change.wanted[path].clone());
                }
                prop_assert!(!clash(&after));
                for (path, sum) in &before {
                    if !owned.contains_key(path) {
                        prop_assert_eq!(after.get(path), Some(sum));
                    }
                }
                for (path, sum) in &change.wanted {
                    prop_assert_eq!(after.get(path), Some(sum));
                }
            }
        }
    }
}
