//! The attributes of `idp_service`. Their descriptions are the documentation.

use provider_framework::schema::{
    AttributeType, ResourceSchema, computed, map, map_of_objects, object, optional,
    optional_computed, required,
};

use crate::golden::schema::{self as shared, Named};

const DESCRIPTION: &str = "A service on the platform: a workload that a golden path renders into a GitOps \
    repository.\n\nThe platform computes what a change does while Terraform plans: the golden path version and who \
    signed it, what policy says, which objects change, and what it costs. An apply does exactly that, or stops; \
    for a create this takes an exact or locked `golden_path_version`.";

/// The schema.
pub(super) fn schema() -> ResourceSchema {
    let shared = shared::results(RENDERED, PROVISIONED);
    let all = identifying().into_iter().chain(specification()).chain(handling()).chain(results());
    shared::of(DESCRIPTION, all.chain(shared))
}

const RENDERED: &str = "Digest of the files of this service in the GitOps repository, as they really are. Someone \
    else's edit shows as a change of this value, and apply mends it.";

const PROVISIONED: &str = "Digest of what is on database servers for this service, its logins and grants, as they \
    really are; null where it uses no database. Someone else's change there shows as a change of this value, and apply \
    mends it.";

fn identifying() -> Vec<Named> {
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
        shared::owner(),
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

fn specification() -> Vec<Named> {
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
        shared::size(),
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
        ("uses", optional(uses(), USES)),
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
        shared::timeouts(),
    ]
}

fn results() -> Vec<Named> {
    vec![
        (
            "id",
            computed(AttributeType::String, "`<environment>/<name>`, which is also the import id."),
        ),
        (
            "url",
            computed(
                AttributeType::String,
                "Where the service is reached; null where the environment has no domain.",
            ),
        ),
        ("running_image", computed(AttributeType::String, "The image that runs.")),
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

const USES: &str = "Other resources that the service uses, by the name under which it knows them. It gets a login of \
    its own to each database, and finds how to reach it in its environment; secrets appear there too. The name becomes \
    part of environment variable names: letters, digits, dashes and underscores.";

fn uses() -> AttributeType {
    map_of_objects([
        (
            "resource",
            required(
                AttributeType::String,
                "Id of the resource: `idp_database.orders.id`, which is `database/<environment>/<name>`, or \
                 `idp_secret.stripe.id`, which is `secret/<environment>/<name>`.",
            ),
        ),
        (
            "access",
            optional(
                AttributeType::String,
                "What the service may do with a database: `read` every table, `write` rows too, or `migrate` the \
                 schema. Required for a database; a secret is only ever read.",
            ),
        ),
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
