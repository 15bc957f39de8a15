//! The server is not there: at plan, at apply, or it is somebody else.

use tests::hcl::Resource;
use tests::{Platform, Provider, Start};

use crate::tls;

#[test]
fn a_server_that_is_down_at_plan_is_named_in_the_error() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    platform.stop();

    let plan = terraform.plan().exits(1);

    plan.says(&[&platform.url(), "IDP_ENDPOINT"]);
}

#[test]
fn a_server_that_is_down_at_apply_leaves_no_state_and_the_next_apply_creates() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.save_plan().ok();
    platform.kill();

    terraform.apply_saved().fails().says(&[&platform.url()]);
    assert!(terraform.addresses().is_empty());
    platform.run();

    terraform.apply().ok();
    assert_eq!(platform.repository().commit_count(), 1);
    terraform.plan().exits(0);
}

#[test]
fn a_server_that_is_down_at_destroy_leaves_the_service_in_the_state() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    platform.kill();

    terraform.destroy().fails().says(&[&platform.url()]);
    assert_eq!(terraform.addresses(), ["idp_service.checkout"]);
    platform.run();

    terraform.destroy().ok();
    assert!(platform.repository().names("staging/").is_empty());
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused_and_the_right_one_is_not() {
    let mut platform = Platform::prepare();
    let certificate = tls::Certificate::for_names(&["127.0.0.1"]);
    platform.run_with(&certificate.start(&platform));
    let mut terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.env("IDP_ENDPOINT", format!("https://127.0.0.1:{}", platform.port()));

    terraform.plan().exits(1).says(&["certificate", "127.0.0.1"]);
    let stranger = tls::Certificate::for_names(&["127.0.0.1"]);
    terraform.env("SSL_CERT_FILE", stranger.authority_file(&platform, "stranger"));
    terraform.plan().exits(1).says(&["certificate"]);
    terraform.env("SSL_CERT_FILE", certificate.authority_file(&platform, "right"));

    terraform.apply().ok();
    terraform.plan().exits(0);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let mut platform = Platform::prepare();
    let certificate = tls::Certificate::for_names(&["elsewhere.example"]);
    platform.run_with(&certificate.start(&platform));
    let mut terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform
        .env("IDP_ENDPOINT", format!("https://127.0.0.1:{}", platform.port()))
        .env("SSL_CERT_FILE", certificate.authority_file(&platform, "authority"));

    terraform.plan().exits(1).says(&["certificate", "127.0.0.1"]);
}

#[test]
fn plain_http_where_tls_is_spoken_says_so() {
    let mut platform = Platform::prepare();
    let certificate = tls::Certificate::for_names(&["127.0.0.1"]);
    let start: Start = certificate.start(&platform);
    platform.run_with(&start);
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform.plan().exits(1).says(&[&platform.url()]);
}
