//! Reading commits, trees and files through one long-lived `git cat-file`, remembering what can
//! never change: the content of an object id.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::{
    change::sha256,
    edits::Files,
    error::GitOpsError,
    git::{Git, Running},
};

/// Objects asked for in one write: their names fit a pipe's buffer, so writing cannot block while
/// git waits for us to read.
const PIPELINED: usize = 256;
/// Largest commit or tree that is believed.
const MAX_PARSED: u64 = 64 << 20;
/// Most files that one question may list.
const MAX_LISTED: usize = 200_000;
/// Deepest directory that is followed.
const MAX_DEPTH: usize = 64;
/// Most tree entries and most digests that are remembered: some 50 MB of each.
const MAX_REMEMBERED: usize = 200_000;

const DOING: &str = "reading of objects";

/// An object id, 40 or 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Oid(String);

impl Oid {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A commit with its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) commit: Oid,
    pub(super) tree: Oid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    mode: Mode,
    oid: Oid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Tree,
    File,
    /// A symbolic link or another repository: never what the platform wrote.
    Other,
}

/// The objects of one mirror.
pub(super) struct Objects {
    git: Git,
    process: Option<CatFile>,
    trees: HashMap<Oid, Arc<[Entry]>>,
    /// How many entries `trees` holds in all.
    tree_entries: usize,
    digests: HashMap<Oid, String>,
}

impl Objects {
    pub(super) fn new(git: Git) -> Self {
        Self { git, process: None, trees: HashMap::new(), tree_entries: 0, digests: HashMap::new() }
    }

    /// Ends the process, for when the mirror under it is replaced. What is remembered stays true.
    pub(super) fn close(&mut self) {
        self.process = None;
    }

    /// The commit that a ref or object id names, if it exists.
    pub(super) async fn head(&mut self, name: &str) -> Result<Option<Head>, GitOpsError> {
        let mut head = None;
        self.read(&[name], |_, object| {
            let Some((oid, kind, bytes)) = object else { return Ok(()) };
            let tree = String::from_utf8_lossy(bytes)
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("tree "))
                .and_then(Oid::parse);
            match (kind, tree) {
                ("commit", Some(tree)) => {
                    head = Some(Head { commit: oid.clone(), tree });
                    Ok(())
                }
                _ => Err(format!("{} is not a commit", oid.as_str())),
            }
        })
        .await?;
        Ok(head)
    }

    /// Every file at, above or below the given paths: path → SHA-256 of its content.
    pub(super) async fn files(
        &mut self,
        root: &Oid,
        scope: impl IntoIterator<Item = &str>,
    ) -> Result<Files, GitOpsError> {
        self.forget_if_many();
        let mut found = BTreeMap::new();
        for path in scope.into_iter().collect::<BTreeSet<_>>() {
            self.locate(root, path, &mut found).await?;
        }
        self.digest(&found).await?;
        Ok(found
            .into_iter()
            .map(|(path, (mode, oid))| {
                let sum = match mode {
                    Mode::Other => sha256(format!("not a file: {}", oid.as_str()).as_bytes()),
                    Mode::File | Mode::Tree => self.digests.get(&oid).cloned().unwrap_or_default(),
                };
                (path, sum)
            })
            .collect())
    }

    /// Walks down to `path`, then lists what is there.
    async fn locate(
        &mut self,
        root: &Oid,
        path: &str,
        found: &mut BTreeMap<String, (Mode, Oid)>,
    ) -> Result<(), GitOpsError> {
        let mut tree = root.clone();
        let mut walked = String::new();
        for component in path.split('/') {
            if !walked.is_empty() {
                walked.push('/');
            }
            walked.push_str(component);
            let entries = self.tree(&tree).await?;
            let Some(entry) = entries.iter().find(|entry| entry.name == component) else {
                return Ok(());
            };
            if entry.mode != Mode::Tree {
                found.insert(walked, (entry.mode, entry.oid.clone()));
                return Ok(());
            }
            tree = entry.oid.clone();
        }
        self.list(&tree, walked, found).await
    }

    async fn list(
        &mut self,
        tree: &Oid,
        directory: String,
        found: &mut BTreeMap<String, (Mode, Oid)>,
    ) -> Result<(), GitOpsError> {
        let mut open = vec![(directory, tree.clone(), 0)];
        while let Some((directory, tree, depth)) = open.pop() {
            for entry in self.tree(&tree).await?.iter() {
                let path = format!("{directory}/{}", entry.name);
                if entry.mode != Mode::Tree {
                    found.insert(path, (entry.mode, entry.oid.clone()));
                } else if depth < MAX_DEPTH {
                    open.push((path, entry.oid.clone(), depth + 1));
                } else {
                    return Err(self.git.broken(DOING, &format!("{path:?} is nested too deeply")));
                }
            }
            if found.len() > MAX_LISTED || open.len() > MAX_LISTED {
                let words = format!("{directory:?} holds more than {MAX_LISTED} files");
                return Err(self.git.broken(DOING, &words));
            }
        }
        Ok(())
    }

    async fn tree(&mut self, oid: &Oid) -> Result<Arc<[Entry]>, GitOpsError> {
        if let Some(entries) = self.trees.get(oid) {
            return Ok(Arc::clone(entries));
        }
        let mut entries: Option<Arc<[Entry]>> = None;
        self.read(&[oid.as_str()], |name, object| match object {
            Some((_, "tree", bytes)) => {
                let parsed = parse_tree(bytes, name.len() / 2)
                    .ok_or_else(|| format!("tree {name} cannot be read"))?;
                entries = Some(parsed.into());
                Ok(())
            }
            _ => Err(format!("tree {name} is missing")),
        })
        .await?;
        let entries = entries.unwrap_or_else(|| Vec::new().into());
        self.tree_entries += entries.len() + 1;
        self.trees.insert(oid.clone(), Arc::clone(&entries));
        Ok(entries)
    }

    /// Learns the SHA-256 of every file that is not known yet.
    async fn digest(&mut self, found: &BTreeMap<String, (Mode, Oid)>) -> Result<(), GitOpsError> {
        let unknown: BTreeSet<&str> = found
            .values()
            .filter(|(mode, oid)| *mode == Mode::File && !self.digests.contains_key(oid))
            .map(|(_, oid)| oid.as_str())
            .collect();
        let unknown: Vec<&str> = unknown.into_iter().collect();
        let mut learned = Vec::with_capacity(unknown.len());
        let limit = self.git.limit();
        tokio::time::timeout(limit, async {
            for names in unknown.chunks(PIPELINED) {
                let process = self.process()?;
                if let Err(words) = process.digest(names, &mut learned).await {
                    self.process = None;
                    return Err(self.git.broken(DOING, &words));
                }
            }
            Ok(())
        })
        .await
        .unwrap_or_else(|_| {
            self.process = None;
            Err(self.git.timed_out(DOING, limit))
        })?;
        self.digests.extend(learned);
        Ok(())
    }

    /// Reads whole objects. After an error the process is ended, as its answers may be out of step.
    async fn read(
        &mut self,
        names: &[&str],
        take: impl FnMut(&str, Option<(&Oid, &str, &[u8])>) -> Result<(), String>,
    ) -> Result<(), GitOpsError> {
        let limit = self.git.limit();
        let process = self.process()?;
        let done = tokio::time::timeout(limit, process.read(names, take)).await;
        match done {
            Ok(Ok(())) => Ok(()),
            Ok(Err(words)) => {
                self.process = None;
                Err(self.git.broken(DOING, &words))
            }
            Err(_) => {
                self.process = None;
                Err(self.git.timed_out(DOING, limit))
            }
        }
    }

    fn process(&mut self) -> Result<&mut CatFile, GitOpsError> {
        // A process whose reader was cancelled in the middle of an answer must not be used again.
        if self.process.as_ref().is_none_or(|process| process.busy) {
            self.process = Some(CatFile::start(&self.git)?);
        }
        self.process.as_mut().ok_or_else(|| self.git.broken(DOING, "git cat-file did not start"))
    }

    fn forget_if_many(&mut self) {
        if self.tree_entries > MAX_REMEMBERED {
            self.trees.clear();
            self.tree_entries = 0;
        }
        if self.digests.len() > MAX_REMEMBERED {
            self.digests.clear();
        }
    }
}

struct CatFile {
    stdin: tokio::process::ChildStdin,
    stdout: BufReader<tokio::process::ChildStdout>,
    /// Set while an exchange is under way.
    busy: bool,
    /// Keeps the process alive as long as its pipes are used.
    _running: Running,
}

impl CatFile {
    fn start(git: &Git) -> Result<Self, GitOpsError> {
        let mut running = git.start(&["cat-file", "--batch"])?;
        match (running.child.stdin.take(), running.child.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Self {
                stdin,
                stdout: BufReader::with_capacity(64 << 10, stdout),
                busy: false,
                _running: running,
            }),
            _ => Err(git.broken(DOING, "git cat-file has no pipes")),
        }
    }

    async fn read(
        &mut self,
        names: &[&str],
        mut take: impl FnMut(&str, Option<(&Oid, &str, &[u8])>) -> Result<(), String>,
    ) -> Result<(), String> {
        self.busy = true;
        for chunk in names.chunks(PIPELINED) {
            self.ask(chunk).await?;
            for name in chunk {
                let Some((oid, kind, size)) = self.header().await? else {
                    take(name, None)?;
                    continue;
                };
                if size > MAX_PARSED {
                    return Err(format!("{name} is too large: {size} bytes"));
                }
                let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
                self.stdout.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
                self.newline().await?;
                take(name, Some((&oid, &kind, &bytes)))?;
            }
        }
        self.busy = false;
        Ok(())
    }

    /// Hashes blobs as they pass by; a huge file somebody put there does not fill the memory.
    async fn digest(
        &mut self,
        names: &[&str],
        learned: &mut Vec<(Oid, String)>,
    ) -> Result<(), String> {
        self.busy = true;
        self.ask(names).await?;
        for name in names {
            let (oid, _, mut left) =
                self.header().await?.ok_or_else(|| format!("file {name} is missing"))?;
            let mut hasher = Sha256::new();
            while left > 0 {
                let buffer = self.stdout.fill_buf().await.map_err(|error| error.to_string())?;
                if buffer.is_empty() {
                    return Err("git cat-file ended early".into());
                }
                let taken = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                hasher.update(&buffer[..taken]);
                self.stdout.consume(taken);
                left -= taken as u64;
            }
            self.newline().await?;
            learned.push((oid, hex::encode(hasher.finalize())));
        }
        self.busy = false;
        Ok(())
    }

    async fn ask(&mut self, names: &[&str]) -> Result<(), String> {
        let mut question = names.join("\n");
        question.push('\n');
        self.stdin.write_all(question.as_bytes()).await.map_err(|error| error.to_string())
    }

    /// `<oid> <type> <size>`, or `<name> missing`.
    async fn header(&mut self) -> Result<Option<(Oid, String, u64)>, String> {
        let mut line = String::new();
        let read = (&mut self.stdout).take(4096).read_line(&mut line).await;
        read.map_err(|error| error.to_string())?;
        let words: Vec<&str> = line.trim_end().split(' ').collect();
        match words[..] {
            [_, "missing"] => Ok(None),
            [oid, kind, size] => match (Oid::parse(oid), size.parse()) {
                (Some(oid), Ok(size)) => Ok(Some((oid, kind.to_owned(), size))),
                _ => Err(format!("git cat-file answered {line:?}")),
            },
            _ => Err(format!("git cat-file answered {line:?}")),
        }
    }

    async fn newline(&mut self) -> Result<(), String> {
        match self.stdout.read_u8().await {
            Ok(b'\n') => Ok(()),
            Ok(_) => Err("git cat-file is out of step".into()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Parses git's tree format: `<octal mode> <name>\0<raw id>`, repeated.
fn parse_tree(mut bytes: &[u8], id_length: usize) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|b| *b == b' ')?;
        let (mode, rest) = (&bytes[..space], &bytes[space + 1..]);
        let end = rest.iter().position(|b| *b == 0)?;
        let (name, rest) = (&rest[..end], &rest[end + 1..]);
        let id = rest.get(..id_length)?;
        bytes = &rest[id_length..];
        let mode = match mode {
            b"40000" | b"040000" => Mode::Tree,
            _ if mode.starts_with(b"100") => Mode::File,
            _ => Mode::Other,
        };
        entries.push(Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            mode,
            oid: Oid::parse(&hex::encode(id))?,
        });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tree_is_read_entry_by_entry() {
        let mut bytes = b"40000 dir\0".to_vec();
        bytes.extend([1; 20]);
        bytes.extend(b"100755 run\0");
        bytes.extend([2; 20]);
        bytes.extend(b"120000 link\0");
        bytes.extend([3; 20]);

        let entries = parse_tree(&bytes, 20).unwrap();

        let modes: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.mode)).collect();
        assert_eq!(modes, [("dir", Mode::Tree), ("run", Mode::File), ("link", Mode::Other)]);
        assert_eq!(entries[1].oid.as_str(), "02".repeat(20));
        assert_eq!(parse_tree(&bytes[..bytes.len() - 1], 20), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = parse_tree(&bytes, 20);
            let _ = parse_tree(&bytes, 32);
        }
    }
}
