//! Where a log is read: a server, or a folder with the same files.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use registry_trust::digest::Sha256;
use registry_trust::evidence::Evidence;
use registry_trust::log::checkpoint::Checkpoint;
use registry_trust::log::merkle::{NodeId, consistency_proof, verify_consistency};
use registry_trust::log::tile::{MAX_ENTRY_BYTES, Place, TilePath, WIDTH, hash_in_tile};

use crate::cli::client::Client;
use crate::cli::evidence::fetch;
use crate::ops::log_copy::{CHECKPOINT, LogCopy, bundle_path, full, leaves_in};

/// The largest file of a log: a bundle of the largest entries.
const LARGEST: usize = WIDTH as usize * (MAX_ENTRY_BYTES + 2);

/// Where a log is read.
#[derive(Debug)]
pub(super) enum Source {
    /// A registry.
    Server(Client),
    /// A copy.
    Folder(LogCopy),
}

/// A head as it was served: nothing of it is believed yet.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// The signed note.
    pub(super) note: Vec<u8>,
    /// What it says.
    pub(super) checkpoint: Checkpoint,
}

impl Head {
    pub(super) fn read(note: Vec<u8>) -> anyhow::Result<Self> {
        let checkpoint = Checkpoint::unverified(&note)?;
        Ok(Self { note, checkpoint })
    }

    pub(super) fn size(&self) -> u64 {
        self.checkpoint.size
    }
}

impl Source {
    pub(super) fn folder(folder: &Path) -> Self {
        Self::Folder(LogCopy::new(folder))
    }

    async fn file(&self, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        match self {
            Self::Server(client) => client.file(&format!("/log/{path}"), LARGEST).await,
            Self::Folder(copy) => Ok(copy.file(path)?),
        }
    }

    /// The signed head.
    pub(super) async fn head(&self) -> anyhow::Result<Head> {
        let note = self.file(CHECKPOINT).await?;
        let place = match self {
            Self::Server(_) => "the server has no log; is it a registry?".to_owned(),
            Self::Folder(copy) => {
                format!("{} has no checkpoint; is it a copy of a log?", copy.folder().display())
            }
        };
        Head::read(note.ok_or_else(|| anyhow!(place))?).context("the log has no usable head")
    }

    /// A tile as it was in a tree in which it has this width; a longer one may have taken its place.
    pub(super) async fn tile(&self, path: &TilePath) -> anyhow::Result<Option<Vec<u8>>> {
        if let Some(bytes) = self.file(&path.to_string()).await? {
            return Ok(Some(bytes));
        }
        let Some(whole) = full(path) else { return Ok(None) };
        let bytes = self.file(&whole.to_string()).await?;
        let width = usize::from(path.width()) * 32;
        Ok(bytes.map(|bytes| bytes.get(..width).map_or_else(|| bytes.clone(), <[u8]>::to_vec)))
    }

    /// The entries of a bundle.
    pub(super) async fn leaves(&self, index: u64, size: u64) -> anyhow::Result<Vec<Vec<u8>>> {
        let path = bundle_path(index, size)?;
        for path in [Some(path), full(&path)].into_iter().flatten() {
            if let Some(bytes) = self.file(&path.to_string()).await? {
                return Ok(leaves_in(&bytes, &path, index, size)?);
            }
        }
        Err(anyhow!("the log has no {path}, although its head is over {size} entries"))
    }

    /// The registry's word on what is newest; a folder has none.
    pub(super) async fn evidence(&self) -> anyhow::Result<Option<Evidence>> {
        match self {
            Self::Server(client) => {
                let evidence = fetch(client, &BTreeSet::new(), None).await?;
                Ok(Some(Evidence::parse(&evidence)?))
            }
            Self::Folder(_) => Ok(None),
        }
    }

    /// Whether the tiles prove that one head continues another.
    pub(super) async fn continues(
        &self,
        old: &Checkpoint,
        new: &Checkpoint,
    ) -> anyhow::Result<bool> {
        let zero = Sha256::from_bytes([0; 32]);
        let mut wanted = Vec::new();
        // Once with zeros, to learn which hashes it takes; then with those.
        let _ = consistency_proof(old.size, new.size, |node| {
            wanted.push(node);
            Ok::<_, Infallible>(zero)
        });
        let mut hashes = Vec::new();
        for node in wanted {
            hashes.push(self.node(node, new.size).await?.unwrap_or(zero));
        }
        let mut hashes = hashes.into_iter();
        let proof = consistency_proof(old.size, new.size, |_| {
            Ok::<_, Infallible>(hashes.next().unwrap_or(zero))
        });
        Ok(proof.is_ok_and(|proof| {
            verify_consistency(old.size, &old.root, new.size, &new.root, &proof).is_ok()
        }))
    }

    async fn node(&self, node: NodeId, size: u64) -> anyhow::Result<Option<Sha256>> {
        let Some(path) = Place::of(node).path(size) else { return Ok(None) };
        let tile = self.tile(&path).await?;
        Ok(tile.and_then(|tile| hash_in_tile(&tile, node)))
    }
}
