//! `idp publish`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use registry_api::ModuleAddress;
use registry_api::modules::Published;
use registry_trust::archive::{Archive, File, Limits, pack, pack_files};
use registry_trust::bundle;
use registry_trust::key::SigningKey;
use registry_trust::release::ReleaseId;
use registry_trust::verify::sign_release;
use reqwest::multipart::{Form, Part};
use semver::Version;

use super::Context;
use super::client::{Client, Remote};
use super::imprint::imprint;
use super::oidc::{IdTokenSource, trust};
use crate::golden_path::{MANIFEST, shared_partials};
use crate::model::changelog;
use crate::model::module::parse_version;

/// Pack, sign and publish a module.
///
/// The folder becomes the one canonical archive of its files, is signed with your publisher key, and goes up in one
/// request. Publishing the same content again succeeds and changes nothing; other content under a published version is
/// refused. Links, state files and anything outside the folder never get in, except the shared partials that a golden
/// path names.
///
/// A version that breaks those who call the one before it (an input or output that is gone, a new required input, another
/// type, tighter bounds) must raise the major version, or the minor one below 1.0.0; --allow-breaking is the exception.
///
/// Written into the files before signing: `"registry.example.com/…` becomes the server's hostname in *.tf and *.md, and
/// the text assigned to golden_path_version becomes the version in *.tf.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp publish modules/api/nodejs                    a golden path: golden/api/nodejs, version from CHANGELOG.md
  idp publish . --address acme/vpc/aws --version 1.2.0 --key publisher.pem
  idp publish . --address acme/vpc/aws --version 1.2.0 --trusted    from CI: with the job's ID token,
                                                    of a kind that the namespace trusts: idp keys trust-ci
  idp publish . --address acme/vpc/aws --version 1.2.0 --output vpc.tar.gz    only pack and sign, offline:
                                                    needs --hostname, writes vpc.tar.gz and vpc.tar.gz.sigstore.json")]
pub(super) struct Publish {
    /// Folder of the module
    directory: PathBuf,
    /// Version, such as 1.2.0 [default: the topmost of CHANGELOG.md]
    #[arg(long)]
    version: Option<String>,
    /// Where it goes [default: golden/NAME/SYSTEM for a golden path in …/NAME/SYSTEM]
    #[arg(long, value_name = "NAMESPACE/NAME/SYSTEM")]
    address: Option<ModuleAddress>,
    /// Private key that signs, PEM [default: IDP_PUBLISHER_KEY, or publisher.pem beside the configuration]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Hostname that the statement names [default: what the server says it is]
    #[arg(long, value_name = "HOST")]
    hostname: Option<String>,
    /// Write archive and bundle here instead of uploading
    #[arg(long, value_name = "FILE", requires = "hostname")]
    output: Option<PathBuf>,
    /// Publish although it breaks callers and the major version is not raised; the reason stays on record
    #[arg(long, value_name = "REASON", conflicts_with = "output")]
    allow_breaking: Option<String>,
    /// Publish as the CI job that this runs in: no stored token, no stored key
    #[arg(long, conflicts_with_all = ["key", "output", "token"])]
    trusted: bool,
    #[command(flatten)]
    id_token: IdTokenSource,
    #[command(flatten)]
    remote: Remote,
}

/// A signed archive, ready to go.
pub(super) struct Signed {
    release: ReleaseId,
    archive: Vec<u8>,
    bundle: String,
    ignored: Vec<String>,
}

impl Publish {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let address = self.address.clone().map_or_else(|| guess_address(&self.directory), Ok)?;
        let version = module_version(&self.directory, self.version.as_deref())?;
        let read_key = || read_key(self.key.as_deref(), context);
        if let (Some(output), Some(hostname)) = (&self.output, &self.hostname) {
            let signed = prepare(&self.directory, &address, &version, hostname, &read_key()?)?;
            return signed.write(output, context);
        }
        let client = self.remote.client(context)?;
        let hostname = match &self.hostname {
            Some(hostname) => hostname.clone(),
            None => client.info().await?.hostname,
        };
        let (client, key) = if self.trusted {
            trust(&client, context, &self.id_token, &hostname, address.namespace()).await?
        } else {
            (client, read_key()?)
        };
        let signed = prepare(&self.directory, &address, &version, &hostname, &key)?;
        let ignored = signed.ignored.clone();
        let published = signed.upload(&client, self.allow_breaking).await?;
        context.output.answer(&published, describe(&published, &hostname, &ignored))
    }
}

/// Packs a folder with the shared partials it names, writes hostname and version into it, and signs.
pub(super) fn prepare(
    directory: &Path,
    address: &ModuleAddress,
    version: &Version,
    hostname: &str,
    key: &SigningKey,
) -> anyhow::Result<Signed> {
    let limits = Limits::default();
    let packed = pack(directory, &limits)
        .with_context(|| format!("{} cannot be packed", directory.display()))?;
    let read = Archive::open(&packed.archive, &limits)?;
    let mut files: BTreeMap<String, File> = read
        .entries()
        .map(|entry| {
            let file = File { content: entry.content.to_vec(), executable: entry.executable };
            (entry.path.to_owned(), file)
        })
        .collect();
    if let Some(manifest) = files.get(MANIFEST) {
        let shared = shared_partials(directory, &manifest.content)?;
        let entry = |(path, content)| (path, File { content, executable: false });
        files.extend(shared.into_iter().map(entry));
    }
    imprint(&mut files, hostname, version);
    let archive = pack_files(&files, &limits)?;
    let release = ReleaseId::new(
        hostname,
        address.namespace(),
        address.name(),
        address.system(),
        version.clone(),
    )?;
    let summary = *Archive::open(&archive, &limits)?.summary();
    let bundle = sign_release(&release, &summary, None, key)?.to_json();
    Ok(Signed { release, archive, bundle, ignored: packed.ignored })
}

impl Signed {
    /// Sends both in one request.
    pub(super) async fn upload(
        self,
        client: &Client,
        allow_breaking: Option<String>,
    ) -> anyhow::Result<Published> {
        let Self { release, archive, bundle, .. } = self;
        let archive = Part::bytes(archive)
            .file_name(release.archive_name())
            .mime_str("application/gzip")
            .context("cannot make the form")?;
        let bundle = Part::bytes(bundle.into_bytes())
            .file_name(format!("{}.sigstore.json", release.archive_name()))
            .mime_str(bundle::MEDIA_TYPE)
            .context("cannot make the form")?;
        let path = format!(
            "/api/v1/modules/{}/{}/{}/{}",
            release.namespace(),
            release.name(),
            release.system(),
            release.version()
        );
        let form = Form::new().part("archive", archive).part("bundle", bundle);
        let form = match allow_breaking {
            Some(reason) => form.text("allow_breaking", reason),
            None => form,
        };
        client.upload(&path, form).await
    }

    fn write(self, output: &Path, context: &Context<'_>) -> anyhow::Result<()> {
        let bundle = PathBuf::from(format!("{}.sigstore.json", output.display()));
        for (path, content) in [(output, &self.archive[..]), (&bundle, self.bundle.as_bytes())] {
            fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        context.output.answer(
            &serde_json::json!({ "release": self.release.to_string(), "archive": output, "bundle": bundle }),
            format_args!(
                "signed {}\nwrote {} and {}",
                self.release,
                output.display(),
                bundle.display()
            ),
        )
    }
}

/// What happened, for people.
fn describe(published: &Published, hostname: &str, ignored: &[String]) -> String {
    let Published { address, version, sha256, h1, publisher, created, log, selectable_from } =
        published;
    let what = if *created { "published" } else { "already published with this content:" };
    let left_out = if ignored.is_empty() {
        String::new()
    } else {
        format!("\nleft out: {}", ignored.join(", "))
    };
    let selectable = selectable_from
        .as_ref()
        .map(|at| format!("\n  selectable {at}, which is the minimum age of its namespace"))
        .unwrap_or_default();
    format!(
        "{what} {address} {version}\n  sha256     {sha256}\n  tree       {h1}\n  signed by  {publisher}\n  log entry  {index}{selectable}{left_out}\n\n\
         module \"…\" {{\n  source  = \"{hostname}/{address}\"\n  version = \"{version}\"\n}}",
        index = log.index
    )
}

/// `golden/<name>/<system>` for a golden path that lies in `…/<name>/<system>`.
pub(super) fn guess_address(directory: &Path) -> anyhow::Result<ModuleAddress> {
    let unknown = || {
        anyhow!(
            "where does {} go? name it with --address NAMESPACE/NAME/SYSTEM",
            directory.display()
        )
    };
    let full = fs::canonicalize(directory)
        .with_context(|| format!("{} cannot be read", directory.display()))?;
    if !full.join(MANIFEST).is_file() {
        return Err(unknown());
    }
    let mut parts = full.components().rev().map(|part| part.as_os_str().to_str());
    let (Some(Some(system)), Some(Some(name))) = (parts.next(), parts.next()) else {
        return Err(unknown());
    };
    ModuleAddress::new("golden", name, system).map_err(|_| unknown())
}

/// The version that was given, or the topmost of the changelog.
pub(super) fn module_version(directory: &Path, given: Option<&str>) -> anyhow::Result<Version> {
    if let Some(text) = given {
        return Ok(parse_version(text)?);
    }
    fs::read_to_string(directory.join("CHANGELOG.md"))
        .ok()
        .as_deref()
        .and_then(changelog::topmost)
        .ok_or_else(|| {
            anyhow!(
                "which version? write it as a heading into {}, such as ## 1.2.0, or name it with --version",
                directory.join("CHANGELOG.md").display()
            )
        })
}

pub(super) fn read_key(given: Option<&Path>, context: &Context<'_>) -> anyhow::Result<SigningKey> {
    let path = given
        .map(PathBuf::from)
        .or_else(|| context.variable("IDP_PUBLISHER_KEY").map(PathBuf::from))
        .unwrap_or_else(|| context.beside_config("publisher.pem"));
    let pem = fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read the publisher key {}; name it with --key or IDP_PUBLISHER_KEY (`idp init` makes one)",
            path.display()
        )
    })?;
    SigningKey::from_pem(&pem)
        .with_context(|| format!("{} is not a private key that can sign", path.display()))
}
