//! Figures as the screen has them: short, since columns are few.

pub use overlapped_observe::words::{age, ms, short};

use crate::words;

/// A rate, whole where it is not small.
pub fn rate(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        format!("{rate:.1}")
    } else {
        words::grouped(rate.round() as u64)
    }
}

/// The time of day of a moment, in UTC.
pub fn clock(at_ms: u64) -> String {
    let second = at_ms / 1_000 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_the_digits_that_matter() {
        assert_eq!([0.0, 0.5, 12_345.4].map(rate), ["0", "0.5", "12,345"]);
    }

    #[test]
    fn the_time_of_day_is_that_of_utc() {
        assert_eq!(clock(1_769_860_802_500), "12:00:02");
    }
}
