//! What a module promises those who call it, and how that changes from version to version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use semver::Version;

/// What callers of a module write and read: inputs, outputs and what it needs installed.
///
/// Read from the files at the root of the archive, as Terraform reads them; nothing is evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleInterface {
    /// Every `variable`, by name.
    pub inputs: BTreeMap<String, ModuleInput>,
    /// Every `output`, by name.
    pub outputs: BTreeMap<String, ModuleOutput>,
    /// Every entry of `required_providers`, by local name.
    pub required_providers: BTreeMap<String, RequiredProvider>,
    /// The constraint on Terraform's own version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_version: Option<String>,
    /// What could not be read, as JSON pointers into this document with the text that stands there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// A `variable`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[expect(clippy::struct_excessive_bools, reason = "Terraform's own arguments, one field each")]
pub struct ModuleInput {
    /// The type constraint in one spelling; `any` where there is none. Defaults of `optional` are left out.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether a caller must set it: it has no default.
    pub required: bool,
    /// Whether `null` reaches the module as such.
    pub nullable: bool,
    /// Whether plans hide its value.
    pub sensitive: bool,
    /// Whether it takes values that no state keeps.
    pub ephemeral: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An `output`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleOutput {
    /// Whether plans hide its value, and that of what is made from it.
    pub sensitive: bool,
    /// Whether it can be used only where nothing is kept in a state.
    pub ephemeral: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An entry of `required_providers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct RequiredProvider {
    /// The provider's source address, lower case; `hashicorp/NAME` where none is written.
    pub source: String,
    /// The constraint on its version, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Configurations that a caller must pass, such as `aws.replica`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub configuration_aliases: Vec<String>,
}

/// One difference between the interfaces of two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct InterfaceChange {
    /// What kind of difference.
    pub kind: InterfaceChangeKind,
    /// JSON pointer into [`ModuleInterface`], such as `/inputs/region`.
    pub subject: String,
    /// A sentence for people.
    pub summary: String,
    /// Whether a configuration that uses the older version can fail with the newer one.
    pub breaking: bool,
}

/// The kinds of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InterfaceChangeKind {
    /// An input is gone.
    InputRemoved,
    /// A new input that must be set.
    RequiredInputAdded,
    /// A default was taken away.
    InputMadeRequired,
    /// An input takes another type.
    InputRetyped,
    /// An input no longer takes `null`.
    InputNotNullable,
    /// An input no longer takes ephemeral values.
    InputNotEphemeral,
    /// A new input that may be left out.
    OptionalInputAdded,
    /// A default was added.
    InputMadeOptional,
    /// The type of an input asks for less, or knows more optional attributes.
    InputWidened,
    /// An input takes `null`.
    InputNullable,
    /// An input takes ephemeral values.
    InputEphemeral,
    /// Plans hide an input now, or no longer.
    InputSensitivity,
    /// An output is gone.
    OutputRemoved,
    /// Plans hide an output now.
    OutputMadeSensitive,
    /// An output can be used only where nothing is kept.
    OutputMadeEphemeral,
    /// A new output.
    OutputAdded,
    /// Plans no longer hide an output.
    OutputNotSensitive,
    /// An output can be used everywhere.
    OutputNotEphemeral,
    /// A provider is needed that was not.
    ProviderAdded,
    /// A provider is no longer named.
    ProviderRemoved,
    /// A provider comes from somewhere else.
    ProviderSourceChanged,
    /// Versions of a provider that were allowed are not.
    ProviderTightened,
    /// More versions of a provider are allowed.
    ProviderLoosened,
    /// A caller passes other configurations of a provider.
    ProviderConfigurationsChanged,
    /// Versions of Terraform that were allowed are not.
    TerraformTightened,
    /// More versions of Terraform are allowed.
    TerraformLoosened,
    /// Something that cannot be read differs.
    Unread,
}

impl InterfaceChangeKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InputRemoved => "input_removed",
            Self::RequiredInputAdded => "required_input_added",
            Self::InputMadeRequired => "input_made_required",
            Self::InputRetyped => "input_retyped",
            Self::InputNotNullable => "input_not_nullable",
            Self::InputNotEphemeral => "input_not_ephemeral",
            Self::OptionalInputAdded => "optional_input_added",
            Self::InputMadeOptional => "input_made_optional",
            Self::InputWidened => "input_widened",
            Self::InputNullable => "input_nullable",
            Self::InputEphemeral => "input_ephemeral",
            Self::InputSensitivity => "input_sensitivity",
            Self::OutputRemoved => "output_removed",
            Self::OutputMadeSensitive => "output_made_sensitive",
            Self::OutputMadeEphemeral => "output_made_ephemeral",
            Self::OutputAdded => "output_added",
            Self::OutputNotSensitive => "output_not_sensitive",
            Self::OutputNotEphemeral => "output_not_ephemeral",
            Self::ProviderAdded => "provider_added",
            Self::ProviderRemoved => "provider_removed",
            Self::ProviderSourceChanged => "provider_source_changed",
            Self::ProviderTightened => "provider_tightened",
            Self::ProviderLoosened => "provider_loosened",
            Self::ProviderConfigurationsChanged => "provider_configurations_changed",
            Self::TerraformTightened => "terraform_tightened",
            Self::TerraformLoosened => "terraform_loosened",
            Self::Unread => "unread",
        }
    }

    /// Whether such a difference can break a caller.
    pub const fn is_breaking(self) -> bool {
        matches!(
            self,
            Self::InputRemoved
                | Self::RequiredInputAdded
                | Self::InputMadeRequired
                | Self::InputRetyped
                | Self::InputNotNullable
                | Self::InputNotEphemeral
                | Self::OutputRemoved
                | Self::OutputMadeSensitive
                | Self::OutputMadeEphemeral
                | Self::ProviderAdded
                | Self::ProviderSourceChanged
                | Self::ProviderTightened
                | Self::ProviderConfigurationsChanged
                | Self::TerraformTightened
                | Self::Unread
        )
    }
}

/// How a module changed from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub struct ModuleChanges {
    /// The older version.
    pub from: Version,
    /// The newer version.
    pub to: Version,
    /// Every difference between their interfaces, breaking ones first.
    pub interface: Vec<InterfaceChange>,
    /// The sections of the newer one's CHANGELOG.md for the versions after `from` up to `to`, as Markdown; empty where
    /// there are none.
    pub changelog: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_kind_is_the_one_on_the_wire() {
        for kind in [
            InterfaceChangeKind::InputRemoved,
            InterfaceChangeKind::RequiredInputAdded,
            InterfaceChangeKind::ProviderConfigurationsChanged,
            InterfaceChangeKind::Unread,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
