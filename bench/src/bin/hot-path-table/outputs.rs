//! What programs that write no document have said: instructions, read-modify-writes, posts, wake-ups.

use std::fs;
use std::path::Path;

use super::goals::{IN_PLACE, ORDINARY, Row};

/// The lines of the table, of what there is.
pub fn rows(folder: &Path) -> Vec<Row> {
    let said = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let mut rows = Vec::new();
    for (server, limit) in [(IN_PLACE, 1_200.0), (ORDINARY, 1_750.0)] {
        let found = instructions(&said(&format!("instructions-{server}.txt")));
        rows.push(at_most("instructions an echo, monitor off", server, limit, found, 0));
    }
    for server in [IN_PLACE, ORDINARY] {
        let found = writes(&said(&format!("writes-{server}.txt")));
        let what = "read-modify-writes a message on shared lines, 128 connections, two threads";
        let all = found.map(|(port, connection)| port + connection);
        let mut row = at_most(what, server, 3.0, all, 2);
        if let Some((port, connection)) = found {
            row.measured += &format!(" ({port:.2} of the port, {connection:.2} of one connection)");
        }
        rows.push(row);
    }
    let found = wakes(&said("wakes.txt"));
    rows.push(at_most("context switches of an idle port in ten seconds", ORDINARY, 0.0, found, 0));
    let found = posts(&said("posts.txt"));
    rows.push(Row {
        what: "posts a second, two and two threads to one and one".to_owned(),
        server: "posts",
        limit: "at least 0.9".to_owned(),
        measured: found.as_ref().map_or("-".to_owned(), |(text, _)| text.clone()),
        met: found.map(|(_, high)| high >= 0.9),
        remark: String::new(),
    });
    rows
}

fn at_most(
    what: &str,
    server: &'static str,
    limit: f64,
    found: Option<f64>,
    decimals: usize,
) -> Row {
    Row {
        what: what.to_owned(),
        server,
        limit: limit.to_string(),
        measured: found.map_or("-".to_owned(), |found| format!("{found:.decimals$}")),
        met: found.map(|found| found <= limit),
        remark: String::new(),
    }
}

/// The number before or after some words.
fn number_after(text: &str, words: &str) -> Option<f64> {
    let rest = &text[text.find(words)? + words.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Of `.ci/instructions`.
fn instructions(text: &str) -> Option<f64> {
    number_after(text, "instructions for an echo: ")
}

/// Of `bench/count-writes`: on shared lines of the port, and of one connection.
fn writes(text: &str) -> Option<(f64, f64)> {
    Some((number_after(text, "shared lines: ")?, number_after(text, "of the port, ")?))
}

/// Of `idle-wakes`.
fn wakes(text: &str) -> Option<f64> {
    text.contains("context switches").then(|| number_after(text, ""))?
}

/// Of `posts`: the ratio of two and two in words, and the upper end of its interval.
fn posts(text: &str) -> Option<(String, f64)> {
    let line = text.lines().find(|line| line.starts_with("| 2 and 2 |"))?;
    let ratio = line.split('|').nth(3)?.trim();
    let high = ratio.rsplit(' ').next()?.trim_end_matches(')').parse().ok()?;
    Some((ratio.to_owned(), high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_say_is_read() {
        assert_eq!(instructions("instructions for an echo: 1234 (of 1 2), rustc"), Some(1_234.0));
        let said = "| a | b |\n\nread-modify-writes for a message on shared lines: 5.25 of the port, 4.00 of \
                    one connection; on lines of one thread: 0.31; 256000 messages";
        assert_eq!(writes(said), Some((5.25, 4.0)));
        assert_eq!(wakes("0 context switches of 7 threads in 10 s\n"), Some(0.0));
        assert_eq!(wakes(""), None);
        let said = "| 1 and 1 | 9 | - |\n| 2 and 2 | 8 | 0.880 (0.850 to 0.910) |\n";
        assert_eq!(posts(said), Some(("0.880 (0.850 to 0.910)".to_owned(), 0.91)));
    }
}
