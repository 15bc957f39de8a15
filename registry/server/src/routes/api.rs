//! The platform API, `/api/v1`: every route of it with its documentation.

pub mod audit;
pub mod deployments;
mod describe;
pub mod golden_paths;
pub mod modules;
pub mod openapi;
pub mod operations;
pub mod plans;
mod problem;
pub mod providers;
pub mod resources;
pub mod server;
pub mod tokens;
pub mod whoami;
pub mod write;

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use registry_api::platform::{
    AuditPage, EnvironmentList, GoldenPath, GoldenPathList, Operation, OwnerList, Plan, Resource,
    ResourceList, Whoami,
};

use crate::app::App;
use describe::{accepted, answers};

/// Every route of the platform API, below [`registry_api::platform::BASE_PATH`].
pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route("/plans", post_with(plans::create_plan, |op| answers::<Plan>(op, "create_plan")))
        .api_route(
            "/resources",
            get_with(resources::list_resources, |op| answers::<ResourceList>(op, "list_resources")),
        )
        .api_route(
            "/resources/{kind}/{environment}/{name}",
            get_with(resources::get_resource, |op| answers::<Resource>(op, "get_resource"))
                .put_with(resources::put_resource, |op| accepted::<Operation>(op, "put_resource"))
                .delete_with(resources::delete_resource, |op| {
                    accepted::<Operation>(op, "delete_resource")
                }),
        )
        .api_route(
            "/resources/{kind}/{environment}/{name}/deployments",
            post_with(deployments::create_deployment, |op| {
                accepted::<Operation>(op, "create_deployment")
            }),
        )
        .api_route(
            "/operations/{id}",
            get_with(operations::get_operation, |op| answers::<Operation>(op, "get_operation")),
        )
        .api_route(
            "/golden-paths",
            get_with(golden_paths::list_golden_paths, |op| {
                answers::<GoldenPathList>(op, "list_golden_paths")
            }),
        )
        .api_route(
            "/golden-paths/{namespace}/{name}/{system}",
            get_with(golden_paths::get_golden_path, |op| {
                answers::<GoldenPath>(op, "get_golden_path")
            }),
        )
        .api_route(
            "/environments",
            get_with(whoami::list_environments, |op| {
                answers::<EnvironmentList>(op, "list_environments")
            }),
        )
        .api_route(
            "/owners",
            get_with(whoami::list_owners, |op| answers::<OwnerList>(op, "list_owners")),
        )
        .api_route("/whoami", get_with(whoami::whoami, |op| answers::<Whoami>(op, "whoami")))
        .api_route(
            "/audit",
            get_with(audit::list_audit, |op| answers::<AuditPage>(op, "list_audit")),
        )
}
