//! `idp init`: a configuration that works, keys, and one admin token.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use registry_trust::key::{Algorithm, SigningKey};
use serde_json::json;

use super::Context;
use crate::app::open_store;
use crate::auth::{Maker, NewToken, create_token};
use crate::clock::Clock;
use crate::config::Config;
use crate::files;
use crate::model::right::Rights;
use crate::secrets::Secrets;
use crate::trust::{Enrolment, establish};

/// Write a configuration, keys and one admin token.
///
/// Nothing that exists is overwritten. The token is printed once and kept nowhere: the server stores its hash.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp init /etc/idp --public-url https://registry.example.com
  idp init                                  into the current folder, for http://127.0.0.1:8080

Lost the admin token? `idp token create --local --name admin --right admin` makes another on the server's machine.")]
pub(super) struct Init {
    /// Folder to write into; made where there is none
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Where clients will reach the server
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    public_url: String,
    /// Hostname in module and provider sources [default: the host of --public-url]
    #[arg(long, value_name = "HOST")]
    hostname: Option<String>,
}

impl Init {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let made = initialise(&self.directory, &self.public_url, self.hostname.as_deref()).await?;
        let config = made.config_file.display();
        context.output.answer(
            &json!({
                "config": made.config_file,
                "root_key": made.root_key,
                "publisher_key": made.publisher_key,
                "secret_key_file": made.secret_key_file,
                "admin_token": made.token,
            }),
            format_args!(
                "wrote {config}\n\
                 wrote {root} (stands above all other keys; put it away, off the server, with a copy)\n\
                 wrote {key} (signs modules; keep it off the server)\n\
                 wrote {trust} (the registry's own keys; keep a copy apart from those of the database)\n\
                 wrote {secrets} (seals secrets; keep a copy apart from those of the database)\n\n\
                 admin token, shown only now:\n\n  {token}\n\n\
                 next:\n  idp serve --config {config}\n  export IDP_SERVER={url} IDP_TOKEN={token}",
                root = made.root_key.display(),
                key = made.publisher_key.display(),
                trust = self.directory.join("trust").display(),
                secrets = made.secret_key_file.display(),
                token = made.token,
                url = self.public_url,
            ),
        )
    }
}

/// What [`initialise`] made.
pub(super) struct Initialised {
    pub(super) config_file: PathBuf,
    pub(super) root_key: PathBuf,
    pub(super) publisher_key: PathBuf,
    pub(super) secret_key_file: PathBuf,
    pub(super) token: String,
}

/// Writes configuration and keys into `directory` and makes the first token.
pub(super) async fn initialise(
    directory: &Path,
    public_url: &str,
    hostname: Option<&str>,
) -> anyhow::Result<Initialised> {
    let config_file = directory.join("idp.toml");
    let publisher_key = directory.join("publisher.pem");
    let root_key = directory.join("root.pem");
    if config_file.exists() {
        bail!("{} exists already; nothing was changed", config_file.display());
    }
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let key = SigningKey::generate(Algorithm::EcdsaP256)?;
    let root = SigningKey::generate(Algorithm::EcdsaP256)?;
    write_new(&root_key, root.to_pem()?.as_bytes(), 0o600)?;
    write_new(&publisher_key, key.to_pem()?.as_bytes(), 0o600)?;
    write_new(&directory.join("publisher.pub"), key.verifying_key().to_pem().as_bytes(), 0o644)?;
    let text = template(public_url, hostname);
    write_new(&config_file, text.as_bytes(), 0o644)?;
    let config = Config::parse(&text, &config_file, directory, &std::collections::BTreeMap::new())
        .inspect_err(|_| {
            // Leave nothing behind, so that the corrected command can run.
            let _ = fs::remove_file(&config_file);
        })?;
    let clock = Clock::system();
    let store = open_store(&config).await?;
    Secrets::open(&store, &config.server.secret_key_file, clock.now()).await?;
    let golden = Enrolment { namespace: "golden".to_owned(), key: key.verifying_key() };
    establish(&config, &store, &root, &[golden], clock.now()).await?;
    let new = NewToken {
        name: "admin".parse()?,
        rights: Rights::parse(&["admin"])?,
        expires_at: None,
        maker: Maker::local(),
    };
    let (_, token) = create_token(&store, &clock, new).await?;
    store.close().await;
    let secret_key_file = config.server.secret_key_file;
    Ok(Initialised { config_file, root_key, publisher_key, secret_key_file, token })
}

/// Writes a file that must not exist yet.
pub(super) fn write_new(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    files::write_new(path, content, mode)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn template(public_url: &str, hostname: Option<&str>) -> String {
    let hostname = hostname.map_or_else(
        || {
            "# hostname = \"registry.example.com\"   # the host of public_url where unset"
                .to_owned()
        },
        |hostname| format!("hostname = {hostname:?}"),
    );
    format!(
        r#"# Configuration of the registry and platform server. Unknown keys are errors; a change needs a restart.
# Relative paths start at this file's folder. `idp serve --check` says what is wrong.

[server]
listen = "127.0.0.1:8080"
public_url = {public_url:?}   # where clients reach it; links are built from this
{hostname}
data_dir = "data"
secret_key_file = "secrets.key"   # keep copies of it apart from those of the database; `idp secret keys --help`
# tls = {{ cert = "tls/cert.pem", key = "tls/key.pem" }}   # without: plain HTTP, for a proxy in front

# Where modules and providers go. Everyone may install from a namespace with anonymous_read. Whose signatures count for
# modules stands in the log: `idp keys --help`.
[[namespace]]
name = "golden"
anonymous_read = true
# minimum_age_hours = 24       # nobody selects a module version that is younger; 0 where unset

[[namespace]]
name = "platform"              # the provider's own: platform/idp
anonymous_read = true
# provider_keys = ["provider.asc"]   # without: the key of the first release is the only one accepted

# [trust]
# directory = "trust"           # the registry's own keys; keep a copy of it apart from those of the database
# snapshot_days = 7             # how long the registry's word on what is deprecated is believed by who cannot ask again

# [[oidc_issuer]]               # a CI system whose jobs may publish without a stored secret: `idp publish --trusted`
# url = "https://token.actions.githubusercontent.com"   # the iss of its tokens; which jobs: `idp keys trust-ci`
# audience = "registry.example.com"   # what their aud must be; the hostname where unset
# jwks_url = "https://…"        # where its keys are; discovered where unset. jwks_file = "keys.json": asks nobody
# algorithms = ["RS256", "ES256"]
# refuse_claims = {{ event_name = ["pull_request_target", "workflow_run"], pipeline_source = ["merge_request_event"] }}

# [organisation]
# name = "Example"
# domain = "example.com"        # prefix of labels: idp.example.com/owner

# [[gitops_repository]]
# name = "main"
# url = "https://git.example.com/platform/gitops.git"
# branch = "main"
# author = {{ name = "idp", email = "idp@example.com" }}
# credentials = {{ username = "idp", token_file = "secrets/git-token" }}

# [[postgres_server]]             # where idp_database makes databases
# name = "main"
# host = "db.example.com"
# port = 5432
# admin_user = "idp_admin"      # CREATE ROLE idp_admin LOGIN CREATEDB CREATEROLE PASSWORD '…'
# admin_password_file = "secrets/postgres-admin"
# tls = "verify-full"           # verify-full | require | disable
# ca_file = "secrets/postgres-ca.pem"

# [[environment]]
# name = "staging"
# tier = "staging"              # production | staging | development
# gitops_repository = "main"
# domain = "staging.example.com"
# destination = {{ name = "in-cluster", namespace = "apps" }}
# postgres = {{ server = "main", prefix = "staging_", extensions = ["pgcrypto"], cidrs = ["10.20.0.0/16"] }}
# secrets = {{ url = "https://registry.example.com" }}   # how External Secrets Operator reaches this server

# [[owner]]
# name = "payments"
# title = "Payments"
# contact = "payments@example.com"
"#
    )
}
