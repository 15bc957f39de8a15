//! The attributes of `idp_secret`. Their descriptions are the documentation.

use provider_framework::schema::{
    AttributeExt as _, AttributeType, ResourceSchema, computed, object, optional,
    optional_computed, required,
};

use crate::golden::schema::owner;

const DESCRIPTION: &str = "A secret that the platform keeps. Its value is in no plan and in no state: it is given through a \
    write-only attribute, or made by the platform and seen by nobody.\n\nServices read it through `uses`, which names it by \
    its `id`. Write-only attributes need Terraform 1.11 or OpenTofu 1.11; `generate` works with every version.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let (owner, of_owner) = owner();
    let text = |description| computed(AttributeType::String, description);
    ResourceSchema::new(0, DESCRIPTION)
        .attribute(
            "name",
            required(
                AttributeType::String,
                "Name of the secret, unique in its environment: 1 to 40 lower-case letters, digits and dashes, starting \
                 with a letter. A new name makes a new secret in place of this one.",
            ),
        )
        .attribute(
            "environment",
            required(
                AttributeType::String,
                "Environment it is for, one that the platform knows. Another environment makes a new secret there in \
                 place of this one.",
            ),
        )
        .attribute(owner, of_owner)
        .attribute("value_wo", optional(AttributeType::String, VALUE).sensitive())
        .write_only("value_wo")
        .attribute(
            "value_wo_version",
            optional(
                AttributeType::Number,
                "What you call the value of `value_wo`: a whole number. Another one than before replaces the value, in \
                 place; the same one leaves it, whatever `value_wo` says.",
            ),
        )
        .attribute("generate", optional(generate(), GENERATE))
        .attribute("rotation", optional(rotation(), "When a generated value is made anew."))
        .attribute(
            "deletion_protection",
            optional_computed(
                AttributeType::Bool,
                "Whether the platform refuses to delete the secret. False by default. Set it to false and apply before \
                 destroying or replacing a protected secret.",
            ),
        )
        .attribute(
            "id",
            text(
                "`secret/<environment>/<name>`, known while planning: what `uses` of a service refers to. It is also an \
                 import id.",
            ),
        )
        .attribute("secret_ref", text("Where the value is in the platform's secret store; never what it is."))
        .attribute(
            "version",
            computed(AttributeType::Number, "Grows with every new value."),
        )
}

const VALUE: &str = "The value. It reaches the platform and is stored nowhere else; ephemeral values may be given. Needs \
    `value_wo_version`. Either this or `generate` must be set.";

const GENERATE: &str = "Has the platform make the value, so that nobody ever sees it. Other settings make another value. \
    Either this or `value_wo` must be set.";

fn generate() -> AttributeType {
    object([
        (
            "length",
            optional_computed(
                AttributeType::Number,
                "How many characters, 16 to 128: 32 by default.",
            ),
        ),
        (
            "symbols",
            optional_computed(
                AttributeType::Bool,
                "Whether it has symbols beside letters and digits. False by default.",
            ),
        ),
    ])
}

fn rotation() -> AttributeType {
    object([(
        "trigger",
        required(
            AttributeType::String,
            "Any text, such as `2026-q4`: another one makes a new value.",
        ),
    )])
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&super::schema()), Vec::<String>::new());
    }
}
