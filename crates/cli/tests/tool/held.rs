//! A load at a rate: all connections are held, each has an echo, and their memory is told.

use std::fs;

use crate::process::{Nobody, PATIENCE, Running, run};
use crate::schema;
use crate::system::send_signal;

/// The load of the tests: two processes that hold 400 connections.
fn load<'a>(address: &'a str, server: &'a str, duration: &'a str) -> Vec<&'a str> {
    let connections = ["stress", address, "-c", "400", "--processes", "2", "--ramp", "100ms"];
    let rate = ["--rate", "2000", "--duration", duration, "--server-process", server];
    [&connections[..], &rate].concat()
}

#[test]
fn two_processes_hold_their_connections_and_every_count_is_exact() {
    let (server, address) = Running::serve(&["--json", "--quiet", "--processes", "2"]);
    let (address, id) = (address.to_string(), server.id().to_string());
    let ended = run(&[&load(&address, &id, "400ms")[..], &["--json"]].concat());
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let result = ended.json();
    schema::check("stress", &result);
    let held = &result["held"];
    for count in ["attempted", "established", "peak_connected", "completed"] {
        assert_eq!(result[count], 400, "{count}: {result:#}");
    }
    assert_eq!(held["connections"], 400);
    // Each was echoed before anything was recorded.
    let count = |name: &str| result[name].as_u64().expect("a count");
    assert!(count("messages_echoed") >= 400 + count("messages_recorded"), "{result:#}");
    assert!(count("messages_recorded") > 400, "{result:#}");
    assert_eq!(result["messages_sent"], result["messages_echoed"]);
    assert_eq!(result["latency"]["count"], result["messages_recorded"]);
    for of in ["server", "load"] {
        assert_eq!(held[of]["processes"], 3, "{of}: {held:#}");
        let held_kib = held[of]["held_kib"].as_f64().expect("memory");
        assert!(held_kib >= 100.0, "{of}: {held:#}");
        let each = held[format!("{of}_bytes_each")].as_f64().expect("memory of each");
        assert!((each - held_kib * 1_024.0 / 400.0).abs() < 0.1, "{of}: {held:#}");
    }

    let summary = server.interrupt().json();
    assert_eq!((&summary["accepted"], &summary["left"]), (&400.into(), &0.into()));
    assert_eq!(summary["messages"], result["messages_echoed"]);
    assert_eq!(summary["bytes"], result["bytes_echoed"]);
}

#[test]
fn the_memory_is_told_in_words_and_that_of_several_runs_adds_up() {
    let (server, address) = Running::serve(&["--quiet"]);
    let (address, id) = (address.to_string(), server.id().to_string());
    let ended = run(&load(&address, &id, "50ms"));
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    for part in [
        "held         400 connections, opened at ",
        "at server    ",
        "at load      ",
        "in kernel    ",
    ] {
        assert!(ended.output.contains(part), "{part:?} is not in {}", ended.output);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("runs");
    let runs: Vec<String> = (0..2)
        .map(|_| run(&[&load(&address, &id, "50ms")[..], &["--json"]].concat()).output)
        .collect();
    fs::write(&file, runs.concat()).expect("a file");
    let merged = run(&["merge", "--json", &file.display().to_string()]).json();
    schema::check("stress", &merged);
    assert_eq!(merged["held"]["connections"], 800);
    assert_eq!(merged["held"]["server"]["processes"], 2);
}

/// The processes that `id` has started.
fn children(id: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

/// Waits until it holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Starts a load that would last for long, and waits until messages go out.
fn long_load(server: &Running, address: &str) -> (Running, Vec<u32>) {
    let id = server.id().to_string();
    let options = [&load(address, &id, "600s")[..], &["--json"]].concat();
    let running = Running::start_until_interrupted(&options);
    loop {
        let status: serde_json::Value =
            serde_json::from_str(&server.errors_until("\n")).expect("a status line");
        if status["messages"].as_u64() > Some(400) {
            break;
        }
    }
    let children = children(running.id());
    assert_eq!(children.len(), 2, "the load's processes");
    (running, children)
}

fn are_gone(processes: &[u32]) -> bool {
    processes.iter().all(|id| !fs::exists(format!("/proc/{id}")).expect("the system tells it"))
}

#[test]
fn an_interrupt_ends_all_processes_of_a_load_that_holds_its_connections() {
    let (server, address) = Running::serve(&["--json"]);
    let (running, children) = long_load(&server, &address.to_string());
    let ended = running.interrupt();
    assert_eq!(ended.code(), 1);
    assert!(ended.errors.contains("interrupted"), "{}", ended.errors);
    let result = ended.json();
    schema::check("stress", &result);
    assert_eq!(result["failures"]["by_kind"], serde_json::json!({"interrupted": 400}));
    assert!(result.get("held").is_none(), "nobody looked: {result:#}");
    until("the processes of the load have ended", || are_gone(&children));
}

#[test]
fn a_process_of_the_load_that_dies_is_told_in_one_line_and_the_others_end() {
    let (server, address) = Running::serve(&["--json"]);
    let (running, children) = long_load(&server, &address.to_string());
    send_signal(children[1], rustix::process::Signal::KILL);
    let ended = running.wait();
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""));
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    let line = format!("process {} of the load has died (signal 9)", children[1]);
    assert!(ended.errors.contains(&line), "{}", ended.errors);
    until("the processes of the load have ended", || are_gone(&children));
}

#[test]
fn what_the_machine_has_too_little_of_is_named_before_anything_starts() {
    let nobody = Nobody::new();
    let ended = run(&["stress", &nobody.address, "-c", "4,000,000,000"]);
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""));
    assert_eq!(ended.errors.lines().count(), 1, "{}", ended.errors);
    for part in
        ["no room for 4000000000 connections", "memory (", "fs.epoll.max_user_watches", "or take "]
    {
        assert!(ended.errors.contains(part), "{part:?} is not in {}", ended.errors);
    }
}

#[test]
fn a_server_process_that_is_not_there_is_told() {
    let nobody = Nobody::new();
    let ended = run(&load(&nobody.address, "4,000,000,000", "1s"));
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""));
    assert!(ended.errors.contains("process 4000000000 (--server-process)"), "{}", ended.errors);
    let ended = run(&["stress", &nobody.address, "--rate", "5"]);
    assert_eq!(ended.code(), 2, "{}", ended.errors);
    assert!(ended.errors.contains("--duration"), "{}", ended.errors);
}
