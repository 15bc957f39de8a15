//! A plan before and after the platform was asked.
//!
//! A plan is a promise: core plans again when it applies and rejects known values that differ. So they depend on the
//! configuration, the prior state and what is kept beside it, the lock file, and immutable archives, and on nothing
//! else. Pure: the platform's answer is an argument.

mod choice;

use provider_framework::value::Attr;
use registry_api::Name;
use registry_api::platform::{
    Change, ChangeAction, Drift, Plan, PlanAction, PlanRequest, Prior, ResourceRef,
};
use registry_trust::lock::Lock;

use self::choice::Choice;
use super::GoldenResource;
use super::model::{GitOps, Golden, GoldenPath, changed_objects, id};
use super::remembered::Remembered;
use crate::json::Written;

/// A plan in the making.
#[derive(Debug)]
pub(crate) struct Draft<R> {
    /// What is known without asking.
    wanted: Golden<R>,
    prior: Option<Golden<R>>,
    remembered: Remembered,
    choice: Choice,
    written: Written,
    spec: serde_json::Value,
}

/// A change that needs another resource in place of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// The attribute that changes.
    pub(crate) attribute: &'static str,
    /// What it was.
    pub(crate) before: String,
    /// What it shall be; absent where that is not known yet.
    pub(crate) after: Option<String>,
}

impl<R: GoldenResource> Draft<R> {
    /// Puts together what is known. The configuration is valid as far as it is known.
    pub(crate) fn new(
        config: Golden<R>,
        prior: Option<Golden<R>>,
        remembered: Remembered,
        lock: &Lock,
    ) -> Self {
        let mut wanted = config.with_defaults();
        if let Some(prior) = &prior {
            wanted.own.leave_to_others(&prior.own);
        }
        let choice = Choice::of(&wanted, prior.as_ref(), lock);
        forget_results(&mut wanted);
        let (spec, written) = wanted.specification();
        Self { wanted, prior, remembered, choice, written, spec }
    }

    /// The plan where the platform cannot be asked: every result is unknown.
    pub(crate) fn unasked(&self) -> Golden<R> {
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

    /// Whether the platform takes over what exists without it.
    pub(super) fn adopts(&self) -> bool {
        self.prior.is_some() && self.remembered.unmanaged
    }

    /// Whether the version of the golden path is settled, so that results can be promised.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.choice, Choice::Settled { .. })
    }

    /// Whether a create finds the resource made already, by one that nobody waited for.
    pub(super) fn takes_over(&self, answer: &Plan) -> bool {
        let makes_anew = |change: &Change| change.action == ChangeAction::Create;
        self.is_create()
            && answer.rendered_sha256.is_some()
            && (answer.changes.is_empty() || !answer.changes.iter().all(makes_anew))
    }

    /// What someone else changed since the last apply.
    pub(super) fn drift(&self) -> &[Drift] {
        &self.remembered.drift
    }

    /// Changes that cannot be made in place.
    pub(crate) fn replacements(&self) -> Vec<Replacement> {
        let Some(prior) = &self.prior else { return Vec::new() };
        let pairs = replacing(prior).into_iter().zip(replacing(&self.wanted));
        let changed = pairs.filter(|((_, before), (_, after))| before != after);
        changed
            .map(|((attribute, before), (_, after))| Replacement {
                attribute,
                before: before.known().cloned().unwrap_or_default(),
                after: after.known().cloned(),
            })
            .collect()
    }

    /// What to ask the platform; nothing where too little is known for an answer.
    pub(crate) fn question(&self) -> Option<PlanRequest> {
        let ResourceRef { kind, environment, name } = self.wanted.reference()?;
        let owner: Name = self.wanted.common.owner.known()?.parse().ok()?;
        self.wanted.own.golden_path()?;
        let known = self.prior.is_some();
        let update = known && !self.adopts();
        Some(PlanRequest {
            kind,
            environment,
            name,
            owner,
            action: if update { PlanAction::Update } else { PlanAction::Create },
            spec: self.spec.clone(),
            unknown: self.written.unknown.clone(),
            golden_path: self.choice.selection()?,
            adopt: self.adopts(),
            prior: self.prior_generation(),
            environment_revision: self.remembered.environment_revision.clone().filter(|_| known),
        })
    }

    /// The generation of what this changes or, in the second plan of a replacement, of what makes way.
    fn prior_generation(&self) -> Option<Prior> {
        let own = self.wanted.reference().map(|reference| id::<R>(&reference));
        let makes_way = self.remembered.id.is_some() && self.remembered.id == own;
        let known = self.prior.is_some() || makes_way;
        let generation = self.remembered.generation.filter(|_| known)?;
        let digest = |which: fn(&Golden<R>) -> &Attr<String>| {
            self.prior.as_ref().and_then(|prior| which(prior).known().cloned())
        };
        Some(Prior {
            generation,
            rendered_sha256: digest(|prior| &prior.common.rendered_sha256),
            provisioned_sha256: digest(|prior| &prior.common.provisioned_sha256),
        })
    }

    /// The plan, given the platform's answer.
    pub(crate) fn promise(&self, answer: &Plan) -> Golden<R> {
        let mut planned = self.wanted.clone();
        if self.is_settled() {
            self.fill(&mut planned, answer);
        }
        planned.own.foresee(self.prior.as_ref().map(|prior| &prior.own));
        match &self.prior {
            Some(prior) => keep_what_stays(planned, prior),
            None => planned,
        }
    }

    fn fill(&self, planned: &mut Golden<R>, answer: &Plan) {
        let common = &mut planned.common;
        if let Some(path) = &answer.golden_path {
            common.golden_path = Attr::Known(GoldenPath::of(path));
        }
        let whole = self.written.unknown.is_empty();
        match (&answer.rendered_sha256, &answer.outputs) {
            (Some(sha256), Some(outputs)) if whole => {
                common.rendered_sha256 = Attr::Known(sha256.clone());
                common.provisioned_sha256 = answer.provisioned_sha256.clone().into();
                if !continues_unfinished(answer) {
                    common.changes = Attr::Known(changed_objects(&answer.changes));
                }
                common.catalog_ref = Attr::Known(outputs.catalog_ref.clone());
                let gitops = GitOps { commit: Attr::Unknown, ..GitOps::of(outputs) };
                common.gitops = Attr::Known(gitops);
                planned.own.promise(outputs);
            }
            _ => {
                // Inputs are unknown, but not which resource it is: these follow from that alone.
                let Some(prior) = self.prior.as_ref().filter(|_| !self.adopts()) else { return };
                common.catalog_ref = prior.common.catalog_ref.clone();
                let unknown_commit = |gitops| GitOps { commit: Attr::Unknown, ..gitops };
                common.gitops = prior.common.gitops.clone().map(unknown_commit);
                planned.own.keep(&prior.own);
            }
        }
    }
}

fn replacing<R: GoldenResource>(of: &Golden<R>) -> Vec<(&'static str, &Attr<String>)> {
    let common = [("name", &of.common.name), ("environment", &of.common.environment)];
    common.into_iter().chain(of.own.replacing()).collect()
}

/// Whether a create goes on with what an earlier one began: how much of it is left to do may change by itself.
fn continues_unfinished(answer: &Plan) -> bool {
    answer.notices.iter().any(|notice| notice.code == "continues_unfinished")
}

/// Every result is unknown but the id.
fn forget_results<R: GoldenResource>(wanted: &mut Golden<R>) {
    let own_id = wanted.reference().map(|reference| id::<R>(&reference));
    let common = &mut wanted.common;
    common.id = own_id.map_or(Attr::Unknown, Attr::Known);
    common.golden_path = Attr::Unknown;
    common.changes = Attr::Unknown;
    common.rendered_sha256 = Attr::Unknown;
    common.provisioned_sha256 = Attr::Unknown;
    common.catalog_ref = Attr::Unknown;
    common.gitops = Attr::Unknown;
    wanted.own.forget_results();
}

/// What an update does not touch: `changes` and the commit where nothing is sent to the platform, the commit alone
/// where the files stay as they are.
fn keep_what_stays<R: GoldenResource>(planned: Golden<R>, prior: &Golden<R>) -> Golden<R> {
    let mut kept = planned.clone();
    kept.common.changes.clone_from(&prior.common.changes);
    if let (Attr::Known(gitops), Some(before)) =
        (&mut kept.common.gitops, prior.common.gitops.known())
    {
        gitops.commit.clone_from(&before.commit);
    }
    if kept.without_handling() == prior.without_handling() {
        return kept;
    }
    let same_files = planned.common.rendered_sha256.known().is_some()
        && planned.common.rendered_sha256 == prior.common.rendered_sha256;
    if !same_files {
        return planned;
    }
    kept.common.changes = planned.common.changes;
    kept
}
