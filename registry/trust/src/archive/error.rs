//! What can be wrong with an archive: which entry, which rule, how to mend it.

use super::{header::HeaderProblem, path::PathProblem};

/// Why bytes are not a canonical archive, or files cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Larger than the limit, packed.
    #[error(
        "the archive is {size} bytes, more than the {limit} bytes allowed; leave out what the module does not need"
    )]
    PackedTooLarge {
        /// The archive's size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Larger than the limit, unpacked.
    #[error(
        "the archive unpacks to more than the {limit} bytes allowed; leave out what the module does not need"
    )]
    UnpackedTooLarge {
        /// The limit.
        limit: usize,
    },
    /// A bomb.
    #[error(
        "the archive unpacks to more than {ratio} times its size, as only decompression bombs do"
    )]
    Ratio {
        /// The limit.
        ratio: usize,
    },
    /// More files than the limit.
    #[error("the archive holds more than the {limit} files allowed")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// No files.
    #[error("the archive holds no files; Terraform refuses an empty module")]
    Empty,
    /// Not gzip at all.
    #[error("the archive is not gzip; a module is one `tar.gz` file, packed with `idp publish`")]
    NotGzip,
    /// A gzip header that is not the canonical one.
    #[error(
        "the gzip header is not canonical: `{field}` must be {rule}; pack the module with `idp publish`"
    )]
    GzipHeader {
        /// The field, as RFC 1952 calls it.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// Ends before its end.
    #[error("the archive is truncated: its {part} ends too early; upload it again")]
    Truncated {
        /// What ends.
        part: &'static str,
    },
    /// Does not decode, or a checksum differs.
    #[error("the archive is damaged: its {part} does not match; upload it again")]
    Damaged {
        /// What does not match.
        part: &'static str,
    },
    /// Bytes after the end.
    #[error("there are bytes after {after}; an archive ends there")]
    TrailingBytes {
        /// The end that they follow.
        after: &'static str,
    },
    /// A second gzip member, which some readers would read and others not.
    #[error("a second gzip member follows the first; an archive is a single member")]
    SecondMember,
    /// An entry that is refused.
    #[error("entry {path:?}: {problem}")]
    Entry {
        /// The entry's path, as far as it can be shown.
        path: String,
        /// What is wrong with it.
        problem: EntryProblem,
    },
}

/// What is wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    /// The header or the path.
    #[error(transparent)]
    Header(#[from] HeaderProblem),
    /// The same path twice.
    #[error("the path occurs twice")]
    Duplicate,
    /// Not in the order of the paths' bytes.
    #[error(
        "it follows {previous:?} but sorts before it; entries are sorted by the bytes of their paths"
    )]
    Unsorted {
        /// The entry before.
        previous: String,
    },
    /// Equal to another path on systems that ignore case.
    #[error("it is the same file as {other:?} on a system that ignores case; rename one of them")]
    CaseCollision {
        /// The other path.
        other: String,
    },
    /// A file that is also a folder.
    #[error("{other:?} is both a file and a folder")]
    FileAndFolder {
        /// The path that is both.
        other: String,
    },
    /// Bytes other than zero between a file's end and the next block.
    #[error("the padding after its content is not zero")]
    Padding,
}

impl ArchiveError {
    /// A stable name of the rule that was broken.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PackedTooLarge { .. } => "archive_too_large",
            Self::UnpackedTooLarge { .. } => "archive_unpacks_too_large",
            Self::Ratio { .. } => "archive_bomb",
            Self::TooManyEntries { .. } => "archive_too_many_entries",
            Self::Empty => "archive_empty",
            Self::NotGzip | Self::GzipHeader { .. } | Self::SecondMember => {
                "archive_not_canonical_gzip"
            }
            Self::Truncated { .. } => "archive_truncated",
            Self::Damaged { .. } => "archive_damaged",
            Self::TrailingBytes { .. } => "archive_trailing_bytes",
            Self::Entry { problem, .. } => problem.code(),
        }
    }

    pub(crate) fn entry(path: impl Into<String>, problem: impl Into<EntryProblem>) -> Self {
        Self::Entry { path: path.into(), problem: problem.into() }
    }
}

impl EntryProblem {
    fn code(&self) -> &'static str {
        match self {
            Self::Header(HeaderProblem::Kind { .. }) => "archive_entry_kind",
            Self::Header(HeaderProblem::Path(_)) => "archive_entry_path",
            Self::Header(HeaderProblem::Checksum) => "archive_damaged",
            Self::Header(_) | Self::Padding => "archive_not_canonical_tar",
            Self::Duplicate => "archive_duplicate_entry",
            Self::Unsorted { .. } => "archive_unsorted",
            Self::CaseCollision { .. } | Self::FileAndFolder { .. } => "archive_colliding_entries",
        }
    }
}

impl From<PathProblem> for EntryProblem {
    fn from(problem: PathProblem) -> Self {
        Self::Header(HeaderProblem::Path(problem))
    }
}
