//! `/operations/{id}`.

use std::time::Duration;

use axum::extract::State;
use registry_api::platform::Operation;
use serde::Deserialize;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Caller, Json, Path, Query};
use crate::ops;

/// Kept free of the time limit of requests, to answer before it strikes.
const MARGIN: Duration = Duration::from_secs(5);

/// Which operation.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct OperationPath {
    /// Its id.
    id: String,
}

/// How long to wait.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// Answer when the operation ended, or after this time: `30s`, `500ms`. At once where absent; the server may
    /// answer earlier than asked.
    wait: Option<String>,
}

/// Shows an operation; with `wait`, once it ended.
pub async fn get_operation(
    State(app): State<App>,
    caller: Caller,
    Path(path): Path<OperationPath>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<Operation>, ApiError> {
    let wait = query.wait.as_deref().map(duration).transpose()?.unwrap_or_default();
    let longest = Duration::from_secs(app.config.limits.request_seconds).saturating_sub(MARGIN);
    let token = caller.token()?;
    Ok(Json(ops::operations::operation(&app, token, &path.id, wait.min(longest)).await?))
}

fn duration(text: &str) -> Result<Duration, ApiError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: Option<u32> = number.parse().ok();
    match (number, unit) {
        (Some(number), "ms") => Ok(Duration::from_millis(number.into())),
        (Some(number), "s") => Ok(Duration::from_secs(number.into())),
        (Some(number), "m") => Ok(Duration::from_secs(60 * u64::from(number))),
        _ => Err(ApiError::bad_request("invalid_query", "wait takes a time such as 30s or 500ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_number_and_a_unit() {
        assert_eq!(duration("30s").unwrap(), Duration::from_secs(30));
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        for text in ["", "s", "30", "-1s", "1.5s", "99999999999s", "1h"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
