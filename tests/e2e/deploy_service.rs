//! A pipeline moves the image; Terraform leaves it alone.

use tests::hcl::{IMAGE, OTHER_IMAGE, Resource};
use tests::{Platform, Provider};

#[test]
fn a_pipeline_moves_the_image_and_the_plan_stays_empty() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout").with_text("image_source", "pipeline");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();
    let token = platform.token("ci", &["deploy:staging:payments"]);

    let deploy = |token: &str| {
        let mut command =
            platform.idp_command(&["deploy", "staging/checkout", "--image", OTHER_IMAGE]);
        tests::Run::of(command.env("IDP_TOKEN", token))
    };
    deploy(&token).ok();

    let repository = platform.repository();
    assert_eq!(repository.commit_count(), 2);
    let commit = &repository.commits()[0];
    assert!(
        commit.message.contains(OTHER_IMAGE) || commit.message.contains("deploy"),
        "{commit:?}"
    );
    terraform.plan().exits(0);
    terraform.run(&["apply", "-no-color", "-auto-approve", "-refresh-only"]).ok();
    let attributes = terraform.attributes("idp_service.checkout");
    assert_eq!(attributes["image"], IMAGE, "the configuration's seed");
    assert_eq!(attributes["running_image"], OTHER_IMAGE);
    let deployments = repository.names("staging/service/checkout/");
    assert!(deployments.iter().any(|name| repository.text(name).contains(OTHER_IMAGE)));

    terraform.write("main.tf", &service.with("env", "{ A = \"1\" }").config());
    terraform.apply().ok();
    assert_eq!(terraform.attributes("idp_service.checkout")["running_image"], OTHER_IMAGE);
    terraform.plan().exits(0);
    deploy(&token).ok();
    assert_eq!(repository.commit_count(), 3, "the same image again changes nothing");
}

#[test]
fn a_deploy_is_refused_with_the_reason() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let pipeline = Resource::service("checkout").with_text("image_source", "pipeline");
    let own = Resource::service("till");
    terraform.write("main.tf", &format!("{}{}", pipeline.config(), own.block()));
    terraform.apply().ok();
    let commits = platform.repository().commit_count();
    let search = platform.token("search-ci", &["deploy:staging:search"]);

    let deploy = |what: &str, image: &str, token: &str| {
        let mut command = platform.idp_command(&["deploy", what, "--image", image]);
        tests::Run::of(command.env("IDP_TOKEN", token)).fails()
    };
    let admin = platform.admin_token();

    deploy("staging/checkout", OTHER_IMAGE, &search).says(&["staging/checkout"]);
    deploy("staging/till", OTHER_IMAGE, admin).says(&["image_source", "pipeline"]);
    deploy("staging/nothing", OTHER_IMAGE, admin).says(&["staging/nothing"]);
    deploy("staging/checkout", "not an image", admin).says(&["image"]);
    deploy("checkout", OTHER_IMAGE, admin).says(&["environment/name"]);

    assert_eq!(platform.repository().commit_count(), commits);
}
