//! The platform API, `/api/v1`: every route of it with its documentation.

pub mod audit;
pub mod connections;
pub mod deployments;
mod describe;
pub mod golden_paths;
pub mod module_status;
pub mod module_versions;
pub mod modules;
pub mod oidc;
pub mod openapi;
pub mod operations;
pub mod plans;
mod problem;
pub mod providers;
pub mod resources;
pub mod secrets;
pub mod server;
pub mod tokens;
pub mod trust;
pub mod whoami;
pub mod write;

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with, put_with};
use registry_api::interface::{ModuleChanges, ModuleInterface};
use registry_api::modules::{LogProof, ModuleDetail, Published};
use registry_api::oidc::{Exchanged, TrustedPublisherList};
use registry_api::platform::{
    AuditPage, Credential, CredentialLease, EnvironmentList, GoldenPath, GoldenPathList, Operation,
    OwnerList, Plan, Resource, ResourceList, Secret, SecretList, SecretValues, Whoami,
};
use registry_api::providers::PublishedProvider;
use registry_api::tokens::{CreatedToken, ServerInfo, TokenList};
use registry_api::trust::{
    ModuleConsumers, ModuleStatus, ModuleStatusList, NamespaceKeys, TrustInfo,
};

use crate::app::App;
use describe::{answers, answers_nothing, open, open_text};

/// Every route of the API with a small body, below [`registry_api::platform::BASE_PATH`].
pub fn routes() -> ApiRouter<App> {
    platform_routes()
        .merge(secret_routes())
        .merge(catalogue_routes())
        .merge(module_routes())
        .merge(trust_routes())
        .merge(administration_routes())
        .merge(oidc_routes())
}

/// What changes and shows resources.
fn platform_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/plans",
            post_with(plans::create_plan, |op| {
                answers::<200, Plan>(op, "create_plan", "Say what a change would do")
            }),
        )
        .api_route(
            "/resources",
            get_with(resources::list_resources, |op| {
                answers::<200, ResourceList>(op, "list_resources", "List resources")
            }),
        )
        .api_route(
            "/resources/{kind}/{environment}/{name}",
            get_with(resources::get_resource, |op| {
                answers::<200, Resource>(op, "get_resource", "Show a resource and its drift")
            })
            .put_with(resources::put_resource, |op| {
                answers::<202, Operation>(op, "put_resource", "Create or change a resource")
            })
            .delete_with(resources::delete_resource, |op| {
                answers::<202, Operation>(op, "delete_resource", "Remove a resource")
            }),
        )
        .api_route(
            "/resources/{kind}/{environment}/{name}/deployments",
            post_with(deployments::create_deployment, |op| {
                answers::<202, Operation>(op, "create_deployment", "Move the image of a service")
            }),
        )
        .api_route(
            "/resources/{kind}/{environment}/{name}/unmanaged",
            get_with(resources::get_unmanaged, |op| {
                answers::<200, Resource>(op, "get_unmanaged", "Show what could be taken over")
            }),
        )
        .merge(credential_routes())
        .api_route(
            "/operations/{id}",
            get_with(operations::get_operation, |op| {
                answers::<200, Operation>(
                    op,
                    "get_operation",
                    "Show an operation, or wait for its end",
                )
            }),
        )
}

/// Secrets, and the one way to their values.
fn secret_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/secrets",
            get_with(secrets::list_secrets, |op| {
                answers::<200, SecretList>(op, "list_secrets", "List secrets, without values")
            }),
        )
        .api_route(
            "/secrets/{environment}/{name}",
            get_with(secrets::get_secret, |op| {
                answers::<200, Secret>(op, "get_secret", "Show a secret, without its value")
            })
            .put_with(secrets::put_secret, |op| {
                answers::<200, Secret>(op, "put_secret", "Create or change a secret")
            })
            .delete_with(secrets::delete_secret, |op| {
                answers::<200, Secret>(op, "delete_secret", "Remove a secret")
            }),
        )
        .api_route(
            "/secrets/{environment}/{name}/rotate",
            post_with(secrets::rotate_secret, |op| {
                answers::<200, Secret>(op, "rotate_secret", "Make a generated value anew")
            }),
        )
        .api_route(
            "/secret-values/{reference}",
            get_with(secrets::get_value_by_reference, |op| {
                answers::<200, SecretValues>(
                    op,
                    "get_secret_value_by_reference",
                    "Read a secret by its reference, with %2F for each slash",
                )
            }),
        )
        .api_route(
            "/secret-values/{kind}/{environment}/{name}",
            get_with(secrets::get_value, |op| {
                answers::<200, SecretValues>(op, "get_secret_value", "Read a secret")
            }),
        )
        .api_route(
            "/secret-values/{kind}/{environment}/{name}/{alias}",
            get_with(secrets::get_service_value, |op| {
                answers::<200, SecretValues>(
                    op,
                    "get_service_secret_value",
                    "Read the credentials of a service",
                )
            }),
        )
}

/// Logins to databases.
fn credential_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/connections/{connection_id}/credentials",
            post_with(connections::open, |op| {
                answers::<201, Credential>(op, "open_credentials", "Make an ephemeral login")
            }),
        )
        .api_route(
            "/credentials/{id}/renew",
            post_with(connections::renew, |op| {
                answers::<200, CredentialLease>(op, "renew_credentials", "Prolong a login")
            }),
        )
        .api_route(
            "/credentials/{id}",
            delete_with(connections::close, |op| {
                answers_nothing(op, "close_credentials", "End a login")
            }),
        )
        .api_route(
            "/rotations",
            post_with(connections::rotate, |op| {
                answers::<200, Secret>(op, "create_rotation", "Make credentials anew")
            }),
        )
}

/// What there is to choose from.
fn catalogue_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/golden-paths",
            get_with(golden_paths::list_golden_paths, |op| {
                open::<GoldenPathList>(op, "list_golden_paths", "List golden paths")
            }),
        )
        .api_route(
            "/golden-paths/{namespace}/{name}/{system}",
            get_with(golden_paths::get_golden_path, |op| {
                open::<GoldenPath>(op, "get_golden_path", "Show a golden path")
            }),
        )
        .api_route(
            "/environments",
            get_with(whoami::list_environments, |op| {
                answers::<200, EnvironmentList>(op, "list_environments", "List environments")
            }),
        )
        .api_route(
            "/owners",
            get_with(whoami::list_owners, |op| {
                answers::<200, OwnerList>(op, "list_owners", "List owners")
            }),
        )
        .api_route(
            "/whoami",
            get_with(whoami::whoami, |op| {
                answers::<200, Whoami>(op, "whoami", "Say what the token may do")
            }),
        )
        .api_route(
            "/server",
            get_with(server::info, |op| {
                open::<ServerInfo>(op, "get_server", "Say who the server is")
            }),
        )
}

/// What is published.
fn module_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/modules/{namespace}/{name}/{system}",
            get_with(module_versions::get_module, |op| {
                open::<ModuleDetail>(op, "get_module", "List the versions of a module")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/changes",
            get_with(module_versions::get_changes, |op| {
                open::<ModuleChanges>(op, "get_module_changes", "Compare two versions of a module")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/{version}/bundle",
            get_with(modules::bundle, |op| {
                open::<serde_json::Value>(op, "get_module_bundle", "Show what a publisher signed")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/{version}/interface",
            get_with(module_versions::get_interface, |op| {
                open::<ModuleInterface>(op, "get_module_interface", "Show what a module takes")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/{version}/files",
            get_with(module_versions::get_files, |op| {
                open_text(op, "list_module_files", "List the digest of each file of a module")
            }),
        )
}

/// Keys, statuses, and what clients judge modules by.
fn trust_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/trust",
            get_with(trust::get_trust, |op| {
                open::<TrustInfo>(op, "get_trust", "Show what to pin, and the registry's own keys")
            }),
        )
        .api_route(
            "/evidence",
            post_with(trust::post_evidence, |op| {
                open::<serde_json::Value>(
                    op,
                    "create_evidence",
                    "Gather what releases are judged by: signed statements with proofs",
                )
            }),
        )
        .api_route(
            "/statements",
            post_with(trust::post_statement, |op| {
                answers::<201, LogProof>(op, "create_statement", "Log what somebody signed")
            }),
        )
        .api_route(
            "/namespaces/{namespace}/keys",
            get_with(trust::get_keys, |op| {
                open::<NamespaceKeys>(op, "get_keys", "Show whose signatures count")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/status",
            get_with(module_status::get_status, |op| {
                open::<ModuleStatusList>(op, "get_module_status", "Show how a module stands")
            })
            .put_with(module_status::put_status, |op| {
                answers::<200, ModuleStatus>(op, "put_module_status", "Say how a module stands")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/{version}/status",
            put_with(module_status::put_version_status, |op| {
                answers::<200, ModuleStatus>(op, "put_version_status", "Say how a version stands")
            }),
        )
        .api_route(
            "/modules/{namespace}/{name}/{system}/consumers",
            get_with(module_status::get_consumers, |op| {
                answers::<200, ModuleConsumers>(op, "get_consumers", "Show who uses a module")
            }),
        )
}

/// Tokens and the audit log.
fn administration_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/audit",
            get_with(audit::list_audit, |op| {
                answers::<200, AuditPage>(op, "list_audit", "Show the audit log")
            }),
        )
        .api_route(
            "/tokens",
            get_with(tokens::list, |op| {
                answers::<200, TokenList>(op, "list_tokens", "List tokens, without secrets")
            })
            .post_with(tokens::create, |op| {
                answers::<201, CreatedToken>(op, "create_token", "Make a token")
            }),
        )
        .api_route(
            "/tokens/{id}",
            delete_with(tokens::revoke, |op| {
                answers_nothing(op, "revoke_token", "Take a token back")
            }),
        )
}

/// Publishing from CI.
fn oidc_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/oidc/exchange",
            post_with(oidc::exchange, |op| {
                open::<Exchanged>(op, "exchange_id_token", "Exchange a CI job's ID token")
            }),
        )
        .api_route(
            "/oidc/trusted-publishers",
            get_with(oidc::trusted_publishers, |op| {
                open::<TrustedPublisherList>(
                    op,
                    "list_trusted_publishers",
                    "Say whose CI jobs may publish",
                )
            }),
        )
}

/// The routes that take archives and packages.
pub fn upload_routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/modules/{namespace}/{name}/{system}/{version}",
            put_with(modules::publish, |op| {
                answers::<201, Published>(op, "publish_module", "Publish a module version")
            }),
        )
        .api_route(
            "/providers/{namespace}/{type}/{version}",
            put_with(providers::publish, |op| {
                answers::<201, PublishedProvider>(
                    op,
                    "publish_provider",
                    "Publish a provider release",
                )
            }),
        )
}
