//! Moments as statements write them: RFC 3339 in UTC with whole seconds, and days.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::shortened;

const SECONDS_PER_DAY: i64 = 86_400;
const MILLIS: i64 = 1000;

/// A text that is no moment or no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct InvalidTime {
    given: String,
    expected: &'static str,
}

/// A day, such as `2027-01-31`. What is said to hold from a day on holds from its first second in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Its first moment, in milliseconds since 1970 in UTC.
    pub fn start(self) -> i64 {
        // Only what lies millions of years away is cut off.
        self.0.saturating_mul(SECONDS_PER_DAY * MILLIS)
    }

    /// The day of a moment in milliseconds since 1970 in UTC.
    pub fn of(millis: i64) -> Self {
        Self(millis.div_euclid(SECONDS_PER_DAY * MILLIS))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        day(text).map(Self).ok_or_else(|| InvalidTime {
            given: shortened(text),
            expected: "a day; write it as 2027-01-31",
        })
    }
}

/// A moment to the second, such as `2026-11-22T10:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The second of a moment in milliseconds since 1970 in UTC.
    pub fn of(millis: i64) -> Self {
        Self(millis.div_euclid(MILLIS))
    }

    /// Milliseconds since 1970 in UTC.
    pub fn millis(self) -> i64 {
        self.0.saturating_mul(MILLIS)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{}T{hour:02}:{minute:02}:{second:02}Z", Day(self.0.div_euclid(SECONDS_PER_DAY)))
    }
}

impl FromStr for Moment {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        moment(text).map(Self).ok_or_else(|| InvalidTime {
            given: shortened(text),
            expected: "a moment in UTC; write it as 2026-11-22T10:00:00Z",
        })
    }
}

fn moment(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    is_time.then_some(day(date)? * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn day(text: &str) -> Option<i64> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let days = days_before(year, month) + day - 1;
    // A day that its month does not have falls into the next month.
    (civil(days) == (year, month, day)).then_some(days)
}

/// Three numbers with exactly these many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = is_number.then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(found)
}

/// Days from 1970-01-01 to the first of a month: years that begin in March end with the leap day.
fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let months_since_march = (month + 9) % 12;
    let days_of_year = (153 * months_since_march + 2) / 5;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + days_of_year - 719_468
}

/// The year, month and day that so many days from 1970-01-01 are.
fn civil(days: i64) -> (i64, i64, i64) {
    // The estimate is off by one at the most; what follows puts it right.
    let mut year = 1970 + (days * 400).div_euclid(146_097);
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    while days_before(year, 1) > days {
        year -= 1;
    }
    let month = (2..=12).rev().find(|month| days_before(year, *month) <= days).unwrap_or(1);
    (year, month, days - days_before(year, month) + 1)
}

/// Both are text in JSON.
macro_rules! text_in_json {
    ($time:ty) => {
        impl Serialize for $time {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $time {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

text_in_json!(Day);
text_in_json!(Moment);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_print_and_read_back() {
        // `date -u -d @SECONDS +%FT%TZ` of coreutils.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment(seconds).to_string(), text);
            assert_eq!(text.parse(), Ok(Moment(seconds)));
        }
        assert_eq!(Moment::of(1_700_000_000_999), Moment(1_700_000_000));
    }

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        let day: Day = "2023-11-14".parse().unwrap();

        assert_eq!(Moment::of(day.start()).to_string(), "2023-11-14T00:00:00Z");
        assert_eq!(Day::of(1_700_000_000_999), day);
    }

    #[test]
    fn no_number_of_milliseconds_is_too_large() {
        for millis in [i64::MIN, -1, i64::MAX] {
            let (day, moment) = (Day::of(millis), Moment::of(millis));

            assert!(day.start() <= millis && moment.millis() <= millis);
            assert!(!day.to_string().is_empty() && !moment.to_string().is_empty());
        }
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29",
            "2100-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-01-00",
            "2023-1-1",
            "",
            "2023-01-32",
            "02023-01-01",
            "2023-01-01T00:00:00Z",
            "+023-01-01",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        for text in ["2023-01-01T24:00:00Z", "2023-01-01T00:00:00", "2023-01-01 00:00:00Z"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_second_reads_back(seconds in -62_167_219_200_i64..253_402_300_800) {
            prop_assert_eq!(Moment(seconds).to_string().parse(), Ok(Moment(seconds)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9T:Z-]{0,24}|.{0,24}") {
            if let Ok(moment) = text.parse::<Moment>() {
                prop_assert_eq!(moment.to_string(), text);
            }
        }
    }
}
