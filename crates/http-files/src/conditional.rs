//! What the conditions of a request come to, for one version of a file: all of it, a part of it, or
//! none.

use crate::request::Request;
use std::time::{Duration, SystemTime};

/// What tells one version of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) size: u64,
    /// To the second, as it travels; None when the file system does not tell it.
    pub(crate) modified: Option<SystemTime>,
    /// With its quotes.
    pub(crate) tag: String,
}

impl Version {
    pub(crate) fn new(size: u64, modified: Option<SystemTime>) -> Self {
        let since = modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let since = since.unwrap_or_default();
        Self {
            size,
            // A date before 1970 or after 9999 cannot be written.
            modified: (since.as_secs() < 253_402_300_800 && !since.is_zero())
                .then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())),
            tag: format!("\"{size:x}-{:x}\"", since.as_nanos()),
        }
    }
}

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
pub(crate) fn judge(request: &Request<'_>, version: &Version) -> Verdict {
    if !request.if_match.is_empty() {
        if !request.if_match.iter().any(|list| has_tag(list, &version.tag, false)) {
            return Verdict::Failed;
        }
    } else if let (Some(since), Some(modified)) =
        (request.if_unmodified_since.and_then(date), version.modified)
        && modified > since
    {
        return Verdict::Failed;
    }
    if !request.if_none_match.is_empty() {
        if request.if_none_match.iter().any(|list| has_tag(list, &version.tag, true)) {
            return Verdict::NotModified;
        }
    } else if let (Some(since), Some(modified)) =
        (request.if_modified_since.and_then(date), version.modified)
        && modified <= since
    {
        return Verdict::NotModified;
    }
    match request.range {
        Some(range) if request.if_range.is_none_or(|it| is_same(it, version)) => {
            part(range, version.size)
        }
        _ => Verdict::Whole,
    }
}

/// Whether a list of tags has this one, or is an asterisk. Weak tags count where `weakly`.
fn has_tag(list: &[u8], tag: &str, weakly: bool) -> bool {
    if list == b"*" {
        return true;
    }
    list.split(|byte| *byte == b',').any(|item| {
        let item = item.trim_ascii();
        let item = if weakly { item.strip_prefix(b"W/").unwrap_or(item) } else { item };
        item == tag.as_bytes()
    })
}

/// Whether an If-Range means this very version.
fn is_same(if_range: &[u8], version: &Version) -> bool {
    if_range == version.tag.as_bytes()
        || date(if_range).is_some_and(|date| version.modified == Some(date))
}

fn date(text: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(text).ok()?).ok()
}

/// Reads a range. What is malformed, of other units, or several ranges, is passed over.
fn part(range: &[u8], size: u64) -> Verdict {
    let Some((first, last)) = one_range(range) else { return Verdict::Whole };
    let (first, last) = match (first, last) {
        (Some(first), Some(last)) if last < first => return Verdict::Whole,
        (Some(first), last) => (first, last.unwrap_or(u64::MAX)),
        (None, Some(0)) => return Verdict::Unsatisfiable,
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
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.split_once('-')?;
    Some((position(first)?, position(last)?))
}

/// A position, or none; None when it is not a number. One that is too large is at the end.
fn position(digits: &str) -> Option<Option<u64>> {
    let digits = digits.trim_matches([' ', '\t']);
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

    fn version() -> Version {
        // Thu, 01 Jan 1970 00:16:40 GMT and half a second.
        Version::new(100, Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500)))
    }

    fn verdict(headers: &str) -> Verdict {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
        match parse(text.as_bytes(), &Settings::default()) {
            Parsed::Whole(request, _) => judge(&request, &version()),
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
            ("Bytes= 5 - 6 ", Verdict::Part(5, 2)),
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
        assert_eq!(part(b"bytes=-5", 0), Verdict::Unsatisfiable);
    }

    #[test]
    fn conditions_come_in_their_order() {
        let tag = version().tag;
        let same = "Thu, 01 Jan 1970 00:16:40 GMT";
        let before = "Thu, 01 Jan 1970 00:16:39 GMT";
        for (headers, expected) in [
            (format!("If-None-Match: {tag}"), Verdict::NotModified),
            (format!("If-None-Match: \"x\", W/{tag}"), Verdict::NotModified),
            ("If-None-Match: *".to_owned(), Verdict::NotModified),
            ("If-None-Match: \"x\"".to_owned(), Verdict::Whole),
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {same}"), Verdict::Whole),
            (format!("If-Modified-Since: {same}"), Verdict::NotModified),
            (format!("If-Modified-Since: {before}"), Verdict::Whole),
            ("If-Modified-Since: yesterday".to_owned(), Verdict::Whole),
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
}
