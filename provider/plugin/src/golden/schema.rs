//! Attributes that every resource on a golden path has. Their descriptions are the documentation.

use provider_framework::schema::{
    Attribute, AttributeType, ResourceSchema, computed, list_of_objects, object, optional,
    optional_computed, required,
};

/// An attribute and its name.
pub(crate) type Named = (&'static str, Attribute);

/// A schema of these attributes.
pub(crate) fn of(description: &str, attributes: impl IntoIterator<Item = Named>) -> ResourceSchema {
    let empty = ResourceSchema::new(0, description);
    attributes
        .into_iter()
        .fold(empty, |schema, (name, attribute)| schema.attribute(name, attribute))
}

/// Whose it is.
pub(crate) fn owner() -> Named {
    (
        "owner",
        required(
            AttributeType::String,
            "Team that owns it, one that the platform knows. The token needs rights for this owner, and for the one \
             before when it changes.",
        ),
    )
}

/// How large it is.
pub(crate) fn size() -> Named {
    (
        "size",
        optional_computed(
            AttributeType::String,
            "Resource class as the golden path defines them: `small` (the default), `medium`, `large`.",
        ),
    )
}

/// Inputs that only one golden path knows.
pub(crate) fn parameters() -> Named {
    (
        "parameters",
        optional(
            AttributeType::Any,
            "Inputs that only this golden path knows, as an object. The path's schema checks them while Terraform \
             plans; the data source `idp_golden_path` shows it.",
        ),
    )
}

/// Which versions of the golden path may be used.
pub(crate) fn golden_path_version() -> Named {
    (
        "golden_path_version",
        optional(
            AttributeType::String,
            "Which versions of the golden path may be used, as a version constraint such as `~> 1.2`. An exact \
             version, or one locked with `idp lock`, lets the first plan show every value that follows from known \
             inputs, and an apply creates exactly that or stops. With a range or nothing the results of a create are \
             known after apply: it uses the best version and the environment's configuration of that moment, which may \
             have moved since the plan. A version in use stays until this excludes it or the lock file moves, so later \
             changes are exact either way.",
        ),
    )
}

/// How long an apply waits.
pub(crate) fn timeouts() -> Named {
    let timeout = || optional(AttributeType::String, "A duration such as `10m`.");
    (
        "timeouts",
        optional(
            object([("create", timeout()), ("update", timeout()), ("delete", timeout())]),
            "How long an apply waits for the platform, such as `10m` (the default) or `1h30m`. The platform \
             finishes what it started even when nobody waits.",
        ),
    )
}

/// Results of every kind.
pub(crate) fn results(rendered: &str, provisioned: &str) -> Vec<Named> {
    vec![
        ("golden_path", computed(golden_path(), "The golden path in use.")),
        ("changes", computed(changes(), "What the last apply changed, object by object.")),
        ("rendered_sha256", computed(AttributeType::String, rendered)),
        ("provisioned_sha256", computed(AttributeType::String, provisioned)),
        ("catalog_ref", computed(AttributeType::String, "Its entity in the catalogue.")),
        ("gitops", computed(gitops(), "Where its files are.")),
    ]
}

fn golden_path() -> AttributeType {
    object([
        ("address", computed(AttributeType::String, "Its address in the registry.")),
        ("version", computed(AttributeType::String, "The version in use.")),
        ("sha256", computed(AttributeType::String, "SHA-256 of that version's archive.")),
        ("publisher", computed(AttributeType::String, "Id of the key that signed it.")),
    ])
}

fn changes() -> AttributeType {
    list_of_objects([
        ("action", computed(AttributeType::String, "`create`, `update` or `delete`.")),
        (
            "object",
            computed(
                AttributeType::String,
                "What it is done to, such as `Deployment/checkout` or `Role/orders_read`.",
            ),
        ),
        ("summary", computed(AttributeType::String, "What that means, in one line.")),
        (
            "target",
            computed(
                AttributeType::String,
                "Which part of the platform does it: `gitops` or `postgres`.",
            ),
        ),
    ])
}

fn gitops() -> AttributeType {
    object([
        (
            "repository",
            computed(
                AttributeType::String,
                "Name of the repository in the platform's configuration.",
            ),
        ),
        ("commit", computed(AttributeType::String, "The commit that last changed the files.")),
        ("path", computed(AttributeType::String, "Folder in the repository.")),
    ])
}
