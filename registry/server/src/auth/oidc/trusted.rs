//! Which kinds of CI jobs a namespace can trust at all.

use registry_trust::statement::{StatementError, TrustedCi};

use super::shown;
use crate::config::Config;

/// Claims that every token has and that are checked anyway.
const CHECKED_ANYWAY: &[&str] = &["iss", "aud", "exp", "nbf", "iat", "jti"];

/// Claims that say how a job runs and not whose it is: a stranger's job can have the same values, be it in a fork, with a
/// workflow that everybody may call, or started by the same person.
const ANYBODYS: &[&str] = &[
    "actor",
    "actor_id",
    "base_ref",
    "ci_config_sha",
    "environment",
    "environment_protected",
    "deployment_tier",
    "event_name",
    "head_ref",
    "job_workflow_ref",
    "job_workflow_sha",
    "pipeline_source",
    "ref",
    "ref_path",
    "ref_protected",
    "ref_type",
    "repository_visibility",
    "project_visibility",
    "runner_environment",
    "run_attempt",
    "run_number",
    "sha",
    "user_email",
    "user_id",
    "user_login",
    "workflow",
    "workflow_sha",
];

/// Why a kind of jobs cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCi {
    /// Of a CI system whose tokens nobody can verify.
    #[error(
        "issuer: there is no [[oidc_issuer]] with the url {found:?} in the configuration of this server ({known}); \
         write the url of one, letter for letter, or have the operator add it"
    )]
    Issuer {
        /// As signed, shortened.
        found: String,
        /// Those that there are.
        known: String,
    },
    /// A claim that decides nothing.
    #[error("claim {0}: is checked for every token; leave it out")]
    CheckedAnyway(String),
    /// A value that no job has.
    #[error(
        "claim {claim}: {value:?} is compared letter for letter, and * stands for nothing else; write the whole value"
    )]
    Pattern {
        /// Which claim.
        claim: String,
        /// Its value, shortened.
        value: String,
    },
    /// Nothing of whose job it is.
    #[error(
        "the claims say nothing of whose jobs are meant: anybody's job could match. Name what belongs to one project and \
         is never given to another: repository_id and repository_owner_id on GitHub, project_id and namespace_id on \
         GitLab"
    )]
    Anybodys,
    /// Nothing that a statement can say.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl InvalidCi {
    /// The stable name of the refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Issuer { .. } => "ci_issuer_unknown",
            Self::CheckedAnyway(_) | Self::Pattern { .. } | Self::Anybodys => "ci_claims_invalid",
            Self::Statement(error) => error.code(),
        }
    }
}

/// Refuses a kind of jobs that nobody could be, or anybody.
pub fn check_trusted(ci: &TrustedCi, config: &Config) -> Result<(), InvalidCi> {
    ci.check()?;
    if config.oidc_issuer(&ci.issuer).is_none() {
        let urls: Vec<&str> = config.oidc_issuers.iter().map(|one| one.url.as_str()).collect();
        let known = if urls.is_empty() { "it has none".to_owned() } else { urls.join(", ") };
        return Err(InvalidCi::Issuer { found: shown(&ci.issuer), known });
    }
    for (claim, value) in &ci.claims {
        if CHECKED_ANYWAY.contains(&claim.as_str()) {
            return Err(InvalidCi::CheckedAnyway(claim.clone()));
        }
        if value.contains('*') {
            return Err(InvalidCi::Pattern { claim: claim.clone(), value: shown(value) });
        }
    }
    if ci.claims.keys().all(|name| ANYBODYS.contains(&name.as_str())) {
        return Err(InvalidCi::Anybodys);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config() -> Config {
        toml::from_str("[[oidc_issuer]]\nurl = \"https://ci.example\"\n").unwrap()
    }

    fn ci(issuer: &str, claims: &[(&str, &str)]) -> TrustedCi {
        let claims: BTreeMap<_, _> =
            claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TrustedCi { issuer: issuer.to_owned(), claims }
    }

    #[test]
    fn jobs_must_be_somebodys_and_of_a_known_issuer() {
        let good = ("repository_id", "74");
        for (issuer, claims, refused) in [
            ("https://ci.example", &[good][..], None),
            ("https://ci.example", &[good, ("ref", "refs/heads/main")], None),
            ("https://ci.example/", &[good], Some("there is no [[oidc_issuer]] with the url")),
            ("https://ci.example", &[good, ("iss", "x")], Some("claim iss: is checked")),
            ("https://ci.example", &[("repository_id", "7*")], Some("write the whole value")),
            ("https://ci.example", &[("ref", "main")], Some("say nothing of whose jobs")),
            (
                "https://ci.example",
                &[("ref", "main"), ("actor_id", "1"), ("event_name", "push")],
                Some("say nothing of whose jobs"),
            ),
            ("https://ci.example", &[], Some("claims must be 1 to 32")),
            ("https://ci.example", &[("repository_id", "")], Some("a claim must be 1 to 500")),
        ] {
            let done = check_trusted(&ci(issuer, claims), &config());
            match refused {
                None => assert_eq!(done, Ok(()), "{claims:?}"),
                Some(words) => {
                    let said = done.unwrap_err().to_string();
                    assert!(said.contains(words), "{words} is missing in {said}");
                }
            }
        }
    }
}
