//! What the platform half of the service keeps in memory: the facts of every environment and owner, its
//! repositories, its policy, parsed golden paths, wake-ups.
//!
//! Made once from the configuration, which does not change while the process runs. Knows nothing of requests.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use registry_api::Name;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::config::{self, Config, GitOpsRepository, PostgresTls};
use crate::drivers::gitops::{
    Credentials, GitOps, GitOpsError, GitProgram, Identity, Repository, Secret,
};
use crate::drivers::postgres::{PostgresError, PostgresServer, Settings, Tls};
use crate::model::environment::{EnvironmentFacts, OwnerFacts, PlatformFacts};
use crate::model::secret::SecretText;
use crate::path_cache::PathCache;
use crate::policy::{PolicyBundle, PolicyError};
use crate::signals::Signals;
use crate::store::{Store, StoreError, environments};

/// The platform's memory; shared by everything that runs.
#[derive(Debug)]
pub struct Platform {
    /// Every configured environment.
    pub environments: BTreeMap<Name, Place>,
    /// Every configured owner.
    pub owners: BTreeMap<Name, OwnerFacts>,
    /// What is the same everywhere.
    pub facts: PlatformFacts,
    /// The organisation's rules.
    pub policy: Arc<PolicyBundle>,
    /// Golden paths that were verified and parsed.
    pub paths: PathCache,
    /// Who waits for what.
    pub signals: Signals,
    /// How many renderings may run at once: they are pure computation.
    pub rendering: Semaphore,
}

/// One configured environment.
pub struct Place {
    /// Everything that can change what is rendered.
    pub facts: EnvironmentFacts,
    /// The same as the database remembers it, so that a refusal can say what moved.
    pub remembered: Value,
    /// Digest of that.
    pub revision: String,
    /// Its repository and branch.
    pub gitops: GitOps,
    /// The server of its databases.
    pub databases: Option<Databases>,
}

/// The server of an environment's databases.
#[derive(Clone)]
pub struct Databases {
    /// Its name in the configuration.
    pub name: String,
    /// The server.
    pub server: PostgresServer,
    /// How long the credentials before a rotation go on working.
    pub drain_millis: i64,
}

/// Why the platform could not start.
#[derive(Debug, thiserror::Error)]
pub enum PlatformStartError {
    /// A repository's settings.
    #[error(transparent)]
    GitOps(#[from] GitOpsError),
    /// A database server's settings.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A file that the configuration names.
    #[error("cannot read {}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The organisation's rules.
    #[error("the organisation's policy cannot be used")]
    Policy(#[from] PolicyError),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("facts", &self.facts)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl Platform {
    /// Reads what the configuration names; runs nothing yet.
    pub fn new(config: &Config) -> Result<Self, PlatformStartError> {
        let owners = config.owners.iter().map(|owner| (owner.name.clone(), owner.for_templates()));
        Ok(Self {
            environments: places(config)?,
            owners: owners.collect(),
            facts: config.platform_for_templates(),
            policy: Arc::new(policy(config)?),
            paths: PathCache::default(),
            signals: Signals::default(),
            rendering: Semaphore::new(
                2 * std::thread::available_parallelism().map_or(2, Into::into),
            ),
        })
    }
}

/// Notes what every environment is configured as, once a start.
pub async fn remember(store: &Store, platform: &Platform, now: i64) -> Result<(), StoreError> {
    let mut tx = store.write().await?;
    for place in platform.environments.values() {
        let name = place.name().as_str();
        environments::insert_revision(&mut tx, name, &place.revision, &place.remembered, now)
            .await?;
    }
    Ok(tx.commit().await?)
}

impl Place {
    /// Its name.
    pub const fn name(&self) -> &Name {
        &self.facts.name
    }
}

fn places(config: &Config) -> Result<BTreeMap<Name, Place>, PlatformStartError> {
    let servers = postgres_servers(config)?;
    let mut drivers: BTreeMap<(&str, &str), GitOps> = BTreeMap::new();
    let mut places = BTreeMap::new();
    for environment in &config.environments {
        // The configuration was checked: the repository is there.
        let Some(repository) = config.gitops_repository(environment.gitops_repository.as_str())
        else {
            continue;
        };
        let branch = environment.branch(config);
        let gitops = match drivers.get(&(repository.name.as_str(), branch)) {
            Some(driver) => driver.clone(),
            None => driver(config, repository, branch)?,
        };
        drivers.insert((repository.name.as_str(), branch), gitops.clone());
        let place = Place {
            facts: environment.for_templates(config),
            remembered: environment.facts(config),
            revision: environment.revision(config),
            gitops,
            databases: environment.postgres.as_ref().and_then(|postgres| {
                let server = servers.get(&postgres.server)?.clone();
                let drain = postgres.drain_seconds.saturating_mul(1000);
                let drain_millis = i64::try_from(drain).unwrap_or(i64::MAX);
                Some(Databases { name: postgres.server.to_string(), server, drain_millis })
            }),
        };
        places.insert(environment.name.clone(), place);
    }
    Ok(places)
}

/// One driver a server, whose connections its environments share.
fn postgres_servers(config: &Config) -> Result<BTreeMap<Name, PostgresServer>, PlatformStartError> {
    let servers = config.postgres_servers.iter();
    servers.map(|server| Ok((server.name.clone(), postgres_server(config, server)?))).collect()
}

fn postgres_server(
    config: &Config,
    server: &config::PostgresServer,
) -> Result<PostgresServer, PlatformStartError> {
    let file = &server.admin_password_file;
    let password = config::Secret::from_file(file)
        .map_err(|source| PlatformStartError::File { path: file.clone(), source })?;
    let password = SecretText::new(password.expose());
    let settings = Settings {
        tls: match server.tls {
            PostgresTls::Disable => Tls::Disable,
            PostgresTls::Require => Tls::Require,
            PostgresTls::VerifyFull => Tls::VerifyFull { authority: server.ca_file.clone() },
        },
        maintenance_database: server.admin_database.clone(),
        connections: usize::try_from(server.connections).unwrap_or(usize::MAX),
        ..Settings::new(
            &server.host,
            server.port,
            &server.admin_user,
            password,
            &config.server.hostname,
        )
    };
    Ok(PostgresServer::new(settings)?)
}

fn driver(
    config: &Config,
    repository: &GitOpsRepository,
    branch: &str,
) -> Result<GitOps, PlatformStartError> {
    let name = repository.name.as_str();
    let author = &repository.author;
    let program = config.process_environment.iter().map(|(key, value)| (key.into(), value.into()));
    let described = Repository::new(
        name,
        &repository.url,
        branch,
        credentials(repository)?,
        Identity::new(&author.name, &author.email),
    )?
    .with_git(GitProgram::default().with_environment(program));
    // Two branches of one repository never share a mirror.
    let branch_digest = hex::encode(&Sha256::digest(branch)[..4]);
    let mirror = config.server.data_dir.join("gitops").join(format!("{name}-{branch_digest}"));
    Ok(GitOps::new(described, mirror))
}

fn credentials(repository: &GitOpsRepository) -> Result<Credentials, PlatformStartError> {
    let given = &repository.credentials;
    if let Some(path) = &given.token_file {
        let token = std::fs::read_to_string(path)
            .map_err(|source| PlatformStartError::File { path: path.clone(), source })?;
        let username = given.username.clone().unwrap_or_else(|| "git".to_owned());
        return Ok(Credentials::HttpsToken { username, token: Secret::new(token.trim()) });
    }
    match (&given.ssh_key_file, &given.known_hosts_file) {
        (Some(key), Some(known_hosts)) => {
            Ok(Credentials::SshKey { key: key.clone(), known_hosts: known_hosts.clone() })
        }
        _ => Ok(Credentials::None),
    }
}

fn policy(config: &Config) -> Result<PolicyBundle, PlatformStartError> {
    let Some(folder) = &config.policy.directory else {
        return Ok(PolicyBundle::embedded()?);
    };
    let mut files = BTreeMap::new();
    read_files(folder, folder, &mut files)?;
    Ok(PolicyBundle::load(&files)?)
}

/// Every file under `folder`, by its path from `root` with `/` between parts.
fn read_files(
    root: &Path,
    folder: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), PlatformStartError> {
    let failed = |source| PlatformStartError::File { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            read_files(root, &path, files)?;
            continue;
        }
        let content = std::fs::read(&path)
            .map_err(|source| PlatformStartError::File { path: path.clone(), source })?;
        let parts = path.strip_prefix(root).unwrap_or(&path).components();
        let name: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy()).collect();
        files.insert(name.join("/"), content);
    }
    Ok(())
}
