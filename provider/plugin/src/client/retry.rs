//! When a request is sent again, and after how long.
//!
//! Every request of this provider may be sent twice: reads and plans change nothing, writes carry an idempotency
//! key. Pure: chance is an argument.

use std::time::Duration;

use reqwest::StatusCode;

/// How long the client keeps trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How often one request is sent at most.
    pub attempts: u32,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause, also when the server asks for a longer one.
    pub longest_pause: Duration,
    /// How long one answer may take.
    pub answer_within: Duration,
    /// How long a server that works on something may be away before nobody waits for it any more.
    pub away_for: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(10),
            answer_within: Duration::from_mins(1),
            away_for: Duration::from_mins(1),
        }
    }
}

impl Patience {
    /// The pause after `attempt` failures. `chance` lies between 0 and 1 and spreads clients that failed at once.
    pub(super) fn pause(
        &self,
        attempt: u32,
        asked_by_server: Option<Duration>,
        chance: f64,
    ) -> Duration {
        if let Some(asked) = asked_by_server {
            return asked.min(self.longest_pause);
        }
        let doubled =
            self.first_pause.saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled.min(self.longest_pause).mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

/// Whether a status says that the same request may succeed a little later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let patience = Patience::default();
        let pauses: Vec<_> =
            (1..=8).map(|attempt| patience.pause(attempt, None, 1.0).as_millis()).collect();

        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
    }

    #[test]
    fn chance_halves_a_pause_at_most() {
        assert_eq!(Patience::default().pause(1, None, 0.0).as_millis(), 125);
    }

    #[test]
    fn the_server_may_ask_for_a_pause_but_not_for_any_length() {
        let asked = |seconds| Some(Duration::from_secs(seconds));

        assert_eq!(Patience::default().pause(1, asked(3), 0.5).as_secs(), 3);
        assert_eq!(Patience::default().pause(1, asked(86_400), 0.5).as_secs(), 10);
    }
}
