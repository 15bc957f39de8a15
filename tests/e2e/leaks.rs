//! Every secret that a run makes, sought everywhere but where it belongs.

use std::fs::{self, File};
use std::io::Write as _;

use serde_json::Value;
use test_postgres::SUPERUSER_PASSWORD;
use tests::hcl::{Resource, config};
use tests::{Databases, Hunt, Place, Provider, REGISTRAR_PASSWORD, Run, Start, Tap, Workspace};

const GIVEN: [&str; 3] = [
    "given/first+\"value\" ~of the leak test",
    "given/second+\"value\" ~of the leak test",
    "given/refused+\"value\" ~of the leak test",
];
const REFERENCES: [&str; 4] = [
    "secret/staging/stripe",
    "secret/staging/session",
    "database/staging/orders",
    "service/staging/checkout/orders",
];

/// A run of everything that makes secrets, and what was said in it.
struct Story {
    platform: Databases,
    terraform: Workspace,
    tap: Tap,
    hunt: Hunt,
    said: String,
}

/// What changes from one apply to the next.
#[derive(Clone, Copy)]
struct Chapter {
    given: u32,
    trigger: &'static str,
    migration: &'static str,
}

impl Story {
    fn begin() -> Self {
        let trace = Start {
            variables: vec![("IDP_LOG".to_owned(), "trace".to_owned())],
            ..Start::default()
        };
        let platform = Databases::start_with(&trace);
        let tap = Tap::before(platform.port());
        let mut terraform = platform.workspace(Provider::Built);
        let log = terraform.path().join("terraform.log").display().to_string();
        terraform
            .env("IDP_ENDPOINT", tap.url())
            .env("TF_VAR_given", GIVEN[0])
            .env("TF_LOG", "TRACE")
            .env("TF_LOG_PATH", log);
        let mut hunt = Hunt::default();
        hunt.add("the admin's token", platform.admin_token());
        hunt.add("the registrar's password", REGISTRAR_PASSWORD);
        hunt.add("the superuser's password", SUPERUSER_PASSWORD);
        for value in GIVEN {
            hunt.add("a given value", value);
        }
        Self { platform, terraform, tap, hunt, said: String::new() }
    }

    fn write(&self, Chapter { given, trigger, migration }: &Chapter) {
        let rotation = format!("{{ trigger = \"{trigger}\" }}");
        let uses = "{ orders = { resource = idp_database.orders.id, access = \"write\" }, \
                    stripe = { resource = idp_secret.stripe.id } }";
        let blocks = [
            Resource::database("orders").with("rotation", &rotation),
            Resource::service("checkout").with("uses", uses),
            Resource::secret("stripe")
                .with("value_wo", "var.given")
                .with("value_wo_version", &given.to_string()),
            Resource::secret("session").with("generate", "{}").with("rotation", &rotation),
        ];
        let blocks = config(&blocks.each_ref());
        self.terraform.write("main.tf", &format!("{blocks}{}", around(migration)));
    }

    fn hear(&mut self, run: &Run) {
        self.said += &run.to_string();
    }

    /// Takes note of every secret that there is now, and of those that terraform was told.
    fn note(&mut self) {
        for reference in REFERENCES {
            let values = self.platform.values(reference);
            for field in ["value", "password", "url"] {
                if let Some(secret) = values["data"][field].as_str() {
                    self.hunt.add(&format!("{field} of {reference}"), secret);
                }
            }
        }
        for password in self.tap.fields("password") {
            self.hunt.add("password of a borrowed login", &password);
        }
    }

    /// One apply with a saved plan; its secrets are noted.
    fn tell(&mut self, chapter: &Chapter) {
        self.write(chapter);
        let plan = self.terraform.save_plan().ok();
        self.hear(&plan);
        let shown = self.terraform.run(&["show", "-no-color", "saved.tfplan"]).ok();
        self.hear(&shown);
        let apply = self.terraform.apply_saved().ok();
        self.hear(&apply);
        self.note();
    }

    /// Everything that anybody keeps, apart from the store of sealed secrets' own answers.
    fn places(&self) -> Vec<Place> {
        let server = self.platform.server_folder();
        let audit = self.platform.idp(&["audit", "export"]).ok();
        let mut places = vec![
            Place::text("what terraform and idp said", &self.said),
            Place::text("the server's log", &self.platform.log()),
            Place::text("the audit log", &audit.stdout),
            Place::text("PostgreSQL's log", &self.platform.cluster().log()),
            Place::objects(self.platform.repository().path()),
        ];
        places.extend(Place::folder(&self.terraform.path()));
        places.extend(Place::folder(&server.join("data")));
        places
    }
}

/// What a configuration has besides.
fn around(migration: &str) -> String {
    format!(
        r#"
variable "given" {{
  type      = string
  ephemeral = true
}}

ephemeral "idp_database_credentials" "migrations" {{
  connection_id = idp_database.orders.connection_id
  privilege     = "migrate"
}}

resource "terraform_data" "migration" {{
  triggers_replace = [{migration:?}]

  provisioner "local-exec" {{
    command     = "psql -X -q -v ON_ERROR_STOP=1 -d $DATABASE_URL -c '{migration}'"
    environment = {{ DATABASE_URL = ephemeral.idp_database_credentials.migrations.url }}
  }}
}}
"#
    )
}

#[test]
fn no_secret_of_a_run_is_anywhere_but_where_it_belongs_and_one_that_were_would_be_found() {
    let mut story = Story::begin();
    let first = Chapter { given: 1, trigger: "q3", migration: "CREATE TABLE bill (id int)" };
    let second = Chapter { given: 2, trigger: "q4", migration: "INSERT INTO bill VALUES (7)" };
    story.write(&first);
    story.terraform.init();

    story.tell(&first);
    story.terraform.env("TF_VAR_given", GIVEN[1]);
    story.tell(&second);
    by_command(&mut story);
    go_wrong(&mut story, second);

    let places = story.places();
    let (finds, sought) = (story.hunt.finds(&places), story.hunt.secrets());
    assert_eq!(finds, Vec::<String>::new(), "among {} places", places.len());
    assert!(sought > 25, "only {sought} secrets were made");
    let borrowed = story.tap.fields("password").len();
    assert!(borrowed >= 3, "only {borrowed} logins were borrowed");

    let planted = "planted-where-it-does-not-belong";
    plant(&mut story, planted);
    let mut hunt = Hunt::default();
    hunt.add("the planted secret", planted);
    let found = hunt.finds(&story.places()).join("\n");
    for place in [
        "what terraform and idp said",
        "the server's log",
        "the audit log",
        "PostgreSQL's log",
        "objects of ",
        "saved.tfplan: tfplan",
        "terraform.tfstate,",
        "terraform.tfstate.",
        "terraform.log,",
        "data/planted",
    ] {
        assert!(found.contains(place), "{place} is not searched:\n{found}");
    }
}

/// New secrets, and new keys to seal them, without terraform.
fn by_command(story: &mut Story) {
    let config = story.platform.server_folder().join("idp.toml").display().to_string();
    for arguments in [
        &["secret", "rotate", "staging/session"][..],
        &["secret", "show", "staging/stripe"],
        &["secret", "list"],
        &["secret", "keys", "rotate", "--config", &config],
        &["resources"],
    ] {
        let run = story.platform.idp(arguments).ok();
        story.hear(&run);
    }
    story.note();
}

/// What fails tells no more than what succeeds.
fn go_wrong(story: &mut Story, last: Chapter) {
    story.terraform.env("TF_VAR_given", GIVEN[2]);
    // A migration that fails, after the value was replaced.
    story.write(&Chapter { given: 3, migration: "SELECT no_such_function()", ..last });
    let failed = story.terraform.apply().fails();
    story.hear(&failed);
    story.note();
    // Values and owners that the platform refuses.
    for wrong in [
        Resource::secret("other").with_text("owner", "nobody"),
        Resource::secret("other").with_text("environment", "nowhere"),
    ] {
        let given = wrong.with("value_wo", "var.given").with("value_wo_version", "1");
        story.terraform.write("other.tf", &given.block());
        let failed = story.terraform.apply().fails();
        story.hear(&failed);
    }
    fs::remove_file(story.terraform.path().join("other.tf")).expect("it was written");
    let path = "/api/v1/secrets/staging/stripe";
    let body: Value =
        serde_json::json!({ "owner": "payments", "value": GIVEN[2], "valu_version": 1 });
    let refused = story
        .platform
        .try_api("PUT", path, &[("if-match", "\"3\"")], Some(&body))
        .expect("an answer");
    assert!(refused.status >= 400);
    story.said += &refused.text();
    story.platform.stop();
    let away = story.terraform.apply().fails();
    story.hear(&away);
    story.platform.run();
}

/// Puts a text wherever something is kept.
fn plant(story: &mut Story, planted: &str) {
    let (platform, terraform) = (&story.platform, &story.terraform);
    for address in terraform.addresses() {
        terraform.run(&["state", "rm", &address]).ok();
    }
    let data = format!("resource \"terraform_data\" \"planted\" {{\n  input = {planted:?}\n}}\n");
    terraform.write("main.tf", &data);
    let plan = terraform.save_plan().ok();
    terraform.apply_saved().ok();
    // What was the state becomes the backup.
    terraform.run(&["state", "mv", "terraform_data.planted", "terraform_data.moved"]).ok();
    for log in [terraform.path().join("terraform.log"), platform.server_folder().join("server.log")]
    {
        let mut log = File::options().append(true).open(log).expect("a log");
        writeln!(log, "level=trace {planted}").expect("a log can be written");
    }
    platform.token(planted, &["read:private"]);
    platform.cluster().psql(&format!("SELECT '{planted}'"));
    platform.repository().edit("Plant", |clone| {
        fs::write(clone.join("planted"), planted).expect("a file");
    });
    fs::write(platform.server_folder().join("data/planted"), planted).expect("a file");
    story.hear(&plan);
}
