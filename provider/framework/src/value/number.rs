//! Decimal numbers without loss.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Beyond this many digits before or after the point, a number is written with an exponent.
const PLAIN_DIGITS: i64 = 400;

/// Larger exponents than core itself can hold are refused.
const LARGEST_EXPONENT: i64 = 600_000_000;

/// A decimal number of any size and precision, kept digit by digit.
///
/// Terraform's numbers are decimals of at least 150 digits: `99.9` is not a binary fraction and must come back as it
/// went out. Equal numbers are equal however they were written: `1.50`, `1.5` and `15e-1` are the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// No leading or trailing zeros; empty for zero.
    digits: String,
    /// The value is `digits × 10^exponent`.
    exponent: i64,
}

/// The text is not a decimal number that Terraform can hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a decimal number")]
pub struct InvalidNumber {
    shown: String,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self { negative: false, digits: String::new(), exponent: 0 };

    /// The exact value of a binary fraction, all digits of it; `None` for infinities and not-a-number.
    pub fn from_f64_exactly(fraction: f64) -> Option<Self> {
        // 1074 is the exponent of the smallest fraction: no double needs more digits after the point.
        fraction.is_finite().then(|| format!("{fraction:.1074}").parse().ok()).flatten()
    }

    /// How many significant digits there are.
    pub fn significant_digits(&self) -> usize {
        self.digits.len()
    }

    /// Whether the number has no fraction.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The number as an `i64`, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        i64::try_from(self.as_i128()?).ok()
    }

    /// The number as a `u64`, if it is one.
    pub fn as_u64(&self) -> Option<u64> {
        u64::try_from(self.as_i128()?).ok()
    }

    /// The nearest `f64`.
    pub fn as_f64(&self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        format!("{sign}{digits}e{}", self.exponent).parse().unwrap_or(f64::NAN)
    }

    fn as_i128(&self) -> Option<i128> {
        if self.exponent < 0 || self.magnitude() > 30 {
            return None;
        }
        let zeros = usize::try_from(self.exponent).ok()?;
        let text = format!("0{}{}", self.digits, "0".repeat(zeros));
        let value: i128 = text.parse().ok()?;
        Some(if self.negative { -value } else { value })
    }

    /// How many digits stand before the point; negative when zeros follow it.
    fn magnitude(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(self.exponent)
    }

    fn build(negative: bool, mut digits: String, mut exponent: i64) -> Option<Self> {
        let kept = digits.trim_end_matches('0').len();
        exponent = exponent.checked_add(i64::try_from(digits.len() - kept).ok()?)?;
        digits.truncate(kept);
        let leading = digits.len() - digits.trim_start_matches('0').len();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self::ZERO);
        }
        let number = Self { negative, digits, exponent };
        (number.magnitude().abs() <= LARGEST_EXPONENT).then_some(number)
    }

    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        Self::build(negative, digits, exponent)
    }
}

impl FromStr for Number {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        Self::parse(text).ok_or_else(|| InvalidNumber { shown: text.chars().take(60).collect() })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.digits.is_empty() {
            return f.write_str("0");
        }
        if self.negative {
            f.write_str("-")?;
        }
        let magnitude = self.magnitude();
        if magnitude.abs() > PLAIN_DIGITS {
            let (first, rest) = self.digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}e{}", magnitude - 1);
        }
        // Small by now: the magnitude lies within ±PLAIN_DIGITS.
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        if self.exponent >= 0 {
            write!(f, "{}{}", self.digits, zeros(self.exponent))
        } else if magnitude > 0 {
            let (whole, fraction) = self.digits.split_at(usize::try_from(magnitude).unwrap_or(0));
            write!(f, "{whole}.{fraction}")
        } else {
            write!(f, "0.{}{}", zeros(-magnitude), self.digits)
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        sign(self).cmp(&sign(other)).then_with(|| {
            let sizes = self
                .magnitude()
                .cmp(&other.magnitude())
                .then_with(|| self.digits.cmp(&other.digits));
            if self.negative { sizes.reverse() } else { sizes }
        })
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Number {
            fn from(integer: $integer) -> Self {
                let text = integer.to_string();
                let digits = text.trim_start_matches('-').to_owned();
                Self::build(text.starts_with('-'), digits, 0).unwrap_or(Self::ZERO)
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32, u64, usize);

impl TryFrom<f64> for Number {
    type Error = InvalidNumber;

    /// The shortest decimal that stands for the same `f64`: `0.1` becomes exactly one tenth.
    fn try_from(fraction: f64) -> Result<Self, InvalidNumber> {
        format!("{fraction:e}").parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn the_same_number_is_equal_however_it_is_written() {
        assert_eq!(number("1.50"), number("15e-1"));
        assert_eq!(number("-0"), Number::ZERO);
        assert_eq!(number("0100"), Number::from(100));
        assert_eq!(number("1e3"), Number::from(1000_u64));
    }

    #[test]
    fn numbers_keep_every_digit() {
        for text in
            ["0.1", "99.9", "-18446744073709551616", "3.14159265358979323846264338327950288"]
        {
            assert_eq!(number(text).to_string(), text);
        }
    }

    #[test]
    fn exponents_do_not_blow_up_the_text() {
        assert_eq!(number("15e100000").to_string(), "1.5e100001");
        assert_eq!(number("-1e-100000").to_string(), "-1e-100000");
        assert!("1e999999999999".parse::<Number>().is_err());
        assert!("1e9223372036854775807".parse::<Number>().is_err());
    }

    #[test]
    fn what_is_not_a_decimal_is_refused() {
        for text in
            ["", "-", ".", "e1", "1e", "0x10", "1_000", " 1", "NaN", "inf", "1.2.3", "--1", "1e1.5"]
        {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_binary_fraction_can_be_read_exactly_or_as_meant() {
        assert_eq!(Number::try_from(0.1).unwrap(), number("0.1"));
        assert_eq!(
            Number::from_f64_exactly(0.1).unwrap(),
            number("0.1000000000000000055511151231257827021181583404541015625")
        );
        assert!(Number::try_from(f64::NAN).is_err());
        assert!(Number::from_f64_exactly(f64::INFINITY).is_none());
        assert_eq!(Number::from_f64_exactly(f64::from_bits(1)).unwrap().as_f64().to_bits(), 1);
    }

    #[test]
    fn integers_convert_only_when_they_fit() {
        assert_eq!(number("9223372036854775807").as_i64(), Some(i64::MAX));
        assert_eq!(number("9223372036854775808").as_i64(), None);
        assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
        assert_eq!(number("1.5").as_i64(), None);
        assert_eq!(number("1e20").as_u64(), None);
        assert_eq!(number("-1").as_u64(), None);
    }

    proptest! {
        #[test]
        fn text_survives_a_round_trip(whole in any::<i64>(), fraction in "[0-9]{0,40}", exponent in -500_i32..500) {
            let value = number(&format!("{whole}.{fraction}e{exponent}"));
            prop_assert_eq!(number(&value.to_string()), value);
        }

        #[test]
        fn order_is_that_of_integers(one in any::<i64>(), other in any::<i64>()) {
            prop_assert_eq!(Number::from(one).cmp(&Number::from(other)), one.cmp(&other));
        }

        #[test]
        fn any_text_is_a_number_or_an_error(text in ".{0,40}") {
            drop(text.parse::<Number>());
        }
    }
}
