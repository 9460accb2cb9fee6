//! Figures in words: grouped digits, sizes and times in the unit that suits them.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use overlapped_copy::Sync;
use overlapped_file_transfer::shows_as_itself;

pub use overlapped_observe::words::{count, grouped};

/// A text as it may go to a terminal. Names of files and what peers say may hold what controls a terminal or
/// turns the direction of text; of that only the number is shown, as `\u{1b}`. Line ends and tabs stay.
pub fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| matches!(letter, '\n' | '\t') || shows_as_itself(letter);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_plain(letter) {
            plain.push(letter);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(plain, "{}", letter.escape_unicode());
        }
    }
    Cow::Owned(plain)
}

/// A size in the largest unit that leaves at least one of it.
pub fn size(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < units.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{value:.0} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// Bytes per second in megabytes of 1,000,000; none where nothing was measured: no bytes, or no time.
pub fn megabytes_per_second(bytes: u64, time: Duration) -> Option<f64> {
    let seconds = time.as_secs_f64();
    (bytes > 0 && seconds > 0.0).then(|| bytes as f64 / 1e6 / seconds)
}

/// The same in words, with a hyphen for what was not measured.
pub fn megabytes_a_second(bytes: u64, time: Duration) -> String {
    match megabytes_per_second(bytes, time) {
        None => "- MB/s".to_owned(),
        Some(rate) if rate >= 9.95 => format!("{} MB/s", grouped(rate.round() as u64)),
        Some(rate) if rate >= 0.05 => format!("{rate:.1} MB/s"),
        Some(_) => "below 0.1 MB/s".to_owned(),
    }
}

/// What must have reached the device, as options name it.
pub fn of_sync(sync: Sync) -> &'static str {
    match sync {
        Sync::None => "none",
        Sync::File => "file",
        Sync::All => "all",
    }
}

/// A latency given in microseconds.
pub fn latency(microseconds: f64) -> String {
    if microseconds < 1_000.0 {
        format!("{microseconds:.0} us")
    } else if microseconds < 1_000_000.0 {
        format!("{:.1} ms", microseconds / 1_000.0)
    } else {
        format!("{:.2} s", microseconds / 1_000_000.0)
    }
}

/// A time in seconds, or in minutes and seconds.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole < 60 { format!("{whole} s") } else { format!("{} min {} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_was_not_measured_is_no_zero() {
        let second = Duration::from_secs(1);
        assert_eq!(megabytes_a_second(0, second), "- MB/s");
        assert_eq!(megabytes_a_second(5, Duration::ZERO), "- MB/s");
        assert_eq!(megabytes_a_second(5, second), "below 0.1 MB/s");
        assert_eq!(megabytes_a_second(2_340_000, second), "2.3 MB/s");
        assert_eq!(megabytes_a_second(1_234_400_000, second), "1,234 MB/s");
        assert_eq!(megabytes_per_second(0, second), None);
    }

    #[test]
    fn figures_read_well() {
        assert_eq!(size(512.0), "512 B");
        assert_eq!(size(1_536.0), "1.5 KiB");
        assert_eq!(latency(999.4), "999 us");
        assert_eq!(latency(2_500.0), "2.5 ms");
        assert_eq!(latency(1_500_000.0), "1.50 s");
        assert_eq!(plain("a \u{1b}[2J\u{202e}\u{9b}\n"), "a \\u{1b}[2J\\u{202e}\\u{9b}\n");
        assert!(matches!(plain("ä 'b'\n"), Cow::Borrowed(_)));
        assert_eq!(seconds(Duration::from_secs(61)), "1 min 1 s");
    }
}
