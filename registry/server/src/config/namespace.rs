//! `[[namespace]]`.

use serde::Deserialize;

/// `[[namespace]]`: whether everyone may install from it, and who signs its providers. Whose signatures count for its
/// modules stands in the log: `idp keys`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Namespace {
    /// First part of a module or provider address; lower case.
    pub name: String,
    /// Whether installing needs no token.
    #[serde(default)]
    pub anonymous_read: bool,
    /// Armoured OpenPGP public keys that may sign provider releases: paths, or the text itself. Empty: the key of
    /// the first release is the only one that later releases may use.
    #[serde(default)]
    pub provider_keys: Vec<String>,
}
