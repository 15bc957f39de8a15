//! Judging each package: where it lies, what is proven of it, its files, the lock, how it stands. In this order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use super::{Denied, Finding, Head, Publisher, Report, Stands, Verdict, text::chain};
use crate::{
    archive::Limits,
    evidence::{EvidenceError, ReleaseError, SignedRelease, Trusted},
    installed::{ModuleSource, Package, PackageProblem},
    lock::{Lock, LockedModule},
    release::ReleaseId,
    standing::Standing,
    statement::State,
    tree::{Difference, FileList, Tree, WalkError, read_trees},
};

const AGAIN: &str = "delete the folder and run `terraform init` again; if it happens again, find out who writes there";

/// A package with the files that lie in its folder.
#[derive(Debug)]
pub struct Inspected {
    /// The package.
    pub package: Package,
    /// Its files; nothing where nobody signs them.
    pub tree: Option<Result<Tree, WalkError>>,
}

/// Reads the files of every package of `registry`, in parallel.
pub fn inspect(packages: Vec<Package>, registry: &str, limits: &Limits) -> Vec<Inspected> {
    let is_read = |package: &Package| {
        package.problem.is_none()
            && matches!(&package.source, ModuleSource::Registry { module, .. } if module.registry() == registry)
    };
    let read: Vec<&Package> = packages.iter().filter(|package| is_read(package)).collect();
    let roots: Vec<PathBuf> = read.iter().map(|package| package.directory.clone()).collect();
    let mut trees = read_trees(&roots, limits).into_iter();
    packages
        .into_iter()
        .map(|package| {
            let tree = if is_read(&package) { trees.next() } else { None };
            Inspected { package, tree }
        })
        .collect()
}

/// Why nothing is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// A stable name of the reason.
    pub code: &'static str,
    /// The reason, for people.
    pub message: String,
}

impl From<&EvidenceError> for Unproven {
    fn from(error: &EvidenceError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

/// What packages are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    /// The hostname of the registry that the policy is about.
    pub registry: &'a str,
    /// What is proven.
    pub proof: Result<&'a Trusted, &'a Unproven>,
    /// The lock file, where there is one.
    pub lock: Option<&'a Lock>,
    /// The published files of some releases, to name those that differ.
    pub lists: &'a BTreeMap<ReleaseId, FileList>,
    /// What is refused besides what always is.
    pub denied: &'a BTreeSet<Denied>,
    /// Milliseconds since 1970 in UTC.
    pub now: i64,
}

/// Judges what is installed.
pub fn judge(packages: &[Inspected], basis: &Basis<'_>) -> Report {
    let mut unexplained = BTreeSet::new();
    let mut findings: Vec<Finding> = packages
        .iter()
        .map(|inspected| {
            let finding = basis.judge(inspected, &mut unexplained);
            Finding { refused: basis.refuses(&finding), ..finding }
        })
        .collect();
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    let findings = together(findings);
    let trusted = basis.proof.ok();
    let count = |holds: &dyn Fn(&Finding) -> bool| -> usize {
        findings.iter().filter(|finding| holds(finding)).map(|finding| finding.calls.len()).sum()
    };
    let mut counts: BTreeMap<_, _> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.word(), count(&|finding| finding.verdict == verdict)))
        .collect();
    counts.insert("not_locked", count(&|finding| finding.not_locked));
    Report {
        registry: basis.registry.to_owned(),
        checkpoint: trusted.map(|trusted| {
            let head = trusted.seen.checkpoint.clone();
            Head { origin: head.origin, size: head.size, root: head.root }
        }),
        issued_at: trusted.map(|trusted| trusted.issued_at),
        worst: findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Verified),
        refused: count(&|finding| finding.refused),
        counts,
        findings,
        unexplained,
    }
}

fn order(finding: &Finding) -> impl Ord + '_ {
    let Finding { verdict, refused, source, version, message, calls, .. } = finding;
    (!refused, Reverse(verdict), source, version, message, calls)
}

/// The same version is called from many places; where the same was found there, it is said once.
fn together(findings: Vec<Finding>) -> Vec<Finding> {
    let mut together: Vec<Finding> = Vec::new();
    for mut finding in findings {
        if let Some(last) = together.last_mut() {
            let calls = std::mem::take(&mut last.calls);
            let own = std::mem::take(&mut finding.calls);
            let is_same = *last == finding;
            last.calls = calls;
            if is_same {
                last.calls.extend(own);
                continue;
            }
            finding.calls = own;
        }
        together.push(finding);
    }
    together
}

/// What one step of judging found; steps after it are not taken.
struct Judged {
    verdict: Verdict,
    code: Option<&'static str>,
    message: String,
    fix: Option<String>,
    files: Option<Difference>,
}

impl Judged {
    fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, code: None, message: message.into(), fix: None, files: None }
    }

    fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::new(Verdict::Failed, message) }
    }

    fn tampered(code: &'static str, message: impl Into<String>) -> Self {
        let tampered = Self { code: Some(code), ..Self::new(Verdict::Tampered, message) };
        tampered.fix(AGAIN)
    }

    fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

impl Basis<'_> {
    fn refuses(&self, finding: &Finding) -> bool {
        matches!(finding.verdict, Verdict::Revoked | Verdict::Failed | Verdict::Tampered)
            || self.denied.contains(&Denied::Verdict(finding.verdict))
            || finding.not_locked && self.denied.contains(&Denied::NotLocked)
    }

    fn judge(&self, inspected: &Inspected, unexplained: &mut BTreeSet<ReleaseId>) -> Finding {
        let package = &inspected.package;
        let (source, release) = match &package.source {
            ModuleSource::Registry { module, .. } => {
                let version = package.version.clone();
                let release = version.and_then(|v| ReleaseId::of(module.clone(), v).ok());
                (module.to_string(), release.filter(|_| module.registry() == self.registry))
            }
            other => (other.to_string(), None),
        };
        let signed = release.as_ref().zip(self.proof.ok()).and_then(|(release, trusted)| {
            let signed = trusted.release(release).ok()?;
            Some((signed, trusted.standing(release)))
        });
        let judged = match &release {
            Some(release) => self.judge_release(inspected, release, unexplained),
            None => self.judge_other(package),
        };
        let not_locked = (self.lock.zip(release.as_ref()))
            .is_some_and(|(lock, release)| lock.module(release).is_none());
        let mut finding = Finding {
            verdict: judged.verdict,
            refused: false,
            calls: vec![package.call.clone()],
            source,
            version: package.version.clone(),
            code: judged.code,
            message: judged.message,
            fix: judged.fix,
            publisher: signed.as_ref().map(|(signed, _)| publisher(signed)),
            standing: signed.and_then(|(_, standing)| standing.ok()).map(Stands::from),
            not_locked,
            files: judged.files,
        };
        if let Some((lock, release)) = self.lock.zip(release).filter(|_| not_locked) {
            finding.message.push_str("; the lock file does not have it");
            finding.fix.get_or_insert_with(|| how_to_lock(lock, &release));
        }
        finding
    }

    /// What is not of the registry that the policy is about, or says that it is and cannot be.
    fn judge_other(&self, package: &Package) -> Judged {
        let is_unknown = matches!(
            &package.source,
            ModuleSource::Registry { module, .. } if module.registry() != self.registry
        );
        match (&package.problem, &package.source) {
            (Some(problem @ (PackageProblem::Escapes { .. } | PackageProblem::Source)), _)
            | (Some(problem), ModuleSource::Local(_)) => misplaced(problem),
            (_, ModuleSource::Registry { module, .. }) if is_unknown => {
                let judged = Judged::new(
                    Verdict::UnknownRegistry,
                    format!("from {}, which the policy is not about", module.registry()),
                );
                judged.fix(format!(
                    "write \"{}/{}\" if you mean the module of your own registry",
                    self.registry,
                    module.path()
                ))
            }
            (Some(problem), ModuleSource::Registry { .. }) => misplaced(problem),
            // Of the registry, and yet no release that it can have: never "unsigned".
            (None, ModuleSource::Registry { .. }) => {
                Judged::failed("version_invalid", "its version is none that a registry publishes")
            }
            (_, ModuleSource::Local(_)) => Judged::new(
                Verdict::Unsigned,
                "a folder outside of the configuration's: nobody signed what lies there",
            ),
            _ => Judged::new(Verdict::Unsigned, "not from a registry: nobody signed it"),
        }
    }

    fn judge_release(
        &self,
        inspected: &Inspected,
        release: &ReleaseId,
        unexplained: &mut BTreeSet<ReleaseId>,
    ) -> Judged {
        if let Some(problem) = &inspected.package.problem {
            return misplaced(problem);
        }
        let trusted = match self.proof {
            Ok(trusted) => trusted,
            Err(reason) => return Judged::failed(reason.code, reason.message.clone()),
        };
        let signed = match trusted.release(release) {
            Ok(signed) => signed,
            Err(error) => return unproven(release, &error),
        };
        self.differs(inspected, release, signed, unexplained)
            .or_else(|| self.is_locked_otherwise(release, signed))
            .unwrap_or_else(|| match trusted.standing(release) {
                Ok(standing) => self.stands(&standing),
                Err(error) => unproven(release, &error),
            })
    }

    /// Whether its files are others than those that were signed.
    fn differs(
        &self,
        inspected: &Inspected,
        release: &ReleaseId,
        signed: &SignedRelease,
        unexplained: &mut BTreeSet<ReleaseId>,
    ) -> Option<Judged> {
        let tree = match &inspected.tree {
            Some(Ok(tree)) => tree,
            Some(Err(error @ WalkError::Io { .. })) => {
                return Some(Judged::failed("files_unreadable", chain(error)));
            }
            Some(Err(error)) => {
                return Some(Judged::tampered("files_impossible", error.to_string()));
            }
            None => return Some(Judged::failed("files_unread", "its files were not read")),
        };
        if tree.links.is_empty() && tree.files.hash() == signed.archive.dir_hash1 {
            return None;
        }
        let files = if let Some(list) = self.lists.get(release) {
            Difference::of(tree, list)
        } else {
            unexplained.insert(release.clone());
            Difference::of_links(tree)
        };
        let judged = if tree.links.is_empty() {
            Judged::tampered("tree_hash_differs", "its files are not those that were published")
        } else {
            Judged::tampered(
                "tree_has_links",
                "there are links among its files, which no package has",
            )
        };
        Some(Judged { files: Some(files).filter(|files| !files.is_empty()), ..judged })
    }

    /// Whether the lock file has other content or another publisher.
    fn is_locked_otherwise(&self, release: &ReleaseId, signed: &SignedRelease) -> Option<Judged> {
        let LockedModule { sha256, h1, publisher } = self.lock?.module(release)?;
        if *sha256 != signed.archive.sha256 || *h1 != signed.archive.dir_hash1 {
            return Some(Judged::failed(
                "lock_digest_differs",
                format!(
                    "the lock file has sha256 {sha256} and {h1}, published is sha256 {} and {}: a published version \
                     never changes, so one of the two is not what was published",
                    signed.archive.sha256, signed.archive.dir_hash1
                ),
            ));
        }
        (*publisher != signed.publisher).then(|| {
            Judged::failed(
                "lock_publisher_differs",
                format!(
                    "the lock file has the publisher key {publisher}, it is signed by {}",
                    signed.publisher
                ),
            )
        })
    }

    fn stands(&self, standing: &Standing) -> Judged {
        let why = standing.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let what = if standing.is_whole_module { "the module is" } else { "" };
        let say = |word: &str| format!("{what} {word}{why}").trim_start().to_owned();
        let judged = match (standing.state, standing.sunset) {
            (State::Active, _) => return Judged::new(Verdict::Verified, "what was published"),
            (State::Deprecated, Some(day)) if standing.is_past_sunset(self.now) => {
                Judged::new(Verdict::PastSunset, say(&format!("deprecated, and {day} is past")))
            }
            (State::Deprecated, Some(day)) => {
                Judged::new(Verdict::Deprecated, say(&format!("deprecated until {day}")))
            }
            (State::Deprecated, None) => Judged::new(Verdict::Deprecated, say("deprecated")),
            (State::Yanked, _) => Judged::new(Verdict::Yanked, say("yanked")),
            (State::Revoked, _) => {
                Judged { code: Some("revoked"), ..Judged::new(Verdict::Revoked, say("revoked")) }
            }
        };
        let instead = standing.replacement.as_ref().map(|other| format!("use {other}"));
        let ask = standing.contact.as_ref().map(|contact| format!("ask {contact}"));
        let fix: Vec<String> = [instead, ask].into_iter().flatten().collect();
        Judged { fix: (!fix.is_empty()).then(|| fix.join("; ")), ..judged }
    }
}

fn misplaced(problem: &PackageProblem) -> Judged {
    let judged = match problem {
        PackageProblem::Link { .. } => Judged::tampered(problem.code(), problem.to_string()),
        _ => Judged::failed(problem.code(), problem.to_string()),
    };
    judged.fix(AGAIN)
}

fn unproven(release: &ReleaseId, error: &ReleaseError) -> Judged {
    let judged = Judged::failed(error.code(), error.to_string());
    match error {
        ReleaseError::Missing => judged.fix(format!(
            "use a version that was published, or ask who publishes {}",
            release.module().path()
        )),
        _ => judged,
    }
}

fn how_to_lock(lock: &Lock, release: &ReleaseId) -> String {
    match lock.versions(release.module()).next_back() {
        Some(locked) => format!(
            "write version = \"{locked}\", which is locked, or run `idp lock` to lock {}",
            release.version()
        ),
        None => "run `idp lock` and commit the file".to_owned(),
    }
}

fn publisher(signed: &SignedRelease) -> Publisher {
    let (issuer, claims) = signed.ci.clone().unzip();
    Publisher { key: signed.publisher, issuer, claims: claims.unwrap_or_default() }
}

impl From<Standing> for Stands {
    fn from(standing: Standing) -> Self {
        let Standing { state, reason, replacement, contact, sunset, .. } = standing;
        Self { state, reason, replacement, contact, sunset }
    }
}
