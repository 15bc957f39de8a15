//! The provider's own configuration, and what configuring it makes.
//!
//! The process environment comes in as [`ProcessEnvironment`]; it is read in one place, there.

mod trust;

use std::path::{Path, PathBuf};

use provider_framework::model;
use provider_framework::schema::{AttributeExt as _, AttributeType, ResourceSchema, optional};
use provider_framework::value::Attr;
use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_trust::installed;
use registry_trust::lock::{self, Lock};

pub use self::trust::{Trust, VerifyModules};
use crate::client::{Client, Endpoint, ExtraRoots, Patience, Token};
use crate::verification::Verification;

/// What the provider takes from the environment of its process.
#[derive(Debug, Clone, Default)]
pub struct ProcessEnvironment {
    /// `IDP_ENDPOINT`.
    pub endpoint: Option<String>,
    /// `IDP_TOKEN`.
    pub token: Option<Token>,
    /// `TF_DATA_DIR`.
    pub data_dir: Option<PathBuf>,
    /// Where the configuration is; the folder that the process runs in by default.
    pub folder: Option<PathBuf>,
}

impl ProcessEnvironment {
    /// Reads it; empty variables count as absent.
    #[expect(clippy::disallowed_methods, reason = "the one place of this provider that reads it")]
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        // What Terraform takes for a folder, blanks and all.
        let data_dir = std::env::var_os("TF_DATA_DIR").filter(|text| !text.is_empty());
        Self {
            endpoint: variable("IDP_ENDPOINT"),
            token: variable("IDP_TOKEN").map(|text| Token::new(&text)),
            data_dir: data_dir.map(PathBuf::from),
            folder: None,
        }
    }

    /// Where the configuration is.
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or(Path::new("."))
    }

    /// Where Terraform keeps what it installed, seen from there.
    pub fn data_dir(&self) -> &Path {
        self.data_dir.as_deref().unwrap_or(Path::new(installed::DATA_DIR))
    }
}

/// How much of what the platform has to say becomes warnings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notices {
    /// Only what stops a change.
    None,
    /// Also what someone should act on.
    Warnings,
    /// Also what is good to know.
    #[default]
    All,
}

/// What resources and data sources work with.
#[derive(Debug)]
pub struct Platform {
    /// The platform API.
    pub client: Client,
    /// Which golden path versions and modules are locked; nothing where there is no lock file.
    pub lock: Option<Lock>,
    /// What to tell.
    pub notices: Notices,
    /// Whom to believe about modules.
    pub trust: Trust,
    /// What came of verifying those that are installed.
    pub verification: Verification,
}

model! {
    /// The provider block.
    #[doc(hidden)]
    pub struct Settings {
        pub endpoint: Attr<String>,
        pub token: Attr<String>,
        pub ca_file: Attr<String>,
        pub ca_pem: Attr<String>,
        pub lock_file: Attr<String>,
        pub notices: Attr<String>,
        pub verify_modules: Attr<String>,
        pub trust_policy: Attr<String>,
        pub trust_policy_file: Attr<String>,
    }
}

/// The attributes of the provider block.
pub fn schema() -> ResourceSchema {
    trust::attributes(connection(ResourceSchema::new(
        0,
        "Golden paths from a platform team, as resources.\n\nThe provider talks to one platform. Terraform's plan \
         shows what the platform will do: which golden path version and who signed it, what policy says, which \
         objects change, and what it costs. Before anything else the provider checks that the modules that \
         `terraform init` installed are what was published, and may be used.",
    )))
}

fn connection(schema: ResourceSchema) -> ResourceSchema {
    schema
    .attribute(
        "endpoint",
        optional(
            AttributeType::String,
            "URL of the platform, such as `https://idp.example.com`. May be given as `IDP_ENDPOINT` instead.",
        ),
    )
    .attribute(
        "token",
        optional(
            AttributeType::String,
            "Token that grants rights on the platform, from `idp token create`. Better given as `IDP_TOKEN`: what \
             stands in a configuration ends up in version control.",
        )
        .sensitive(),
    )
    .attribute(
        "ca_file",
        optional(
            AttributeType::String,
            "PEM file with certificate authorities to trust besides those of the system. `SSL_CERT_FILE` and \
             `SSL_CERT_DIR` replace those of the system.",
        ),
    )
    .attribute("ca_pem", optional(AttributeType::String, "The same as PEM text."))
    .attribute(
        "lock_file",
        optional(
            AttributeType::String,
            "File that locks golden path versions and modules, written by `idp lock`; `.idp.lock.json` where Terraform \
             runs by default. Nothing is locked where it does not exist.",
        ),
    )
    .attribute(
        "notices",
        optional(
            AttributeType::String,
            "Which of the platform's remarks show as warnings in a plan. `all` (the default): also what is good to \
             know, such as cost, and newer versions. `warnings`: what someone should act on. `none`: only what stops \
             a change.",
        ),
    )
}

/// Whether anything in the configuration that matters is not known yet.
pub fn is_unknown(settings: &Settings) -> bool {
    let Settings {
        endpoint,
        token,
        ca_file,
        ca_pem,
        lock_file,
        notices,
        verify_modules,
        trust_policy,
        trust_policy_file,
    } = settings;
    let connection = [endpoint, token, ca_file, ca_pem, lock_file, notices];
    let trust = [verify_modules, trust_policy, trust_policy_file];
    connection.into_iter().chain(trust).any(Attr::is_unknown)
}

/// Checks what can be checked without acting on it.
pub fn validate(settings: &Settings, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
    if let Some(Err(error)) = settings.endpoint.known().map(|text| text.parse::<Endpoint>()) {
        diagnostics.fail_at(
            AttributePath::new("endpoint"),
            "Endpoint of the platform is not valid",
            format!("{error}."),
        );
    }
    // What is wrong is recorded.
    let _ = notices(&settings.notices, diagnostics);
    trust::validate(settings, diagnostics);
    diagnostics.so_far()
}

/// Makes what resources work with. Opens no connection, and verifies no modules.
pub fn configure(
    settings: &Settings,
    environment: &ProcessEnvironment,
    patience: Patience,
    diagnostics: &mut Diagnostics,
) -> Result<Platform, Failed> {
    let endpoint = endpoint(settings, environment, diagnostics);
    let token = token(settings, environment, diagnostics);
    let lock = read_lock(settings, environment, diagnostics);
    let notices = notices(&settings.notices, diagnostics);
    let trust = trust::configure(settings, environment, diagnostics);
    let (endpoint, token) = (endpoint?, token?);
    if !endpoint.is_encrypted() && !endpoint.is_local() {
        diagnostics.warn_at(
            AttributePath::new("endpoint"),
            "Token is sent without encryption",
            format!("{endpoint} is plain HTTP on another machine: whoever is in between can read the token. Use https."),
        );
    }
    let roots = ExtraRoots {
        file: settings.ca_file.known().map(PathBuf::from),
        pem: settings.ca_pem.known().cloned(),
    };
    let client = Client::new(endpoint, token, roots, patience);
    Ok(Platform {
        client,
        lock: lock?,
        notices: notices?,
        trust: trust?,
        verification: Verification::default(),
    })
}

fn endpoint(
    settings: &Settings,
    environment: &ProcessEnvironment,
    diagnostics: &mut Diagnostics,
) -> Result<Endpoint, Failed> {
    let path = || AttributePath::new("endpoint");
    let (given, from) = match (settings.endpoint.known(), &environment.endpoint) {
        (Some(text), _) => (text, "The provider's `endpoint`"),
        (None, Some(text)) => (text, "IDP_ENDPOINT"),
        (None, None) => {
            return Err(diagnostics.fail_at(
                path(),
                "Endpoint of the platform is missing",
                "Set `endpoint` in the provider block, or the environment variable IDP_ENDPOINT, to the platform's \
                 URL, such as https://idp.example.com.",
            ));
        }
    };
    given.parse().map_err(|error| {
        let summary = "Endpoint of the platform is not valid";
        diagnostics.fail_at(path(), summary, format!("{from}: {error}."))
    })
}

fn token(
    settings: &Settings,
    environment: &ProcessEnvironment,
    diagnostics: &mut Diagnostics,
) -> Result<Token, Failed> {
    let given = settings.token.known().map(|text| Token::new(text));
    let token = given.filter(|token| !token.is_empty()).or_else(|| environment.token.clone());
    token.ok_or_else(|| {
        diagnostics.fail_at(
            AttributePath::new("token"),
            "Token for the platform is missing",
            "Set the environment variable IDP_TOKEN, or `token` in the provider block, to a token that the platform \
             team made with `idp token create`.",
        )
    })
}

fn notices(given: &Attr<String>, diagnostics: &mut Diagnostics) -> Result<Notices, Failed> {
    match given.known().map(String::as_str) {
        None | Some("all") => Ok(Notices::All),
        Some("warnings") => Ok(Notices::Warnings),
        Some("none") => Ok(Notices::None),
        Some(_) => Err(diagnostics.fail_at(
            AttributePath::new("notices"),
            "Choice of notices is not valid",
            "It must be `all`, `warnings` or `none`.",
        )),
    }
}

fn read_lock(
    settings: &Settings,
    environment: &ProcessEnvironment,
    diagnostics: &mut Diagnostics,
) -> Result<Option<Lock>, Failed> {
    let file = settings.lock_file.known().map_or(lock::FILE_NAME, String::as_str);
    let mut fail = |detail: String| {
        let summary = format!("Lock file {file} cannot be used");
        Err(diagnostics.fail_at(AttributePath::new("lock_file"), summary, detail))
    };
    let bytes = match read_bounded(&environment.folder().join(file), lock::MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return fail(format!("It cannot be read: {error}.")),
    };
    match Lock::parse(&bytes) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => fail(format!("{error}.\n\nWrite it again with `idp lock`.")),
    }
}

/// Reads a file, but not much more than it can have.
fn read_bounded(file: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use provider_framework::schema::lint_schema;
    use provider_framework::value::{FromValue as _, Value};

    use super::*;

    pub(super) fn settings(entries: &[(&'static str, &str)]) -> Settings {
        let names = schema().schema.block.attributes.into_keys();
        let mut value = Value::object(names.map(|name| (name, Value::Null)));
        for (name, text) in entries {
            value.set_attribute(name, *text);
        }
        Settings::from_value(&value).unwrap()
    }

    pub(super) fn refusals(settings: &Settings) -> Vec<String> {
        let mut diagnostics = Diagnostics::default();
        configure(settings, &ProcessEnvironment::default(), Patience::default(), &mut diagnostics)
            .unwrap_err();
        diagnostics
            .errors
            .iter()
            .map(|error| format!("{}: {}", error.summary, error.detail))
            .collect()
    }

    pub(super) const COMPLETE: [(&str, &str); 2] =
        [("endpoint", "https://idp.example.com"), ("token", "idp_x")];

    #[test]
    fn the_schema_is_sound() {
        assert_eq!(lint_schema(&schema()), Vec::<String>::new());
    }

    #[test]
    fn what_is_missing_is_named_with_both_ways_to_give_it() {
        let errors = refusals(&settings(&[]));

        assert_eq!(errors.len(), 2);
        assert!(errors[0].contains("`endpoint`") && errors[0].contains("IDP_ENDPOINT"));
        assert!(errors[1].contains("`token`") && errors[1].contains("IDP_TOKEN"));
    }

    #[test]
    fn the_environment_fills_in() {
        let environment = ProcessEnvironment {
            endpoint: Some("http://127.0.0.1:8080".to_owned()),
            token: Some(Token::new("idp_x")),
            ..ProcessEnvironment::default()
        };
        let mut diagnostics = Diagnostics::default();

        let platform =
            configure(&settings(&[]), &environment, Patience::default(), &mut diagnostics).unwrap();

        assert_eq!(platform.client.endpoint().to_string(), "http://127.0.0.1:8080");
        assert!(diagnostics.warnings.is_empty());
    }

    #[test]
    fn plain_http_to_another_machine_is_warned_of() {
        let settings = settings(&[("endpoint", "http://idp.example.com"), ("token", "idp_x")]);
        let mut diagnostics = Diagnostics::default();

        configure(&settings, &ProcessEnvironment::default(), Patience::default(), &mut diagnostics)
            .unwrap();

        assert_eq!(diagnostics.warnings[0].summary, "Token is sent without encryption");
    }

    #[test]
    fn an_absent_lock_file_locks_nothing_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lock.json");
        let path = file.to_str().unwrap();
        let settings = settings(&[COMPLETE[0], COMPLETE[1], ("lock_file", path)]);
        let environment = ProcessEnvironment::default();
        let platform =
            configure(&settings, &environment, Patience::default(), &mut Diagnostics::default())
                .unwrap();
        assert_eq!(platform.lock, None);

        std::fs::write(&file, "{ \"version\": 1, ").unwrap();

        assert!(refusals(&settings)[0].contains("Write it again with `idp lock`"));
    }

    #[test]
    fn an_unknown_choice_of_notices_is_refused() {
        let settings = settings(&[COMPLETE[0], COMPLETE[1], ("notices", "some")]);

        assert!(refusals(&settings)[0].contains("`all`, `warnings` or `none`"));
    }
}
