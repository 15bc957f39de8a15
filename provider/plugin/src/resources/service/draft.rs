//! A plan before and after the platform was asked.
//!
//! A plan is a promise: core plans again when it applies and rejects known values that differ. So they depend on the
//! configuration, the prior state and what is kept beside it, the lock file, and immutable archives, and on nothing
//! else. Pure: the platform's answer is an argument.

use provider_framework::value::Attr;
use registry_api::platform::{
    Change, ChangeAction, Plan, PlanAction, PlanRequest, Prior, ResourceRef, Selection,
};
use registry_api::{Name, VersionConstraint};
use registry_trust::lock::Lock;
use semver::Version;

use super::model::{GitOps, GoldenPath, Service, changed_objects, id};
use super::remembered::Remembered;
use crate::json::Written;

/// A plan in the making.
#[derive(Debug)]
pub(super) struct Draft {
    /// What is known without asking.
    wanted: Service,
    prior: Option<Service>,
    remembered: Remembered,
    choice: Choice,
    written: Written,
    spec: serde_json::Value,
}

/// Which version of the golden path will be used.
#[derive(Debug, Clone, PartialEq)]
enum Choice {
    /// This one, whenever the question is asked.
    Settled { constraint: Option<VersionConstraint>, version: Version, sha256: Option<String> },
    /// Whatever is best when it is asked.
    Open { constraint: Option<VersionConstraint> },
    /// The constraint is not known yet.
    Unknown,
}

/// A change that needs another service in place of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Replacement {
    /// The attribute that changes.
    pub(super) attribute: &'static str,
    /// What it was.
    pub(super) before: String,
    /// What it shall be; absent where that is not known yet.
    pub(super) after: Option<String>,
}

impl Draft {
    /// Puts together what is known. The configuration is valid as far as it is known.
    pub(super) fn new(
        config: Service,
        prior: Option<Service>,
        remembered: Remembered,
        lock: &Lock,
    ) -> Self {
        let mut wanted = config.with_defaults();
        if let Some(prior) = &prior {
            leave_image_to_pipeline(&mut wanted, prior);
        }
        let choice = choose(&wanted, prior.as_ref(), lock);
        forget_results(&mut wanted);
        let (spec, written) = wanted.specification();
        Self { wanted, prior, remembered, choice, written, spec }
    }

    /// The plan where the platform cannot be asked: every result is unknown.
    pub(super) fn unasked(&self) -> Service {
        self.wanted.clone()
    }

    /// JSON pointers to numbers that the platform would round.
    pub(super) fn rounded(&self) -> &[String] {
        &self.written.rounded
    }

    /// Whether nothing of the kind exists yet.
    pub(super) fn is_create(&self) -> bool {
        self.prior.is_none()
    }

    /// Whether the version of the golden path is settled, so that results can be promised.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.choice, Choice::Settled { .. })
    }

    /// Whether a create finds the service made already, by one that nobody waited for.
    pub(super) fn takes_over(&self, answer: &Plan) -> bool {
        let makes_anew = |change: &Change| change.action == ChangeAction::Create;
        self.is_create()
            && answer.rendered_sha256.is_some()
            && (answer.changes.is_empty() || !answer.changes.iter().all(makes_anew))
    }

    /// What someone else changed since the last apply.
    pub(super) fn drift(&self) -> &[registry_api::platform::Drift] {
        &self.remembered.drift
    }

    /// Changes that cannot be made in place.
    pub(super) fn replacements(&self) -> Vec<Replacement> {
        let Some(prior) = &self.prior else { return Vec::new() };
        let pairs = [
            ("name", &prior.name, &self.wanted.name),
            ("environment", &prior.environment, &self.wanted.environment),
            ("template", &prior.template, &self.wanted.template),
            ("language", &prior.language, &self.wanted.language),
        ];
        let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
        changed
            .map(|(attribute, before, after)| Replacement {
                attribute,
                before: before.known().cloned().unwrap_or_default(),
                after: after.known().cloned(),
            })
            .collect()
    }

    /// What to ask the platform; nothing where too little is known for an answer.
    pub(super) fn question(&self) -> Option<PlanRequest> {
        let ResourceRef { kind, environment, name } = self.wanted.reference()?;
        let owner: Name = self.wanted.owner.known()?.parse().ok()?;
        self.wanted.template.known()?;
        self.wanted.language.known()?;
        let update = self.prior.is_some();
        Some(PlanRequest {
            kind,
            environment,
            name,
            owner,
            action: if update { PlanAction::Update } else { PlanAction::Create },
            spec: self.spec.clone(),
            unknown: self.written.unknown.clone(),
            golden_path: self.choice.selection()?,
            prior: self.prior_generation(),
            environment_revision: self.remembered.environment_revision.clone().filter(|_| update),
        })
    }

    /// The generation of what this changes or, in the second plan of a replacement, of what makes way.
    fn prior_generation(&self) -> Option<Prior> {
        let own = self.wanted.reference().map(|reference| id(&reference));
        let makes_way = self.remembered.replaces.is_some() && self.remembered.replaces == own;
        let known = self.prior.is_some() || makes_way;
        let rendered_sha256 =
            self.prior.as_ref().and_then(|prior| prior.rendered_sha256.known().cloned());
        self.remembered
            .generation
            .filter(|_| known)
            .map(|generation| Prior { generation, rendered_sha256 })
    }

    /// The plan, given the platform's answer.
    pub(super) fn promise(&self, answer: &Plan) -> Service {
        let mut planned = self.wanted.clone();
        if self.is_settled() {
            self.fill(&mut planned, answer);
        }
        planned.running_image = self.running_image();
        match &self.prior {
            Some(prior) => keep_what_stays(planned, prior),
            None => planned,
        }
    }

    fn fill(&self, planned: &mut Service, answer: &Plan) {
        if let Some(path) = &answer.golden_path {
            planned.golden_path = Attr::Known(GoldenPath::of(path));
        }
        let whole = self.written.unknown.is_empty();
        match (&answer.rendered_sha256, &answer.outputs) {
            (Some(sha256), Some(outputs)) if whole => {
                planned.rendered_sha256 = Attr::Known(sha256.clone());
                if !continues_unfinished(answer) {
                    planned.changes = Attr::Known(changed_objects(&answer.changes));
                }
                planned.url = outputs.url.clone().into();
                planned.catalog_ref = Attr::Known(outputs.catalog_ref.clone());
                let gitops = GitOps { commit: Attr::Unknown, ..GitOps::of(outputs) };
                planned.gitops = Attr::Known(gitops);
            }
            _ => {
                // Inputs are unknown, but not which service it is: these follow from that alone.
                let Some(prior) = &self.prior else { return };
                planned.catalog_ref = prior.catalog_ref.clone();
                let unknown_commit = |gitops| GitOps { commit: Attr::Unknown, ..gitops };
                planned.gitops = prior.gitops.clone().map(unknown_commit);
            }
        }
    }

    fn running_image(&self) -> Attr<String> {
        match &self.prior {
            Some(prior) if self.wanted.is_moved_by_pipeline() => prior.running_image.clone(),
            _ => self.wanted.image.clone(),
        }
    }
}

impl Choice {
    /// `None` where it is unknown.
    fn selection(&self) -> Option<Selection> {
        match self.clone() {
            Self::Settled { constraint, version, sha256 } => {
                Some(Selection { constraint, version: Some(version), sha256 })
            }
            Self::Open { constraint } => {
                Some(Selection { constraint, version: None, sha256: None })
            }
            Self::Unknown => None,
        }
    }
}

/// The lock file decides; then what is in use, while the constraint allows it; then an exact constraint.
fn choose(wanted: &Service, prior: Option<&Service>, lock: &Lock) -> Choice {
    let constraint = match &wanted.golden_path_version {
        Attr::Known(text) => text.parse::<VersionConstraint>().ok(),
        Attr::Null | Attr::Unknown => None,
    };
    let address = match (wanted.template.known(), wanted.language.known()) {
        (Some(template), Some(language)) => format!("golden/{template}/{language}"),
        _ => return Choice::Unknown,
    };
    if let Some(locked) = lock.golden_path(&address) {
        let sha256 = Some(locked.sha256.to_string());
        return Choice::Settled { constraint, version: locked.version.clone(), sha256 };
    }
    if wanted.golden_path_version.is_unknown() {
        return Choice::Unknown;
    }
    let in_use = prior.and_then(|prior| version_in_use(prior, &address));
    let allowed = |version: &Version| {
        constraint.as_ref().is_none_or(|constraint| constraint.matches(version))
    };
    if let Some((version, sha256)) = in_use.filter(|(version, _)| allowed(version)) {
        return Choice::Settled { constraint, version, sha256 };
    }
    match constraint.as_ref().and_then(VersionConstraint::exact).cloned() {
        Some(version) => Choice::Settled { constraint, version, sha256: None },
        None => Choice::Open { constraint },
    }
}

fn version_in_use(prior: &Service, address: &str) -> Option<(Version, Option<String>)> {
    let path = prior.golden_path.known()?;
    if path.address.known()? != address {
        return None;
    }
    let version = path.version.known()?.parse().ok()?;
    Some((version, path.sha256.known().cloned()))
}

/// Once a service runs, its image is the pipeline's: what the configuration says only seeded it.
fn leave_image_to_pipeline(wanted: &mut Service, prior: &Service) {
    if wanted.is_moved_by_pipeline() && prior.image.known().is_some() {
        wanted.image.clone_from(&prior.image);
    }
}

/// Whether a create goes on with what an earlier one began: how much of it is left to do may change by itself.
fn continues_unfinished(answer: &Plan) -> bool {
    answer.notices.iter().any(|notice| notice.code == "continues_unfinished")
}

/// Every result is unknown but the id.
fn forget_results(wanted: &mut Service) {
    wanted.id = wanted.reference().map_or(Attr::Unknown, |reference| Attr::Known(id(&reference)));
    wanted.golden_path = Attr::Unknown;
    wanted.url = Attr::Unknown;
    wanted.changes = Attr::Unknown;
    wanted.rendered_sha256 = Attr::Unknown;
    wanted.running_image = Attr::Unknown;
    wanted.catalog_ref = Attr::Unknown;
    wanted.gitops = Attr::Unknown;
}

/// What an update does not touch: `changes` and the commit where nothing is sent to the platform, the commit alone
/// where the files stay as they are.
fn keep_what_stays(planned: Service, prior: &Service) -> Service {
    let mut kept = Service { changes: prior.changes.clone(), ..planned.clone() };
    if let (Attr::Known(gitops), Some(before)) = (&mut kept.gitops, prior.gitops.known()) {
        gitops.commit.clone_from(&before.commit);
    }
    if kept.without_handling() == prior.without_handling() {
        return kept;
    }
    let same_files = planned.rendered_sha256.known().is_some()
        && planned.rendered_sha256 == prior.rendered_sha256;
    if same_files { Service { changes: planned.changes, ..kept } } else { planned }
}

#[cfg(test)]
mod tests;
