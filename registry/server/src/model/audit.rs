//! The hash chain of the audit log.
//!
//! Pure: makes an entry from the one before it and checks a chain, wherever its entries come from.

use jiff::Timestamp;
use registry_api::platform::AuditEntry;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// `previous_hash` of the first entry.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What the writer of an entry knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unix time in milliseconds.
    pub at: i64,
    /// Name of the token or CI identity; `platform` for the server itself.
    pub actor: String,
    /// `resource.put`, `module.publish`, …
    pub action: String,
    /// To what.
    pub subject: String,
    /// What matters about it; digests, never secrets.
    pub detail: Value,
    /// The request it came with.
    pub request_id: Option<String>,
}

/// Where a chain ends: position and hash of its last entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// 0 for an empty chain.
    pub sequence: u64,
    /// [`GENESIS`] for an empty chain.
    pub hash: String,
}

/// Why a chain is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error(
        "entry {expected} is missing: {found} follows instead; an entry was removed, added or moved"
    )]
    Position { expected: u64, found: u64 },

    #[error("entry {sequence} does not continue entry {}: one of them was replaced or moved", sequence - 1)]
    Link { sequence: u64 },

    #[error("entry {sequence} was changed: its content does not have its hash")]
    Content { sequence: u64 },

    #[error(
        "the log ends at entry {found}, but entry {expected} was written: entries at the end were removed"
    )]
    Truncated { expected: u64, found: u64 },

    #[error("the log ends with another entry {sequence} than the one that was written")]
    OtherHead { sequence: u64 },
}

impl Head {
    /// The head of an empty chain.
    pub fn genesis() -> Self {
        Self { sequence: 0, hash: GENESIS.to_owned() }
    }

    /// The entry that `event` becomes after this head.
    pub fn append(&self, event: Event) -> AuditEntry {
        let mut entry = AuditEntry {
            sequence: self.sequence + 1,
            at: rfc3339(event.at),
            actor: event.actor,
            action: event.action,
            subject: event.subject,
            detail: event.detail,
            request_id: event.request_id,
            previous_hash: self.hash.clone(),
            hash: String::new(),
        };
        entry.hash = content_hash(&entry);
        entry
    }

    /// Moves on to `entry` if it is what follows.
    pub fn advance(&mut self, entry: &AuditEntry) -> Result<(), ChainError> {
        let expected = self.sequence + 1;
        if entry.sequence != expected {
            return Err(ChainError::Position { expected, found: entry.sequence });
        }
        if entry.previous_hash != self.hash {
            return Err(ChainError::Link { sequence: expected });
        }
        if entry.hash != content_hash(entry) {
            return Err(ChainError::Content { sequence: expected });
        }
        *self = Self { sequence: entry.sequence, hash: entry.hash.clone() };
        Ok(())
    }

    /// Checks that a chain that ends here ends where `written` says it must.
    pub fn ends_at(&self, written: &Self) -> Result<(), ChainError> {
        if self.sequence < written.sequence {
            return Err(ChainError::Truncated { expected: written.sequence, found: self.sequence });
        }
        if self == written {
            Ok(())
        } else {
            Err(ChainError::OtherHead { sequence: self.sequence })
        }
    }
}

/// Milliseconds as RFC 3339 in UTC; times outside the calendar, which no clock gives, become its end.
pub fn rfc3339(at: i64) -> String {
    Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX).to_string()
}

/// Hex SHA-256 of the canonical JSON (RFC 8785) of an entry without its `hash`.
fn content_hash(entry: &AuditEntry) -> String {
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("hash");
    }
    let canonical = serde_json_canonicalizer::to_vec(&value).unwrap_or_default();
    hex::encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(subject: &str) -> Event {
        Event {
            at: 1_700_000_000_123,
            actor: "ci".to_owned(),
            action: "resource.put".to_owned(),
            subject: subject.to_owned(),
            detail: json!({"before": null, "after": "ab", "generation": 1}),
            request_id: Some("r".to_owned()),
        }
    }

    fn chain(length: usize) -> Vec<AuditEntry> {
        let mut head = Head::genesis();
        (0..length)
            .map(|n| {
                let entry = head.append(event(&format!("service/staging/s{n}")));
                head.advance(&entry).unwrap();
                entry
            })
            .collect()
    }

    fn verify(entries: &[AuditEntry]) -> Result<Head, ChainError> {
        let mut head = Head::genesis();
        for entry in entries {
            head.advance(entry)?;
        }
        Ok(head)
    }

    #[test]
    fn a_chain_as_written_verifies_and_reads_back_from_json() {
        let entries = chain(3);
        let text = serde_json::to_string(&entries).unwrap();
        let read: Vec<AuditEntry> = serde_json::from_str(&text).unwrap();

        assert_eq!(verify(&read).unwrap().sequence, 3);
        assert_eq!(read[0].at, "2023-11-14T22:13:20.123Z");
        assert_eq!(read[0].previous_hash, GENESIS);
    }

    #[test]
    fn a_removed_last_entry_is_found_by_the_head() {
        let entries = chain(3);
        let written = verify(&entries).unwrap();

        let found = verify(&entries[..2]).unwrap().ends_at(&written).unwrap_err();

        assert_eq!(found, ChainError::Truncated { expected: 3, found: 2 });
    }

    #[test]
    fn a_rewritten_chain_is_found_by_the_head() {
        let written = verify(&chain(2)).unwrap();
        let mut head = Head::genesis();
        for subject in ["x", "y"] {
            let entry = head.append(event(subject));
            head.advance(&entry).unwrap();
        }

        assert_eq!(head.ends_at(&written), Err(ChainError::OtherHead { sequence: 2 }));
    }

    proptest! {
        #[test]
        fn any_change_removal_or_swap_is_found(at in 0_usize..6, other in 0_usize..6, how in 0_u8..6) {
            let mut entries = chain(7);
            match how {
                0 => entries[at].subject.push('x'),
                1 => entries[at].detail = json!({}),
                2 => entries[at].at = rfc3339(1),
                3 => { entries.remove(at); }
                4 => { let copy = entries[at].clone(); entries.insert(at, copy); }
                _ => {
                    prop_assume!(at != other);
                    entries.swap(at, other);
                }
            }
            prop_assert!(verify(&entries).is_err());
        }
    }
}
