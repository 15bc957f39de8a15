//! The server dies between any two steps of making, changing, rotating and dropping a database with a consumer; started
//! again, it ends in the wanted state.

use serde_json::{Value, json};
use tests::hcl::{Resource, config};
use tests::http::Answer;
use tests::{Databases, Provider, eventually};

const DATABASE: &str = "database/staging/orders";
const SERVICE: &str = "service/staging/checkout";
const SECRET: &str = "service/staging/checkout/orders";

/// What is asked of the platform.
struct Ask<'a> {
    method: &'a str,
    path: String,
    expects: (&'a str, String),
    body: Option<Value>,
}

impl Ask<'_> {
    /// That a resource becomes so; it is at `generation`, 0 where there is none.
    fn put(resource: &str, generation: u64, spec: &Value) -> Self {
        let expects = match generation {
            0 => ("if-none-match", "*".to_owned()),
            generation => ("if-match", format!("\"{generation}\"")),
        };
        let body = Some(json!({ "owner": "payments", "spec": spec }));
        Ask { method: "PUT", path: format!("/api/v1/resources/{resource}"), expects, body }
    }

    fn delete(resource: &str, generation: u64) -> Self {
        let expects = ("if-match", format!("\"{generation}\""));
        Ask { method: "DELETE", path: format!("/api/v1/resources/{resource}"), expects, body: None }
    }

    fn rotate(secret: &str) -> Self {
        let body = Some(json!({ "secret_ref": secret }));
        Ask {
            method: "POST",
            path: "/api/v1/rotations".to_owned(),
            expects: ("accept", "application/json".to_owned()),
            body,
        }
    }

    /// Sends it; nothing where the server died meanwhile.
    fn send(&self, platform: &Databases) -> Option<Answer> {
        let headers = [(self.expects.0, self.expects.1.as_str())];
        let body = self.body.as_ref();
        platform.try_api(self.method, &self.path, &headers, body)
    }

    /// Sends it and waits for its end.
    fn carry_out(&self, platform: &Databases) {
        let answer = self.send(platform).expect("the server lives");
        let id = answer.is(202).json()["id"].as_str().expect("an operation has an id").to_owned();
        let ended = platform.api("GET", &format!("/api/v1/operations/{id}?wait=30s")).json();
        assert_eq!(ended["state"], "succeeded", "{ended:#}");
    }
}

fn orders(timeout: &str, extensions: &[&str]) -> Value {
    json!({ "engine": "postgres", "statement_timeout": timeout, "extensions": extensions })
}

fn checkout(access: &str) -> Value {
    json!({
        "template": "api", "language": "nodejs", "image": tests::hcl::IMAGE, "port": 8080,
        "uses": { "orders": { "resource": DATABASE, "access": access } },
    })
}

/// Whether a server that dies at `point` died of `ask`; it is up again afterwards, and nothing is under way.
fn dies(platform: &mut Databases, point: &str, ask: &Ask<'_>) -> bool {
    platform.stop();
    platform.run_until(point);
    let answer = ask.send(platform);
    let operation = answer.and_then(|answer| Some(answer.json()["id"].as_str()?.to_owned()));
    let died = eventually(&format!("{point} to be passed"), || {
        if platform.has_died() {
            return Some(true);
        }
        let path = format!("/api/v1/operations/{}", operation.as_deref()?);
        let state = platform.try_api("GET", &path, &[], None)?.json()["state"].clone();
        ["succeeded", "failed"].iter().any(|end| state == *end).then_some(false)
    });
    if !died {
        platform.stop();
    }
    platform.run();
    settle(platform);
    died
}

/// Waits until what was accepted is carried out.
fn settle(platform: &Databases) {
    eventually("the platform to settle", || {
        let is_settled = |resource: &str| {
            let answer = platform.api("GET", &format!("/api/v1/resources/{resource}"));
            answer.status == 404 || answer.json()["phase"] == "ready"
        };
        [DATABASE, SERVICE].iter().all(|resource| is_settled(resource)).then_some(())
    });
}

fn look(platform: &Databases, resource: &str) -> Option<Value> {
    let answer = platform.api("GET", &format!("/api/v1/resources/{resource}"));
    (answer.status != 404).then(|| answer.is(200).json())
}

fn generation(platform: &Databases, resource: &str) -> u64 {
    look(platform, resource).map_or(0, |found| found["generation"].as_u64().expect("a generation"))
}

/// Fails the test unless the resource is whole, and what reads its credentials can work.
#[track_caller]
fn is_whole(platform: &Databases, resource: &str, secret: &str, point: &str) {
    let found = look(platform, resource).unwrap_or_else(|| panic!("{point}: no {resource}"));
    assert_eq!((&found["phase"], &found["drift"]), (&json!("ready"), &json!([])), "{point}");
    let asked = platform.query_as(secret, "SELECT current_database()");
    assert_eq!(asked.as_deref(), Ok("orders"), "{point}");
}

/// `postgres.statement@1`, `@2`, … as long as `visit` says that the server came by.
fn every_statement(mut visit: impl FnMut(&str) -> bool) -> usize {
    let points = (1..).map(|count| format!("postgres.statement@{count}"));
    points.take_while(|point| visit(point)).count()
}

#[test]
fn a_create_ends_in_a_whole_database_between_whichever_statements_the_server_died() {
    let mut platform = Databases::start();

    let visited = every_statement(|point| {
        let died =
            dies(&mut platform, point, &Ask::put(DATABASE, 0, &orders("30s", &["pgcrypto"])));
        is_whole(&platform, DATABASE, DATABASE, point);
        Ask::delete(DATABASE, 1).carry_out(&platform);
        assert_eq!(platform.objects("orders"), Vec::<String>::new(), "{point}");
        died
    });

    assert!(visited >= 4, "only {visited} statements");
}

#[test]
fn a_change_ends_in_what_was_wanted_between_whichever_statements_the_server_died() {
    let mut platform = Databases::start();
    Ask::put(DATABASE, 0, &orders("30s", &["pgcrypto"])).carry_out(&platform);
    platform.fill("orders");
    let mut wishes = [("45s", ["hstore"]), ("30s", ["pgcrypto"])].iter().cycle();

    let visited = every_statement(|point| {
        let (timeout, extensions) = wishes.next().unwrap();
        let before = generation(&platform, DATABASE);
        let died =
            dies(&mut platform, point, &Ask::put(DATABASE, before, &orders(timeout, extensions)));
        is_whole(&platform, DATABASE, DATABASE, point);
        let kept = platform.query_as(DATABASE, "SELECT id FROM bill");
        assert_eq!(kept.as_deref(), Ok("7"), "{point}");
        let set = platform.query_as(DATABASE, "SHOW statement_timeout");
        assert_eq!(set.as_deref(), Ok(*timeout), "{point}");
        died
    });

    assert!(visited >= 2, "only {visited} statements");
}

#[test]
fn a_delete_leaves_nothing_between_whichever_statements_the_server_died() {
    let mut platform = Databases::start();

    let visited = every_statement(|point| {
        Ask::put(DATABASE, 0, &orders("30s", &[])).carry_out(&platform);
        let died = dies(&mut platform, point, &Ask::delete(DATABASE, 1));
        assert_eq!(look(&platform, DATABASE), None, "{point}");
        assert_eq!(platform.objects("orders"), Vec::<String>::new(), "{point}");
        assert_eq!(platform.repository().names("staging/"), Vec::<String>::new(), "{point}");
        died
    });

    assert!(visited >= 3, "only {visited} statements");
}

#[test]
fn a_consumer_has_working_credentials_wherever_the_server_died() {
    let mut platform = Databases::start();
    Ask::put(DATABASE, 0, &orders("30s", &[])).carry_out(&platform);

    for point in [
        "login.prepared",
        "login.made",
        "login.publishing",
        "login.published",
        "platform.provisioned",
        "platform.released",
    ] {
        let died = dies(&mut platform, point, &Ask::put(SERVICE, 0, &checkout("write")));
        assert!(died, "{point} was not reached");
        is_whole(&platform, SERVICE, SECRET, point);
        assert_eq!(
            platform.values(SECRET)["version"],
            1,
            "{point}: one set of credentials is enough"
        );
        let end = if point == "platform.released" { point } else { "login.forgotten" };

        let died = dies(&mut platform, end, &Ask::delete(SERVICE, 1));

        assert!(died, "{end} was not reached");
        assert_eq!(look(&platform, SERVICE), None, "{point}");
        assert_eq!(platform.objects("orders_checkout"), Vec::<String>::new(), "{point}");
        let path = format!("/api/v1/secret-values/{SECRET}");
        platform.api("GET", &path).is_problem(404, "not_found");
    }
}

#[test]
fn a_rotation_never_leaves_a_consumer_without_working_credentials() {
    let mut platform = Databases::start();
    Ask::put(DATABASE, 0, &orders("30s", &[])).carry_out(&platform);
    Ask::put(SERVICE, 0, &checkout("write")).carry_out(&platform);

    for point in
        ["login.prepared", "login.made", "login.publishing", "login.published", "login.retired"]
    {
        let before = platform.values(SECRET);
        let rotated = dies(&mut platform, point, &Ask::rotate(SECRET));
        assert!(rotated, "{point} was not reached");
        platform.query_as(SECRET, "SELECT 1").unwrap_or_else(|error| panic!("{point}: {error}"));

        // Who asked heard nothing, and asks again until the answer says that it is done.
        eventually(&format!("{point}: a rotation to succeed"), || {
            let moved = platform.values(SECRET)["version"] != before["version"];
            (moved || Ask::rotate(SECRET).send(&platform)?.status == 200).then_some(())
        });

        // A server that starts looks at once which logins are to be closed, and when.
        platform.stop();
        platform.run();
        let after = platform.values(SECRET);
        assert_ne!(after["data"]["password"], before["data"]["password"], "{point}");
        platform.query_with(&after["data"], "SELECT 1").unwrap();
        eventually(&format!("{point}: the login before to be closed"), || {
            platform.query_with(&before["data"], "SELECT 1").is_err().then_some(())
        });
        is_whole(&platform, SERVICE, SECRET, point);
    }
}

#[test]
fn a_last_dump_is_there_wherever_the_server_died_on_the_way_to_a_drop() {
    let mut platform = Databases::start();
    let mut spec = orders("30s", &[]);
    spec["final_dump"] = json!(true);

    for point in ["platform.dumped", "platform.dropped"] {
        Ask::put(DATABASE, 0, &spec).carry_out(&platform);
        platform.fill("orders");

        let died = dies(&mut platform, point, &Ask::delete(DATABASE, 1));

        assert!(died, "{point} was not reached");
        assert_eq!(platform.objects("orders"), Vec::<String>::new(), "{point}");
        let dumps = std::fs::read_dir(platform.server_folder().join("data/dumps")).unwrap();
        let newest = dumps.map(|entry| entry.unwrap().path()).max().unwrap();
        let into = point.replace('.', "_");
        platform.restore(&newest, &into).ok();
        assert_eq!(platform.cluster().psql_in(&into, "SELECT id FROM app.bill"), "7", "{point}");
    }
}

#[test]
fn a_borrowed_login_ends_wherever_the_server_died() {
    let mut platform = Databases::start();
    Ask::put(DATABASE, 0, &orders("30s", &[])).carry_out(&platform);
    let orders = look(&platform, DATABASE).unwrap();
    let connection = orders["outputs"]["database"]["connection_id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/connections/{connection}/credentials");
    let body = json!({ "privilege": "write", "ttl_seconds": 60 });
    let open = |platform: &Databases| platform.try_api("POST", &path, &[], Some(&body));

    for point in ["credentials.recorded", "credentials.made"] {
        platform.stop();
        platform.run_until(point);
        assert!(open(&platform).is_none(), "{point} was not reached");
        platform.expect_death(point);
        platform.run();
        // Nobody knows its password, and the server ends it in a minute at the latest.
        let left = platform.cluster().psql(
            "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'orders_x_%' AND rolvaliduntil > now() + interval '61 s'",
        );
        assert_eq!(left, "0", "{point}");
    }

    platform.stop();
    platform.run_until("credentials.dropped");
    let opened = open(&platform).unwrap().is(201).json();
    let id = opened["id"].as_str().unwrap().to_owned();
    let close = format!("/api/v1/credentials/{id}");
    assert!(platform.try_api("DELETE", &close, &[], None).is_none());
    platform.expect_death("credentials.dropped was not reached");
    platform.run();
    platform.api("DELETE", &close).is(204);
    platform.query_with(&opened, "SELECT 1").unwrap_err();
}

#[test]
fn one_apply_of_both_goes_on_by_itself_wherever_the_server_died() {
    let mut platform = Databases::start();
    let orders = Resource::database("orders").with("extensions", "[\"pgcrypto\"]");
    let uses = "{ orders = { resource = idp_database.orders.id, access = \"write\" } }";
    let checkout = Resource::service("checkout").with("uses", uses);

    for point in ["postgres.statement@5", "login.made", "platform.provisioned", "platform.recorded"]
    {
        let terraform = platform.workspace(Provider::Built);
        terraform.write("main.tf", &config(&[&orders, &checkout]));
        platform.stop();
        platform.run_until(point);
        let running = terraform.start(&["apply", "-no-color", "-auto-approve"]);
        eventually(&format!("{point} to be reached"), || platform.has_died().then_some(()));
        platform.run();

        let first = running.finish();
        let next = terraform.apply();

        assert!(next.succeeded(), "{point}: {first}\n{next}");
        assert_eq!(terraform.plan().code, Some(0), "{point}");
        is_whole(&platform, DATABASE, DATABASE, point);
        is_whole(&platform, SERVICE, SECRET, point);
        for secret in [DATABASE, SECRET] {
            assert_eq!(platform.values(secret)["version"], 1, "{point}");
        }
        terraform.destroy().ok();
        assert_eq!(platform.objects("orders"), Vec::<String>::new(), "{point}");
    }
}
