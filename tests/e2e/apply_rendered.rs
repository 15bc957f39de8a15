//! What is committed is what a cluster's own tools take.

use tests::hcl::Resource;
use tests::{Platform, Provider, Run, clean};

use crate::yaml;

#[test]
fn kustomize_builds_the_committed_folder_and_lists_every_object_in_it() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let slo = "{ availability = 99.9, latency = { threshold = \"250ms\", target = 99 } }";
    terraform.write("main.tf", &Resource::service("checkout").with("slo", slo).config());
    terraform.apply().ok();
    let repository = platform.repository();
    let clone = platform.folder().join("clone");
    repository.clone_to(&clone);

    let folder = clone.join("staging/service/checkout").display().to_string();
    // tests/run installs it.
    let built = Run::of(clean("kubectl", platform.folder()).args(["kustomize", &folder])).ok();

    let kinds: Vec<&str> =
        built.stdout.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    for kind in [
        "Deployment",
        "Service",
        "ServiceAccount",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "HTTPRoute",
        "ServiceMonitor",
        "PrometheusRule",
        "ConfigMap",
    ] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    let listed = yaml::objects(&repository, "staging/service/checkout/");
    let listed = listed.iter().find(|(name, _)| name.ends_with("/kustomization.yaml")).unwrap();
    let resources = listed.1["resources"].as_array().unwrap();
    assert_eq!(kinds.len(), resources.len(), "{kinds:?} {resources:?}");
}

#[test]
fn the_catalogue_and_argo_find_the_service() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let repository = platform.repository();

    let objects =
        [yaml::objects(&repository, "staging/"), yaml::objects(&repository, "argocd/staging/")]
            .concat();
    let of_kind = |kind: &str| {
        let found = objects.iter().find(|(_, object)| object["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind}")).1.clone()
    };

    assert_eq!(of_kind("Component")["spec"]["owner"], "group:default/payments");
    assert_eq!(of_kind("Application")["spec"]["source"]["path"], "staging/service/checkout");
    assert_eq!(
        terraform.attributes("idp_service.checkout")["catalog_ref"],
        "component:staging/checkout"
    );
}

#[test]
fn the_same_configuration_gives_the_same_bytes_after_a_restart() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();
    let before = platform.repository().files();
    terraform.destroy().ok();
    platform.stop();
    platform.run();

    terraform.apply().ok();

    let after = platform.repository().files();
    assert!(before.len() > 5 && before.keys().eq(after.keys()));
    for (name, bytes) in before {
        assert!(bytes == after[&name], "{name} differs");
    }
}
