//! `idp provider`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use registry_api::providers::{ProviderRelease, PublishedProvider};
use registry_api::{Platform, ProviderAddress};
use registry_trust::digest::Sha256;
use registry_trust::sums::{PackageName, Sums, signature_name, sums_name};
use reqwest::multipart::{Form, Part};
use semver::Version;
use zip::write::SimpleFileOptions;

use super::Context;
use super::client::{Client, Remote};
use super::init::write_new;
use crate::clock::Clock;
use crate::model::module::parse_version;
use crate::model::release::program_name;
use crate::openpgp::SigningKey;

/// Release a Terraform provider into the registry.
#[derive(Debug, Args)]
pub(super) struct Provider {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(Keygen),
    Publish(Box<Publish>),
}

/// Make an OpenPGP release key (RSA-4096, the one kind that every Terraform accepts).
///
/// Takes a few seconds. The private half signs releases and never goes to a server: keep it offline or in the release
/// job's secret store.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  idp provider keygen --user-id 'Acme platform <platform@acme.example>'")]
struct Keygen {
    /// Who the key belongs to
    #[arg(long, default_value = "Platform provider releases", value_name = "NAME")]
    user_id: String,
    /// Where the private key goes [default: provider.key.asc beside the configuration]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Package, sign and publish a provider release.
///
/// Each platform's program becomes a zip, their checksums are signed, and everything goes up in one request. A published
/// version never changes: publishing the same programs again succeeds, other programs are refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  idp provider publish --binary target/release/terraform-provider-idp --version 1.2.0
  idp provider publish --dir dist --version 1.2.0       dist/linux_amd64/terraform-provider-idp, dist/darwin_arm64/…

The private key's passphrase, where it has one, is read from IDP_PROVIDER_PASSPHRASE.")]
struct Publish {
    /// One program, for the platform of --platform
    #[arg(long, value_name = "FILE", required_unless_present = "dir", conflicts_with = "dir")]
    binary: Option<PathBuf>,
    /// Platform of --binary, such as linux_amd64 [default: this machine's]
    #[arg(long, value_name = "OS_ARCH", requires = "binary")]
    platform: Option<Platform>,
    /// Folder with one folder a platform, each with the program
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Version, such as 1.2.0
    #[arg(long)]
    version: String,
    /// Where it goes
    #[arg(long, value_name = "NAMESPACE/TYPE", default_value = "platform/idp")]
    address: ProviderAddress,
    /// Plugin protocols, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "6.0")]
    protocols: Vec<String>,
    /// Armoured private key [default: IDP_PROVIDER_KEY, or provider.key.asc beside the configuration]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
}

impl Provider {
    pub(super) async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        match self.command {
            Command::Keygen(command) => command.run(context).await,
            Command::Publish(command) => command.run(context).await,
        }
    }
}

impl Keygen {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let private = self.output.unwrap_or_else(|| context.beside_config("provider.key.asc"));
        let public = public_path(&private);
        if private.exists() {
            bail!("{} exists already; nothing was changed", private.display());
        }
        let key = generate_key(self.user_id).await?;
        write_new(&private, key.to_armored()?.as_bytes(), 0o600)?;
        write_new(&public, key.public_key().armored().as_bytes(), 0o644)?;
        context.output.answer(
            &serde_json::json!({
                "key_id": key.public_key().key_id(),
                "fingerprint": key.public_key().fingerprint(),
                "private_key": private,
                "public_key": public,
            }),
            format_args!(
                "key {}\nwrote {} (keep it off the server)\nwrote {} (for provider_keys in idp.toml)",
                key.public_key().fingerprint(),
                private.display(),
                public.display()
            ),
        )
    }
}

/// Makes a key on a thread that may be busy for seconds.
pub(super) async fn generate_key(user_id: String) -> anyhow::Result<SigningKey> {
    let now = Clock::system().now();
    Ok(tokio::task::spawn_blocking(move || SigningKey::generate(&user_id, now)).await??)
}

/// `provider.key.asc` → `provider.asc`; anything else gets `.pub` at its end.
fn public_path(private: &Path) -> PathBuf {
    let name = private.file_name().map_or_else(String::new, |name| name.to_string_lossy().into());
    let public = match name.strip_suffix(".key.asc") {
        Some(stem) => format!("{stem}.asc"),
        None => format!("{name}.pub"),
    };
    private.with_file_name(public)
}

impl Publish {
    async fn run(self, context: &Context<'_>) -> anyhow::Result<()> {
        let version = parse_version(&self.version)?;
        let programs = match (&self.binary, &self.dir) {
            (Some(binary), _) => {
                let platform = self.platform.clone().map_or_else(this_platform, Ok)?;
                BTreeMap::from([(platform.to_string(), binary.clone())])
            }
            (None, Some(dir)) => find_programs(dir, &self.address)?,
            (None, None) => bail!("name the program with --binary or --dir"),
        };
        let key = read_key(self.key.as_deref(), context)?;
        let client = self.remote.client(context)?;
        let release =
            Release { address: self.address, version, protocols: self.protocols, programs };
        let published = release.publish(&key, &client).await?;
        context.output.answer(&published, describe(&published, &client.info().await?.hostname))
    }
}

/// What goes into a release: the programs by platform.
pub(super) struct Release {
    pub(super) address: ProviderAddress,
    pub(super) version: Version,
    pub(super) protocols: Vec<String>,
    pub(super) programs: BTreeMap<String, PathBuf>,
}

impl Release {
    /// Packs, signs and uploads.
    pub(super) async fn publish(
        self,
        key: &SigningKey,
        client: &Client,
    ) -> anyhow::Result<PublishedProvider> {
        let Self { address, version, protocols, programs } = self;
        let mut sums = Sums::default();
        let mut form = Form::new();
        for (platform, program) in programs {
            let platform: Platform = platform.parse()?;
            let package = PackageName {
                provider_type: address.kind().to_owned(),
                version: version.clone(),
                os: platform.os().to_owned(),
                arch: platform.arch().to_owned(),
            };
            let zip = pack(&program, &program_name(&address, &version))?;
            sums.insert(&package, Sha256::of(&zip));
            form = form.part("package", Part::bytes(zip).file_name(package.to_string()));
        }
        let text = sums.to_text();
        let signature = key.sign(text.as_bytes(), Clock::system().now())?;
        let release = serde_json::to_string(&ProviderRelease { protocols })?;
        let kind = address.kind();
        let form = form
            .text("release", release)
            .text("key", key.public_key().armored().to_owned())
            .part("shasums", Part::bytes(text.into_bytes()).file_name(sums_name(kind, &version)))
            .part("signature", Part::bytes(signature).file_name(signature_name(kind, &version)));
        let path = format!("/api/v1/providers/{address}/{version}");
        client.upload(&path, form).await
    }
}

/// One zip; the same program gives the same bytes on every machine.
fn pack(program: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let content =
        fs::read(program).with_context(|| format!("cannot read {}", program.display()))?;
    let name = if program.extension().is_some_and(|e| e == "exe") {
        format!("{name}.exe")
    } else {
        name.to_owned()
    };
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .last_modified_time(zip::DateTime::DEFAULT)
        .unix_permissions(0o755);
    zip.start_file(name, options)?;
    zip.write_all(&content)?;
    Ok(zip.finish()?.into_inner())
}

/// `FOLDER/OS_ARCH/terraform-provider-TYPE[.exe]`.
fn find_programs(
    dir: &Path,
    address: &ProviderAddress,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let name = format!("terraform-provider-{}", address.kind());
    let mut programs = BTreeMap::new();
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let folder = entry.with_context(|| format!("cannot read {}", dir.display()))?.path();
        let platform = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(platform) = platform.filter(|_| folder.is_dir()) else { continue };
        let platform: Platform = platform
            .parse()
            .with_context(|| format!("{} is not named after a platform", folder.display()))?;
        let program = [folder.join(&name), folder.join(format!("{name}.exe"))]
            .into_iter()
            .find(|path| path.is_file())
            .ok_or_else(|| anyhow!("{} has no {name}", folder.display()))?;
        programs.insert(platform.to_string(), program);
    }
    if programs.is_empty() {
        bail!("{} has no folder named after a platform, such as linux_amd64", dir.display());
    }
    Ok(programs)
}

/// This machine, in Go's words.
pub(super) fn this_platform() -> anyhow::Result<Platform> {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        arch => arch,
    };
    Ok(Platform::new(os, arch)?)
}

fn read_key(given: Option<&Path>, context: &Context<'_>) -> anyhow::Result<SigningKey> {
    let path = given
        .map(PathBuf::from)
        .or_else(|| context.variable("IDP_PROVIDER_KEY").map(PathBuf::from))
        .unwrap_or_else(|| context.beside_config("provider.key.asc"));
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read the release key {}; name it with --key or IDP_PROVIDER_KEY (`idp provider keygen` makes one)",
            path.display()
        )
    })?;
    let passphrase = context.variable("IDP_PROVIDER_PASSPHRASE").unwrap_or_default();
    SigningKey::from_armored(&text, passphrase)
        .with_context(|| format!("{} is not a key that can sign releases", path.display()))
}

/// What happened, for people.
fn describe(published: &PublishedProvider, hostname: &str) -> String {
    let PublishedProvider { address, version, platforms, shasums_sha256, key_id, created } =
        published;
    let what = if *created { "published" } else { "already published with this content:" };
    let platforms: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    format!(
        "{what} {address} {version}\n  platforms  {}\n  shasums    {shasums_sha256}\n  signed by  {key_id}\n\n\
         terraform {{\n  required_providers {{\n    {} = {{ source = \"{hostname}/{address}\", version = \"{version}\" }}\n  }}\n}}",
        platforms.join(", "),
        address.kind()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_twice_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        fs::write(&program, b"content").unwrap();

        assert_eq!(
            pack(&program, "terraform-provider-idp_v1.0.0").unwrap(),
            pack(&program, "terraform-provider-idp_v1.0.0").unwrap()
        );
    }

    #[test]
    fn the_public_half_is_named_after_the_private_one() {
        assert_eq!(public_path(Path::new("/k/provider.key.asc")), Path::new("/k/provider.asc"));
        assert_eq!(public_path(Path::new("release")), Path::new("release.pub"));
        assert_eq!(public_path(Path::new("provider.asc")), Path::new("provider.asc.pub"));
    }
}
