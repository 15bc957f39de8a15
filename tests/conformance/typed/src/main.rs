//! Reads objects, one JSON document a line, into the types of their custom resource definitions and writes them back.
//!
//! A field that does not come back is one the definition does not know, or knows differently. Prints one line per
//! mistake and exits 1 where there are some; exits 2 where an object has no type here.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn main() -> ExitCode {
    match check_all() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn check_all() -> io::Result<usize> {
    let mut out = io::stdout().lock();
    let mut mistakes = 0;
    for line in io::stdin().lock().lines() {
        let document: Value = serde_json::from_str(&line?)?;
        let source = document["source"].as_str().unwrap_or_default();
        for mistake in check(&document["object"])? {
            writeln!(out, "{source}: {mistake}")?;
            mistakes += 1;
        }
    }
    Ok(mistakes)
}

fn check(object: &Value) -> io::Result<Vec<String>> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    Ok(match (text("apiVersion"), text("kind")) {
        ("argoproj.io/v1alpha1", "Application") => {
            round_trip::<kcr_argoproj_io::v1alpha1::applications::Application>(object)
        }
        ("argoproj.io/v1alpha1", "AppProject") => {
            round_trip::<kcr_argoproj_io::v1alpha1::appprojects::AppProject>(object)
        }
        ("external-secrets.io/v1", "ExternalSecret") => {
            round_trip::<kcr_external_secrets_io::v1::externalsecrets::ExternalSecret>(object)
        }
        ("external-secrets.io/v1", "SecretStore") => {
            round_trip::<kcr_external_secrets_io::v1::secretstores::SecretStore>(object)
        }
        ("gateway.networking.k8s.io/v1", "HTTPRoute") => {
            round_trip::<kcr_gateway_networking_k8s_io::v1::httproutes::HttpRoute>(object)
        }
        ("monitoring.coreos.com/v1", "ServiceMonitor") => {
            round_trip::<kcr_monitoring_coreos_com::v1::servicemonitors::ServiceMonitor>(object)
        }
        ("monitoring.coreos.com/v1", "PrometheusRule") => {
            round_trip::<kcr_monitoring_coreos_com::v1::prometheusrules::PrometheusRule>(object)
        }
        (version, kind) => {
            return Err(io::Error::other(format!("no type for {version} {kind}: add one here")));
        }
    })
}

fn round_trip<T: DeserializeOwned + Serialize>(object: &Value) -> Vec<String> {
    let read: T = match serde_json::from_value(object.clone()) {
        Ok(read) => read,
        Err(error) => return vec![error.to_string()],
    };
    match serde_json::to_value(read) {
        Ok(back) => {
            let mut lost = Vec::new();
            compare(object, &back, "", &mut lost);
            lost
        }
        Err(error) => vec![error.to_string()],
    }
}

/// Everything in the object that did not come back as it was.
fn compare(object: &Value, back: &Value, pointer: &str, lost: &mut Vec<String>) {
    match (object, back) {
        (Value::Object(entries), Value::Object(others)) => {
            for (key, value) in entries {
                let here = format!("{pointer}/{key}");
                match others.get(key) {
                    Some(other) => compare(value, other, &here, lost),
                    None => lost.push(format!("{here} is no field of the definition")),
                }
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(item, other, &format!("{pointer}/{index}"), lost);
            }
        }
        (object, back) if object == back => {}
        (object, back) => {
            lost.push(format!("{pointer} is {object}, which the definition reads as {back}"))
        }
    }
}
