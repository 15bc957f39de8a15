//! The server dies, at each of its failpoints; what follows is as if it had not.
//!
//! The points are read from the server's own list, so that a new one is visited too.

use std::fs;

use tests::hcl::{IMAGE, OTHER_IMAGE, Resource};
use tests::{Platform, Provider, Run, Started, Workspace, eventually, root};

/// Every point, as the server's source lists them.
fn failpoints() -> Vec<String> {
    let source = root().join("registry/server/src/failpoint.rs");
    let source = fs::read_to_string(source).expect("the list of failpoints");
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let texts = lines.filter_map(|line| Some(line.split_once('"')?.1.split_once('"')?.0));
    let points: Vec<String> = texts
        .filter(|text| text.contains('.') && !text.contains([' ', '{']))
        .map(str::to_owned)
        .collect();
    assert!(points.len() >= 8, "{points:?}");
    points
}

/// The points that lie on the way of a service that uses nothing; `crash_database` visits those of databases.
fn on_the_way_of_a_resource() -> Vec<String> {
    let databases = ["provisioned", "released", "dumped", "dropped"];
    let elsewhere = |point: &String| match point.split_once('.') {
        Some(("gitops", _)) => false,
        Some(("platform", step)) => databases.contains(&step),
        _ => true,
    };
    failpoints().into_iter().filter(|point| !elsewhere(point)).collect()
}

/// Starts terraform against a server that dies at `point` and is started again at once, as an operator's supervisor
/// does; waits for terraform's end. False where the server did not come by that point.
fn interrupted(
    platform: &mut Platform,
    point: &str,
    start: impl FnOnce() -> Started,
) -> (bool, Run) {
    platform.stop();
    platform.run_until(point);
    let mut started = start();
    let died = eventually(&format!("{point} to be reached, or terraform to end"), || {
        if platform.has_died() {
            return Some(true);
        }
        started.has_ended().then_some(false)
    });
    if !died {
        // It must not die of what follows.
        platform.stop();
    }
    platform.run();
    (died, started.finish())
}

const APPLY: [&str; 3] = ["apply", "-no-color", "-auto-approve"];
const DESTROY: [&str; 3] = ["destroy", "-no-color", "-auto-approve"];

fn write(terraform: &Workspace, service: &Resource) {
    terraform.write("main.tf", &service.config());
}

#[test]
fn a_create_is_one_commit_wherever_the_server_died() {
    for point in on_the_way_of_a_resource() {
        let mut platform = Platform::start();
        let terraform = platform.workspace(Provider::Built);
        write(&terraform, &Resource::service("checkout"));

        let (died, first) = interrupted(&mut platform, &point, || terraform.start(&APPLY));
        assert!(died, "{point} was not reached: {first}");
        let next = terraform.apply();

        assert!(next.succeeded(), "{point}: {first}\n{next}");
        assert_eq!(platform.repository().commit_count(), 1, "{point}: {first}\n{next}");
        assert_eq!(terraform.plan().code, Some(0), "{point}");
    }
}

#[test]
fn an_update_is_one_commit_wherever_the_server_died() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::service("checkout"));
    terraform.apply().ok();
    for (index, point) in on_the_way_of_a_resource().into_iter().enumerate() {
        let before = platform.repository().commit_count();
        let env = format!("{{ ROUND = \"{index}\" }}");
        write(&terraform, &Resource::service("checkout").with("env", &env));

        let (died, first) = interrupted(&mut platform, &point, || terraform.start(&APPLY));
        let next = terraform.apply();

        // The mirror knows the objects of an earlier change, so not every point of the import is visited again.
        assert!(died || point.starts_with("gitops."), "{point} was not reached: {first}");
        assert!(next.succeeded(), "{point}: {first}\n{next}");
        assert_eq!(platform.repository().commit_count(), before + 1, "{point}: {first}\n{next}");
        assert_eq!(terraform.plan().code, Some(0), "{point}");
    }
}

#[test]
fn a_destroy_is_one_commit_wherever_the_server_died() {
    let mut platform = Platform::start();
    for point in on_the_way_of_a_resource() {
        let terraform = platform.workspace(Provider::Built);
        write(&terraform, &Resource::service("checkout"));
        terraform.apply().ok();
        let before = platform.repository().commit_count();

        let (died, first) = interrupted(&mut platform, &point, || terraform.start(&DESTROY));
        let next = terraform.destroy();

        // Nothing is rendered to be removed.
        let expected = point != "platform.rendered";
        assert!(died == expected || point.starts_with("gitops."), "{point}: {first}");
        assert!(next.succeeded(), "{point}: {first}\n{next}");
        assert!(platform.repository().names("staging/service/").is_empty(), "{point}");
        assert_eq!(platform.repository().commit_count(), before + 1, "{point}: {first}\n{next}");
    }
}

#[test]
fn a_server_that_stays_away_fails_the_apply_and_the_next_one_finishes_it() {
    for point in ["platform.accepted", "gitops.after_push"] {
        let mut platform = Platform::start();
        let terraform = platform.workspace(Provider::Built);
        let service = Resource::service("checkout");
        write(&terraform, &service.clone().with("timeouts", "{ create = \"5s\" }"));
        platform.stop();
        platform.run_until(point);

        let first = terraform.apply().fails();
        platform.expect_death(&format!("{point} was not reached: {first}"));
        first.says(&["the next apply"]);
        assert!(terraform.addresses().is_empty(), "an unfinished service is in the state");
        platform.run();
        write(&terraform, &service);

        terraform.apply().ok();
        assert_eq!(platform.repository().commit_count(), 1, "{point}");
        terraform.plan().exits(0);
        platform.idp(&["audit", "verify"]).ok();
    }
}

#[test]
fn a_deploy_is_one_commit_wherever_the_server_died() {
    let mut platform = Platform::start();
    let terraform = platform.workspace(Provider::Built);
    write(&terraform, &Resource::service("checkout").with_text("image_source", "pipeline"));
    terraform.apply().ok();
    let mut images = [OTHER_IMAGE, IMAGE].into_iter().cycle();
    for point in on_the_way_of_a_resource() {
        let before = platform.repository().commit_count();
        let image = images.next().unwrap();
        let deploy = ["deploy", "staging/checkout", "--image", image];

        let command = platform.idp_command(&deploy);
        let (died, first) = interrupted(&mut platform, &point, || Started::spawn(command));
        let next = platform.idp(&deploy);

        assert!(next.succeeded(), "{point}: {first}\n{next}");
        assert!(died || point.starts_with("gitops."), "{point} was not reached: {first}");
        assert_eq!(platform.repository().commit_count(), before + 1, "{point}: {first}\n{next}");
        assert_eq!(terraform.plan().code, Some(0), "{point}");
    }
}

#[test]
fn a_publish_leaves_the_version_or_nothing_wherever_the_server_died() {
    let mut platform = Platform::start();
    let module = root().join("modules/api/nodejs").display().to_string();
    let points = failpoints()
        .into_iter()
        .filter(|point| point.starts_with("publish.") || point.starts_with("blob."));
    for (index, point) in points.enumerate() {
        let version = format!("1.2.{index}");
        let publish = ["publish", module.as_str(), "--version", &version];
        let url = format!("{}/v1/modules/golden/api/nodejs/{version}/download", platform.url());

        platform.stop();
        platform.run_until(&point);
        let run = platform.idp(&publish);
        platform.expect_death(&format!("{point} was not reached: {run}"));
        platform.run();
        let there = tests::http::get(&url).status;
        let next = platform.idp(&publish);

        assert!([200, 204, 404].contains(&there), "{point}: {there}");
        assert!(next.succeeded(), "{point}: {next}");
        assert!([200, 204].contains(&tests::http::get(&url).status), "{point}");
    }
}
