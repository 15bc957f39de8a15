//! `[trust]`.

use std::path::PathBuf;

use serde::Deserialize;

/// `[trust]`: the registry's own keys, and how long its word counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trust {
    /// Folder of the registry's own keys and of what it signed last: outside the data folder, so that a copy of the
    /// database signs nothing, and an older database does not make it forget.
    pub directory: PathBuf,
    /// How many days the registry's word on what is deprecated or revoked is believed by who cannot ask again. 1 to 90.
    pub snapshot_days: u32,
}

impl Default for Trust {
    fn default() -> Self {
        Self { directory: PathBuf::from("trust"), snapshot_days: 7 }
    }
}

impl Trust {
    /// How long a snapshot is believed, in milliseconds.
    pub fn snapshot_milliseconds(&self) -> i64 {
        i64::from(self.snapshot_days) * 24 * 60 * 60 * 1000
    }
}
