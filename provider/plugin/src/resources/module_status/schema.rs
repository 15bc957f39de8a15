//! The attributes of `idp_module_status`. Their descriptions are the documentation.

use provider_framework::schema::{AttributeType, ResourceSchema, computed, optional, required};

const DESCRIPTION: &str = "How a module of the registry stands, or one version of it: deprecated until some day, yanked, \
    revoked, or active.\n\nThe registry signs what is said and appends it to its log, where it stays: everybody who uses \
    the module is told by their next plan. Needs a token with the right `publish:<namespace>`. What somebody else says \
    of the same shows as a difference; where they say it between plan and apply, the apply is refused. Destroying this \
    says that it is active again.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let text = || AttributeType::String;
    ResourceSchema::new(0, DESCRIPTION)
        .attribute(
            "module",
            required(
                text(),
                "Which module: `<namespace>/<name>/<system>`, such as `golden/api/nodejs`. Another one is another status.",
            ),
        )
        .attribute(
            "version",
            optional(
                text(),
                "Which version of it, such as `1.0.0`; every version where it is not set. Of what is said of a version and \
                 of its module, the worse counts. Another one is another status.",
            ),
        )
        .attribute(
            "state",
            required(
                text(),
                "`deprecated`: it works; move on, by the sunset at the latest. `yanked`: nobody new gets it. `revoked`: \
                 nobody gets it, and verification refuses it. `active`: it may be used.",
            ),
        )
        .attribute(
            "reason",
            optional(text(), "Why, for people, in at most 500 characters. Only `active` may do without."),
        )
        .attribute(
            "replacement",
            optional(text(), "What to use instead, for people, in at most 200 characters."),
        )
        .attribute("contact", optional(text(), "Who to ask, for people, in at most 200 characters."))
        .attribute(
            "sunset",
            optional(
                text(),
                "The day from which on nothing new may use it, such as `2027-01-31`, from its first second in UTC. Only of \
                 `deprecated`.",
            ),
        )
        .attribute(
            "id",
            computed(
                text(),
                "`<namespace>/<name>/<system>@<version>`, or without the version; known while planning, and the import id.",
            ),
        )
        .attribute(
            "sequence",
            computed(AttributeType::Number, "Its number among everything that was said of the module."),
        )
        .attribute(
            "log_index",
            computed(AttributeType::Number, "Its position in the registry's log, from 0."),
        )
        .attribute("signed_by", computed(text(), "Id of the key that signed it."))
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&super::schema()), Vec::<String>::new());
    }
}
