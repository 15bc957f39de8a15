//! `idp dev`: a whole platform on one machine, to try things out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use registry_trust::key::SigningKey;
use tempfile::TempDir;

use super::client::Client;
use super::init::{Initialised, initialise};
use super::provider::{Release, generate_key, this_platform};
use super::publish::{guess_address, module_version, prepare};
use super::{Context, serve};
use crate::app::{Alone, App};
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::model::module::parse_version;
use crate::openpgp;
use crate::serve::Listener;

/// Run a whole platform on this machine, to try things out.
///
/// Makes what is missing (configuration, keys, a token, a local git repository, one environment, one owner), starts the
/// server, publishes the golden paths and the provider that are given, and prints how to use it. Ctrl-C ends it; without
/// a folder, everything is gone then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp dev --modules modules --provider target/debug/terraform-provider-idp
  idp dev ./play                            keep everything in ./play, continue there the next time
  idp dev --postgres localhost:5432 --postgres-user idp --postgres-password-file password
                                            with databases, on a server that is there")]
pub(super) struct Dev {
    /// Folder to keep everything in [default: a temporary one]
    directory: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: String,
    /// Folder with golden paths as NAME/SYSTEM, each published at the start
    #[arg(long, value_name = "FOLDER")]
    modules: Option<PathBuf>,
    /// Provider program, published at the start as platform/idp
    #[arg(long, value_name = "FILE")]
    provider: Option<PathBuf>,
    /// Version under which --provider is published
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"), value_name = "VERSION")]
    provider_version: String,
    #[command(flatten)]
    postgres: Postgres,
}

/// The PostgreSQL server that databases are made on.
#[derive(Debug, Args)]
struct Postgres {
    /// PostgreSQL server for idp_database; without one there are no databases
    #[arg(long = "postgres", value_name = "HOST:PORT", requires = "password_file")]
    server: Option<String>,
    /// Its administrator, with CREATEDB and CREATEROLE
    #[arg(long = "postgres-user", default_value = "postgres", value_name = "NAME")]
    user: String,
    /// File with the administrator's password
    #[arg(long = "postgres-password-file", value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// The hostname in sources; the CLI configuration maps it to the listening address.
const HOSTNAME: &str = "registry.example.com";

impl Dev {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let temporary = match &self.directory {
            Some(_) => None,
            None => Some(TempDir::with_prefix("idp-dev-").context("cannot make a folder")?),
        };
        let folder = match (&self.directory, &temporary) {
            (Some(folder), _) => folder.clone(),
            (None, Some(temporary)) => temporary.path().to_owned(),
            (None, None) => bail!("there is no folder to work in"),
        };
        let token = prepare_folder(&folder, &self.listen, &self.postgres).await?;
        let mut config = Config::load(&folder.join("idp.toml"), context.variables)?;
        config.server.listen.clone_from(&self.listen);
        serve::start_log(
            config.server.log_format,
            Some(context.variable("IDP_LOG").unwrap_or("warn,sqlx=error")),
        );
        let _alone = Alone::hold(&config.server.data_dir)?;
        let listener = Listener::bind(&config).await?;
        let url = format!("http://{}", listener.address()?);
        config.server.public_url.clone_from(&url);
        let app = App::start(config, Clock::system()).await?;
        let client = Client::new(&url, Some(Secret::new(&token)))?;
        let mut server = tokio::spawn(serve::run_server(app, listener));
        let played = async {
            let published = self.publish(&folder, &client).await?;
            let tfrc = write_tfrc(&folder, &url, &token)?;
            let started = Started { folder: &folder, url, token: &token, tfrc: &tfrc, published };
            context.output.answer(&started.machine(), started.human())
        };
        tokio::select! {
            done = played => done?,
            ended = &mut server => return ended?,
        }
        server.await?
    }

    /// Publishes what was given; each line says one thing that is there now.
    async fn publish(&self, folder: &Path, client: &Client) -> anyhow::Result<Vec<String>> {
        let mut published = Vec::new();
        if let Some(modules) = &self.modules {
            let pem = fs::read_to_string(folder.join("publisher.pem"))
                .context("cannot read the publisher key")?;
            let key = SigningKey::from_pem(&pem)?;
            for module in golden_paths(modules)? {
                let address = guess_address(&module)?;
                let version = module_version(&module, None)?;
                let signed = prepare(&module, &address, &version, HOSTNAME, &key)?;
                let answer = signed.upload(client, None).await?;
                published.push(format!("module {} {}", answer.address, answer.version));
            }
        }
        if let Some(program) = &self.provider {
            let key = provider_key(&folder.join("provider.key.asc")).await?;
            let release = Release {
                address: "platform/idp".parse()?,
                version: parse_version(&self.provider_version)?,
                protocols: vec!["6.0".to_owned()],
                programs: [(this_platform()?.to_string(), program.clone())].into(),
            };
            let answer = release.publish(&key, client).await?;
            published.push(format!("provider {} {}", answer.address, answer.version));
        }
        Ok(published)
    }
}

/// Makes what is missing in the folder; the token that works on it.
async fn prepare_folder(
    folder: &Path,
    listen: &str,
    postgres: &Postgres,
) -> anyhow::Result<String> {
    let token_file = folder.join("admin-token");
    if folder.join("idp.toml").exists() {
        return fs::read_to_string(&token_file).with_context(|| {
            format!("{} was not made by idp dev: it has no admin-token", folder.display())
        });
    }
    let url = format!("http://{listen}");
    let Initialised { config_file, token, .. } = initialise(folder, &url, Some(HOSTNAME)).await?;
    super::init::write_new(&token_file, token.as_bytes(), 0o600)?;
    let repository = folder.join("gitops.git");
    let made = Command::new("git")
        .args(["init", "--quiet", "--bare", "--initial-branch=main"])
        .arg(&repository)
        .stdin(Stdio::null())
        .output()
        .context("cannot run git, which holds what is rendered; install it")?;
    if !made.status.success() {
        bail!("git init failed: {}", String::from_utf8_lossy(&made.stderr).trim());
    }
    let mut text = fs::read_to_string(&config_file).context("cannot read the configuration")?;
    text.push_str(DEV_SECTIONS);
    text.push_str(&postgres.sections()?);
    text.push_str(DEV_OWNER);
    fs::write(&config_file, text).context("cannot write the configuration")?;
    Ok(token)
}

const DEV_SECTIONS: &str = r#"
# Added by idp dev.
[[gitops_repository]]
name = "gitops"
url = "gitops.git"

[[environment]]
name = "staging"
tier = "staging"
gitops_repository = "gitops"
domain = "staging.idp.test"
destination = { server = "https://kubernetes.default.svc", namespace = "apps" }
secrets = { url = "http://registry.idp.test" }
"#;

const DEV_OWNER: &str = r#"
[[owner]]
name = "payments"
title = "Payments"
contact = "payments@example.com"
"#;

impl Postgres {
    /// What the configuration says of it; the first line still belongs to the environment.
    fn sections(&self) -> anyhow::Result<String> {
        let (Some(server), Some(file)) = (&self.server, &self.password_file) else {
            return Ok(String::new());
        };
        let place =
            server.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = place else {
            bail!("{server:?} is no server: write HOST:PORT, such as localhost:5432");
        };
        let port: u16 = port;
        let file =
            std::path::absolute(file).with_context(|| format!("cannot find {}", file.display()))?;
        Ok(format!(
            "postgres = {{ server = \"dev\", extensions = [\"citext\", \"hstore\", \"pg_trgm\", \"pgcrypto\"] }}\n\n\
             [[postgres_server]]\nname = \"dev\"\nhost = {host:?}\nport = {port}\nadmin_user = {user:?}\n\
             admin_password_file = {file:?}\ntls = \"disable\"\n",
            user = self.user,
            file = file.display().to_string(),
        ))
    }
}

/// The key of an earlier run, or a new one.
async fn provider_key(file: &Path) -> anyhow::Result<openpgp::SigningKey> {
    if let Ok(text) = fs::read_to_string(file) {
        return Ok(openpgp::SigningKey::from_armored(&text, "")?);
    }
    let key = generate_key("idp dev".to_owned()).await?;
    super::init::write_new(file, key.to_armored()?.as_bytes(), 0o600)?;
    Ok(key)
}

/// Every `NAME/SYSTEM` below `modules` that is a golden path, sorted.
fn golden_paths(modules: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folders = |path: &Path| -> anyhow::Result<Vec<PathBuf>> {
        let entries =
            fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let paths: Result<Vec<PathBuf>, _> = entries.map(|e| e.map(|entry| entry.path())).collect();
        Ok(paths?.into_iter().filter(|path| path.is_dir()).collect())
    };
    let mut found = Vec::new();
    for name in folders(modules)? {
        let paths = folders(&name)?;
        found.extend(
            paths.into_iter().filter(|path| path.join(crate::golden_path::MANIFEST).is_file()),
        );
    }
    if found.is_empty() {
        return Err(anyhow!("{} has no golden path as NAME/SYSTEM", modules.display()));
    }
    found.sort();
    Ok(found)
}

/// A CLI configuration that maps the hostname to this server.
fn write_tfrc(folder: &Path, url: &str, token: &str) -> anyhow::Result<PathBuf> {
    let file = fs::canonicalize(folder).context("the folder is gone")?.join("dev.tfrc");
    let text = format!(
        "host \"{HOSTNAME}\" {{\n  services = {{\n    \"modules.v1\"   = \"{url}/v1/modules/\"\n    \
         \"providers.v1\" = \"{url}/v1/providers/\"\n  }}\n}}\n\ncredentials \"{HOSTNAME}\" {{\n  token = \"{token}\"\n}}\n"
    );
    // The address may have changed since the last time; the token in it is for nobody else.
    if file.exists() {
        fs::remove_file(&file).context("cannot replace dev.tfrc")?;
    }
    super::init::write_new(&file, text.as_bytes(), 0o600)?;
    Ok(file)
}

/// What runs now.
struct Started<'a> {
    folder: &'a Path,
    url: String,
    token: &'a str,
    tfrc: &'a Path,
    published: Vec<String>,
}

impl Started<'_> {
    fn machine(&self) -> serde_json::Value {
        serde_json::json!({
            "url": self.url,
            "hostname": HOSTNAME,
            "token": self.token,
            "folder": self.folder,
            "cli_config": self.tfrc,
            "published": self.published,
        })
    }

    fn human(&self) -> String {
        let mut text = format!("the platform runs at {}\n", self.url);
        for line in &self.published {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}");
        }
        let _ = write!(
            text,
            "\nin another terminal:\n  export TF_CLI_CONFIG_FILE={tfrc}\n  export IDP_ENDPOINT={url} IDP_SERVER={url} \
             IDP_TOKEN={token}\n\nsources start with {HOSTNAME}/, such as {HOSTNAME}/platform/idp;\n\
             environment \"staging\" and owner \"payments\" are there; what is rendered lands in\n  {git}\n\n\
             Ctrl-C ends it",
            tfrc = self.tfrc.display(),
            url = self.url,
            token = self.token,
            git = self.folder.join("gitops.git").display(),
        );
        text
    }
}
