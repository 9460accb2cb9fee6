//! The head of a request: whether it is complete, and what of it matters here.

use crate::body::{Body, Extent, Framing};
use crate::{Settings, authority};
use std::mem::MaybeUninit;

/// More headers than that are never read, whatever the settings say.
pub(crate) const HEADERS_MAX: usize = 256;

/// Room for the method, the version and what is between them, beside the target.
const BESIDE_TARGET_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Options,
    /// A method that exists and is not for files.
    Other,
    Unknown,
}

impl Method {
    /// The status for every request of this method, where there is one.
    pub(crate) fn refusal(self) -> Option<u16> {
        match self {
            Self::Get | Self::Head | Self::Options => None,
            Self::Other => Some(405),
            Self::Unknown => Some(501),
        }
    }
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

/// The values of a header that may stand there several times; more than a few are refused.
#[derive(Debug, Default)]
pub(crate) struct Conditions<'a> {
    values: [&'a [u8]; 4],
    count: usize,
}

impl<'a> Conditions<'a> {
    fn add(&mut self, value: &'a [u8]) -> Result<(), u16> {
        *self.values.get_mut(self.count).ok_or(431_u16)? = value;
        self.count += 1;
        Ok(())
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
    /// The request, and how many bytes it has with its body.
    Whole(Box<Request<'a>>, usize),
    /// More must come first: so many bytes in all, or the next end of a line if that is 0.
    Partial(usize),
    /// It is of a later HTTP/1, and is to be read as HTTP/1.1: where the digit is that says so.
    Later(usize),
    /// It is no request, and nothing after it can be understood: the status to answer with.
    Bad(u16),
}

/// Whether the piece of `bytes` that came from `seen` on can have made the request complete, which
/// needs so many bytes if that is not 0.
pub(crate) fn may_be_whole(bytes: &[u8], seen: usize, needs: usize) -> bool {
    if needs > 0 {
        return bytes.len() >= needs;
    }
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
            Ok((request, body)) => whole(request, body, bytes_of_head, length, settings),
            Err(status) => Parsed::Bad(status),
        },
        Ok(httparse::Status::Partial) => match too_long(bytes, settings) {
            Some(status) => Parsed::Bad(status),
            None => Parsed::Partial(0),
        },
        Err(httparse::Error::TooManyHeaders) => Parsed::Bad(431),
        Err(httparse::Error::Version) => other_version(bytes, settings),
        Err(_) => Parsed::Bad(400),
    }
}

/// The request with its body, which begins after `length` of the `bytes`; they are at most what a
/// head may have.
fn whole<'a>(
    request: Request<'a>,
    body: Body,
    bytes: &'a [u8],
    length: usize,
    settings: &Settings,
) -> Parsed<'a> {
    match body.extent(&bytes[length..]) {
        Extent::Whole(of_body) => Parsed::Whole(Box::new(request), length + of_body),
        Extent::AtLeast(of_body) if of_body <= settings.head_bytes.saturating_sub(length) => {
            Parsed::Partial(length + of_body)
        }
        Extent::AtLeast(_) => Parsed::Bad(413),
        Extent::Malformed => Parsed::Bad(400),
    }
}

/// Tells a version that is not ours from a line that is none.
fn other_version<'a>(bytes: &[u8], settings: &Settings) -> Parsed<'a> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let Some(end) = bytes[start..].iter().position(|byte| *byte == b'\n') else {
        return too_long(bytes, settings).map_or(Parsed::Partial(0), Parsed::Bad);
    };
    let line = &bytes[start..start + end];
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut words = line.split(|byte| *byte == b' ');
    let version = words.nth(2).filter(|_| words.next().is_none());
    match version.and_then(|version| version.strip_prefix(b"HTTP/")) {
        Some([b'1', b'.', minor]) if minor.is_ascii_digit() => {
            Parsed::Later(start + line.len() - 1)
        }
        Some([major, b'.', minor]) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Parsed::Bad(505)
        }
        _ => Parsed::Bad(400),
    }
}

/// The status for a head that is too long before it is complete.
fn too_long(bytes: &[u8], settings: &Settings) -> Option<u16> {
    // Empty lines before a request are passed over.
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    let line = bytes[start..].iter().position(|byte| *byte == b'\n');
    let line_length = line.unwrap_or(bytes.len() - start);
    // What goes on without a space is a method.
    let of_line = || if bytes[start..start + line_length].contains(&b' ') { 414 } else { 501 };
    if line_length > settings.target_bytes.saturating_add(BESIDE_TARGET_BYTES) {
        return Some(of_line());
    }
    let is_full = bytes.len() >= settings.head_bytes;
    is_full.then(|| if line.is_none() { of_line() } else { 431 })
}

/// What a head says, and how its body is framed; or the status to refuse it with.
pub(crate) fn understand<'a>(
    request: &httparse::Request<'_, 'a>,
    settings: &Settings,
) -> Result<(Request<'a>, Body), u16> {
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
    let mut framing = Framing::default();
    let (mut host, mut ranges) = (None, 0);
    let (mut says_close, mut says_keep_alive) = (false, false);
    let (mut expects_continue, mut expects_more) = (false, false);
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let value = header.value.trim_ascii();
        if is("host") {
            // Twice is not once, whatever it says.
            if host.replace(value).is_some() {
                return Err(400);
            }
        } else if is("connection") {
            says_close |= has_token(value, "close");
            says_keep_alive |= has_token(value, "keep-alive");
        } else if is("range") {
            ranges += 1;
            found.range = Some(value);
        } else if is("if-range") {
            found.if_range = Some(only(found.if_range, value));
        } else if is("if-match") {
            found.if_match.add(value)?;
        } else if is("if-none-match") {
            found.if_none_match.add(value)?;
        } else if is("if-modified-since") {
            found.if_modified_since = Some(only(found.if_modified_since, value));
        } else if is("if-unmodified-since") {
            found.if_unmodified_since = Some(only(found.if_unmodified_since, value));
        } else if is("content-length") {
            framing.length(value);
        } else if is("transfer-encoding") {
            framing.codings(value);
        } else if is("expect") && minor_version >= 1 {
            expects_continue |= has_token(value, "100-continue");
            expects_more |= !value.split(|byte| *byte == b',').all(|item| {
                let item = item.trim_ascii();
                item.is_empty() || item.eq_ignore_ascii_case(b"100-continue")
            });
        }
    }
    check_host(host, target, minor_version)?;
    let body = framing.body(minor_version)?;
    if name == "CONNECT" {
        // What follows is not for us, whatever it is.
        return Err(if authority::has_port(target.as_bytes()) { 405 } else { 400 });
    }
    // A refusal comes at once, so that nobody sends what nobody wants.
    match found.method.refusal() {
        Some(status) if body != Body::None => return Err(status),
        _ if expects_more || (expects_continue && body != Body::None) => return Err(417),
        _ => {}
    }
    if ranges > 1 || found.method != Method::Get {
        found.range = None;
    }
    found.keeps_alive = !says_close && (found.keeps_alive || says_keep_alive);
    Ok((found, body))
}

/// That the request says who it is for. A whole address as the target says it better.
fn check_host(host: Option<&[u8]>, target: &str, minor_version: u8) -> Result<(), u16> {
    let is_named_by_target = !target.starts_with('/') && target != "*";
    match host.map(authority::host) {
        None if minor_version == 0 => Ok(()),
        Some(Some(host)) if !host.is_empty() || is_named_by_target => Ok(()),
        _ => Err(400),
    }
}

/// The value of a header that has one: several are none that is valid.
fn only<'a>(before: Option<&[u8]>, value: &'a [u8]) -> &'a [u8] {
    if before.is_none() { value } else { b"" }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "OPTIONS" => Method::Options,
        "POST" | "PUT" | "DELETE" | "CONNECT" | "TRACE" | "PATCH" => Method::Other,
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
            Parsed::Partial(_) | Parsed::Later(_) => Err(0),
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
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", Err(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", Ok(true)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n", Err(413)),
            ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Err(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\r\n", Err(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(true)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", Err(405)),
            ("BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", Err(501)),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", Err(405)),
            ("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", Err(417)),
            ("GET / HTTP/1.0\r\nExpect: x\r\n\r\n", Ok(false)),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Err(505)),
            ("GET /\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\n", Err(0)),
            ("GET / HTTP/1.1\r\nHost: a\r\nA\0: b\r\n\r\n", Err(400)),
        ] {
            assert_eq!(status(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn versions_are_known_later_other_or_none() {
        let of = |line: &str| match parse(line.as_bytes(), &Settings::default()) {
            Parsed::Later(at) => Err(at),
            Parsed::Bad(status) => Ok(status),
            _ => Ok(0),
        };
        assert_eq!(of("GET / HTTP/1.2\r\n"), Err(13));
        assert_eq!(of("\r\nGET / HTTP/1.9\n"), Err(15));
        for (line, status) in [
            ("GET / HTTP/2.0\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET / HTTP/0.9\r\n", 505),
            ("GET / HTTP/2", 0),
            ("GET / HTTP/11.1\r\n", 400),
            ("GET / HTTP/1.10\r\n", 400),
            ("GET / http/1.1\r\n", 400),
            ("GET / HTCPCP/1.0\r\n", 400),
            ("GET /a b HTTP/1.1\r\n", 400),
            ("GET  / HTTP/1.2\r\n", 400),
        ] {
            assert_eq!(of(line), Ok(status), "{line:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_told_apart() {
        let long = "x".repeat(100_000);
        assert_eq!(status(format!("GET /{long}").as_bytes()), Err(414));
        assert_eq!(status(format!("GET /{} HTTP/1.1\r\n", &long[..9_000]).as_bytes()), Err(414));
        assert_eq!(status(long.as_bytes()), Err(501));
        let line = "GET / HTTP/1.1\r\nHost: a\r\n";
        assert_eq!(status(format!("{line}A: {long}").as_bytes()), Err(431));
        assert_eq!(status(format!("{line}A: {long}\r\n\r\n").as_bytes()), Err(431));
        let many = "A: b\r\n".repeat(101);
        assert_eq!(status(format!("{line}{many}\r\n").as_bytes()), Err(431));
        let tags = "If-None-Match: \"x\"\r\n".repeat(5);
        assert_eq!(status(format!("{line}{tags}\r\n").as_bytes()), Err(431));
    }
}
