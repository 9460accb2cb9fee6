//! Figures in words.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
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

/// A number with its noun.
pub fn count(number: u64, noun: &str) -> String {
    let ending = match (number, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{} {noun}{ending}", grouped(number))
}

/// A time between views.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.95 { format!("{:.1} s", seconds) } else { format!("{seconds:.0} s") }
}

/// A time given in milliseconds, with as many digits as matter.
pub fn ms(milliseconds: f64) -> String {
    short(Duration::from_secs_f64(milliseconds.clamp(0.0, 1e12) / 1e3))
}

/// A time with two digits or more.
pub fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let digits = |value: f64| usize::from(value < 9.95);
    let (value, unit) = match seconds {
        none if none <= 0.0 => return "0 ms".to_owned(),
        brief if brief < 999.5e-9 => (brief * 1e9, "ns"),
        brief if brief < 999.5e-6 => (brief * 1e6, "us"),
        brief if brief < 999.5e-3 => (brief * 1e3, "ms"),
        long if long < 120.0 => (long, "s"),
        long => return age(Duration::from_secs_f64(long)),
    };
    format!("{value:.*} {unit}", digits(value))
}

/// A long time in its two largest units.
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    let two =
        |large: u64, unit: &str, small: u64, part: &str| format!("{large} {unit} {small} {part}");
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_digits_that_matter() {
        let of = |nanoseconds| short(Duration::from_nanos(nanoseconds));
        assert_eq!(of(0), "0 ms");
        assert_eq!(of(512), "512 ns");
        assert_eq!(of(2_048), "2.0 us");
        assert_eq!(of(65_536), "66 us");
        assert_eq!(of(999_700), "1.0 ms");
        assert_eq!(of(52_300_000), "52 ms");
        assert_eq!(of(1_200_000_000), "1.2 s");
        assert_eq!(of(133_000_000_000), "2 min 13 s");
        assert_eq!(ms(0.25), "250 us");
        assert_eq!(age(Duration::from_secs(90_061)), "1 d 1 h");
        assert_eq!(span(Duration::from_millis(10_020)), "10 s");
        assert_eq!(span(Duration::from_millis(300)), "0.3 s");
    }

    #[test]
    fn numbers_are_grouped_and_have_their_noun() {
        assert_eq!([7, 999, 1_000, 30_000_000].map(grouped), ["7", "999", "1,000", "30,000,000"]);
        assert_eq!([count(1, "thread"), count(2_000, "thread")], ["1 thread", "2,000 threads"]);
        assert_eq!([count(1, "process"), count(0, "process")], ["1 process", "0 processes"]);
    }
}
