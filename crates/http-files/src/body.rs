//! What follows the head of a request: how it is framed, and where it ends.
//!
//! No request that is answered here needs contents, so they are passed over, or not read at all.

use httparse::{EMPTY_HEADER, Status, parse_chunk_size, parse_headers};

/// So many fields may follow the last chunk.
const TRAILERS_MAX: usize = 16;

/// The shortest end of a chunked body.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the body of a request is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Bytes(u64),
    Chunked,
}

/// What the head says of the body, as it is read field by field.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    lengths: u32,
    bytes: u64,
    /// Transfer codings before the last one.
    codings: u32,
    is_chunked: bool,
    has_coding: bool,
    is_malformed: bool,
}

impl Framing {
    /// Reads a Content-Length.
    pub(crate) fn length(&mut self, value: &[u8]) {
        self.lengths += 1;
        self.is_malformed |= value.is_empty() || !value.iter().all(u8::is_ascii_digit);
        self.bytes = value.iter().fold(0, |sum: u64, digit| {
            sum.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0')))
        });
    }

    /// Reads a Transfer-Encoding; several lines are one list.
    pub(crate) fn codings(&mut self, value: &[u8]) {
        self.has_coding = true;
        let items = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for item in items.filter(|item| !item.is_empty()) {
            // Chunks in chunks are never right.
            self.is_malformed |= self.is_chunked;
            self.is_chunked = item.eq_ignore_ascii_case(b"chunked");
            self.codings += u32::from(!self.is_chunked);
        }
    }

    /// How the body is framed, or the status for a request of which nobody can say that.
    pub(crate) fn body(&self, minor_version: u8) -> Result<Body, u16> {
        // A length beside a coding, or a coding in HTTP/1.0, is how requests are smuggled.
        let is_doubtful = self.has_coding && (self.lengths > 0 || minor_version == 0);
        if self.is_malformed || self.lengths > 1 || is_doubtful {
            return Err(400);
        }
        if !self.has_coding {
            return Ok(if self.bytes == 0 { Body::None } else { Body::Bytes(self.bytes) });
        }
        match (self.is_chunked, self.codings) {
            (true, 0) => Ok(Body::Chunked),
            (true, _) => Err(501),
            (false, _) => Err(400),
        }
    }
}

/// Where a body ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// After so many bytes.
    Whole(usize),
    /// Not before so many bytes have come.
    AtLeast(usize),
    /// It is no body.
    Malformed,
}

impl Body {
    /// Where the body ends that begins with `bytes`.
    pub(crate) fn extent(self, bytes: &[u8]) -> Extent {
        match self {
            Self::None => Extent::Whole(0),
            Self::Bytes(length) => match usize::try_from(length) {
                Ok(length) if length <= bytes.len() => Extent::Whole(length),
                length => Extent::AtLeast(length.unwrap_or(usize::MAX)),
            },
            Self::Chunked => chunks(bytes),
        }
    }
}

fn chunks(bytes: &[u8]) -> Extent {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        // The parser takes a line without a digit for a size.
        if rest.first().is_some_and(|byte| !byte.is_ascii_hexdigit()) {
            return Extent::Malformed;
        }
        let (line, size) = match parse_chunk_size(rest) {
            Ok(Status::Complete(found)) => found,
            Ok(Status::Partial) => return Extent::AtLeast(bytes.len() + 1),
            Err(_) => return Extent::Malformed,
        };
        // Where others see the end of a line in an extension, they see other chunks than we do.
        if rest[..line - 2].iter().any(|byte| matches!(byte, b'\n' | 0)) {
            return Extent::Malformed;
        }
        at += line;
        if size == 0 {
            return trailers(bytes, at);
        }
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size));
        let Some(end) = end.filter(|end| *end < usize::MAX / 2) else {
            return Extent::AtLeast(usize::MAX);
        };
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => at = end + 2,
            Some(_) => return Extent::Malformed,
            None => return Extent::AtLeast(end + 2 + LAST_CHUNK.len()),
        }
    }
}

/// What follows the last chunk at `at`. Its fields are thrown away.
fn trailers(bytes: &[u8], at: usize) -> Extent {
    match parse_headers(&bytes[at..], &mut [EMPTY_HEADER; TRAILERS_MAX]) {
        Ok(Status::Complete((length, _))) => Extent::Whole(at + length),
        Ok(Status::Partial) => Extent::AtLeast(bytes.len() + 1),
        Err(_) => Extent::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(minor_version: u8, fields: &[(&str, &str)]) -> Result<Body, u16> {
        let mut framing = Framing::default();
        for (name, value) in fields {
            match *name {
                "length" => framing.length(value.as_bytes()),
                _ => framing.codings(value.as_bytes()),
            }
        }
        framing.body(minor_version)
    }

    #[test]
    fn a_body_whose_end_is_in_doubt_is_refused() {
        for (fields, expected) in [
            (&[] as &[_], Ok(Body::None)),
            (&[("length", "0")], Ok(Body::None)),
            (&[("length", "007")], Ok(Body::Bytes(7))),
            (&[("length", "99999999999999999999999")], Ok(Body::Bytes(u64::MAX))),
            (&[("length", "")], Err(400)),
            (&[("length", "+1")], Err(400)),
            (&[("length", "-1")], Err(400)),
            (&[("length", "0x1")], Err(400)),
            (&[("length", "1, 1")], Err(400)),
            (&[("length", "1"), ("length", "1")], Err(400)),
            (&[("coding", "chunked")], Ok(Body::Chunked)),
            (&[("coding", ", Chunked ,")], Ok(Body::Chunked)),
            (&[("coding", "gzip, chunked")], Err(501)),
            (&[("coding", "gzip"), ("coding", "chunked")], Err(501)),
            (&[("coding", "gzip")], Err(400)),
            (&[("coding", "identity")], Err(400)),
            (&[("coding", "xchunked")], Err(400)),
            (&[("coding", "chunked;a=b")], Err(400)),
            (&[("coding", "chunked, chunked")], Err(400)),
            (&[("coding", "chunked, gzip")], Err(400)),
            (&[("coding", "")], Err(400)),
            (&[("coding", "chunked"), ("length", "5")], Err(400)),
        ] {
            assert_eq!(body(1, fields), expected, "{fields:?}");
        }
        assert_eq!(body(0, &[("coding", "chunked")]), Err(400), "HTTP/1.0 knows no codings");
    }

    #[test]
    fn chunks_are_followed_to_their_end_and_nowhere_else() {
        for (text, expected) in [
            ("0\r\n\r\nGET", Extent::Whole(5)),
            ("5\r\nhello\r\n0\r\n\r\n", Extent::Whole(15)),
            ("005;a=\"b\";c\r\nhello\r\n00\r\n\r\n", Extent::Whole(26)),
            ("A \r\n0123456789\r\n0\r\nX: y\r\nHost: b\r\n\r\nrest", Extent::Whole(36)),
            ("", Extent::AtLeast(1)),
            ("5", Extent::AtLeast(2)),
            ("5\r\nhel", Extent::AtLeast(15)),
            ("5\r\nhello\r\n", Extent::AtLeast(11)),
            ("0\r\n", Extent::AtLeast(4)),
            ("0\r\nX: y\r\n", Extent::AtLeast(10)),
            ("7fffffffffffffff\r\n", Extent::AtLeast(usize::MAX)),
            ("ffffffffffffffff\r\n", Extent::AtLeast(usize::MAX)),
            ("10000000000000000\r\n", Extent::Malformed),
            ("\r\n", Extent::Malformed),
            ("x\r\n", Extent::Malformed),
            (" 5\r\nhello\r\n", Extent::Malformed),
            ("-5\r\n", Extent::Malformed),
            ("0x5\r\n", Extent::Malformed),
            ("5\nhello\r\n", Extent::Malformed),
            ("5;a\nb\r\nhello\r\n", Extent::Malformed),
            ("5\r\nhelloo\r\n", Extent::Malformed),
            ("0\r\nX : y\r\n\r\n", Extent::Malformed),
        ] {
            assert_eq!(Body::Chunked.extent(text.as_bytes()), expected, "{text:?}");
        }
    }
}
