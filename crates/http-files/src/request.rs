//! The head of a request: whether it is complete, and what of it matters here.

use crate::Settings;
use std::mem::MaybeUninit;

/// More headers than that are never read, whatever the settings say.
pub(crate) const HEADERS_MAX: usize = 256;

/// Room for the method, the version and what is between them, beside the target.
const BESIDE_TARGET_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    /// A method that exists and is not for files.
    Other,
    Unknown,
}

/// A complete head.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) method_name: &'a str,
    pub(crate) target: &'a str,
    /// 0 or 1, of HTTP/1.
    pub(crate) minor_version: u8,
    /// Whether the client lets the connection go on afterwards.
    pub(crate) keeps_alive: bool,
    pub(crate) range: Option<&'a [u8]>,
    pub(crate) if_range: Option<&'a [u8]>,
    pub(crate) if_match: Conditions<'a>,
    pub(crate) if_none_match: Conditions<'a>,
    pub(crate) if_modified_since: Option<&'a [u8]>,
    pub(crate) if_unmodified_since: Option<&'a [u8]>,
}

/// The values of a header that may stand there several times, of which we read a few.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    values: [&'a [u8]; 4],
    count: usize,
}

impl<'a> Conditions<'a> {
    fn add(&mut self, value: &'a [u8]) {
        if let Some(free) = self.values.get_mut(self.count) {
            *free = value;
            self.count += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.values[..self.count].iter().copied()
    }
}

/// What was read at the start of what a client has sent.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    /// The request, and how many bytes its head is.
    Whole(Box<Request<'a>>, usize),
    /// More must come first.
    Partial,
    /// It is no request, and nothing after it can be understood: the status to answer with.
    Bad(u16),
}

/// Whether a piece of `bytes` that came from `seen` on can have made the head complete.
pub(crate) fn may_be_whole(bytes: &[u8], seen: usize) -> bool {
    bytes[seen.min(bytes.len())..].contains(&b'\n')
}

/// Reads the request at the start of `bytes`.
pub(crate) fn parse<'a>(bytes: &'a [u8], settings: &Settings) -> Parsed<'a> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let allowed = &mut headers[..settings.headers.clamp(1, HEADERS_MAX)];
    let mut request = httparse::Request::new(&mut []);
    let bytes_of_head = &bytes[..bytes.len().min(settings.head_bytes)];
    match request.parse_with_uninit_headers(bytes_of_head, allowed) {
        Ok(httparse::Status::Complete(length)) => match understand(&request, settings) {
            Ok(request) => Parsed::Whole(Box::new(request), length),
            Err(status) => Parsed::Bad(status),
        },
        Ok(httparse::Status::Partial) => match too_long(bytes, settings) {
            Some(status) => Parsed::Bad(status),
            None => Parsed::Partial,
        },
        Err(httparse::Error::TooManyHeaders) => Parsed::Bad(431),
        Err(httparse::Error::Version) => Parsed::Bad(505),
        Err(_) => Parsed::Bad(400),
    }
}

/// The status for a head that is too long before it is complete.
fn too_long(bytes: &[u8], settings: &Settings) -> Option<u16> {
    // Empty lines before a request are passed over.
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let line = bytes[start..].iter().position(|byte| *byte == b'\n');
    let line_length = line.unwrap_or(bytes.len() - start);
    if line_length > settings.target_bytes.saturating_add(BESIDE_TARGET_BYTES) {
        return Some(414);
    }
    (bytes.len() >= settings.head_bytes).then_some(if line.is_none() { 414 } else { 431 })
}

fn understand<'a>(
    request: &httparse::Request<'_, 'a>,
    settings: &Settings,
) -> Result<Request<'a>, u16> {
    let (Some(name), Some(target), Some(minor_version)) =
        (request.method, request.path, request.version)
    else {
        return Err(400);
    };
    if target.len() > settings.target_bytes {
        return Err(414);
    }
    let mut found = Request {
        method: method(name),
        method_name: name,
        target,
        minor_version,
        keeps_alive: minor_version >= 1,
        range: None,
        if_range: None,
        if_match: Conditions::default(),
        if_none_match: Conditions::default(),
        if_modified_since: None,
        if_unmodified_since: None,
    };
    let (mut hosts, mut ranges, mut has_body) = (0, 0, false);
    let (mut says_close, mut says_keep_alive) = (false, false);
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value.trim_ascii();
        if is("host") {
            hosts += 1;
        } else if is("connection") {
            says_close |= has_token(value, "close");
            says_keep_alive |= has_token(value, "keep-alive");
        } else if is("range") {
            ranges += 1;
            found.range = Some(value);
        } else if is("if-range") {
            found.if_range = Some(value);
        } else if is("if-match") {
            found.if_match.add(value);
        } else if is("if-none-match") {
            found.if_none_match.add(value);
        } else if is("if-modified-since") {
            found.if_modified_since = Some(value);
        } else if is("if-unmodified-since") {
            found.if_unmodified_since = Some(value);
        } else if is("content-length") {
            // Where a body would end is for nobody to guess.
            if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
                return Err(400);
            }
            has_body |= value.iter().any(|digit| *digit != b'0');
        } else if is("transfer-encoding") {
            has_body = true;
        }
    }
    if hosts > 1 || (hosts == 0 && minor_version >= 1) {
        return Err(400);
    }
    match found.method {
        Method::Unknown => return Err(501),
        Method::Other => return Err(405),
        Method::Get | Method::Head if has_body => return Err(413),
        Method::Get | Method::Head => {}
    }
    if ranges > 1 || found.method == Method::Head {
        found.range = None;
    }
    found.keeps_alive = !says_close && (found.keeps_alive || says_keep_alive);
    Ok(found)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" | "PUT" | "DELETE" | "CONNECT" | "OPTIONS" | "TRACE" | "PATCH" => Method::Other,
        _ => Method::Unknown,
    }
}

fn has_token(list: &[u8], token: &str) -> bool {
    list.split(|byte| *byte == b',')
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(bytes: &[u8]) -> Result<bool, u16> {
        match parse(bytes, &Settings::default()) {
            Parsed::Whole(request, _) => Ok(request.keeps_alive),
            Parsed::Partial => Err(0),
            Parsed::Bad(status) => Err(status),
        }
    }

    #[test]
    fn requests_are_understood_or_refused_with_their_status() {
        for (text, expected) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(true)),
            ("GET / HTTP/1.0\r\n\r\n", Ok(false)),
            ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Ok(true)),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n", Ok(false)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Ok(true)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", Err(413)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Err(413)),
            ("GET / HTTP/1.1\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Err(405)),
            ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Err(501)),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Err(505)),
            ("GET /\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Err(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n", Err(400)),
        ] {
            assert_eq!(status(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_apart() {
        let long = "x".repeat(100_000);
        assert_eq!(status(format!("GET /{long}").as_bytes()), Err(414));
        assert_eq!(status(format!("GET /{} HTTP/1.1\r\n", &long[..9_000]).as_bytes()), Err(414));
        let line = "GET / HTTP/1.1\r\nHost: a\r\n";
        assert_eq!(status(format!("{line}A: {long}").as_bytes()), Err(431));
        assert_eq!(status(format!("{line}A: {long}\r\n\r\n").as_bytes()), Err(431));
        let many = "A: b\r\n".repeat(101);
        assert_eq!(status(format!("{line}{many}\r\n").as_bytes()), Err(431));
    }
}
