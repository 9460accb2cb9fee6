//! Looking at a running server. What the screen draws is tested beside it; here is how the command takes what it is
//! told, and what else may be at an address.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use overlapped_observe::View;
use overlapped_observe::view::{
    Connections, Errors, FORMAT, Phase, PortView, StallKind, StallLine, Traffic, Verdict, Weight,
};

use crate::bad_input::refused;
use crate::process::{Nobody, Running, run};
use crate::schema;

/// Answers each request with what `answer` gives for its number, which counts up from 0, as long as the test runs.
fn serve(answer: impl Fn(u64) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let number = AtomicU64::new(0);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a client");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                request.push(byte[0]);
            }
            // Who has read enough may have gone.
            let _ = stream.write_all(answer(number.fetch_add(1, Ordering::Relaxed)).as_bytes());
        }
    });
    address
}

fn response(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A server that a handler blocks, one second older with each look.
fn blocking(number: u64) -> String {
    let second = 100 + number;
    let port = PortView {
        devices: 41,
        queued: 3,
        released: 2,
        paused: 11,
        concurrency: 2,
        most_threads: 64,
        ..PortView::default()
    };
    let stall = StallLine {
        name: "store::append".to_owned(),
        kind: StallKind::Blocks,
        asleep_in: Some("fsync".to_owned()),
        count: 3 * number,
        longest_ms: 81.0,
        total_ms: 156.0 * number as f64,
        last_ms_ago: 20,
    };
    let view = View {
        format: FORMAT.to_owned(),
        name: "echo".to_owned(),
        at_ms: 1_769_860_800_000 + 1_000 * second,
        uptime_ms: 1_000 * second,
        phase: Phase::Serving,
        verdict: Verdict { weight: Weight::Bad, text: "a handler blocks, and 3 wait".to_owned() },
        processes: 1,
        connections: Connections { open: 40, ..Connections::default() },
        traffic: Traffic { messages: 1_234 * second, bytes: 64 * 1_234 * second },
        errors: Errors::default(),
        processor_seconds: 0.0,
        port: Some(port),
        stalls: vec![stall],
        busy: Vec::new(),
        log: Vec::new(),
    };
    response("200 OK", &serde_json::to_string(&view).expect("a document"))
}

#[test]
fn one_screen_of_text_says_why_a_server_is_slow() {
    let address = serve(blocking);
    let ended = run(&["top", &address, "--once", "--every", "1ms"]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    for part in [
        "!! a handler blocks, and 3 wait",
        "store::append",
        "1,234 /s",
        "released threads     2 of 2",
        "up 1 min 41 s",
    ] {
        assert!(ended.output.contains(part), "{part:?} is missing:\n{}", ended.output);
    }
    assert!(!ended.output.contains('\u{1b}'), "{}", ended.output);
}

#[test]
fn json_is_what_the_server_tells_once_or_again_and_again() {
    let address = serve(blocking);
    let ended = run(&["top", &address, "--once", "--json"]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let document = ended.json();
    schema::check("live", &document);
    assert_eq!(document["stalls"][0]["asleep_in"], "fsync");

    let watching = Running::start_until_interrupted(&["top", &address, "--json", "--every", "1ms"]);
    for number in 0..3 {
        let line = watching.output_until("\n");
        let document: serde_json::Value = serde_json::from_str(&line).expect("a document a line");
        assert_eq!(document["uptime_ms"], 101_000 + 1_000 * number);
    }
    assert_eq!(watching.interrupt().code(), 0);
}

#[test]
fn what_is_no_live_address_is_told_in_one_line() {
    let nobody = Nobody::new();
    refused(
        &["top", &nobody.address, "--once"],
        1,
        &["nobody listens on", "--metrics or --live-page"],
    );
    let no_live = "is no live address of Overlapped";
    let answers = [
        (response("404 Not Found", "no"), vec![no_live, "404"]),
        (response("302 Found", "elsewhere"), vec![no_live, "302"]),
        (response("200 OK", "<html>"), vec![no_live, "something else"]),
        (response("200 OK", r#"{"format": "cows-1"}"#), vec![no_live, "something else"]),
        (
            response("200 OK", r#"{"format": "overlapped-live-2"}"#),
            vec!["overlapped-live-2", "overlapped-live-1"],
        ),
        (response("200 OK", r#"{"format": "overlapped-live-1"}"#), vec!["broken view", "name"]),
        ("SSH-2.0-OpenSSH\r\n".to_owned(), vec![no_live]),
        (String::new(), vec!["127.0.0.1"]),
    ];
    for (answer, parts) in answers {
        let address = serve(move |_| answer.clone());
        refused(&["top", &address, "--once"], 1, &parts);
        refused(&["top", &address, "--json"], 1, &parts);
    }
}

#[test]
fn a_screen_needs_a_terminal_and_says_what_needs_none() {
    let address = serve(blocking);
    refused(&["top", &address], 2, &["draws on a terminal", "--once or --json"]);
    refused(&["top", &address, "--until-input-ends"], 2, &["--until-input-ends"]);
    refused(&["top"], 2, &["ADDRESS", "top --help"]);
    for command in [["serve", "127.0.0.1:0"], ["stress", &address]] {
        let with = |options: &[&'static str]| [&command as &[_], &["--live"], options].concat();
        refused(&with(&[]), 2, &["--live draws on a terminal", "--json"]);
        refused(&with(&["--until-input-ends"]), 2, &["--live", "leave --until-input-ends out"]);
        refused(&with(&["--json"]), 2, &["--json", "--live"]);
    }
    let family = ["serve", "127.0.0.1:0", "--live", "--processes", "2"];
    let words = if cfg!(windows) { "one process" } else { "overlapped top ADDRESS" };
    refused(&family, if cfg!(windows) { 1 } else { 2 }, &[words]);
}
