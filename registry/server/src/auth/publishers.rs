//! Whose signatures count: the keys of each namespace, read at the start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use registry_trust::key::{KeyError, VerifyingKey};

use crate::config::{self, Config};

/// The publisher keys of every namespace; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Publishers(Arc<BTreeMap<String, Vec<VerifyingKey>>>);

/// A configured key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The file.
    #[error("namespace {namespace:?}: cannot read the publisher key {path}")]
    Read {
        /// Whose key.
        namespace: String,
        /// Where it should be.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its content.
    #[error(
        "namespace {namespace:?}: publisher key {place} (counted from 1) is not a usable public key"
    )]
    Key {
        /// Whose key.
        namespace: String,
        /// Which one.
        place: usize,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl Publishers {
    /// Reads every key that the configuration names.
    pub fn load(config: &Config) -> Result<Self, PublisherError> {
        let mut all = BTreeMap::new();
        for namespace in &config.namespaces {
            let mut keys = Vec::new();
            for (index, given) in namespace.publishers.iter().enumerate() {
                let pem = read(&namespace.name, given)?;
                let key = VerifyingKey::from_pem(&pem).map_err(|source| PublisherError::Key {
                    namespace: namespace.name.clone(),
                    place: index + 1,
                    source,
                })?;
                keys.push(key);
            }
            all.insert(namespace.name.clone(), keys);
        }
        Ok(Self(Arc::new(all)))
    }

    /// The keys whose signatures count in `namespace`; none where there is no such namespace.
    pub fn keys(&self, namespace: &str) -> &[VerifyingKey] {
        self.0.get(namespace).map_or(&[], Vec::as_slice)
    }
}

fn read(namespace: &str, given: &str) -> Result<String, PublisherError> {
    if config::is_inline_key(given) {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(Path::new(given)).map_err(|source| PublisherError::Read {
        namespace: namespace.to_owned(),
        path: given.to_owned(),
        source,
    })
}
