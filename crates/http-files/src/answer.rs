//! What a request gets: the head of its response, and what follows it.

use crate::Settings;
use crate::cache::{File, Files, Target};
use crate::conditional::{Verdict, judge};
use crate::connection::{After, Answer, Part};
use crate::listing;
use crate::request::{Method, Request};
use crate::response::{Head, words};
use crate::target::{BadTarget, Place, parse};
use crate::version::Version;
use std::sync::Arc;
use std::time::SystemTime;

/// What may be asked for.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// No more of a request's first line goes into the log.
const LINE_BYTES_MAX: usize = 1024;

/// A response. Where its answer has a part of a file, that is its body.
pub(crate) struct Reply {
    pub(crate) answer: Box<Answer>,
    pub(crate) head: Head,
    /// The body where that is a text.
    pub(crate) text: String,
    minor_version: u8,
}

impl Reply {
    /// The response as it goes out in HTTP/1, but for the part of a file.
    pub(crate) fn written(self) -> (Box<Answer>, Vec<u8>) {
        let Self { mut answer, head, text, minor_version } = self;
        let goes_on = matches!(answer.after, After::Next(_));
        let mut bytes = head.finish(goes_on, minor_version);
        answer.head_left = bytes.len();
        bytes.extend_from_slice(text.as_bytes());
        (answer, bytes)
    }
}

/// Who answers: the folder and the rules.
pub(crate) struct Site {
    pub(crate) files: Files,
    pub(crate) settings: Settings,
}

/// What is the same for every response to one request.
struct Frame<'a> {
    now: SystemTime,
    date: &'a str,
    minor_version: u8,
    is_head: bool,
    after: After,
    line: Option<Box<[u8]>>,
}

impl Site {
    /// The answer to a request. `date` is `now` as it is written; `rest` is what came after the
    /// request; `may_go_on` is false when the server wants no more requests on this connection.
    pub(crate) fn answer(
        &self,
        request: &Request<'_>,
        (now, date): (SystemTime, &str),
        rest: &[u8],
        may_go_on: bool,
    ) -> Reply {
        let goes_on = may_go_on && request.keeps_alive;
        let line = self.settings.access_log.is_some().then(|| {
            let Request { method_name, target, minor_version, .. } = request;
            format!("{method_name} {target} HTTP/1.{minor_version}").into_bytes()
        });
        let mut frame = Frame {
            now,
            date,
            minor_version: request.minor_version,
            is_head: request.method == Method::Head,
            after: if goes_on { After::Next(rest.to_vec()) } else { After::End },
            line: line.map(|line| cut(&line)),
        };
        if let Some(status) = request.method.refusal() {
            return frame.refusal(status);
        }
        let is_for_options = request.method == Method::Options;
        if is_for_options && request.target == "*" {
            return frame.options();
        }
        let (place, query) = match parse(request.target) {
            Ok(parts) => parts,
            Err(BadTarget::Forbidden) => return frame.refusal(400),
            Err(BadTarget::Impossible) => return frame.refusal(404),
            Err(BadTarget::Misdirected) => return frame.refusal(421),
            Err(BadTarget::Malformed) => {
                // Who sends this may mean something else by what comes next, too.
                frame.after = After::End;
                return frame.refusal(400);
            }
        };
        if is_for_options {
            return frame.options();
        }
        match self.files.find(&place, now) {
            Ok(Target::File(file)) => frame.file(request, file),
            Ok(Target::FolderWithoutSlash) => frame.redirect(&place, query),
            Ok(Target::Folder) if self.settings.listing => {
                match listing::page(&self.files, &place, self.settings.target_bytes) {
                    Ok(page) => frame.page(request, page),
                    Err(status) => frame.refusal(status),
                }
            }
            Ok(Target::Folder) => frame.refusal(403),
            Err(status) => frame.refusal(status),
        }
    }

    /// The answer to what is no request, or came too late: the connection ends with it.
    pub(crate) fn refuse(
        &self,
        status: u16,
        (now, date): (SystemTime, &str),
        bytes: &[u8],
    ) -> Reply {
        let line = self.settings.access_log.is_some().then(|| {
            let line = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next();
            cut(line.unwrap_or_default().trim_ascii_end())
        });
        let is_head = bytes.trim_ascii_start().starts_with(b"HEAD ");
        Frame { now, date, minor_version: 1, is_head, after: After::End, line }.refusal(status)
    }
}

/// What of a first line goes into the log.
pub(crate) fn cut(line: &[u8]) -> Box<[u8]> {
    line[..line.len().min(LINE_BYTES_MAX)].into()
}

impl Frame<'_> {
    fn head(&self, status: u16) -> Head {
        Head::new(status, self.date)
    }

    fn reply(self, status: u16, head: Head, mut text: String, file: Option<Part>) -> Reply {
        if self.is_head {
            text.clear();
        }
        let file = file.filter(|part| part.length > 0 && !self.is_head);
        let Self { after, line, minor_version, .. } = self;
        let answer = Answer { status, head_left: 0, file, body_sent: 0, after, line };
        Reply { answer: Box::new(answer), head, text, minor_version }
    }

    fn text(self, status: u16, head: Head, kind: &str, text: String) -> Reply {
        let head = head.header("Content-Type", kind).header("Content-Length", text.len());
        self.reply(status, head, text, None)
    }

    /// A status from 400 on, with its name as the body.
    fn refusal(self, status: u16) -> Reply {
        let mut head = self.head(status);
        match status {
            405 => head = head.header("Allow", METHODS),
            503 => head = head.header("Retry-After", 1),
            _ => {}
        }
        self.text(status, head, "text/plain; charset=utf-8", words(status))
    }

    fn options(self) -> Reply {
        let head = self.head(200).header("Allow", METHODS).header("Content-Length", 0);
        self.reply(200, head, String::new(), None)
    }

    fn redirect(self, place: &Place, query: Option<&str>) -> Reply {
        let head = self.head(301).header("Location", place.redirect(query));
        self.text(301, head, "text/plain; charset=utf-8", words(301))
    }

    /// A page that is made for this request. Nobody knows whether the next one is the same.
    fn page(self, request: &Request<'_>, page: String) -> Reply {
        match judge(request, &Version::default(), self.now) {
            Verdict::NotModified => {
                let head = self.head(304);
                self.reply(304, head, String::new(), None)
            }
            Verdict::Failed => self.refusal(412),
            // Of such a page there are no parts.
            Verdict::Whole | Verdict::Part(..) | Verdict::Unsatisfiable => {
                let head = self.head(200).header("X-Content-Type-Options", "nosniff");
                self.text(200, head, "text/html; charset=utf-8", page)
            }
        }
    }

    fn file(self, request: &Request<'_>, file: Arc<File>) -> Reply {
        let size = file.version.size;
        let (status, offset, length) = match judge(request, &file.version, self.now) {
            Verdict::Whole => (200, 0, size),
            Verdict::Part(offset, length) => (206, offset, length),
            Verdict::NotModified => {
                let head = self.head(304).headers(&file.tag_header);
                return self.reply(304, head, String::new(), None);
            }
            Verdict::Failed => return self.refusal(412),
            Verdict::Unsatisfiable => {
                let head = self.head(416).header("Content-Range", format_args!("bytes */{size}"));
                return self.text(416, head, "text/plain; charset=utf-8", words(416));
            }
        };
        // Who asked under If-Range has the rest of what describes the file.
        let has_rest = status == 206 && request.if_range.is_some();
        let headers = if has_rest { &file.tag_header } else { &file.headers };
        let mut head = self.head(status).headers(headers).header("Content-Length", length);
        if status == 206 {
            let last = offset + length - 1;
            head = head.header("Content-Range", format_args!("bytes {offset}-{last}/{size}"));
        }
        self.reply(status, head, String::new(), Some(Part { file, offset, length }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_said_to_pass() {
        let now = SystemTime::UNIX_EPOCH;
        let after = After::End;
        let frame = Frame { now, date: "", minor_version: 1, is_head: false, after, line: None };
        let text = String::from_utf8(frame.refusal(503).written().1).expect("text");
        assert!(
            text.starts_with("HTTP/1.1 503 ") && text.contains("\r\nRetry-After: 1\r\n"),
            "{text}"
        );
    }
}
