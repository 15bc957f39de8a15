//! What can go wrong with a repository, in words that say what to do next.

/// An error of the GitOps driver. Cloneable, because one failed push answers every change in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitOpsError {
    #[error(
        "git could not be started as {program:?}: {reason}; install git {needed} or newer on this server"
    )]
    GitMissing { program: String, needed: &'static str, reason: String },

    #[error("git {found} is too old; install git {needed} or newer on this server")]
    GitTooOld { found: String, needed: &'static str },

    #[error("the settings of GitOps repository {repository:?} are wrong: {problem}")]
    InvalidRepository { repository: String, problem: String },

    #[error("the files of operation {operation} cannot be committed: {problem}")]
    InvalidChange { operation: String, problem: String },

    #[error(
        "repository {repository:?}, branch {branch:?} already holds files that the platform did not write: {}; \
         delete or move them in git, or make their content equal to what would be written, and apply again",
        list(paths)
    )]
    NotOwned { repository: String, branch: String, paths: Vec<String> },

    #[error(
        "repository {repository:?} could not be reached: {words}; \
         check its URL and that this server may connect to it, then try again"
    )]
    Unreachable { repository: String, words: String },

    #[error(
        "repository {repository:?} did not finish the {doing} within {limit}; \
         check that it is up, or raise the time limit of GitOps repositories"
    )]
    TimedOut { repository: String, doing: &'static str, limit: String },

    #[error(
        "repository {repository:?} did not accept this server's credentials: {words}; \
         renew the token or key in the server's configuration, with the right to push"
    )]
    Unauthorised { repository: String, words: String },

    #[error(
        "repository {repository:?} refused the push to branch {branch:?}: {words}; \
         let this server's account push to the branch, or satisfy the rule that is named"
    )]
    Refused { repository: String, branch: String, words: String },

    #[error(
        "branch {branch:?} of repository {repository:?} moved during each of {attempts} attempts to push; try again"
    )]
    Contended { repository: String, branch: String, attempts: u32 },

    #[error(
        "the disk that holds the mirror of repository {repository:?} is full: {words}; free space and try again"
    )]
    DiskFull { repository: String, words: String },

    #[error(
        "the mirror of repository {repository:?} is in use by another process ({path}); \
         stop that process, or give this server its own data folder"
    )]
    MirrorInUse { repository: String, path: String },

    #[error("the mirror of repository {repository:?} failed during {doing}: {words}")]
    Mirror { repository: String, doing: &'static str, words: String },

    #[error("the work on repository {repository:?} stopped before there was an answer; try again")]
    Stopped { repository: String },
}

impl GitOpsError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Contended { .. }
            | Self::DiskFull { .. }
            | Self::MirrorInUse { .. }
            | Self::Mirror { .. }
            | Self::Stopped { .. } => true,
            Self::GitMissing { .. }
            | Self::GitTooOld { .. }
            | Self::InvalidRepository { .. }
            | Self::InvalidChange { .. }
            | Self::NotOwned { .. }
            | Self::Unauthorised { .. }
            | Self::Refused { .. } => false,
        }
    }
}

/// At most ten paths, quoted so that a hostile name cannot pose as more text.
fn list(paths: &[String]) -> String {
    const SHOWN: usize = 10;

    let shown =
        paths.iter().take(SHOWN).map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_over_foreign_files_names_ten_and_counts_the_rest() {
        let paths = (0..12).map(|n| format!("staging/{n}.yaml")).collect();
        let error =
            GitOpsError::NotOwned { repository: "main".into(), branch: "main".into(), paths };

        let text = error.to_string();

        assert!(text.contains("\"staging/9.yaml\" and 2 more"), "{text}");
        assert!(text.contains("apply again"), "{text}");
    }
}
