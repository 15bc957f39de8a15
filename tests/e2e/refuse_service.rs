//! What a user may write wrong in a service: each is refused at plan, naming what, which rule, and how to mend it.

use tests::hcl::Resource;
use tests::{Platform, Provider, Run, Workspace};

/// Plans `service`, which must be refused without a trace.
#[track_caller]
fn refused(platform: &Platform, terraform: &Workspace, service: &Resource) -> Run {
    terraform.write("main.tf", &service.config());
    let plan = terraform.plan().exits(1).never_says(&["panicked", "internal error"]);
    assert_eq!(platform.repository().commit_count(), 0, "a refused plan wrote something");
    plan
}

#[test]
fn what_the_platform_does_not_know_is_refused_with_what_it_knows() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");

    let plan = |service: Resource| refused(&platform, &terraform, &service);

    plan(service.clone().with_text("environment", "stagign")).says(&[
        "environment",
        "stagign",
        "staging",
        "production",
    ]);
    plan(service.clone().with_text("owner", "paymnets"))
        .says(&["owner", "paymnets", "payments", "search"]);
    plan(service.clone().with_text("language", "cobol")).says(&["language", "cobol", "nodejs"]);
    plan(service.clone().with_text("template", "cronjob")).says(&["template", "cronjob", "api"]);
    plan(service.with_text("size", "gigantic")).says(&["size", "gigantic", "small"]);
}

#[test]
fn names_that_kubernetes_or_dns_would_refuse_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let names = [
        ("Checkout", "lower-case"),
        ("check_out", "lower-case"),
        ("-checkout", "start with a letter"),
        ("checkout-", "end in a dash"),
        ("9lives", "start with a letter"),
        ("chéckout", "lower-case"),
        ("check out", "lower-case"),
        ("a/../b", "lower-case"),
        ("", "1 to 40 characters"),
        ("a-name-that-is-far-too-long-to-carry-any-suffix", "1 to 40 characters"),
    ];
    for (name, rule) in names {
        let service = Resource::service("checkout").with_text("name", name);

        refused(&platform, &terraform, &service).says(&["name", rule]);
    }
}

#[test]
fn objectives_whose_alerts_can_never_fire_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");
    let slo = |text: &str| service.clone().with("slo", text);

    let plan = |service: Resource| refused(&platform, &terraform, &service);

    plan(slo("{ availability = 90 }")).says(&["availability", "90", "never fire"]);
    plan(slo("{ availability = 100 }")).says(&["availability", "100"]);
    plan(slo("{ availability = 0.999 }")).says(&["availability", "0.999"]);
    plan(slo("{ latency = { threshold = \"250ms\", target = 50 } }"))
        .says(&["target", "never fire"]);
    plan(slo("{ latency = { threshold = \"251ms\", target = 99 } }")).says(&[
        "threshold",
        "251ms",
        "bucket",
        "250ms",
    ]);
    plan(slo("{ latency = { threshold = \"soon\", target = 99 } }")).says(&["threshold", "soon"]);
}

#[test]
fn numbers_out_of_bounds_are_refused_with_the_bound() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");

    let plan = |service: Resource| refused(&platform, &terraform, &service);

    for port in ["0", "-1", "65536", "80.5"] {
        plan(service.clone().with("port", port)).says(&["port"]);
    }
    plan(service.clone().with("replicas", "{ min = 5, max = 2 }"))
        .says(&["replicas", "min", "max"]);
    plan(service.clone().with("replicas", "{ min = 0, max = 2 }")).says(&["replicas", "min"]);
    plan(service.with("replicas", "{ min = 1, max = 100000 }")).says(&["replicas", "max"]);
}

#[test]
fn production_wants_an_image_by_digest_and_staging_does_not() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let tagged = Resource::service("checkout").with_text("image", "ghcr.io/acme/checkout:1.2.3");
    let production = tagged.clone().with_text("environment", "production");

    refused(&platform, &terraform, &production).says(&["image", "digest", "@sha256:"]);
    terraform.write("main.tf", &tagged.config());

    terraform.plan().exits(2);
}

#[test]
fn a_constraint_that_nothing_matches_is_refused_with_what_there_is() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");

    let plan = |constraint: &str| {
        refused(
            &platform,
            &terraform,
            &service.clone().with_text("golden_path_version", constraint),
        )
    };

    plan("~> 99.0").says(&["golden_path_version", "~> 99.0", "golden/api/nodejs", "1.1.0"]);
    plan("=> 1").says(&["golden_path_version", "=> 1", "operators"]);
    plan("latest").says(&["golden_path_version", "latest"]);
}

#[test]
fn parameters_that_the_path_does_not_know_are_refused() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout").with("parameters", "{ colour = \"red\" }");

    refused(&platform, &terraform, &service).says(&["parameters", "colour"]);
}

#[test]
fn a_token_without_the_right_is_refused_at_plan_and_at_apply() {
    let platform = Platform::start();
    let reader = platform.token("reader", &["plan:staging:payments"]);
    let search = platform.token("search", &["plan:*:search", "apply:*:search"]);
    let config = Resource::service("checkout").config();

    let foreign = platform.workspace_as(Provider::Built, &search);
    foreign.write("main.tf", &config);
    foreign.plan().exits(1).says(&["plan:staging:payments"]);

    let planner = platform.workspace_as(Provider::Built, &reader);
    planner.write("main.tf", &config);
    planner.plan().exits(2);
    planner.apply().fails().says(&["apply:staging:payments"]);

    assert_eq!(platform.repository().commit_count(), 0);
    assert!(planner.addresses().is_empty());
}

#[test]
fn a_token_that_may_not_destroy_is_refused_and_the_service_stays() {
    let platform = Platform::start();
    let token = platform.token("no-destroy", &["plan:*:payments", "apply:*:payments"]);
    let terraform = platform.workspace_as(Provider::Built, &token);
    terraform.write("main.tf", &Resource::service("checkout").config());
    terraform.apply().ok();

    terraform.destroy().fails().says(&["destroy:staging:payments"]);

    assert!(!platform.repository().names("staging/service/checkout/").is_empty());
    assert_eq!(terraform.addresses(), ["idp_service.checkout"]);
}

#[test]
fn a_token_that_is_unknown_or_missing_is_told_what_to_do() {
    let platform = Platform::start();
    let mut terraform = platform.workspace_as(Provider::Built, "idp_nonsense");
    terraform.write("main.tf", &Resource::service("checkout").config());

    terraform.plan().exits(1).says(&["token", "IDP_TOKEN"]).never_says(&["idp_nonsense"]);
    terraform.env("IDP_TOKEN", "");

    terraform.plan().exits(1).says(&["token", "IDP_TOKEN"]);
}

#[test]
fn a_remote_that_refuses_fails_the_apply_with_its_reason_and_the_next_apply_continues() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    terraform.write("main.tf", &Resource::service("checkout").config());
    platform.repository().refuse_pushes("commits need a ticket number");

    terraform.apply().fails().says(&["commits need a ticket number", "clusters"]);
    assert_eq!(platform.repository().commit_count(), 0);
    assert!(terraform.addresses().is_empty(), "core would taint and destroy an unfinished service");
    platform.idp(&["resources", "--unfinished"]).ok().says(&["checkout"]);
    platform.repository().accept_pushes();

    terraform.apply().ok().says(&["1 added"]);
    assert_eq!(platform.repository().commit_count(), 1);
    terraform.plan().exits(0);
}

#[test]
fn a_remote_that_refuses_an_update_leaves_the_state_as_the_world_is() {
    let platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();
    terraform.write("main.tf", &service.with("env", "{ A = \"1\" }").config());
    platform.repository().refuse_pushes("closed for the holidays");

    terraform.apply().fails().says(&["closed for the holidays"]);
    platform.repository().accept_pushes();

    terraform.plan().exits(2);
    terraform.apply().ok();
    assert_eq!(platform.repository().commit_count(), 2);
    terraform.plan().exits(0);
}

#[test]
fn an_environment_that_moved_between_plan_and_update_wants_a_new_plan() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout");
    terraform.write("main.tf", &service.config());
    terraform.apply().ok();
    terraform.write("main.tf", &service.with("env", "{ A = \"1\" }").config());
    terraform.save_plan().ok();
    platform.reconfigure(|config| config.replace("staging.acme.example", "stage.acme.example"));

    terraform.apply_saved().fails().says(&["plan again", "staging"]);

    assert_eq!(platform.repository().commit_count(), 1);
    terraform.apply().ok();
    assert_eq!(
        terraform.attributes("idp_service.checkout")["url"],
        "https://checkout.stage.acme.example"
    );
}

#[test]
fn an_environment_that_moved_between_plan_and_create_writes_nothing() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    let service = Resource::service("checkout").with_text("golden_path_version", "1.1.0");
    terraform.write("main.tf", &service.config());
    terraform.save_plan().ok();
    platform.reconfigure(|config| config.replace("staging.acme.example", "stage.acme.example"));

    terraform.apply_saved().fails();

    assert_eq!(platform.repository().commit_count(), 0);
    assert!(terraform.addresses().is_empty());
}

#[test]
fn of_two_applies_at_once_one_creates_and_the_other_is_told_so() {
    let platform = Platform::start();
    let workspaces = [platform.workspace(Provider::Built), platform.workspace(Provider::Built)];
    for workspace in &workspaces {
        workspace.write("main.tf", &Resource::service("checkout").config());
    }

    let apply = ["apply", "-no-color", "-auto-approve"];
    let started = workspaces.each_ref().map(|workspace| workspace.start(&apply));
    let ended = started.map(tests::Started::finish);

    let won = ended.iter().filter(|run| run.succeeded()).count();
    assert!(won >= 1, "{}\n{}", ended[0], ended[1]);
    assert_eq!(platform.repository().commit_count(), 1, "{}\n{}", ended[0], ended[1]);
    for run in ended.iter().filter(|run| !run.succeeded()) {
        run.clone().fails().says(&["staging/checkout"]);
    }
}
