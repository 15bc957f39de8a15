//! In what a tree differs from the one that was published, in words that a person can act on.

use std::fmt;

use serde::Serialize;

use super::{
    FileList, Tree,
    look_alike::{is_invisible, is_same_but_for_spelling, skeleton},
};

/// How many files a text names of each kind.
const MOST_SHOWN: usize = 10;

/// In what a tree differs from the one that was published. Every list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Files that were not published.
    pub added: Vec<String>,
    /// Files that are gone.
    pub removed: Vec<String>,
    /// Files with other content.
    pub changed: Vec<String>,
    /// Links, which a package never has.
    pub linked: Vec<String>,
    /// Files whose name is spelled differently: the case of letters, or the form of accents.
    pub renamed: Vec<Renamed>,
    /// Files, among those added, whose name looks like that of a published one.
    pub look_alikes: Vec<LookAlike>,
}

/// A file whose name is spelled differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Renamed {
    /// As it was published.
    pub from: String,
    /// As it is.
    pub to: String,
    /// Whether its content differs too.
    pub changed: bool,
}

/// A file whose name looks like that of a published one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LookAlike {
    /// The file.
    pub file: String,
    /// The published one.
    pub like: String,
    /// The characters in its name that are not plain ASCII, as `U+0430`.
    pub characters: Vec<String>,
}

impl Difference {
    /// Compares a tree with the list of files that was published.
    pub fn of(tree: &Tree, published: &FileList) -> Self {
        let differs = |(path, sha256)| published.get(path).is_some_and(|signed| signed != sha256);
        let changed = tree.files.iter().filter(|file| differs(*file));
        let changed = changed.map(|(path, _)| path.to_owned()).collect();
        let mut added = missing_from(published, &tree.files);
        let mut removed = missing_from(&tree.files, published);
        let renamed = renamed(tree, published, &mut added, &mut removed);
        let look_alikes = added.iter().filter_map(|file| look_alike(file, published)).collect();
        Self { added, removed, changed, linked: tree.links.clone(), renamed, look_alikes }
    }

    /// Only the links, where the list of files is not at hand.
    pub fn of_links(tree: &Tree) -> Self {
        Self { linked: tree.links.clone(), ..Self::default() }
    }

    /// Whether nothing is known to differ.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn missing_from(list: &FileList, other: &FileList) -> Vec<String> {
    other.paths().filter(|path| list.get(path).is_none()).map(str::to_owned).collect()
}

/// Takes pairs of one name in two spellings out of both lists.
fn renamed(
    tree: &Tree,
    published: &FileList,
    added: &mut Vec<String>,
    removed: &mut Vec<String>,
) -> Vec<Renamed> {
    let mut renamed = Vec::new();
    added.retain(|to| {
        let Some(at) = removed.iter().position(|from| is_same_but_for_spelling(from, to)) else {
            return true;
        };
        let from = removed.remove(at);
        let changed = published.get(&from) != tree.files.get(to);
        renamed.push(Renamed { from, to: to.clone(), changed });
        false
    });
    renamed.sort_unstable();
    renamed
}

fn look_alike(file: &str, published: &FileList) -> Option<LookAlike> {
    let drawn = skeleton(file);
    let like = published.paths().find(|path| skeleton(path) == drawn)?;
    let characters = file.chars().filter(|c| !c.is_ascii()).map(code_point).collect();
    Some(LookAlike { file: file.to_owned(), like: like.to_owned(), characters })
}

fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

impl fmt::Display for Difference {
    /// One line a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Lines { f, is_first: true };
        for Renamed { from, to, changed } in self.renamed.iter().take(MOST_SHOWN) {
            let also = if *changed { ", and its content changed" } else { "" };
            lines.line(format_args!("{} became {}{also}", shown(from), shown(to)))?;
        }
        lines.more(self.renamed.len(), "renamed")?;
        for LookAlike { file, like, characters } in self.look_alikes.iter().take(MOST_SHOWN) {
            let by = if characters.is_empty() {
                String::new()
            } else {
                format!(" ({})", characters.join(", "))
            };
            lines.line(format_args!(
                "added, with a name that looks like {}: {}{by}",
                shown(like),
                escaped(file)
            ))?;
        }
        lines.more(self.look_alikes.len(), "added under names that look like others")?;
        let is_plain = |file: &&String| !self.look_alikes.iter().any(|known| known.file == **file);
        let added: Vec<&String> = self.added.iter().filter(is_plain).collect();
        lines.all("added", &added)?;
        for (word, files) in
            [("changed", &self.changed), ("removed", &self.removed), ("a link", &self.linked)]
        {
            lines.all(word, &files.iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

struct Lines<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    is_first: bool,
}

impl Lines<'_, '_> {
    fn line(&mut self, line: fmt::Arguments<'_>) -> fmt::Result {
        let separator = if self.is_first { "" } else { "\n" };
        self.is_first = false;
        write!(self.f, "{separator}{line}")
    }

    fn all(&mut self, word: &str, files: &[&String]) -> fmt::Result {
        for file in files.iter().take(MOST_SHOWN) {
            self.line(format_args!("{word}: {}", shown(file)))?;
        }
        self.more(files.len(), word)
    }

    fn more(&mut self, count: usize, word: &str) -> fmt::Result {
        match count.checked_sub(MOST_SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => self.line(format_args!("and {more} more {word}")),
        }
    }
}

/// A path without what would play tricks on a terminal.
fn shown(path: &str) -> String {
    let is_trick = |c: char| c.is_control() || is_invisible(c);
    path.chars()
        .map(|c| if is_trick(c) { c.escape_unicode().to_string() } else { c.into() })
        .collect()
}

/// A path in which nothing looks like something else.
fn escaped(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii() && !c.is_control();
    path.chars()
        .map(|c| if is_plain(c) { c.into() } else { c.escape_unicode().to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Sha256;

    fn list(files: &[(&str, &str)]) -> FileList {
        let file =
            |(path, content): &(&str, &str)| ((*path).to_owned(), Sha256::of(content.as_bytes()));
        files.iter().map(file).collect()
    }

    fn difference(published: &[(&str, &str)], found: &[(&str, &str)]) -> Difference {
        Difference::of(&Tree { files: list(found), links: Vec::new() }, &list(published))
    }

    #[test]
    fn what_was_added_removed_and_changed_is_named() {
        let found = difference(
            &[("a.tf", "a"), ("main.tf", "1"), ("same.tf", "x")],
            &[("main.tf", "2"), ("same.tf", "x"), ("z.tf", "z")],
        );

        assert_eq!(
            (found.added.as_slice(), found.removed.as_slice()),
            (&["z.tf".to_owned()][..], &["a.tf".to_owned()][..])
        );
        assert_eq!(found.to_string(), "added: z.tf\nchanged: main.tf\nremoved: a.tf");
        assert!(difference(&[("a", "a")], &[("a", "a")]).is_empty());
    }

    #[test]
    fn a_name_in_other_letters_of_the_alphabet_is_a_rename() {
        let found = difference(&[("main.tf", "1")], &[("Main.tf", "1")]);

        assert_eq!(found.to_string(), "main.tf became Main.tf");
        let both = difference(&[("main.tf", "1")], &[("MAIN.tf", "2")]);
        assert_eq!(both.to_string(), "main.tf became MAIN.tf, and its content changed");
    }

    #[test]
    fn a_name_that_only_looks_the_same_is_spelled_out() {
        let found = difference(&[("main.tf", "1")], &[("m\u{430}in.tf", "2"), ("main.tf", "1")]);

        assert_eq!(
            found.to_string(),
            "added, with a name that looks like main.tf: m\\u{430}in.tf (U+0430)"
        );
        assert_eq!(found.added, ["m\u{430}in.tf"]);
    }

    #[test]
    fn links_are_named_and_tricks_on_the_terminal_are_not_played() {
        let tree =
            Tree { files: FileList::default(), links: vec!["a\u{1b}[2J\u{202e}.tf".to_owned()] };

        let found = Difference::of(&tree, &FileList::default());

        assert_eq!(found, Difference::of_links(&tree));
        assert_eq!(found.to_string(), "a link: a\\u{1b}[2J\\u{202e}.tf");
    }

    #[test]
    fn many_files_are_counted_instead_of_listed() {
        let names: Vec<String> = (0..25).map(|n| format!("f{n}.tf")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();

        let text = difference(&[], &files).to_string();

        assert_eq!(text.lines().count(), 11);
        assert!(text.ends_with("and 15 more added"), "{text}");
    }

    proptest! {
        #[test]
        fn a_difference_is_empty_exactly_where_the_lists_are_the_same(
            names in proptest::collection::btree_map("[aA\u{430}e\u{301}\u{e9}]{1,3}", 0..3_u8, 0..5),
            others in proptest::collection::btree_map("[aA\u{430}e\u{301}\u{e9}]{1,3}", 0..3_u8, 0..5),
        ) {
            let list = |names: &std::collections::BTreeMap<String, u8>| -> FileList {
                names.iter().map(|(name, content)| (name.clone(), Sha256::of(&[*content]))).collect()
            };
            let (published, files) = (list(&names), list(&others));
            let same = published == files;

            let found = Difference::of(&Tree { files, links: Vec::new() }, &published);

            prop_assert_eq!(found.is_empty(), same);
            prop_assert_eq!(found.to_string().is_empty(), same);
        }
    }
}
