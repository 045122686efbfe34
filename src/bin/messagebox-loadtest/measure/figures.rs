//! Formats numbers for people, and converts numbers with loss of precision.

const MIB: f64 = 1_048_576.0;

/// Exact up to 2^53, which is 104 days in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) const fn float(number: u64) -> f64 {
    number as f64
}

/// Zero for negative numbers and NaN.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates"
)]
pub(crate) const fn whole(number: f64) -> u64 {
    number as u64
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// A quotient; zero for a divisor of zero.
pub(crate) fn per(amount: f64, each: f64) -> f64 {
    if each > 0.0 { amount / each } else { 0.0 }
}

/// Separates thousands, as in `12,345`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// With up to three decimals, without trailing zeros.
pub(crate) fn decimals(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Microseconds in a fitting unit.
pub(crate) fn micros(number: u64) -> String {
    let number = float(number);
    if number < 1_000.0 {
        format!("{number:.0} µs")
    } else if number < 1_000_000.0 {
        format!("{:.1} ms", number / 1_000.0)
    } else {
        format!("{:.2} s", number / 1_000_000.0)
    }
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", float(bytes) / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [7, 1_500, 2_500_000].map(micros),
            ["7 µs", "1.5 ms", "2.50 s"]
        );
        assert_eq!([10.0, 0.5, 99.9].map(decimals), ["10", "0.5", "99.9"]);
        assert_eq!(mebibytes(1_572_864), "1.5 MiB");
        assert_eq!((whole(-1.0), whole(f64::NAN), whole(2.9)), (0, 0, 2));
        assert_eq!((per(1.0, 0.0), per(1.0, 4.0)), (0.0, 0.25));
    }
}
