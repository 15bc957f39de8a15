//! `[[namespace]]`.

use serde::Deserialize;

/// `[[namespace]]`: who may publish into it, and whether everyone may install from it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// First part of a module or provider address; lower case.
    pub name: String,
    /// Whether installing needs no token.
    #[serde(default)]
    pub anonymous_read: bool,
    /// Public keys whose signatures count for modules: paths of PEM files, or PEM text. Empty: nobody can publish
    /// modules here.
    #[serde(default)]
    pub publishers: Vec<String>,
    /// Armoured OpenPGP public keys that may sign provider releases: paths, or the text itself. Empty: the key of
    /// the first release is the only one that later releases may use.
    #[serde(default)]
    pub provider_keys: Vec<String>,
}
