//! Heads of responses, and the bodies of those that have no file.

use crate::date;
use std::fmt::Write;
use std::time::SystemTime;

/// What a status is called.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        304 => "Not Modified",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

/// The body that says what was wrong.
pub(crate) fn words(status: u16) -> String {
    let more = match status {
        417 => ": send it again without Expect",
        421 => ": the address has another scheme than this connection",
        505 => ": HTTP/1.1 and HTTP/1.0 are spoken here",
        _ => "",
    };
    format!("{status} {}{more}\n", reason(status))
}

/// A head that is being written.
pub(crate) struct Head(String);

impl Head {
    pub(crate) fn new(status: u16, date: &str) -> Self {
        let mut text = String::with_capacity(320);
        // Writing to a string cannot fail.
        let _ = write!(text, "HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status));
        Self(text)
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    /// Headers that are written already, each with its line end.
    pub(crate) fn headers(mut self, lines: &str) -> Self {
        self.0.push_str(lines);
        self
    }

    /// The names and values of its headers.
    #[cfg(feature = "responder")]
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0.split("\r\n").skip(1);
        headers.filter_map(|line| line.split_once(": "))
    }

    /// The whole head, with what it says of the connection's future.
    pub(crate) fn finish(mut self, keeps_alive: bool, minor_version: u8) -> Vec<u8> {
        match (keeps_alive, minor_version) {
            (false, _) => self.0.push_str("Connection: close\r\n"),
            (true, 0) => self.0.push_str("Connection: keep-alive\r\n"),
            (true, _) => {}
        }
        self.0.push_str("\r\n");
        self.0.into_bytes()
    }
}

/// The date, written once a second.
#[derive(Default)]
pub(crate) struct DateText {
    second: u64,
    text: String,
}

impl DateText {
    pub(crate) fn at(&mut self, now: SystemTime) -> &str {
        let second = date::second(now);
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text = date::written(second);
        }
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_words() {
        for status in [
            200, 206, 301, 304, 400, 403, 404, 405, 408, 412, 413, 414, 416, 417, 421, 431, 501,
            503, 505,
        ] {
            assert_ne!(reason(status), reason(500), "{status}");
        }
    }
}
