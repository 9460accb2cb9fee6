//! Dates as they travel: written in one form, and read in three.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that can be written, at the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// After so many years every date falls on the same day of the week again.
const CYCLE_YEARS: u32 = 400;
const CYCLE: Duration = Duration::from_secs(146_097 * 86_400);

/// A year of two digits is at most so far in the future.
const FUTURE: Duration = Duration::from_secs(50 * 31_557_600);

/// The second since 1970 that a time lies in; times before it count as its beginning.
pub(crate) fn second(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST_SECOND)
}

/// Writes a second since 1970.
pub(crate) fn written(second: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second.min(LAST_SECOND)))
}

/// Reads a date in any of the three forms of HTTP; `now` tells the century of a year that has two
/// digits. A leap second is the end of the one before it.
pub(crate) fn read(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = [""; 7];
    let mut count = 0;
    for word in text.split(' ') {
        *words.get_mut(count)? = word;
        count += 1;
    }
    match words[..count] {
        [name, day, month, year, time, "GMT"] if day.len() == 2 => {
            in_year(name.strip_suffix(',')?, day, month, four_digits(year)?, time)
        }
        [name, date, time, "GMT"] => {
            let name = short_name(name.strip_suffix(',')?)?;
            let (day, rest) = date.split_once('-')?;
            let (month, year) = rest.split_once('-')?;
            of_two_digits(year, now, |year| in_year(name, day, month, year, time))
        }
        [name, month, "", day, time, year] if day.len() == 1 => {
            in_year(name, &format!("0{day}"), month, four_digits(year)?, time)
        }
        [name, month, day, time, year] if day.len() == 2 => {
            in_year(name, day, month, four_digits(year)?, time)
        }
        _ => None,
    }
}

fn four_digits(year: &str) -> Option<u32> {
    let is_one = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    if is_one { year.parse().ok() } else { None }
}

/// The date in the century that makes it neither further in the future than it may be, nor longer
/// ago than it must.
fn of_two_digits(
    year: &str,
    now: SystemTime,
    date: impl Fn(u32) -> Option<SystemTime>,
) -> Option<SystemTime> {
    let is_one = year.len() == 2 && year.bytes().all(|byte| byte.is_ascii_digit());
    let year: u32 = if is_one { year.parse().ok()? } else { return None };
    // "Sun, 06 Nov 1994 ..."
    let now_written = written(second(now));
    let century = four_digits(now_written.get(12..16)?)? / 100 * 100;
    let latest = now + FUTURE;
    // The day of the week of a date that is not meant is wrong, so that one cannot be compared.
    [century + 100 + year, century + year, (century + year).saturating_sub(100)]
        .into_iter()
        .filter_map(date)
        .find(|date| *date <= latest)
}

fn short_name(name: &str) -> Option<&str> {
    const NAMES: [&str; 7] =
        ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    NAMES.contains(&name).then(|| &name[..3])
}

fn in_year(name: &str, day: &str, month: &str, year: u32, time: &str) -> Option<SystemTime> {
    // The parser begins in 1970.
    let cycles = 1970_u32.saturating_sub(year).div_ceil(CYCLE_YEARS);
    let year = year + cycles * CYCLE_YEARS;
    let (time, leap) = match time.strip_suffix(":60") {
        Some(minute) => (format!("{minute}:59"), Duration::from_secs(1)),
        None => (time.to_owned(), Duration::ZERO),
    };
    let date = httpdate::parse_http_date(&format!("{name}, {day} {month} {year:04} {time} GMT"));
    (date.ok()? + leap).checked_sub(CYCLE * cycles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    /// 26 November 2026.
    fn now() -> SystemTime {
        at(1_795_651_200)
    }

    #[test]
    fn dates_have_three_forms() {
        let second = at(784_111_777);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(text.as_bytes(), now()), Some(second), "{text}");
        }
        assert_eq!(read(b"Wed Nov 16 08:49:37 1994", now()), Some(at(784_975_777)));
        assert_eq!(written(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(u64::MAX), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_leap_second_and_a_date_before_1970_are_dates() {
        let leap = read(b"Sat, 31 Dec 2016 23:59:60 GMT", now());
        assert_eq!(leap, Some(at(1_483_228_800)));
        let before = read(b"Fri, 01 Jan 1960 00:00:00 GMT", now());
        assert_eq!(before, UNIX_EPOCH.checked_sub(Duration::from_secs(3_653 * 86_400)));
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_50_years_ahead() {
        for (text, year) in [
            ("Thursday, 26-Nov-26 00:00:00 GMT", "2026"),
            ("Wednesday, 25-Nov-76 00:00:00 GMT", "2076"),
            ("Saturday, 27-Nov-76 00:00:00 GMT", "1976"),
            ("Sunday, 27-Nov-77 00:00:00 GMT", "1977"),
            ("Wednesday, 01-Jan-70 00:00:00 GMT", "2070"),
        ] {
            let date = read(text.as_bytes(), now()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(&written(second(date))[12..16], year, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "0",
            "-1",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 25:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun, 30 Feb 1994 08:49:37 GMT",
        ] {
            assert_eq!(read(text.as_bytes(), now()), None, "{text}");
        }
    }
}
