//! Proofs out of the tiles in the database.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use registry_trust::digest::Sha256;
use registry_trust::log::merkle::{self, NodeId, ProveError, consistency_proof, inclusion_proof};

use crate::store::{Connection, StoreError, log};

/// That each of the entries at `positions` is in the log of `size` entries.
pub async fn inclusion(
    conn: &mut Connection,
    positions: &[u64],
    size: u64,
) -> Result<Vec<Vec<Sha256>>, StoreError> {
    let made = |read: &mut Reader<'_>| {
        positions.iter().map(|at| inclusion_proof(*at, size, &mut *read)).collect()
    };
    prove(conn, made).await
}

/// That the log of `old` entries is the beginning of the log of `new` entries.
pub async fn consistency(
    conn: &mut Connection,
    old: u64,
    new: u64,
) -> Result<Vec<Sha256>, StoreError> {
    prove(conn, |read| consistency_proof(old, new, read)).await
}

/// The root of the log of `size` entries.
pub(super) async fn root(conn: &mut Connection, size: u64) -> Result<Sha256, StoreError> {
    prove(conn, |read| merkle::root(size, read)).await
}

type Reader<'a> = dyn FnMut(NodeId) -> Result<Sha256, Infallible> + 'a;

/// Makes a proof twice: with zeros, to learn which hashes it takes, then with those.
async fn prove<T>(
    conn: &mut Connection,
    make: impl Fn(&mut Reader<'_>) -> Result<T, ProveError<Infallible>>,
) -> Result<T, StoreError> {
    let corrupt = |error: ProveError<Infallible>| StoreError::Corrupt {
        what: "log",
        value: error.to_string(),
    };
    let mut wanted = BTreeSet::new();
    make(&mut |node| {
        wanted.insert(node);
        Ok(Sha256::from_bytes([0; 32]))
    })
    .map_err(corrupt)?;
    let found: BTreeMap<NodeId, Sha256> = log::nodes(conn, &wanted).await?;
    make(&mut |node| Ok(found.get(&node).copied().unwrap_or(Sha256::from_bytes([0; 32]))))
        .map_err(corrupt)
}
