//! The load as a command: its result, its words and its exit codes. What the engine does with
//! servers that misbehave is tested with the engine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use crate::process::{Nobody, Running, run};
use crate::schema;

#[test]
fn two_processes_give_one_result() {
    let (server, address) = Running::serve(&["--json", "--quiet"]);
    let ended = run(&[
        "stress",
        &address.to_string(),
        "--json",
        "-c",
        "61",
        "-m",
        "3",
        "-i",
        "30ms",
        "--processes",
        "2",
        "--size",
        "1k",
    ]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let result = ended.json();
    schema::check("stress", &result);
    for (name, expected) in [
        ("attempted", 61),
        ("established", 61),
        ("peak_connected", 61),
        ("completed", 61),
        ("messages_sent", 183),
        ("messages_echoed", 183),
        ("bytes_echoed", 183 * 1_024),
    ] {
        assert_eq!(result[name], expected, "{name}: {result:#}");
    }
    assert_eq!(result["latency"]["count"], 183);
    assert_eq!(result["clean"], true);

    let summary = server.interrupt();
    assert_eq!(summary.code(), 0);
    let summary = summary.json();
    schema::check("serve-summary", &summary);
    assert_eq!(summary["accepted"], 61);
    assert_eq!(summary["bytes"], 183 * 1_024);
    assert_eq!(summary["left"], 0);
}

#[test]
fn the_result_in_words_names_every_figure() {
    let (_server, address) = Running::serve(&["--quiet"]);
    let ended = run(&["stress", &address.to_string(), "-c", "5", "--duration", "100ms"]);
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    for part in ["5 attempted, 5 established", "echoed right", "p50", "p99.9", "failures     none"]
    {
        assert!(ended.output.contains(part), "{part:?} is not in {}", ended.output);
    }
}

#[test]
fn a_server_that_changes_bytes_is_found_out() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut message = [0; 64];
            if stream.read_exact(&mut message).is_ok() {
                message[9] ^= 1;
                let _ = stream.write_all(&message);
            }
        }
    });
    let ended = run(&["stress", &address, "-c", "3", "-m", "1", "-i", "1ms", "--json"]);
    assert_eq!(ended.code(), 1);
    let result = ended.json();
    schema::check("stress", &result);
    assert_eq!(result["failures"]["by_kind"], serde_json::json!({"wrong_bytes": 3}));
    assert_eq!(result["clean"], false);
    assert!(ended.errors.contains("3 of 3 connections failed (wrong bytes 3)"), "{}", ended.errors);
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_remedy() {
    let nobody = Nobody::new();
    let address = &nobody.address;
    let ended = run(&["stress", address, "-c", "10"]);
    assert_eq!(ended.code(), 1);
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    assert!(ended.errors.contains(&format!("`overlapped serve {address}`")), "{}", ended.errors);
}

#[test]
fn ctrl_c_ends_the_load_and_prints_what_there_is() {
    let (server, address) = Running::serve(&["--json"]);
    let address = address.to_string();
    let load =
        Running::start_until_interrupted(&["stress", &address, "-c", "4", "-i", "10m", "--json"]);
    // The first message of the first connection is due at once, the others minutes later.
    loop {
        let status: serde_json::Value =
            serde_json::from_str(&server.errors_until("\n")).expect("a status line");
        schema::check("serve-status", &status);
        if status["messages"] == 1 && status["connected"] == 4 {
            break;
        }
    }
    let ended = load.interrupt();
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("interrupted"), "{}", ended.errors);
    let result = ended.json();
    assert_eq!(result["messages_echoed"], 1);
    assert_eq!(result["failures"]["by_kind"], serde_json::json!({"interrupted": 4}));
}
