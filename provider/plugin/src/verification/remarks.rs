//! What was found, as diagnostics.
//!
//! A summary names the module, its version and the day that matters: core folds warnings whose summaries are equal, so no
//! two modules may share one.

use std::error::Error;
use std::fmt::Write as _;

use provider_framework::{AttributePath, Diagnostics, Failed, Report as _};
use registry_trust::installed::{InstalledError, ModuleSource, Package};
use registry_trust::lock;
use registry_trust::policy;
use registry_trust::report::{Finding, Report, Unproven, Verdict};

use super::proof::UNAVAILABLE;
use crate::report::sentence;
use crate::settings::{Notices, Platform, VerifyModules};

/// How many callers of one module are named.
const MOST_CALLS: usize = 10;
/// How many modules that nobody signed are named.
const MOST_UNSIGNED: usize = 40;

/// Tells what was found: of each module once, the worst first.
pub(super) fn tell(
    report: &Report,
    unproven: Option<&Unproven>,
    platform: &Platform,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let (verify, notices) = (platform.trust.verify, platform.notices);
    if let Some(unproven) = unproven {
        let detail = nothing_proven(unproven, report, verify);
        record(verify, "Installed modules cannot be verified", detail, diagnostics);
    }
    let is_told =
        |finding: &Finding| unproven.is_some_and(|unproven| finding.code == Some(unproven.code));
    let mut unsigned = Vec::new();
    for finding in report.findings.iter().filter(|finding| !is_told(finding)) {
        match finding.verdict {
            Verdict::Tampered | Verdict::Failed | Verdict::Revoked => {
                record(verify, summary(finding, report), detail(finding), diagnostics);
            }
            Verdict::Unsigned | Verdict::UnknownRegistry => unsigned.push(finding),
            Verdict::Verified if !finding.not_locked => {}
            _ if notices >= Notices::Warnings => {
                diagnostics.warn(summary(finding, report), detail(finding));
            }
            _ => {}
        }
    }
    if notices == Notices::All && !unsigned.is_empty() {
        tell_unsigned(&unsigned, diagnostics);
    }
    diagnostics.so_far()
}

/// Tells how to pin somebody, where there are modules that somebody could vouch for.
pub(super) fn unpinned(
    packages: &[Package],
    platform: &Platform,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let registries = packages.iter().filter_map(|package| match &package.source {
        ModuleSource::Registry { module, .. } => Some(module.registry()),
        _ => None,
    });
    if platform.trust.verify == VerifyModules::Enforce {
        // Whose they are cannot be said without a policy, so each counts.
        return if registries.count() == 0 { Ok(()) } else { Err(nobody_pinned(diagnostics)) };
    }
    let hostname = platform.client.endpoint().hostname();
    let count = registries.filter(|registry| *registry == hostname).count();
    if count > 0 && platform.notices >= Notices::Warnings {
        let modules = if count == 1 { "module" } else { "modules" };
        let detail = format!(
            "{count} installed {modules} of it cannot be verified: nothing says on whose word to believe it. {PIN} Where \
             that is not wanted, set `verify_modules = \"off\"` in the provider block."
        );
        diagnostics.warn(format!("No trust policy is pinned for {hostname}"), detail);
    }
    Ok(())
}

const PIN: &str = "Run `idp trust > idp.policy`, compare the root key id in it with what the platform team announced, and \
    commit it.";

fn nobody_pinned(diagnostics: &mut Diagnostics) -> Failed {
    let file = policy::FILE_NAME;
    diagnostics.fail_at(
        AttributePath::new("verify_modules"),
        "Installed modules cannot be verified",
        format!(
            "`verify_modules` is `enforce`, but no trust policy is pinned: neither `trust_policy` nor \
             `trust_policy_file` is set, and there is no {file} here. {PIN}"
        ),
    )
}

/// Tells that it cannot be said what is installed.
pub(super) fn unreadable(
    error: &InstalledError,
    verify: VerifyModules,
    diagnostics: &mut Diagnostics,
) -> Result<(), Failed> {
    let mut text = error.to_string();
    if let Some(cause) = error.source() {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
    }
    record(verify, "Installed modules cannot be verified", sentence(&text), diagnostics);
    diagnostics.so_far()
}

/// An error, or a warning where nothing is enforced.
fn record(
    verify: VerifyModules,
    summary: impl Into<String>,
    detail: String,
    diagnostics: &mut Diagnostics,
) {
    match verify {
        VerifyModules::Enforce => drop(diagnostics.fail(summary.into(), detail)),
        VerifyModules::Warn | VerifyModules::Off => diagnostics.warn(summary.into(), detail),
    }
}

fn nothing_proven(unproven: &Unproven, report: &Report, verify: VerifyModules) -> String {
    let mut text = sentence(&capitalised(&unproven.message));
    let is_its = |finding: &&Finding| finding.code == Some(unproven.code);
    let count: usize =
        report.findings.iter().filter(is_its).map(|finding| finding.calls.len()).sum();
    let modules = if count == 1 { "module is" } else { "modules are" };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n\nRule: {}.\n{count} installed {modules} of {}, which the trust policy is about; without its proofs none of \
         them is believed.",
        unproven.code, report.registry
    );
    if unproven.code == UNAVAILABLE && verify == VerifyModules::Enforce {
        text.push_str(
            "\nTo go on without, set `verify_modules = \"warn\"` in the provider block for as long as it takes.",
        );
    }
    text
}

/// What was found of which module, in a line.
pub(crate) fn summary(finding: &Finding, report: &Report) -> String {
    let name = name(finding);
    let sunset = finding.standing.as_ref().and_then(|standing| standing.sunset);
    let what = match (finding.verdict, sunset) {
        (Verdict::Deprecated, Some(day)) => format!("is deprecated until {day}"),
        (Verdict::Deprecated, None) => "is deprecated".to_owned(),
        (Verdict::PastSunset, Some(day)) => format!("was deprecated until {day}, which is past"),
        (Verdict::PastSunset, None) => "is past its sunset".to_owned(),
        (Verdict::Yanked, _) => "is yanked".to_owned(),
        (Verdict::Revoked, _) => "is revoked".to_owned(),
        (Verdict::Tampered, _) => "is not what was published".to_owned(),
        (Verdict::Failed, _) => "cannot be verified".to_owned(),
        (Verdict::Unsigned, _) => "is signed by nobody".to_owned(),
        (Verdict::UnknownRegistry, _) => "is of an unknown registry".to_owned(),
        (Verdict::Verified, _) if finding.not_locked => {
            format!("is not in {}", lock::FILE_NAME)
        }
        (Verdict::Verified, _) => "is what was published".to_owned(),
    };
    let same =
        |other: &&Finding| other.source == finding.source && other.version == finding.version;
    // Copies of one version in which different things were found are told apart by who calls them.
    match finding.calls.first().filter(|_| report.findings.iter().filter(same).count() > 1) {
        Some(call) => format!("{name} {what} ({call})"),
        None => format!("{name} {what}"),
    }
}

fn name(finding: &Finding) -> String {
    let version = finding.version.as_ref().map(|version| format!(" {version}"));
    format!("{}{}", finding.source, version.unwrap_or_default())
}

/// The same at length: why, which files, what to do, who calls it.
pub(crate) fn detail(finding: &Finding) -> String {
    let mut text = sentence(&capitalised(&finding.message));
    // Writing to a string cannot fail.
    match &finding.files {
        Some(files) => {
            for line in files.to_string().lines() {
                let _ = write!(text, "\n  {line}");
            }
        }
        None if finding.verdict == Verdict::Tampered => text.push_str(
            " Which of them differ is not known: the platform gave no list of the published ones.",
        ),
        None => {}
    }
    text.push('\n');
    if let Some(code) = finding.code {
        let _ = write!(text, "\nRule: {code}.");
    }
    if let Some(fix) = &finding.fix {
        let _ = write!(text, "\nHow to fix it: {}", sentence(fix));
    }
    let _ = write!(text, "\nCalled by: {}.", calls(finding));
    text
}

fn calls(finding: &Finding) -> String {
    let named: Vec<&str> = finding.calls.iter().take(MOST_CALLS).map(String::as_str).collect();
    match finding.calls.len().saturating_sub(MOST_CALLS) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn tell_unsigned(unsigned: &[&Finding], diagnostics: &mut Diagnostics) {
    let mut text = String::new();
    for finding in unsigned.iter().take(MOST_UNSIGNED) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} ({}): {}",
            name(finding),
            calls(finding),
            sentence(&finding.message)
        );
    }
    if unsigned.len() > MOST_UNSIGNED {
        let _ = writeln!(text, "and {} more.", unsigned.len() - MOST_UNSIGNED);
    }
    text.push_str(
        "\nTo refuse them, run `idp verify --deny unsigned,unknown_registry` before each plan, or name them in `deny` of \
         data \"idp_verification\". With `notices = \"warnings\"` this is not told.",
    );
    let summary = format!("Installed modules that nobody vouches for: {}", unsigned.len());
    diagnostics.warn(summary, text);
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect())
}
