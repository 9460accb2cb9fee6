//! `serve --print` and `--log`: what clients send, who comes and who goes.

use std::io::{BufRead, BufReader, Read};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::copy::Scratch;
use crate::process::{Running, address_in, tool};
use crate::serve::{MODELS, connect, echo};
use crate::{schema, system};

fn near_end(client: &TcpStream) -> String {
    client.local_addr().expect("it is connected").to_string()
}

/// A client that asks once, and one that resets after it has asked.
fn visits(address: SocketAddr) -> (String, String) {
    let (mut first, mut second) = (connect(address), connect(address));
    let names = (near_end(&first), near_end(&second));
    echo(&mut first, b"hello\n");
    first.shutdown(Shutdown::Write).expect("it is connected");
    assert_eq!(first.read(&mut [0]).expect("the end"), 0);
    echo(&mut second, &[0x1b; 300]);
    socket2::SockRef::from(&second).set_linger(Some(Duration::ZERO)).expect("it can be set");
    names
}

#[test]
fn every_model_prints_messages_and_logs_clients_in_words() {
    for model in MODELS {
        let (server, address) = Running::serve(&["--model", model, "--print", "--log", "--quiet"]);
        let (first, second) = visits(address);
        let reset = format!("left {second}: reset\n");
        let mut lines = server.errors_until("reset\n");
        let mut stays = connect(address);
        echo(&mut stays, b"x");
        let ended = server.interrupt();
        assert_eq!(ended.code(), 0, "{ended:?}");
        lines += &ended.errors;
        let escaped = r"\x1b".repeat(256);
        for part in [
            format!(" connected {first}\n"),
            format!(" connected {second}\n"),
            "bytes:6 msg:hello\\n\n".to_owned(),
            format!("bytes:300 msg:{escaped}...\n"),
            format!(" left {first}: end\n"),
            reset,
            "bytes:1 msg:x\n".to_owned(),
            format!(" left {}: stop\n", near_end(&stays)),
        ] {
            assert!(lines.contains(&part), "{model}: {part:?} is not in {lines}");
        }
        assert_eq!(lines.lines().count(), 9, "{model}: {lines}");
    }
}

#[test]
fn lines_are_json_beside_json_and_may_go_to_a_file() {
    let scratch = Scratch::new();
    let file = scratch.write("log", b"what was there\n");
    let options = ["--print", "--log", "--log-to", &file, "--json", "--quiet"];
    let (server, address) = Running::serve(&options);
    let (first, _) = visits(address);
    let ended = server.interrupt();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    assert_eq!(ended.json()["log_lines_lost"], 0);
    let text = std::fs::read_to_string(&file).expect("the file");
    let (before, lines) = text.split_once('\n').expect("lines");
    assert_eq!(before, "what was there");
    let documents: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    documents.iter().for_each(|document| schema::check("serve-log", document));
    let of = |event: &str| documents.iter().filter(|one| one["event"] == event).count();
    assert_eq!((of("connected"), of("left"), of("message"), documents.len()), (2, 2, 2, 6));
    let ends = documents.iter().any(|one| one["client"] == first.as_str() && one["why"] == "end");
    assert!(ends, "{text}");
    let says = documents.iter().any(|one| one["bytes"] == 6 && one["msg"] == r"hello\n");
    assert!(says, "{text}");
}

#[test]
fn errors_that_nobody_reads_hold_no_client_up() {
    let arguments = ["serve", "127.0.0.1:0", "--print", "--quiet", "--json"];
    let mut child = tool(&[&arguments, system::INTERRUPTIBLE].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the tool starts");
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("where it listens");
    let mut client = connect(address_in(&line));
    // Far more lines than the pipe of standard error and the queue hold together.
    for _ in 0..3_000 {
        echo(&mut client, &[b'x'; 300]);
    }
    drop(client);
    system::interrupt(child.id());
    drop(child.stdin.take());
    let mut summary = String::new();
    output.read_to_string(&mut summary).expect("the summary");
    assert!(child.wait().expect("a child").success());
    let summary: Value = serde_json::from_str(&summary).expect(&summary);
    assert!(summary["log_lines_lost"].as_u64() > Some(1_000), "{summary}");
    assert!(summary["messages"].as_u64() >= Some(3_000), "{summary}");
}
