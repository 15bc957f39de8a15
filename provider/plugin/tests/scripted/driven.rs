//! The provider under test, configured for a server.

use std::time::Duration;

use provider_framework::Diagnostics;
use provider_framework::testing::{Planned, TestProvider, object};
use provider_framework::value::Value;
use provider_plugin::client::Patience;
use provider_plugin::provider::Idp;
use provider_plugin::settings::ProcessEnvironment;

use super::Scripted;

/// What no answer may repeat.
const TOKEN: &str = "idp_t0ken";

pub(crate) fn hasty() -> Patience {
    Patience {
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        answer_within: Duration::from_secs(5),
        away_for: Duration::from_millis(300),
    }
}

pub(crate) async fn configured(endpoint: Value) -> TestProvider {
    provider_with(hasty(), endpoint).await
}

pub(crate) async fn provider_with(patience: Patience, endpoint: Value) -> TestProvider {
    let provider = TestProvider::new(Idp::with_patience(ProcessEnvironment::default(), patience));
    let settings = object([("endpoint", endpoint), ("token", Value::string(TOKEN))]);
    let diagnostics = provider.configure(settings).await;
    assert!(diagnostics.errors.is_empty(), "{diagnostics:?}");
    provider
}

pub(crate) async fn provider(server: &Scripted) -> TestProvider {
    configured(Value::string(&server.endpoint)).await
}

pub(crate) fn only_error(diagnostics: &Diagnostics) -> String {
    assert_eq!(diagnostics.errors.len(), 1, "{diagnostics:?}");
    let error = &diagnostics.errors[0];
    format!("{}\n{}", error.summary, error.detail)
}

pub(crate) fn assert_error(plan: &Planned, parts: &[&str]) {
    let error = only_error(&plan.diagnostics);
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    assert!(!error.contains(TOKEN));
}
