//! The attributes of `idp_service`. Their descriptions are the documentation.

use provider_framework::schema::{
    Attribute, AttributeType, ResourceSchema, computed, list_of_objects, map, object, optional,
    optional_computed, required,
};

const DESCRIPTION: &str = "A service on the platform: a workload that a golden path renders into a GitOps \
    repository.\n\nThe platform computes what a change does while Terraform plans: the golden path version and who \
    signed it, what policy says, which objects change, and what it costs. An apply does exactly that, or stops; \
    for a create this takes an exact or locked `golden_path_version`.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let all = identifying().into_iter().chain(specification()).chain(handling()).chain(results());
    all.fold(ResourceSchema::new(0, DESCRIPTION), |schema, (name, attribute)| {
        schema.attribute(name, attribute)
    })
}

fn identifying() -> Vec<(&'static str, Attribute)> {
    vec![
        (
            "name",
            required(
                AttributeType::String,
                "Name of the service, unique in its environment: 1 to 40 lower-case letters, digits and dashes, \
                 starting with a letter. A new name makes a new service in place of this one, because objects that \
                 run and addresses that others use carry it.",
            ),
        ),
        (
            "environment",
            required(
                AttributeType::String,
                "Environment it runs in, one that the platform knows. Another environment makes a new service there \
                 in place of this one.",
            ),
        ),
        (
            "owner",
            required(
                AttributeType::String,
                "Team that owns it, one that the platform knows. The token needs rights for this owner, and for the \
                 one before when it changes.",
            ),
        ),
        (
            "template",
            required(
                AttributeType::String,
                "Shape of the workload, the second part of the golden path `golden/<template>/<language>`: `api`. \
                 Another template makes a new service in place of this one.",
            ),
        ),
        (
            "language",
            required(
                AttributeType::String,
                "Runtime, the third part of the golden path `golden/<template>/<language>`: `nodejs`. Another \
                 language makes a new service in place of this one.",
            ),
        ),
    ]
}

fn specification() -> Vec<(&'static str, Attribute)> {
    vec![
        (
            "image",
            required(
                AttributeType::String,
                "Container image. Production environments want a digest: `ghcr.io/acme/checkout@sha256:…`.",
            ),
        ),
        (
            "image_source",
            optional_computed(
                AttributeType::String,
                "Who moves the image. `terraform` (the default): this configuration. `pipeline`: deployments do \
                 (`idp deploy`), `image` only seeds the first one, and later changes to it are left alone.",
            ),
        ),
        (
            "port",
            required(AttributeType::Number, "Port that the container listens on, 1 to 65535."),
        ),
        (
            "size",
            optional_computed(
                AttributeType::String,
                "Resource class as the golden path defines them: `small` (the default), `medium`, `large`.",
            ),
        ),
        (
            "replicas",
            optional(
                replicas(),
                "Bounds of the autoscaler. The golden path has defaults per environment tier.",
            ),
        ),
        (
            "env",
            optional(
                map(AttributeType::String),
                "Plain configuration as environment variables. Never secrets: values are stored in state and in git.",
            ),
        ),
        (
            "slo",
            optional(
                slo(),
                "What users are promised, over 30 days. Alerts and dashboards follow from it.",
            ),
        ),
        (
            "parameters",
            optional(
                AttributeType::Any,
                "Inputs that only this golden path knows, as an object. The path's schema checks them while Terraform \
                 plans; the data source `idp_golden_path` shows it.",
            ),
        ),
        (
            "golden_path_version",
            optional(
                AttributeType::String,
                "Which versions of the golden path may be used, as a version constraint such as `~> 1.2`. An exact \
                 version, or one locked with `idp lock`, lets the first plan show every value that follows from known \
                 inputs, and an apply creates exactly that or stops. With a range or nothing the results of a create are known after apply: it \
                 uses the best version and the environment's configuration of that moment, which may have moved since \
                 the plan. A version in use stays until this excludes it or the lock file moves, so later changes are \
                 exact either way.",
            ),
        ),
    ]
}

fn handling() -> Vec<(&'static str, Attribute)> {
    vec![
        (
            "wait_for",
            optional_computed(
                AttributeType::String,
                "What an apply waits for. `committed` (the default and, for now, the only value): the files are in the \
                 GitOps repository.",
            ),
        ),
        (
            "deletion_protection",
            optional_computed(
                AttributeType::Bool,
                "Whether the platform refuses to delete the service. False by default. Set it to false and apply \
                 before destroying or replacing a protected service.",
            ),
        ),
        (
            "timeouts",
            optional(
                timeouts(),
                "How long an apply waits for the platform, such as `10m` (the default) or `1h30m`. The platform \
                 finishes what it started even when nobody waits.",
            ),
        ),
    ]
}

fn results() -> Vec<(&'static str, Attribute)> {
    vec![
        (
            "id",
            computed(AttributeType::String, "`<environment>/<name>`, which is also the import id."),
        ),
        ("golden_path", computed(golden_path(), "The golden path in use.")),
        (
            "url",
            computed(
                AttributeType::String,
                "Where the service is reached; null where the environment has no domain.",
            ),
        ),
        ("changes", computed(changes(), "What the last apply changed, object by object.")),
        (
            "rendered_sha256",
            computed(
                AttributeType::String,
                "Digest of the files of this service in the GitOps repository, as they really are. Someone else's \
                 edit shows as a change of this value, and apply mends it.",
            ),
        ),
        ("running_image", computed(AttributeType::String, "The image that runs.")),
        ("catalog_ref", computed(AttributeType::String, "Its entity in the catalogue.")),
        ("gitops", computed(gitops(), "Where its files are.")),
    ]
}

fn replicas() -> AttributeType {
    object([
        ("min", required(AttributeType::Number, "Fewest pods.")),
        ("max", required(AttributeType::Number, "Most pods.")),
    ])
}

fn slo() -> AttributeType {
    object([
        (
            "availability",
            optional(AttributeType::Number, "Share of requests that succeed, in percent: `99.9`."),
        ),
        ("latency", optional(latency(), "Share of requests that are answered in time.")),
    ])
}

fn latency() -> AttributeType {
    object([
        (
            "threshold",
            required(
                AttributeType::String,
                "In time means within this duration, such as `250ms`. It must be a bucket of the golden path's \
                 histogram.",
            ),
        ),
        (
            "target",
            required(
                AttributeType::Number,
                "Share of requests at least that fast, in percent: `99`.",
            ),
        ),
    ])
}

fn timeouts() -> AttributeType {
    let timeout = || optional(AttributeType::String, "A duration such as `10m`.");
    object([("create", timeout()), ("update", timeout()), ("delete", timeout())])
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
            computed(AttributeType::String, "What it is done to, such as `Deployment/checkout`."),
        ),
        ("summary", computed(AttributeType::String, "What that means, in one line.")),
        (
            "target",
            computed(
                AttributeType::String,
                "Which part of the platform does it, such as `gitops`.",
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

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&super::schema()), Vec::<String>::new());
    }
}
