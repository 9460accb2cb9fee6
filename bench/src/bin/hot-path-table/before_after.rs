//! All cases before and after, as multiples of tokio's figure in the same rounds.

use std::fmt::Write as _;

use super::cases::{Case, Figure};
use super::goals::shown;

const SERVERS: [&str; 5] = ["before", "ordinary", "in-place", "epoll", "asio"];

const CASES: &[(&str, &str, Figure)] = &[
    ("ping-128", "CPU, 128 connections", Figure::Processor),
    ("ping-1024", "CPU, 1,024 connections", Figure::Processor),
    ("ping-deep", "CPU, 16 deep", Figure::Processor),
    ("streaming", "CPU, 64 KiB streams", Figure::Processor),
    ("churn", "CPU, connect-echo-close", Figure::Processor),
    ("two-threads", "CPU, two threads, 1,024 connections", Figure::Processor),
    ("rate-40000", "CPU, 40,000 messages/s", Figure::Processor),
    ("rate-40000", "p99, 40,000 messages/s", Figure::P99),
    ("rate-60000", "CPU, 60,000 messages/s", Figure::Processor),
    ("rate-60000", "p99, 60,000 messages/s", Figure::P99),
    ("busy-1", "p99 beside one busy", Figure::P99),
    ("busy-4", "p99 beside four busy", Figure::P99),
    ("sleepers-1", "p99 beside one that sleeps", Figure::P99),
    ("sleepers-2", "p99 beside two that sleep", Figure::P99),
    ("sleepers-4", "p99 beside four that sleep", Figure::P99),
    ("sleepers-8", "p99 beside eight that sleep", Figure::P99),
    ("idle", "bytes of an idle connection", Figure::Memory),
];

/// The table.
pub fn table(cases: &[Case]) -> String {
    let mut text = format!("| times tokio | {} | tokio |\n", SERVERS.join(" | "));
    let _ = writeln!(text, "|---|{}", "---:|".repeat(SERVERS.len() + 1));
    for (name, what, figure) in CASES {
        let Some(case) = cases.iter().find(|case| case.name == *name) else { continue };
        let _ = write!(text, "| {what} |");
        for server in SERVERS {
            let _ = match case.ratio(server, "tokio", *figure) {
                Some(it) => write!(text, " {:.2} [{:.2}..{:.2}] |", it.ratio, it.low, it.high),
                None => write!(text, " - |"),
            };
        }
        let tokio = case.median("tokio", *figure).map(|median| shown(*figure, median));
        let _ = writeln!(text, " {} |", tokio.unwrap_or_else(|| "-".to_owned()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::cases::examples;
    use super::*;

    #[test]
    fn each_server_has_its_ratio_and_tokio_its_median() {
        let case = examples::case(
            "churn",
            &[("before", &[4.0; 3], &[1.0; 3]), ("tokio", &[2.0; 3], &[1.0; 3])],
        );
        let text = table(&[case]);
        let row = "| CPU, connect-echo-close | 2.00 [2.00..2.00] | - | - | - | - | 2.00 us |\n";
        assert!(text.ends_with(row), "{text}");
    }
}
