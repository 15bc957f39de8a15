//! Whether the modules that `terraform init` installed are what was published, and may be used.
//!
//! Every rule, and the words for it, are `registry_trust`'s, so that `idp verify` says the same. What happens here: the
//! platform is asked for its proofs while the files are read, and what came of it is told. The lock file is read and
//! never written: what was seen of the log is for `idp lock` and `idp verify` to remember.

mod proof;
pub(crate) mod remarks;

use std::collections::{BTreeMap, BTreeSet};

use provider_framework::{Diagnostics, Failed};
use registry_trust::archive::Limits;
use registry_trust::installed::{self, InstalledError, ModuleSource, Package};
use registry_trust::policy::Policy;
use registry_trust::release::ReleaseId;
use registry_trust::report::{Basis, Report, Unproven, inspect, judge};

use crate::settings::{Platform, ProcessEnvironment, VerifyModules};

/// What came of verifying what is installed.
#[derive(Debug, Default)]
pub enum Verification {
    /// Nobody looked.
    #[default]
    Off,
    /// Nobody is believed.
    Unpinned,
    /// It cannot be said what is installed.
    Unreadable,
    /// Everything that is installed was judged.
    Judged(Box<Report>),
}

/// Verifies what is installed for the configuration, and tells what came of it. Nothing installed is nothing to verify: a
/// saved plan is applied from the copies in it.
pub async fn verify(
    platform: &Platform,
    environment: &ProcessEnvironment,
    now: i64,
    diagnostics: &mut Diagnostics,
) -> Result<Verification, Failed> {
    if platform.trust.verify == VerifyModules::Off {
        return Ok(Verification::Off);
    }
    let (folder, data_dir) = (environment.folder().to_owned(), environment.data_dir().to_owned());
    let installed = blocking(move || installed::read(&folder, &data_dir)).await;
    match (&platform.trust.policy, installed) {
        (Some(policy), Ok(packages)) => {
            let (report, unproven) = judge_all(platform, policy, packages, now).await;
            remarks::tell(&report, unproven.as_ref(), platform, diagnostics)?;
            Ok(Verification::Judged(Box::new(report)))
        }
        (None, Ok(packages)) => {
            remarks::unpinned(&packages, platform, diagnostics)?;
            Ok(Verification::Unpinned)
        }
        (policy, Err(error)) => {
            unreadable(policy.as_ref(), &error, platform.trust.verify, diagnostics)
        }
    }
}

/// Without a policy there is nothing to miss, unless somebody insists.
fn unreadable(
    policy: Option<&Policy>,
    error: &InstalledError,
    verify: VerifyModules,
    diagnostics: &mut Diagnostics,
) -> Result<Verification, Failed> {
    if policy.is_some() || verify == VerifyModules::Enforce {
        remarks::unreadable(error, verify, diagnostics)?;
    }
    Ok(Verification::Unreadable)
}

/// Judges every package; also why nothing is proven, where something would have to be.
async fn judge_all(
    platform: &Platform,
    policy: &Policy,
    packages: Vec<Package>,
    now: i64,
) -> (Report, Option<Unproven>) {
    let releases = releases(&packages, &policy.registry);
    let seen = platform.lock.as_ref().and_then(|lock| lock.log());
    let registry = policy.registry.clone();
    let reading = blocking(move || inspect(packages, &registry, &Limits::default()));
    let (inspected, proven) = if releases.is_empty() {
        (reading.await, Err(proof::unneeded()))
    } else {
        tokio::join!(reading, proof::get(&platform.client, &releases, policy, seen, now))
    };
    let judge = |lists: &_| {
        let basis = Basis {
            registry: &policy.registry,
            proof: proven.as_ref(),
            lock: platform.lock.as_ref(),
            lists,
            denied: &BTreeSet::new(),
            now,
        };
        judge(&inspected, &basis)
    };
    let mut report = judge(&BTreeMap::new());
    if let Ok(trusted) = &proven
        && report.unexplained().len() > 0
    {
        let lists = proof::lists(&platform.client, trusted, &report).await;
        report = judge(&lists);
    }
    let unproven = proven.err().filter(|_| !releases.is_empty());
    (report, unproven)
}

/// The releases of a registry among what is installed.
fn releases(packages: &[Package], registry: &str) -> BTreeSet<ReleaseId> {
    let release = |package: &Package| {
        let ModuleSource::Registry { module, .. } = &package.source else { return None };
        let is_its = module.registry() == registry;
        ReleaseId::of(module.clone(), package.version.clone()?).ok().filter(|_| is_its)
    };
    packages.iter().filter_map(release).collect()
}

/// Work that reads files, beside what else there is to do.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody cancels it, so it panicked, and so does its caller.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
