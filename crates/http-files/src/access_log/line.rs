//! A line of the log, in the common log format.

use crate::date;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::SystemTime;

/// One answer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) client: SocketAddr,
    pub(crate) time: SystemTime,
    /// The first line of the request, as it came.
    pub(crate) request: Box<[u8]>,
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
}

impl Entry {
    pub(super) fn line(&self) -> String {
        let mut text = format!("{} - - [{}] \"", self.client.ip(), written(self.time));
        for byte in &self.request {
            // Writing to a string cannot fail.
            let _ = match byte {
                b'"' | b'\\' => write!(text, "\\{}", char::from(*byte)),
                b' '..=b'~' => write!(text, "{}", char::from(*byte)),
                _ => write!(text, "\\x{byte:02x}"),
            };
        }
        let _ = writeln!(text, "\" {} {}", self.status, self.body_bytes);
        text
    }
}

/// The time as the format has it, in UTC. It is made of the date of HTTP, which has a fixed form.
fn written(time: SystemTime) -> String {
    let date = date::written(date::second(time));
    let mut words = date.split(' ').skip(1);
    let mut word = || words.next().unwrap_or_default();
    format!("{}/{}/{}:{} +0000", word(), word(), word(), word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_has_the_common_form_and_no_line_end_of_a_clients() {
        let entry = Entry {
            client: ([192, 0, 2, 7], 1234).into(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
            request: (*b"GET /a\"\\\n\xff\x1b[31m HTTP/1.1").into(),
            status: 200,
            body_bytes: 12,
        };
        assert_eq!(
            entry.line(),
            "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \
             \"GET /a\\\"\\\\\\x0a\\xff\\x1b[31m HTTP/1.1\" 200 12\n"
        );
    }
}
