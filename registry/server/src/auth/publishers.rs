//! Whose signatures count: the keys of each namespace, read at the start.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use registry_trust::key::{KeyError, VerifyingKey};

use crate::config::{self, Config};
use crate::openpgp::{OpenPgpError, PublicKey};

/// The publisher keys of every namespace; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Publishers(Arc<BTreeMap<String, Keys>>);

#[derive(Debug, Default)]
struct Keys {
    modules: Vec<VerifyingKey>,
    /// Fingerprints.
    providers: Vec<String>,
}

/// A configured key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
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
    /// The content of an OpenPGP key.
    #[error(
        "namespace {namespace:?}: provider key {place} (counted from 1) is not a usable OpenPGP key"
    )]
    ProviderKey {
        /// Whose key.
        namespace: String,
        /// Which one.
        place: usize,
        /// Why.
        #[source]
        source: Box<OpenPgpError>,
    },
}

impl Publishers {
    /// Reads every key that the configuration names.
    pub fn load(config: &Config) -> Result<Self, PublisherError> {
        let mut all = BTreeMap::new();
        for namespace in &config.namespaces {
            let name = &namespace.name;
            let mut keys = Keys::default();
            for (index, given) in namespace.publishers.iter().enumerate() {
                let key = VerifyingKey::from_pem(&read(name, given)?).map_err(|source| {
                    PublisherError::Key { namespace: name.clone(), place: index + 1, source }
                })?;
                keys.modules.push(key);
            }
            for (index, given) in namespace.provider_keys.iter().enumerate() {
                let key = PublicKey::from_armored(&read(name, given)?).map_err(|source| {
                    PublisherError::ProviderKey {
                        namespace: name.clone(),
                        place: index + 1,
                        source: Box::new(source),
                    }
                })?;
                keys.providers.push(key.fingerprint());
            }
            all.insert(name.clone(), keys);
        }
        Ok(Self(Arc::new(all)))
    }

    /// The keys whose signatures count for modules of `namespace`; none where there is no such namespace.
    pub fn keys(&self, namespace: &str) -> &[VerifyingKey] {
        self.0.get(namespace).map_or(&[], |keys| &keys.modules)
    }

    /// The fingerprints that the configuration lets sign providers of `namespace`; empty where it does not say.
    pub fn provider_keys(&self, namespace: &str) -> &[String] {
        self.0.get(namespace).map_or(&[], |keys| &keys.providers)
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
