//! Exact decimal numbers, for objectives and thresholds: `1 − 99.9 %` is `0.001`, not `0.00099999…`.

use std::fmt;

/// `units × 10^-scale`, without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Most digits after the point that are read.
    const MAX_SCALE: u32 = 9;

    pub(crate) const fn new(units: i128, scale: u32) -> Self {
        let mut value = Self { units, scale };
        while value.scale > 0 && value.units % 10 == 0 {
            value.units /= 10;
            value.scale -= 1;
        }
        value
    }

    pub(crate) const fn whole(units: i128) -> Self {
        Self { units, scale: 0 }
    }

    /// Reads plain decimal notation with at most nine digits on either side of the point.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits =
            |part: &str| (1..=9).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= Self::MAX_SCALE)?;
        let units =
            whole.parse::<i128>().ok()? * 10_i128.pow(scale) + fraction.parse::<i128>().ok()?;
        Some(Self::new(sign * units, scale))
    }

    /// The decimal that a float was most likely written as: its shortest notation.
    pub(crate) fn from_float(value: f64) -> Option<Self> {
        value.is_finite().then(|| format!("{value}")).and_then(|text| Self::parse(&text))
    }

    pub(crate) const fn digits_after_point(self) -> u32 {
        self.scale
    }

    /// Moves the point to the left.
    pub(crate) const fn shifted(self, places: u32) -> Self {
        Self::new(self.units, self.scale + places)
    }

    pub(crate) fn times(self, other: Self) -> Self {
        Self::new(self.units.saturating_mul(other.units), self.scale + other.scale)
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        let scale = self.scale.max(other.scale);
        let raised = |value: Self| value.units.saturating_mul(10_i128.pow(scale - value.scale));
        Self::new(raised(self) - raised(other), scale)
    }

    pub(crate) fn is_less_than(self, other: Self) -> bool {
        self.minus(other).units < 0
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = self.units.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let unit = 10_u128.pow(self.scale);
        let width = self.scale as usize;
        write!(f, "{sign}{}.{:0width$}", digits / unit, digits % unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_budget_is_exact() {
        let target = Decimal::from_float(99.9).unwrap();
        let budget = Decimal::whole(100).minus(target).shifted(2);

        assert_eq!(budget.to_string(), "0.001");
        assert_eq!(Decimal::new(144, 1).times(budget).to_string(), "0.0144");
        assert_eq!(target.shifted(2).to_string(), "0.999");
    }

    #[test]
    fn what_is_no_short_decimal_is_not_read() {
        for text in
            ["", ".", "1.", ".5", "1e3", "+1", "0x1", "1.0000000001", "12345678901", "NaN", "--1"]
        {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
        assert_eq!(Decimal::from_float(f64::NAN), None);
        assert_eq!(Decimal::from_float(1e300), None);
        assert_eq!(Decimal::parse("-0.5").unwrap().to_string(), "-0.5");
    }
}
