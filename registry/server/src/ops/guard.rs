//! A version must not break those who call the module unless its number says so, or somebody answers for it.

use registry_api::interface::{InterfaceChange, ModuleInterface};
use semver::Version;

use super::module_status::{said, standing};
use super::open_archive::{OpenError, open_archive};
use crate::app::App;
use crate::model::guard::{BreakingReason, Exception, base, may_break, next_breaking};
use crate::model::interface;
use crate::store::modules::{ModuleVersionRow, module_versions};
use crate::store::{Connection, StoreError};
use crate::trust::TrustError;

/// Why a version was not let through.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Callers of the version before it would break.
    #[error(transparent)]
    Broken(Box<Broken>),
    /// A version came between it and the one that it was compared with.
    #[error(
        "another version was published just below {release}, which was not compared with it; publish again"
    )]
    Overtaken {
        /// Which module and version.
        release: String,
    },
    /// The version before it.
    #[error("the version to compare with could not be read")]
    Base(#[from] OpenError),
    /// The log.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a new version was compared with, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    base: Option<Version>,
    /// The callers that it breaks, and why that is so.
    pub exception: Option<Exception>,
}

/// A version that breaks callers and does not say so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} {version} breaks those who use {base}, which it was compared with: {}. Raise the version to {} or \
     higher; or, where that is known to harm nobody, publish with --allow-breaking REASON (part allow_breaking of the form)",
    summary(.changes),
    next_breaking(.base)
)]
pub struct Broken {
    /// The module.
    pub address: String,
    /// The version that was not published.
    pub version: Version,
    /// The version that it was compared with.
    pub base: Version,
    /// How it breaks them.
    pub changes: Vec<InterfaceChange>,
}

fn summary(changes: &[InterfaceChange]) -> String {
    let first = changes.first().map(|change| change.summary.clone()).unwrap_or_default();
    match changes.len() {
        0 | 1 => first,
        more => format!("{first}, and {} more", more - 1),
    }
}

/// Compares a version that is not published yet with the one that its callers come from.
pub async fn compare(
    app: &App,
    new: &ModuleVersionRow,
    offered: &ModuleInterface,
    allowed: Option<BreakingReason>,
) -> Result<Compared, GuardError> {
    let base = base_of(app, &mut *app.store.read().await?, new).await?;
    let Some(base) = base else { return Ok(Compared { base: None, exception: None }) };
    let exception = if may_break(&base.version, &new.version) {
        None
    } else {
        let promised = open_archive(app, &base.archive_sha256, |archive| {
            interface::read(archive.entries().map(|entry| (entry.path, entry.content)))
        })
        .await?;
        let mut changes = interface::diff(&promised, offered);
        changes.retain(|change| change.breaking);
        match allowed {
            _ if changes.is_empty() => None,
            Some(reason) => Some(Exception { reason, changes }),
            None => {
                return Err(GuardError::Broken(Box::new(Broken {
                    address: new.address.to_string(),
                    version: new.version.clone(),
                    base: base.version,
                    changes,
                })));
            }
        }
    };
    Ok(Compared { base: Some(base.version), exception })
}

/// Refuses where what `new` was compared with is not what it would be compared with now.
pub async fn require_still_next(
    app: &App,
    conn: &mut Connection,
    new: &ModuleVersionRow,
    compared: &Compared,
) -> Result<(), GuardError> {
    if base_of(app, conn, new).await?.map(|base| base.version) == compared.base {
        return Ok(());
    }
    Err(GuardError::Overtaken { release: format!("{} {}", new.address, new.version) })
}

async fn base_of(
    app: &App,
    conn: &mut Connection,
    new: &ModuleVersionRow,
) -> Result<Option<ModuleVersionRow>, TrustError> {
    let mut published = module_versions(conn, &new.address).await?;
    let (said, _) = said(&app.trust, conn, &new.address).await?;
    published.retain(|row| !standing(&said, &row.version).is_revoked());
    let highest = base(&published, |row| &row.version, &new.version).cloned();
    Ok(highest)
}
