//! The attributes of `idp_database`. Their descriptions are the documentation.

use provider_framework::schema::{
    AttributeType, ResourceSchema, computed, object, optional, optional_computed, required, set,
};

use crate::golden::schema::{self as shared, Named};

const DESCRIPTION: &str = "A database on the platform, on a server of its environment, with roles that a golden path \
    defines.\n\nThe platform computes what a change does while Terraform plans: which roles, grants and settings change, \
    what policy says, and what it costs. No password is ever part of a plan or a state: services get logins of their own \
    through `uses`, people and pipelines borrow one from the ephemeral resource `idp_database_credentials`.\n\n\
    A database that exists already and belongs to nobody can be imported; the next plan shows what taking it over changes.";

const RENDERED: &str = "Digest of the files of this database in the GitOps repository, as they really are. Someone \
    else's edit shows as a change of this value, and apply mends it.";

const PROVISIONED: &str = "Digest of what is on the database server, roles, grants, extensions and settings, as they \
    really are. Someone else's change there shows as a change of this value, and apply mends it.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let shared = shared::results(RENDERED, PROVISIONED);
    let all = identifying().into_iter().chain(specification()).chain(handling()).chain(results());
    shared::of(DESCRIPTION, all.chain(shared))
}

fn identifying() -> Vec<Named> {
    vec![
        (
            "name",
            required(
                AttributeType::String,
                "Name of the database, unique in its environment: 1 to 40 lower-case letters, digits and dashes, \
                 starting with a letter. A new name makes a new, empty database in place of this one.",
            ),
        ),
        (
            "environment",
            required(
                AttributeType::String,
                "Environment it is in, one that the platform knows. Another environment makes a new, empty database \
                 there in place of this one.",
            ),
        ),
        shared::owner(),
        (
            "engine",
            required(
                AttributeType::String,
                "What it runs on, the third part of the golden path `golden/database/<engine>`: `postgres`. Another \
                 engine makes a new, empty database in place of this one.",
            ),
        ),
    ]
}

fn specification() -> Vec<Named> {
    vec![
        shared::size(),
        (
            "extensions",
            optional(
                set(AttributeType::String),
                "Extensions to have. The environment says which may be asked for.",
            ),
        ),
        (
            "connection_limit",
            optional(
                AttributeType::Number,
                "Most connections at once, of all roles together. The golden path has a default per size.",
            ),
        ),
        (
            "statement_timeout",
            optional(
                AttributeType::String,
                "Longest that a statement may run, as a duration such as `30s`. The golden path has a default; \
                 migrations have no limit.",
            ),
        ),
        (
            "deletion_policy",
            optional_computed(
                AttributeType::String,
                "What becomes of the data when the resource is destroyed. `delete` (the default): it is dropped. \
                 `retain`: it stays on its server, and the platform lets go of it.",
            ),
        ),
        (
            "final_dump",
            optional_computed(
                AttributeType::Bool,
                "Whether the server writes a dump before the database is dropped. False by default.",
            ),
        ),
        (
            "rotation",
            optional(
                object([(
                    "trigger",
                    required(
                        AttributeType::String,
                        "Any text, such as `2026-q4`: another one rotates.",
                    ),
                )]),
                "Gives every service that uses the database new credentials, without a moment in which none work, when \
                 its trigger changes.",
            ),
        ),
        shared::parameters(),
        shared::golden_path_version(),
    ]
}

fn handling() -> Vec<Named> {
    vec![
        (
            "wait_for",
            optional_computed(
                AttributeType::String,
                "What an apply waits for. `committed` (the default and, for now, the only value): the database is \
                 there, and its files are in the GitOps repository.",
            ),
        ),
        (
            "deletion_protection",
            optional_computed(
                AttributeType::Bool,
                "Whether the platform refuses to delete the database. **True by default.** Set it to false and apply \
                 before destroying or replacing a protected database.",
            ),
        ),
        shared::timeouts(),
    ]
}

fn results() -> Vec<Named> {
    let text = |description| computed(AttributeType::String, description);
    vec![
        (
            "id",
            text(
                "`database/<environment>/<name>`, known while planning: what `uses` of a service refers to. It is also an \
                 import id.",
            ),
        ),
        ("host", text("Host of its server, as applications reach it.")),
        ("port", computed(AttributeType::Number, "Port of its server.")),
        ("database", text("Its name on the server.")),
        ("owner_role", text("The role that owns it. Nobody logs in as it.")),
        (
            "secret_ref",
            text("Where its credentials are in the platform's secret store; never what they are."),
        ),
        ("connection_id", text("Names it to the ephemeral resource `idp_database_credentials`.")),
        ("engine_version", text("Version of its server.")),
    ]
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&super::schema()), Vec::<String>::new());
    }
}
