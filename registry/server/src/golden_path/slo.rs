//! Service level objectives: what can be promised, and the numbers its alerts need.
//!
//! Windows and factors follow the multi-window, multi-burn-rate scheme of the SRE workbook over 30 days: a factor
//! is budget share × 30 days ÷ long window, and an alert needs both of its windows above factor × error budget.

use registry_api::platform::{Latency, Level, Notice, Slo};
use registry_api::problem::FieldError;

use super::decimal::Decimal;
use super::yaml::Tree;
use crate::model::environment::PrometheusFacts;

/// Windows that rates are recorded over.
const RATES: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
/// Days of samples that the longest alert window needs.
const ALERT_DAYS: u32 = 3;
/// Days of the objective.
const WINDOW_DAYS: u32 = 30;
/// Factor of the fastest alert, times ten.
const FASTEST: Decimal = Decimal::new(144, 1);

/// A pair of windows that must both burn too fast.
struct Burn {
    severity: &'static str,
    long: &'static str,
    short: &'static str,
    factor: Decimal,
    /// Share of the 30-day budget that is gone when it fires, in percent.
    spent: i64,
}

const BURNS: [Burn; 4] = [
    Burn { severity: "page", long: "1h", short: "5m", factor: FASTEST, spent: 2 },
    Burn { severity: "page", long: "6h", short: "30m", factor: Decimal::whole(6), spent: 5 },
    Burn { severity: "ticket", long: "1d", short: "2h", factor: Decimal::whole(3), spent: 10 },
    Burn { severity: "ticket", long: "3d", short: "6h", factor: Decimal::whole(1), spent: 10 },
];

/// What templates see as `slo`, and what the reader of a plan should know.
pub(super) struct Objectives {
    pub(super) tree: Tree,
    pub(super) notices: Vec<Notice>,
}

/// Checks objectives; every mistake has its pointer below `/spec/slo`.
pub(super) fn objectives(
    slo: &Slo,
    buckets: &[Decimal],
    prometheus: &PrometheusFacts,
) -> Result<Objectives, Vec<FieldError>> {
    let mut errors = Vec::new();
    if slo.availability.is_none() && slo.latency.is_none() {
        errors.push(refuse(
            "",
            "slo_empty",
            "it promises nothing".to_owned(),
            "set availability, latency or both",
        ));
    }
    if prometheus.retention_days < ALERT_DAYS {
        let detail = format!(
            "the environment's Prometheus keeps samples for {} days; the alerts look back {ALERT_DAYS} days",
            prometheus.retention_days
        );
        errors.push(refuse(
            "",
            "slo_retention",
            detail,
            "raise the retention to 30 days, or leave slo out",
        ));
    }
    let availability =
        slo.availability.map(|target| objective("/availability", target, &mut errors));
    let latency = slo.latency.as_ref().map(|latency| {
        let threshold = bucket(latency, buckets, &mut errors);
        (objective("/latency/target", latency.target, &mut errors), threshold)
    });
    if !errors.is_empty() {
        return Err(errors);
    }
    let availability =
        availability.flatten().map_or(Tree::Null, |target| Tree::Map(numbers(target)));
    let latency = match latency {
        Some((Some(target), Some(threshold))) => {
            let mut entries = numbers(target);
            entries.push(("threshold_seconds".to_owned(), text(threshold)));
            entries.push(("le".to_owned(), Tree::Text(bucket_pattern(threshold))));
            Tree::Map(entries)
        }
        _ => Tree::Null,
    };
    let tree = Tree::Map(vec![
        ("availability".to_owned(), availability),
        ("latency".to_owned(), latency),
        ("rates".to_owned(), Tree::List(RATES.iter().map(text).collect())),
    ]);
    Ok(Objectives { tree, notices: retention_notice(prometheus) })
}

fn retention_notice(prometheus: &PrometheusFacts) -> Vec<Notice> {
    if prometheus.retention_days >= WINDOW_DAYS {
        return Vec::new();
    }
    vec![Notice {
        level: Level::Warning,
        code: "slo_budget_window".to_owned(),
        summary: format!(
            "the error budget can be shown for {} of {WINDOW_DAYS} days only",
            prometheus.retention_days
        ),
        detail: format!(
            "The environment's Prometheus keeps samples for {} days. Alerts are not affected; raise the retention to \
             {WINDOW_DAYS} days for a true budget.",
            prometheus.retention_days
        ),
    }]
}

/// Checks one target and returns it as a decimal percentage.
fn objective(pointer: &str, target: f64, errors: &mut Vec<FieldError>) -> Option<Decimal> {
    let Some(percent) = Decimal::from_float(target).filter(|p| p.digits_after_point() <= 5) else {
        let detail = format!("{target} is no percentage with at most five decimals");
        errors.push(refuse(pointer, "slo_target", detail, "write it like 99.9"));
        return None;
    };
    if !percent.is_less_than(Decimal::whole(100)) {
        let detail = format!(
            "a target of {percent} leaves no error budget, so its alerts would always fire"
        );
        errors.push(refuse(pointer, "slo_target", detail, "promise less than 100, such as 99.9"));
        return None;
    }
    let needed = FASTEST.times(budget(percent));
    if !needed.is_less_than(Decimal::whole(1)) {
        let detail = format!(
            "with a target of {percent} the fastest alert needs an error ratio of {FASTEST} × {} = {needed}, and a \
             ratio cannot exceed 1: it could never fire",
            budget(percent)
        );
        errors.push(refuse(
            pointer,
            "slo_unreachable",
            detail,
            "set a target above 93.06, such as 99",
        ));
        return None;
    }
    Some(percent)
}

/// Share of requests that may fail.
fn budget(percent: Decimal) -> Decimal {
    Decimal::whole(100).minus(percent).shifted(2)
}

fn bucket(latency: &Latency, buckets: &[Decimal], errors: &mut Vec<FieldError>) -> Option<Decimal> {
    let seconds = seconds(&latency.threshold).filter(|seconds| buckets.contains(seconds));
    if seconds.is_none() {
        let known: Vec<_> = buckets.iter().map(|bucket| duration(*bucket)).collect();
        let detail = format!(
            "{:?} is no bucket of the histogram this path measures latency with, so nothing could count against it",
            latency.threshold.chars().take(40).collect::<String>()
        );
        errors.push(refuse(
            "/latency/threshold",
            "slo_bucket",
            detail,
            &format!("use one of {}", known.join(", ")),
        ));
    }
    seconds
}

/// Seconds of a duration such as `250ms` or `2.5s`.
pub(super) fn seconds(text: &str) -> Option<Decimal> {
    let at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number =
        Decimal::parse(&text[..at]).filter(|number| Decimal::whole(0).is_less_than(*number))?;
    match &text[at..] {
        "ms" => Some(number.shifted(3)),
        "s" => Some(number),
        "m" => Some(number.times(Decimal::whole(60))),
        _ => None,
    }
}

fn duration(seconds: Decimal) -> String {
    if seconds.is_less_than(Decimal::whole(1)) {
        format!("{}ms", seconds.times(Decimal::whole(1000)))
    } else {
        format!("{seconds}s")
    }
}

/// Matches the label of a bucket however it is spelt: Prometheus 3 stores `1` as `1.0`.
fn bucket_pattern(seconds: Decimal) -> String {
    let number = seconds.to_string();
    if number.contains('.') { number.replace('.', "\\.") } else { format!("{number}(\\.0)?") }
}

/// The numbers of one objective.
fn numbers(percent: Decimal) -> Vec<(String, Tree)> {
    let budget = budget(percent);
    let alerts = BURNS.iter().map(|burn| {
        Tree::Map(vec![
            ("severity".to_owned(), text(burn.severity)),
            ("long".to_owned(), text(burn.long)),
            ("short".to_owned(), text(burn.short)),
            ("factor".to_owned(), text(burn.factor)),
            ("spent".to_owned(), Tree::Int(burn.spent)),
            ("threshold".to_owned(), text(burn.factor.times(budget))),
        ])
    });
    vec![
        ("target".to_owned(), text(percent)),
        ("objective".to_owned(), text(percent.shifted(2))),
        ("budget".to_owned(), text(budget)),
        ("alerts".to_owned(), Tree::List(alerts.collect())),
    ]
}

fn text(value: impl std::fmt::Display) -> Tree {
    Tree::Text(value.to_string())
}

fn refuse(pointer: &str, rule: &str, detail: String, fix: &str) -> FieldError {
    FieldError::new(format!("/spec/slo{pointer}"), rule, detail, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prometheus(retention_days: u32) -> PrometheusFacts {
        PrometheusFacts {
            namespace: "monitoring".to_owned(),
            retention_days,
            labels: std::collections::BTreeMap::new(),
        }
    }

    fn plan(
        availability: Option<f64>,
        latency: Option<(&str, f64)>,
    ) -> Result<Objectives, Vec<FieldError>> {
        let buckets = [Decimal::new(25, 2), Decimal::whole(1)];
        let latency =
            latency.map(|(threshold, target)| Latency { threshold: threshold.to_owned(), target });
        objectives(&Slo { availability, latency }, &buckets, &prometheus(30))
    }

    fn rule(result: Result<Objectives, Vec<FieldError>>) -> (String, String) {
        let error = result.map(|o| o.tree).unwrap_err().remove(0);
        (error.pointer, error.rule)
    }

    #[test]
    fn the_four_pairs_have_the_workbooks_thresholds() {
        let tree = plan(Some(99.9), None).unwrap().tree;

        let alerts = tree.at(&["availability", "alerts"]).unwrap().to_json();
        let thresholds: Vec<_> = (0..4).map(|i| alerts[i]["threshold"].as_str().unwrap()).collect();
        assert_eq!(thresholds, ["0.0144", "0.006", "0.003", "0.001"]);
        assert_eq!(tree.at(&["availability", "budget"]).unwrap().as_str(), Some("0.001"));
    }

    #[test]
    fn a_target_whose_fast_alert_can_never_fire_is_refused() {
        let (pointer, name) = rule(plan(Some(93.0), None));
        assert_eq!(
            (pointer.as_str(), name.as_str()),
            ("/spec/slo/availability", "slo_unreachable")
        );
        assert!(plan(Some(93.06), None).is_ok());
        assert!(plan(Some(93.05), None).is_err());
        assert_eq!(rule(plan(Some(100.0), None)).1, "slo_target");
        assert_eq!(rule(plan(Some(f64::NAN), None)).1, "slo_target");
        assert_eq!(rule(plan(Some(99.999_999_9), None)).1, "slo_target");
        assert_eq!(rule(plan(None, Some(("250ms", 90.0)))).0, "/spec/slo/latency/target");
        assert_eq!(rule(plan(None, None)).1, "slo_empty");
    }

    #[test]
    fn a_latency_threshold_must_be_a_bucket() {
        for threshold in ["300ms", "soon", "0.25", "250", "-250ms", "", "250 ms"] {
            let (pointer, name) = rule(plan(None, Some((threshold, 99.0))));
            assert_eq!(
                (pointer.as_str(), name.as_str()),
                ("/spec/slo/latency/threshold", "slo_bucket")
            );
        }
        for (threshold, le) in
            [("250ms", "0\\.25"), ("0.25s", "0\\.25"), ("1s", "1(\\.0)?"), ("1000ms", "1(\\.0)?")]
        {
            let tree = plan(None, Some((threshold, 99.0))).unwrap().tree;
            assert_eq!(tree.at(&["latency", "le"]).unwrap().as_str(), Some(le));
        }
    }

    #[test]
    fn short_retention_is_refused_or_noticed() {
        let slo = Slo { availability: Some(99.9), latency: None };

        assert_eq!(rule(objectives(&slo, &[], &prometheus(2))).1, "slo_retention");
        assert_eq!(
            objectives(&slo, &[], &prometheus(15)).unwrap_or_else(|_| panic!()).notices[0].code,
            "slo_budget_window"
        );
        assert!(
            objectives(&slo, &[], &prometheus(30)).unwrap_or_else(|_| panic!()).notices.is_empty()
        );
    }
}
