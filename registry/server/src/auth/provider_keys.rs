//! Whose signatures count for providers: the OpenPGP keys of each namespace, read at the start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config};
use crate::openpgp::{OpenPgpError, PublicKey};

/// The fingerprints that the configuration lets sign providers, by namespace; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ProviderKeys(Arc<BTreeMap<String, Vec<String>>>);

/// A configured key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProviderKeyError {
    /// The file.
    #[error("namespace {namespace:?}: cannot read the key {path}")]
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
        "namespace {namespace:?}: provider key {place} (counted from 1) is not a usable OpenPGP key"
    )]
    Key {
        /// Whose key.
        namespace: String,
        /// Which one.
        place: usize,
        /// Why.
        #[source]
        source: Box<OpenPgpError>,
    },
}

impl ProviderKeys {
    /// Reads every key that the configuration names.
    pub fn load(config: &Config) -> Result<Self, ProviderKeyError> {
        let mut all = BTreeMap::new();
        for namespace in &config.namespaces {
            let name = &namespace.name;
            let mut fingerprints = Vec::new();
            for (index, given) in namespace.provider_keys.iter().enumerate() {
                let key = PublicKey::from_armored(&read(name, given)?).map_err(|source| {
                    ProviderKeyError::Key {
                        namespace: name.clone(),
                        place: index + 1,
                        source: Box::new(source),
                    }
                })?;
                fingerprints.push(key.fingerprint());
            }
            all.insert(name.clone(), fingerprints);
        }
        Ok(Self(Arc::new(all)))
    }

    /// The fingerprints that the configuration lets sign providers of `namespace`; empty where it does not say.
    pub fn of(&self, namespace: &str) -> &[String] {
        self.0.get(namespace).map_or(&[], Vec::as_slice)
    }
}

fn read(namespace: &str, given: &str) -> Result<String, ProviderKeyError> {
    if config::is_inline_key(given) {
        return Ok(given.to_owned());
    }
    std::fs::read_to_string(Path::new(given)).map_err(|source| ProviderKeyError::Read {
        namespace: namespace.to_owned(),
        path: given.to_owned(),
        source,
    })
}
