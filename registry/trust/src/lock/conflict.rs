//! A lock file in which git left both sides of a merge.
//!
//! Each side is read as the file that it was: what both have in common, and its own lines where they differ. Commas
//! depend on which lines stand last, which a merge gets wrong, so they are written anew.

use super::{Lock, LockError, check_publisher, later, read};
use crate::evidence::Seen;

/// What became of a merge conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Both sides together.
    pub lock: Lock,
    /// The earlier of the two heads of the log, where they differ: the log must have grown from it too.
    pub earlier: Option<Seen>,
}

/// The number of the first line that is a marker of git's.
pub(super) fn first_marker(bytes: &[u8]) -> Option<usize> {
    let is_marker = |line: &[u8]| line.starts_with(b"<<<<<<< ") || line.starts_with(b">>>>>>> ");
    bytes.split(|byte| *byte == b'\n').position(is_marker).map(|index| index + 1)
}

pub(super) fn resolve(bytes: &[u8]) -> Result<Resolved, LockError> {
    read::check_size(bytes)?;
    let text = str::from_utf8(bytes).map_err(|error| LockError::Malformed {
        line: 1 + bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').skip(1).count(),
        column: 1,
        reason: "it is not UTF-8".to_owned(),
    })?;
    let (ours, theirs) = sides(text)?;
    let ours = read::parse_side(with_commas(&ours).as_bytes())?;
    let theirs = read::parse_side(with_commas(&theirs).as_bytes())?;
    union(ours, &theirs)
}

/// Where a line of a conflict belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Both,
    Ours,
    Base,
    Theirs,
}

fn sides(text: &str) -> Result<(Vec<&str>, Vec<&str>), LockError> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut part = Part::Both;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        let marker =
            line.get(..7).filter(|_| matches!(line.as_bytes().get(7), None | Some(b' ' | b'\r')));
        let next = match (marker, part) {
            (Some("<<<<<<<"), Part::Both) => Part::Ours,
            (Some("|||||||"), Part::Ours) => Part::Base,
            (Some("======="), Part::Ours | Part::Base) => Part::Theirs,
            (Some(">>>>>>>"), Part::Theirs) => Part::Both,
            (Some("<<<<<<<" | "|||||||" | "=======" | ">>>>>>>"), _) => {
                return Err(torn(index + 1));
            }
            _ => {
                if matches!(part, Part::Both | Part::Ours) {
                    ours.push(line);
                }
                if matches!(part, Part::Both | Part::Theirs) {
                    theirs.push(line);
                }
                continue;
            }
        };
        (part, last) = (next, index + 1);
    }
    if part == Part::Both { Ok((ours, theirs)) } else { Err(torn(last)) }
}

fn torn(line: usize) -> LockError {
    let reason = "git's conflict markers do not belong together; restore the file and merge again";
    LockError::Malformed { line, column: 1, reason: reason.to_owned() }
}

/// The lines with a comma between entries and none after the last.
fn with_commas(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines
        .iter()
        .map(|line| line.trim_end().trim_end_matches(',').trim_end())
        .filter(|line| !line.is_empty())
        .collect();
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let is_last = lines.get(index + 1).is_none_or(|next| next.trim_start().starts_with('}'));
        let opens = line.ends_with('{');
        text.push_str(line);
        text.push_str(if is_last || opens { "\n" } else { ",\n" });
    }
    text
}

fn union(mut lock: Lock, theirs: &Lock) -> Result<Resolved, LockError> {
    for (address, entry) in theirs.golden_paths() {
        if let Some(ours) = lock.golden_path(address) {
            if ours.version > entry.version {
                continue;
            }
            if ours.version == entry.version {
                check_publisher(address.to_owned(), ours.publisher, entry.publisher)?;
            }
        }
        lock.insert(address, entry.clone())?;
    }
    for (release, entry) in theirs.modules() {
        lock.insert_module(release, *entry)?;
    }
    let mut earlier = None;
    lock.log = match (lock.log.take(), theirs.log()) {
        (Some(ours), Some(theirs)) => {
            let mut latest = later(&ours, theirs)?.clone();
            let other = if latest == ours { theirs } else { &ours };
            earlier = (other.checkpoint != latest.checkpoint).then(|| other.clone());
            latest.root_version = ours.root_version.max(theirs.root_version);
            Some(latest)
        }
        (ours, theirs) => ours.or_else(|| theirs.cloned()),
    };
    Ok(Resolved { lock, earlier })
}
