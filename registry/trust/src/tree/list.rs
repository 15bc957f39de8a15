//! The list of a tree's files, whose digest is the tree's hash.

use std::{collections::BTreeMap, fmt::Write};

use super::TreeHasher;
use crate::digest::{DirHash1, Sha256, shortened};

/// Every file of a tree with its digest, by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileList(BTreeMap<String, Sha256>);

/// Why a text is not the list of a tree's files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileListError {
    /// Larger than [`FileList::MAX_BYTES`].
    #[error("the list of files is {size} bytes, more than the {} allowed", FileList::MAX_BYTES)]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// Not the list that was signed.
    #[error("the list of files has the hash {found}, signed was {signed}: it is another list")]
    Other {
        /// What it has.
        found: DirHash1,
        /// What was signed.
        signed: DirHash1,
    },
    /// A line that is none.
    #[error("line {line} of the list of files: {rule}, got {given:?}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What it must be.
        rule: &'static str,
        /// What it is, shortened.
        given: String,
    },
}

impl FileList {
    /// The largest list that is read: more than any canonical archive within the default limits has.
    pub const MAX_BYTES: usize = 4 << 20;

    /// Reads `sha256␠␠path` lines and believes them only if their digest is the hash that was signed.
    pub fn parse(bytes: &[u8], signed: DirHash1) -> Result<Self, FileListError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(FileListError::TooLarge { size: bytes.len() });
        }
        let found = DirHash1::from_sha256(Sha256::of(bytes));
        if found != signed {
            return Err(FileListError::Other { found, signed });
        }
        let text = String::from_utf8_lossy(bytes);
        let mut files = BTreeMap::new();
        for (index, ended) in text.split_inclusive('\n').enumerate() {
            let refused =
                |rule| FileListError::Line { line: index + 1, rule, given: shortened(ended) };
            let (path, sha256) = parse_line(ended).map_err(refused)?;
            if files.last_key_value().is_some_and(|(last, _): (&String, _)| **last >= *path) {
                return Err(refused("the paths must be sorted, each there once"));
            }
            files.insert(path.to_owned(), sha256);
        }
        Ok(Self(files))
    }

    /// The text whose digest is [`FileList::hash`].
    pub fn to_text(&self) -> String {
        self.iter().fold(String::new(), |mut text, (path, sha256)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{sha256}  {path}");
            text
        })
    }

    /// The tree's hash.
    pub fn hash(&self) -> DirHash1 {
        let mut tree = TreeHasher::default();
        self.iter().for_each(|(path, sha256)| tree.add(path, sha256));
        tree.finish()
    }

    /// Adds a file, whose path holds no line break.
    pub(crate) fn insert(&mut self, path: String, sha256: Sha256) {
        self.0.insert(path, sha256);
    }

    /// The digest of a file.
    pub fn get(&self, path: &str) -> Option<&Sha256> {
        self.0.get(path)
    }

    /// Every file, sorted by path.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Sha256)> {
        self.0.iter().map(|(path, sha256)| (path.as_str(), sha256))
    }

    /// Every path, sorted.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Sha256)> for FileList {
    fn from_iter<T: IntoIterator<Item = (String, Sha256)>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}

fn parse_line(ended: &str) -> Result<(&str, Sha256), &'static str> {
    let line = ended.strip_suffix('\n').ok_or("the last line must end with a line feed")?;
    let (digits, path) =
        line.split_once("  ").ok_or("a line is 64 hexadecimal digits, two spaces and a path")?;
    let sha256 =
        digits.parse().map_err(|_| "the digest must be 64 lower-case hexadecimal digits")?;
    if path.is_empty() {
        return Err("a line is 64 hexadecimal digits, two spaces and a path");
    }
    Ok((path, sha256))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed(text: &str) -> DirHash1 {
        DirHash1::from_sha256(Sha256::of(text.as_bytes()))
    }

    #[test]
    fn a_list_reads_back_and_hashes_like_its_tree() {
        let list: FileList = [("m/b.tf", "b\n"), ("a.tf", "a\n")]
            .map(|(path, content)| (path.to_owned(), Sha256::of(content.as_bytes())))
            .into_iter()
            .collect();

        let text = list.to_text();

        assert_eq!(list.hash(), signed(&text));
        assert_eq!(FileList::parse(text.as_bytes(), list.hash()), Ok(list));
    }

    #[test]
    fn another_list_than_the_signed_one_is_refused_unread() {
        let error = FileList::parse(b"whatever", signed("x")).unwrap_err();

        assert!(matches!(error, FileListError::Other { .. }), "{error}");
    }

    #[test]
    fn a_signed_list_that_is_none_is_refused_by_line() {
        let line = format!("{}  a.tf\n", Sha256::of(b""));
        for (text, expected) in [
            (format!("{line}\n"), "line 2 of the list of files: a line is"),
            (format!("{line}{line}"), "line 2 of the list of files: the paths"),
            (format!("{}{line}", line.replace("a.tf", "b.tf")), "sorted"),
            (line.replace("  ", " "), "line 1"),
            (line.to_uppercase(), "lower-case"),
            (line.replace("a.tf", ""), "and a path"),
            (line.trim_end().to_owned(), "the last line"),
        ] {
            let error = FileList::parse(text.as_bytes(), signed(&text)).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let large = vec![b' '; FileList::MAX_BYTES + 1];
        assert!(FileList::parse(&large, signed("")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_the_text_that_was_signed(
            bytes in proptest::collection::vec(any::<u8>(), 0..200), path in "[^\n]{0,20}",
        ) {
            let line = format!("{}  {path}\n", Sha256::of(&bytes));
            for text in [bytes.as_slice(), line.as_bytes()] {
                let hash = DirHash1::from_sha256(Sha256::of(text));
                if let Ok(list) = FileList::parse(text, hash) {
                    prop_assert_eq!(list.hash(), hash);
                    prop_assert_eq!(list.to_text().into_bytes(), text.to_vec());
                }
            }
        }
    }
}
