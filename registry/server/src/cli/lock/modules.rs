//! Which version of each module is locked: what is installed, what was locked, or the newest that is allowed.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow, bail};
use registry_api::VersionConstraint;
use registry_api::modules::{ModuleDetail, ModuleVersionDetail, ModuleVersions};
use registry_api::platform::BASE_PATH;
use registry_trust::digest::DirHash1;
use registry_trust::evidence::{Seen, Trusted};
use registry_trust::lock::{Lock, LockedModule};
use registry_trust::policy::Policy;
use registry_trust::release::{ModuleId, ReleaseId};
use registry_trust::standing::Standing;
use registry_trust::statement::State;
use semver::Version;

use super::super::client::Client;
use super::super::evidence::{self, Age};
use super::calls::Call;

/// How many of the newest versions are looked at.
const MOST_CANDIDATES: usize = 10;

/// How often a log that grows in between is asked for again.
const MOST_TRIES: usize = 5;

/// A call with the version that it is locked to.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) call: Call,
    pub(super) release: ReleaseId,
}

/// What is to be locked.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    pub(super) chosen: Vec<Chosen>,
    pub(super) entries: BTreeMap<ReleaseId, LockedModule>,
    /// How each stands, where there is a policy to believe it by.
    pub(super) standings: BTreeMap<ReleaseId, Standing>,
    /// The head of the log that proves it.
    pub(super) seen: Option<Seen>,
}

/// What a resolution is made from.
pub(super) struct Resolver<'a> {
    pub(super) client: &'a Client,
    pub(super) policy: Option<&'a Policy>,
    pub(super) lock: &'a Lock,
    /// The earlier head of the log, where two branches had different ones.
    pub(super) earlier: Option<&'a Seen>,
    pub(super) upgrade: bool,
    pub(super) now: i64,
}

impl Resolver<'_> {
    pub(super) async fn resolve(&self, calls: Vec<Call>) -> anyhow::Result<Resolution> {
        let mut details: BTreeMap<ModuleId, Vec<ModuleVersionDetail>> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut wanted = Vec::new();
        for call in calls {
            let kept = self.kept(&call);
            if (kept.is_none() || self.policy.is_none()) && !details.contains_key(&call.module) {
                let detail = self.fetch(&call).await?;
                details.insert(call.module.clone(), detail);
            }
            let candidates = match kept {
                Some(version) => vec![version],
                None => candidates(&call, &details)?,
            };
            let releases = candidates
                .into_iter()
                .map(|version| Ok(ReleaseId::of(call.module.clone(), version)?))
                .collect::<anyhow::Result<Vec<_>>>()?;
            asked.extend(releases.iter().cloned());
            wanted.push((call, releases));
        }
        let mut resolution = Resolution::default();
        let trusted = match self.policy {
            Some(policy) if !asked.is_empty() || self.earlier.is_some() => {
                Some(self.prove(policy, &asked).await?)
            }
            _ => None,
        };
        for (call, releases) in wanted {
            let release = match &trusted {
                Some(trusted) => self.prove_one(&call, &releases, trusted, &mut resolution)?,
                None => unproven(&call, &releases, &details, &mut resolution)?,
            };
            resolution.chosen.push(Chosen { call, release });
        }
        resolution.seen = trusted.map(|trusted| trusted.seen);
        Ok(resolution)
    }

    /// The version that a call keeps: the installed one, or else one that is locked.
    fn kept(&self, call: &Call) -> Option<Version> {
        if self.upgrade {
            return None;
        }
        let locked = self.lock.versions(&call.module).rev();
        let mut known = call.installed.iter().chain(locked);
        known.find(|version| allows(call.constraint.as_ref(), version)).cloned()
    }

    async fn fetch(&self, call: &Call) -> anyhow::Result<Vec<ModuleVersionDetail>> {
        let path = call.module.path();
        let cannot = || format!("cannot lock {path}, which {} calls", call.place);
        let detail: ModuleDetail =
            self.client.get(&format!("{BASE_PATH}/modules/{path}")).await.with_context(cannot)?;
        let mut versions = detail.versions;
        versions.retain(|release| release.selectable_from.is_none());
        if self.policy.is_none() {
            // Nothing proves how a version stands, so what Terraform would be offered decides.
            let listed: ModuleVersions = self
                .client
                .get(&format!("/v1/modules/{path}/versions"))
                .await
                .with_context(cannot)?;
            let is_listed = |version: &Version| {
                let mut all = listed.modules.iter().flat_map(|module| &module.versions);
                all.any(|listed| listed.version == *version)
            };
            let is_kept = |version: &Version| self.kept(call).as_ref() == Some(version);
            versions.retain(|release| is_listed(&release.version) || is_kept(&release.version));
        }
        versions.sort_by(|a, b| b.version.cmp(&a.version));
        Ok(versions)
    }

    async fn prove(
        &self,
        policy: &Policy,
        releases: &BTreeSet<ReleaseId>,
    ) -> anyhow::Result<Trusted> {
        let seen = self.lock.log();
        for _ in 0..MOST_TRIES {
            let bytes = evidence::fetch(self.client, releases, seen).await?;
            let trusted = verified(&bytes, policy, seen, self.now)?;
            let Some(earlier) = self.earlier else { return Ok(trusted) };
            let bytes = evidence::fetch(self.client, &BTreeSet::new(), Some(earlier)).await?;
            // Both must lead to one head: a registry with two histories could serve each its own.
            if verified(&bytes, policy, Some(earlier), self.now)?.seen == trusted.seen {
                return Ok(trusted);
            }
        }
        bail!(
            "the two branches saw different heads of the registry's log, and the registry does not show one log that both \
             belong to; ask its operator before you go on"
        )
    }

    /// The first release that is proven and may be used.
    fn prove_one(
        &self,
        call: &Call,
        releases: &[ReleaseId],
        trusted: &Trusted,
        resolution: &mut Resolution,
    ) -> anyhow::Result<ReleaseId> {
        let mut reasons = Vec::new();
        for release in releases {
            let (signed, standing) = match (trusted.release(release), trusted.standing(release)) {
                (Ok(signed), Ok(standing)) => (signed, standing),
                (Err(error), _) | (_, Err(error)) => {
                    reasons.push(format!("{}: {error}", release.version()));
                    continue;
                }
            };
            let is_installed = call.installed.as_ref() == Some(release.version());
            if let Some(reason) = self.unusable(&standing, is_installed) {
                reasons.push(format!("{}: {reason}", release.version()));
                continue;
            }
            let entry = LockedModule {
                sha256: signed.archive.sha256,
                h1: signed.archive.dir_hash1,
                publisher: signed.publisher,
            };
            resolution.entries.insert(release.clone(), entry);
            resolution.standings.insert(release.clone(), standing);
            return Ok(release.clone());
        }
        bail!(
            "{} cannot be locked, which {} calls:\n  {}",
            call.module.path(),
            call.place,
            reasons.join("\n  ")
        )
    }

    /// Why a version is not locked: nothing new may use it. What is installed may stay, unless it is revoked.
    fn unusable(&self, standing: &Standing, is_installed: bool) -> Option<String> {
        let why = standing.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        match standing.state {
            State::Revoked => Some(format!("revoked{why}")),
            State::Yanked if !is_installed => Some(format!("yanked{why}")),
            State::Deprecated if !is_installed && standing.is_past_sunset(self.now) => {
                Some(format!("its sunset is past{why}"))
            }
            _ => None,
        }
    }
}

/// The newest versions that a call allows, highest first; the installed one last, which may be yanked.
fn candidates(
    call: &Call,
    details: &BTreeMap<ModuleId, Vec<ModuleVersionDetail>>,
) -> anyhow::Result<Vec<Version>> {
    let published = details.get(&call.module).map(Vec::as_slice).unwrap_or_default();
    let allowed =
        |release: &&ModuleVersionDetail| allows(call.constraint.as_ref(), &release.version);
    let newest = published.iter().filter(allowed).take(MOST_CANDIDATES);
    let mut versions: Vec<Version> = newest.map(|release| release.version.clone()).collect();
    let installed = call
        .installed
        .iter()
        .filter(|version| allows(call.constraint.as_ref(), version) && !versions.contains(version));
    versions.extend(installed.cloned().collect::<Vec<_>>());
    if versions.is_empty() {
        let constraint = call.constraint.as_ref().map_or("any version", VersionConstraint::as_str);
        bail!(
            "{} asks for {} in {constraint}, and no version that can be selected is: there are {}",
            call.place,
            call.module.path(),
            list(published)
        );
    }
    Ok(versions)
}

fn verified(
    bytes: &[u8],
    policy: &Policy,
    seen: Option<&Seen>,
    now: i64,
) -> anyhow::Result<Trusted> {
    evidence::verify(bytes, policy, seen, Age::Recent, now)
        .map_err(|unproven| anyhow!("{} ({})", unproven.message, unproven.code))
}

/// The registry's word for it, where there is no policy.
fn unproven(
    call: &Call,
    releases: &[ReleaseId],
    details: &BTreeMap<ModuleId, Vec<ModuleVersionDetail>>,
    resolution: &mut Resolution,
) -> anyhow::Result<ReleaseId> {
    let published = details.get(&call.module).map(Vec::as_slice).unwrap_or_default();
    for release in releases {
        let is_it = |known: &&ModuleVersionDetail| known.version == *release.version();
        let Some(known) = published.iter().find(is_it) else { continue };
        let entry = LockedModule {
            sha256: known.sha256.parse()?,
            h1: DirHash1::from_h1(&known.h1)?,
            publisher: known.publisher.parse()?,
        };
        resolution.entries.insert(release.clone(), entry);
        return Ok(release.clone());
    }
    bail!(
        "{} calls {} in a version that the registry does not have: there are {}",
        call.place,
        call.module.path(),
        list(published)
    )
}

/// Terraform takes a version before its release only where it is named.
fn allows(constraint: Option<&VersionConstraint>, version: &Version) -> bool {
    constraint.map_or(version.pre.is_empty(), |constraint| constraint.matches(version))
}

fn list(published: &[ModuleVersionDetail]) -> String {
    if published.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<_> =
        published.iter().take(MOST_CANDIDATES).map(|known| known.version.to_string()).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use registry_api::trust::NewModuleStatus;
    use registry_trust::key::KeyId;
    use registry_trust::time::Day;

    use super::*;

    const PUBLISHER: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    fn call(constraint: Option<&str>, installed: Option<&str>) -> Call {
        Call {
            address: "module.vpc".to_owned(),
            place: "main.tf:1 module.vpc".to_owned(),
            module: "r.example/acme/vpc/aws".parse().unwrap(),
            constraint: constraint.map(|text| text.parse().unwrap()),
            installed: installed.map(|text| text.parse().unwrap()),
        }
    }

    fn published(versions: &[&str]) -> Vec<ModuleVersionDetail> {
        let release = |version: &&str| ModuleVersionDetail {
            version: version.parse().unwrap(),
            sha256: "a".repeat(64),
            h1: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
            publisher: PUBLISHER.to_owned(),
            published_at: "2026-11-22T10:00:00Z".to_owned(),
            status: NewModuleStatus::default(),
            selectable_from: None,
        };
        versions.iter().map(release).collect()
    }

    fn client() -> Client {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        Client::new("http://127.0.0.1:1", None).unwrap()
    }

    fn lock(versions: &[&str]) -> Lock {
        let mut lock = Lock::default();
        let publisher: KeyId = PUBLISHER.parse().unwrap();
        let h1 = DirHash1::from_h1("h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=").unwrap();
        for version in versions {
            let release = format!("r.example/acme/vpc/aws@{version}").parse().unwrap();
            let entry = LockedModule { sha256: "a".repeat(64).parse().unwrap(), h1, publisher };
            lock.insert_module(&release, entry).unwrap();
        }
        lock
    }

    fn resolver<'a>(client: &'a Client, lock: &'a Lock, upgrade: bool) -> Resolver<'a> {
        Resolver { client, policy: None, lock, earlier: None, upgrade, now: 0 }
    }

    #[test]
    fn what_is_installed_stays_before_what_is_locked() {
        let (client, lock) = (client(), lock(&["1.0.0", "1.1.0"]));
        let kept = |upgrade, constraint, installed| {
            let kept = resolver(&client, &lock, upgrade).kept(&call(constraint, installed));
            kept.map(|version| version.to_string())
        };

        assert_eq!(kept(false, Some("~> 1.0"), Some("1.0.5")).as_deref(), Some("1.0.5"));
        assert_eq!(kept(false, Some("~> 1.0"), Some("2.0.0")).as_deref(), Some("1.1.0"));
        assert_eq!(kept(false, Some("1.0.0"), None).as_deref(), Some("1.0.0"));
        assert_eq!(kept(false, Some("~> 3.0"), None), None);
        assert_eq!(kept(true, Some("~> 1.0"), Some("1.0.5")), None);
    }

    #[test]
    fn the_newest_that_is_allowed_comes_first() {
        let module = call(None, None).module;
        let details =
            BTreeMap::from([(module, published(&["2.0.0-rc.1", "1.10.0", "1.9.0", "1.2.0"]))]);
        let candidates = |constraint, installed| -> Vec<String> {
            let versions = super::candidates(&call(constraint, installed), &details).unwrap();
            versions.iter().map(ToString::to_string).collect()
        };

        assert_eq!(candidates(None, None), ["1.10.0", "1.9.0", "1.2.0"]);
        assert_eq!(candidates(Some("< 1.10"), Some("1.1.0")), ["1.9.0", "1.2.0", "1.1.0"]);
        assert_eq!(candidates(Some("2.0.0-rc.1"), None), ["2.0.0-rc.1"]);
        let error = super::candidates(&call(Some("3.0.0"), None), &details).unwrap_err();
        assert!(error.to_string().contains("main.tf:1 module.vpc asks for acme/vpc/aws in 3.0.0"));
    }

    #[test]
    fn nothing_new_is_locked_that_nothing_new_may_use() {
        let (client, lock) = (client(), Lock::default());
        let resolver =
            Resolver { now: Day::of(86_400_000).start(), ..resolver(&client, &lock, true) };
        let standing = |state, sunset| Standing { state, sunset, ..Standing::default() };
        let past = Some(Day::of(0));

        for (standing, new, installed) in [
            (standing(State::Active, None), true, true),
            (standing(State::Deprecated, None), true, true),
            (standing(State::Deprecated, past), false, true),
            (standing(State::Yanked, None), false, true),
            (standing(State::Revoked, None), false, false),
        ] {
            assert_eq!(resolver.unusable(&standing, false).is_none(), new, "{standing:?}");
            assert_eq!(resolver.unusable(&standing, true).is_none(), installed, "{standing:?}");
        }
    }

    #[test]
    fn without_a_policy_the_registrys_word_is_locked() {
        let mut resolution = Resolution::default();
        let call = call(None, None);
        let details = BTreeMap::from([(call.module.clone(), published(&["1.2.0"]))]);
        let release = |version: &str| format!("r.example/acme/vpc/aws@{version}").parse().unwrap();

        let found =
            unproven(&call, &[release("1.3.0"), release("1.2.0")], &details, &mut resolution);

        assert_eq!(found.unwrap(), release("1.2.0"));
        assert!(resolution.entries.contains_key(&release("1.2.0")));
        assert!(unproven(&call, &[release("9.0.0")], &details, &mut resolution).is_err());
    }
}
