//! Durations as configurations write them: `90s`, `1h30m`, `250ms`.

use std::time::Duration;

/// The longest duration that is accepted: no wait is meant to be longer than a week.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// A text that is not a duration; its display says what one looks like.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not a duration: write whole numbers with the units h, m, s and ms, such as \"10m\" or \"1h30m\""
)]
pub struct InvalidDuration {
    given: String,
}

/// Reads a duration.
pub fn parse(text: &str) -> Result<Duration, InvalidDuration> {
    let refuse = || InvalidDuration { given: text.chars().take(40).collect() };
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let letters = behind.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, behind) = behind.split_at(letters);
        let unit = match unit {
            "h" => Duration::from_hours(1),
            "m" => Duration::from_mins(1),
            "s" => Duration::from_secs(1),
            "ms" => Duration::from_millis(1),
            _ => return Err(refuse()),
        };
        let part = number.parse().ok().and_then(|count| unit.checked_mul(count));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(refuse)?;
        rest = behind;
    }
    if total.is_zero() || total > LONGEST { Err(refuse()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up() {
        assert_eq!(parse("1h30m").unwrap().as_secs(), 5400);
        assert_eq!(parse("250ms").unwrap().as_millis(), 250);
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in
            ["", "0s", "10", "m", "1.5h", "-1s", "1d", "10 m", "9999999h", "99999999999h", "1sé"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
