//! Golden paths that verified and parsed, kept in memory: their archives never change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use registry_api::platform::GoldenPathRef;
use tokio::sync::OnceCell;

use crate::golden_path::GoldenPath;

/// Most paths that are kept parsed.
const KEPT: usize = 256;

/// Paths that verified and parsed, by release and digest.
#[derive(Debug, Default)]
pub struct PathCache(Mutex<HashMap<String, Arc<OnceCell<Arc<GoldenPath>>>>>);

impl PathCache {
    /// The place for one path; whoever comes first fills it, the others wait.
    pub fn cell(&self, path: &GoldenPathRef) -> Arc<OnceCell<Arc<GoldenPath>>> {
        let key = format!("{}@{}#{}", path.address, path.version, path.sha256);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT && !kept.contains_key(&key) {
            // Rare, and everything comes back with its next use.
            kept.clear();
        }
        Arc::clone(kept.entry(key).or_default())
    }
}
