//! The attributes of `idp_database_credentials`. Their descriptions are the documentation.

use provider_framework::schema::{
    AttributeExt as _, AttributeType, ResourceSchema, computed, optional, required,
};

const DESCRIPTION: &str = "A login to a database that the platform makes for this run and ends with it. It is in no plan and \
    in no state.\n\nTerraform opens one while it plans and another while it applies, renews it as long as the run takes, and \
    closes it as soon as nothing needs it any more. Even where nobody can close it, it ends by itself. The token needs the \
    right `credentials:<privilege>` for the environment and the owner of the database. Needs Terraform 1.10 or OpenTofu \
    1.11.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let text = |description| computed(AttributeType::String, description);
    ResourceSchema::new(0, DESCRIPTION)
        .attribute(
            "connection_id",
            required(AttributeType::String, "Which database: the `connection_id` of an `idp_database`."),
        )
        .attribute(
            "privilege",
            required(
                AttributeType::String,
                "What the login may do: `read` every table, `write` rows too, or `migrate` the schema.",
            ),
        )
        .attribute(
            "ttl",
            optional(
                AttributeType::String,
                "When the login ends unless it is renewed, from `1m` to `1h`: `15m` by default.",
            ),
        )
        .attribute("username", text("Role to log in as."))
        .attribute("password", text("Its password.").sensitive())
        .attribute("host", text("Host of the server."))
        .attribute("port", computed(AttributeType::Number, "Port of the server."))
        .attribute("database", text("Name of the database on the server."))
        .attribute(
            "expires_at",
            text("When the login ends unless it is renewed, in RFC 3339. A renewal does not change this value."),
        )
        .attribute(
            "url",
            text(
                "All of it in one text, `postgresql://username:password@host:port/database`. It does not say how the \
                 connection is encrypted: add `?sslmode=…` as your server demands.",
            )
            .sensitive(),
        )
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_unstored_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_unstored_schema(&super::schema()), Vec::<String>::new());
    }
}
