//! Reports to the user.
//!
//! The types are those of `tf-provider`; its constructors append backtraces when `RUST_BACKTRACE` is set, so reports
//! are made by the functions here instead.

use std::borrow::Cow;

pub use tf_provider::{Diagnostic, Diagnostics};

use crate::path::AttributePath;

/// Proof that an error diagnostic was recorded; lets `?` stop without losing it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failed(());

/// How diagnostics are recorded.
///
/// ```
/// use provider_framework::{AttributePath, Diagnostics, Failed, diagnostics::Report};
///
/// fn check(hours: u32, diagnostics: &mut Diagnostics) -> Result<(), Failed> {
///     if hours == 0 {
///         return Err(diagnostics.fail_at(
///             AttributePath::new("ttl_hours"),
///             "Token would be expired at once",
///             "A token must live at least one hour.",
///         ));
///     }
///     Ok(())
/// }
///
/// let mut diagnostics = Diagnostics::default();
/// assert!(check(0, &mut diagnostics).is_err());
/// assert_eq!(diagnostics.errors.len(), 1);
/// ```
pub trait Report {
    /// Records an error about an attribute.
    fn fail_at(
        &mut self,
        path: AttributePath,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Failed;

    /// Records a warning about an attribute.
    fn warn_at(
        &mut self,
        path: AttributePath,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    );

    /// Records an error about the whole object.
    fn fail(
        &mut self,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Failed {
        self.fail_at(AttributePath::root(), summary, detail)
    }

    /// Records a warning about the whole object. Core folds warnings of equal summary: name the object in it.
    fn warn(
        &mut self,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.warn_at(AttributePath::root(), summary, detail);
    }

    /// The receipt for errors recorded so far, if any: for checks that report all they find before stopping.
    fn so_far(&self) -> Result<(), Failed>;
}

impl Report for Diagnostics {
    fn fail_at(
        &mut self,
        path: AttributePath,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Failed {
        self.errors.push(Diagnostic {
            summary: summary.into(),
            detail: detail.into(),
            attribute: path,
        });
        Failed(())
    }

    fn warn_at(
        &mut self,
        path: AttributePath,
        summary: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) {
        self.warnings.push(Diagnostic {
            summary: summary.into(),
            detail: detail.into(),
            attribute: path,
        });
    }

    fn so_far(&self) -> Result<(), Failed> {
        if self.errors.is_empty() { Ok(()) } else { Err(Failed(())) }
    }
}
