//! What the conditions of a request come to, for one version of a file: all of it, a part of it, or
//! none.

use crate::date;
use crate::request::Request;
use crate::version::Version;
use std::time::SystemTime;

/// What a request is to be answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200.
    Whole,
    /// 206: offset and length, which is not 0.
    Part(u64, u64),
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
}

/// Weighs the conditions in the order in which they come before each other.
pub(crate) fn judge(request: &Request<'_>, version: &Version, now: SystemTime) -> Verdict {
    let date = |text| date::read(text, now);
    if !request.if_match.is_empty() {
        if !request.if_match.iter().any(|list| has_tag(list, version, false)) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) =
        (request.if_unmodified_since.and_then(date), version.modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if !request.if_none_match.is_empty() {
        if request.if_none_match.iter().any(|list| has_tag(list, version, true)) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (request.if_modified_since.and_then(date), version.modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    match request.range {
        Some(range) if request.if_range.is_none_or(|it| is_same(it, version, now)) => {
            part(range, version.size)
        }
        _ => Verdict::Whole,
    }
}

/// Whether a list of tags has that of the version, or is an asterisk. Weak tags count where
/// `weakly`. Our tags have no comma, so a list may be cut at each.
fn has_tag(list: &[u8], version: &Version, weakly: bool) -> bool {
    if list == b"*" {
        return true;
    }
    let Some(tag) = &version.tag else { return false };
    list.split(|byte| *byte == b',').any(|item| {
        let item = item.trim_ascii();
        let item = if weakly { item.strip_prefix(b"W/").unwrap_or(item) } else { item };
        item == tag.as_bytes()
    })
}

/// Whether an If-Range means this very version. A version has a date only when no other can have
/// the same, so a date will do.
fn is_same(if_range: &[u8], version: &Version, now: SystemTime) -> bool {
    version.tag.as_ref().is_some_and(|tag| if_range == tag.as_bytes())
        || version.modified.is_some_and(|modified| date::read(if_range, now) == Some(modified))
}

/// Reads a range. What is malformed, of other units, or several ranges, is passed over.
fn part(range: &[u8], size: u64) -> Verdict {
    let Some((first, last)) = one_range(range) else { return Verdict::Whole };
    let (first, last) = match (first, last) {
        (Some(first), Some(last)) if last < first => return Verdict::Whole,
        (Some(first), last) => (first, last.unwrap_or(u64::MAX)),
        (None, Some(0)) => return Verdict::Unsatisfiable,
        // All of nothing has no first byte to name.
        (None, Some(_)) if size == 0 => return Verdict::Whole,
        (None, Some(suffix)) => (size.saturating_sub(suffix), u64::MAX),
        (None, None) => return Verdict::Whole,
    };
    if first >= size {
        return Verdict::Unsatisfiable;
    }
    Verdict::Part(first, last.min(size - 1) - first + 1)
}

fn one_range(range: &[u8]) -> Option<(Option<u64>, Option<u64>)> {
    let text = std::str::from_utf8(range).ok()?;
    let (unit, set) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let blanks = [' ', '\t'];
    let mut ranges = set.split(',').map(|it| it.trim_matches(blanks)).filter(|it| !it.is_empty());
    let (range, None) = (ranges.next()?, ranges.next()) else { return None };
    let (first, last) = range.split_once('-')?;
    Some((position(first)?, position(last)?))
}

/// A position, or none; None when it is not a number. One that is too large is at the end.
fn position(digits: &str) -> Option<Option<u64>> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((!digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use crate::request::{Parsed, parse};
    use std::time::Duration;

    /// Of the first quarter of an hour of 1970, looked at some time later.
    fn version() -> Version {
        Version {
            size: 100,
            tag: Some("\"tag\"".to_owned()),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)),
            settles: None,
        }
    }

    fn verdict(headers: &str) -> Verdict {
        verdict_on(&version(), headers)
    }

    fn verdict_on(version: &Version, headers: &str) -> Verdict {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
        match parse(text.as_bytes(), &Settings::default()) {
            Parsed::Whole(request, _) => judge(&request, version, SystemTime::now()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        for (range, expected) in [
            ("bytes=0-0", Verdict::Part(0, 1)),
            ("bytes=10-", Verdict::Part(10, 90)),
            ("bytes=10-1000", Verdict::Part(10, 90)),
            ("bytes=-10", Verdict::Part(90, 10)),
            ("bytes=-1000", Verdict::Part(0, 100)),
            ("Bytes= 5-6 ", Verdict::Part(5, 2)),
            ("bytes=,5-6, ,", Verdict::Part(5, 2)),
            ("bytes=5 - 6", Verdict::Whole),
            ("bytes =5-6", Verdict::Whole),
            ("bytes=99-99999999999999999999999999", Verdict::Part(99, 1)),
            ("bytes=100-", Verdict::Unsatisfiable),
            ("bytes=99999999999999999999999999-", Verdict::Unsatisfiable),
            ("bytes=-0", Verdict::Unsatisfiable),
            ("bytes=6-5", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("bytes=0-1,5-6", Verdict::Whole),
            ("lines=0-1", Verdict::Whole),
            ("bytes", Verdict::Whole),
        ] {
            assert_eq!(verdict(&format!("Range: {range}")), expected, "{range}");
        }
        assert_eq!(part(b"bytes=0-", 0), Verdict::Unsatisfiable);
        assert_eq!(part(b"bytes=-5", 0), Verdict::Whole);
    }

    #[test]
    fn conditions_come_in_their_order() {
        let tag = version().tag.expect("a tag");
        let same = "Thu, 01 Jan 1970 00:16:40 GMT";
        let before = "Thu, 01 Jan 1970 00:16:39 GMT";
        for (headers, expected) in [
            (format!("If-None-Match: {tag}"), Verdict::NotModified),
            (format!("If-None-Match: \"x\", W/{tag}"), Verdict::NotModified),
            ("If-None-Match: *".to_owned(), Verdict::NotModified),
            (format!("If-None-Match: ,,{tag},"), Verdict::NotModified),
            (format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}"), Verdict::NotModified),
            (format!("If-None-Match: {}", tag.replace('"', "")), Verdict::Whole),
            ("If-None-Match: \"x\"".to_owned(), Verdict::Whole),
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {same}"), Verdict::Whole),
            (format!("If-Modified-Since: {same}"), Verdict::NotModified),
            (format!("If-Modified-Since: {before}"), Verdict::Whole),
            ("If-Modified-Since: yesterday".to_owned(), Verdict::Whole),
            (format!("If-Modified-Since: {same}\r\nIf-Modified-Since: {same}"), Verdict::Whole),
            ("If-Match: *".to_owned(), Verdict::Whole),
            (format!("If-Match: {tag}\r\nIf-Unmodified-Since: {before}"), Verdict::Whole),
            (format!("If-Match: \"x\"\r\nIf-None-Match: {tag}"), Verdict::Failed),
            (format!("If-None-Match: {tag}\r\nRange: bytes=0-1"), Verdict::NotModified),
            (format!("If-Unmodified-Since: {before}, {before}"), Verdict::Whole),
            ("If-Unmodified-Since: yesterday".to_owned(), Verdict::Whole),
            ("Range: bytes=0-1\r\nIf-Range: *".to_owned(), Verdict::Whole),
            ("If-Range: \"x\"".to_owned(), Verdict::Whole),
            (format!("If-Match: {tag}"), Verdict::Whole),
            (format!("If-Match: W/{tag}"), Verdict::Failed),
            ("If-Match: \"x\"".to_owned(), Verdict::Failed),
            (format!("If-Unmodified-Since: {before}"), Verdict::Failed),
            (format!("If-Unmodified-Since: {same}"), Verdict::Whole),
            (format!("Range: bytes=0-1\r\nIf-Range: {tag}"), Verdict::Part(0, 2)),
            (format!("Range: bytes=0-1\r\nIf-Range: W/{tag}"), Verdict::Whole),
            (format!("Range: bytes=0-1\r\nIf-Range: {same}"), Verdict::Part(0, 2)),
            (format!("Range: bytes=0-1\r\nIf-Range: {before}"), Verdict::Whole),
        ] {
            assert_eq!(verdict(&headers), expected, "{headers}");
        }
    }

    #[test]
    fn a_version_that_nothing_is_known_of_meets_no_condition_but_the_asterisk() {
        let bare = Version { size: 100, ..Version::default() };
        let date = "Thu, 01 Jan 1970 00:16:40 GMT";
        for (headers, expected) in [
            ("If-None-Match: \"tag\"", Verdict::Whole),
            ("If-None-Match: *", Verdict::NotModified),
            ("If-Match: \"tag\"", Verdict::Failed),
            ("If-Match: *", Verdict::Whole),
            (&format!("If-Modified-Since: {date}"), Verdict::Whole),
            (&format!("If-Unmodified-Since: {date}"), Verdict::Whole),
            (&format!("Range: bytes=0-1\r\nIf-Range: {date}"), Verdict::Whole),
            ("Range: bytes=0-1\r\nIf-Range: \"tag\"", Verdict::Whole),
        ] {
            assert_eq!(verdict_on(&bare, headers), expected, "{headers}");
        }
    }
}
