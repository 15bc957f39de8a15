//! Writes the canonical archive: from a map of files, or from a folder.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    ArchiveError, Limits, add_name, gzip,
    header::{BLOCK, Header},
    path::{self, Names},
};
use crate::walk::{self, Bounds, WalkError};

/// A file to pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The content.
    pub content: Vec<u8>,
    /// Whether it is unpacked with mode 0755 rather than 0644.
    pub executable: bool,
}

impl From<Vec<u8>> for File {
    fn from(content: Vec<u8>) -> Self {
        Self { content, executable: false }
    }
}

/// A packed folder.
#[derive(Debug)]
pub struct Packed {
    /// The canonical archive.
    pub archive: Vec<u8>,
    /// What was left out, as relative paths; a folder ends with `/`.
    pub ignored: Vec<String>,
}

/// Why a folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The folder cannot be read, or holds something that is neither file nor folder.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// Its files cannot form an archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

/// Packs a folder.
///
/// Left out, and listed in [`Packed::ignored`]: version control data (`.git`, `.hg`, `.svn`), Terraform's working
/// directory (`.terraform`), its state and lock files (`*.tfstate*`, `.terraform.lock.hcl`, `.terraform.tfstate.lock.info`)
/// and `.DS_Store`. Refused: links, special files, and every path that [`Archive::open`](super::Archive::open) refuses.
pub fn pack(root: &Path, limits: &Limits) -> Result<Packed, PackError> {
    let mut ignored = Vec::new();
    let bounds = Bounds { entries: limits.entries, depth: limits.depth };
    let found = walk::files(root, bounds, |relative, is_folder| {
        let skipped = is_ignored(relative);
        if skipped {
            ignored.push(if is_folder { format!("{relative}/") } else { relative.to_owned() });
        }
        skipped
    })?;
    ignored.sort_unstable();
    let mut files = BTreeMap::new();
    let mut total = 0_u64;
    for file in found {
        let metadata = fs::symlink_metadata(&file.path).map_err(WalkError::io(&file.path))?;
        total += metadata.len();
        if total > limits.unpacked_bytes as u64 {
            return Err(ArchiveError::UnpackedTooLarge { limit: limits.unpacked_bytes }.into());
        }
        let content = fs::read(&file.path).map_err(WalkError::io(&file.path))?;
        let executable = is_executable(&metadata, &content);
        files.insert(file.relative, File { content, executable });
    }
    Ok(Packed { archive: pack_files(&files, limits)?, ignored })
}

/// Packs files given by their paths.
pub fn pack_files(
    files: &BTreeMap<String, File>,
    limits: &Limits,
) -> Result<Vec<u8>, ArchiveError> {
    if files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    if files.len() > limits.entries {
        return Err(ArchiveError::TooManyEntries { limit: limits.entries });
    }
    let blocks = |file: &File| BLOCK + file.content.len().next_multiple_of(BLOCK);
    let size = files.values().map(blocks).sum::<usize>() + 2 * BLOCK;
    if size > limits.unpacked_bytes {
        return Err(ArchiveError::UnpackedTooLarge { limit: limits.unpacked_bytes });
    }
    let mut tar = Vec::with_capacity(size);
    let mut names = Names::default();
    for (path, file) in files {
        path::check(path, limits.depth).map_err(|problem| ArchiveError::entry(path, problem))?;
        add_name(&mut names, path)?;
        append(&mut tar, path, file)?;
    }
    tar.resize(size, 0);
    let packed = gzip::compress(&tar);
    if packed.len() > limits.packed_bytes {
        return Err(ArchiveError::PackedTooLarge {
            size: packed.len(),
            limit: limits.packed_bytes,
        });
    }
    let most = limits.most_unpacked(packed.len());
    if size > most { Err(limits.bomb(most)) } else { Ok(packed) }
}

fn append(tar: &mut Vec<u8>, path: &str, file: &File) -> Result<(), ArchiveError> {
    let header = Header {
        path: path.to_owned(),
        size: file.content.len() as u64,
        executable: file.executable,
    };
    let block = header.encode().map_err(|problem| ArchiveError::entry(path, problem))?;
    tar.extend_from_slice(&block);
    tar.extend_from_slice(&file.content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    Ok(())
}

fn is_ignored(relative: &str) -> bool {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    matches!(name, ".git" | ".hg" | ".svn" | ".terraform" | ".terraform.lock.hcl" | ".DS_Store")
        || name.to_ascii_lowercase().contains(".tfstate")
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata, _content: &[u8]) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o100 != 0
}

/// Where files have no mode, a script still says that it is one.
#[cfg(not(unix))]
fn is_executable(_metadata: &fs::Metadata, content: &[u8]) -> bool {
    content.starts_with(b"#!")
}
