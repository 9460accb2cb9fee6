//! What only Linux has: several processes on one listening socket, and signals one after the other.

use std::fs;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::process::{PATIENCE, Running, run};
use crate::schema;
use crate::serve::{clogged_client, connect, echo};
use crate::system::{send_signal, start_as_usual};

#[test]
fn a_second_interrupt_ends_at_once() {
    let (server, address) = Running::serve(&["--drain-seconds", "3600", "--json"]);
    let _clogged = clogged_client(&server, address);
    // Two different signals, since two of the same kind may arrive as one.
    send_signal(server.id(), Signal::INT);
    send_signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().code(), 130);
}

/// The child processes of process `id`.
fn children(id: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).expect("children");
    text.split_whitespace().map(|id| id.parse().expect("a process id")).collect()
}

#[test]
fn several_processes_share_the_socket_and_one_that_is_killed_is_replaced() {
    let (server, address) = Running::serve(&["--processes", "2", "--json", "--quiet"]);
    let workers = children(server.id());
    assert_eq!(workers.len(), 2);
    let address = address.to_string();
    let load = ["stress", &address, "-c", "40", "-m", "2", "-i", "20ms", "--json"];
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    for worker in &workers {
        kill_and_read(&server, *worker);
    }
    // None of those that were there at the beginning is left, so it is the new ones that serve.
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    let summary = server.interrupt();
    assert_eq!((summary.code(), summary.errors.as_str()), (0, ""));
    let summary = summary.json();
    schema::check("serve-summary", &summary);
    assert_eq!((&summary["processes"], &summary["workers_lost"]), (&2.into(), &2.into()));
    assert!(summary["accepted"].as_u64() >= Some(40), "{summary:#}");
}

/// Kills a worker, and reads what the server says of it.
fn kill_and_read(server: &Running, worker: u32) -> String {
    send_signal(worker, Signal::KILL);
    let complaint = server.errors_until("\n");
    let died = format!("overlapped: worker process {worker} has died (signal 9)");
    assert!(complaint.starts_with(&died), "{complaint}");
    assert!(complaint.contains("; another one is started in "), "{complaint}");
    complaint
}

#[test]
fn a_server_whose_workers_die_again_and_again_waits_longer_and_ends_when_it_is_told_to() {
    let (server, address) = Running::serve(&["--processes", "2", "--json", "--quiet"]);
    let steady = children(server.id())[1];
    for delay in ["100 ms", "200 ms", "400 ms", "800 ms"] {
        let is_there = || children(server.id()).into_iter().find(|id| *id != steady);
        let worker = until_some(is_there);
        let complaint = kill_and_read(&server, worker);
        assert!(complaint.trim_end().ends_with(delay), "{complaint}");
        echo(&mut connect(address), b"the other one serves");
    }
    // Nobody has its place yet.
    let ended = server.interrupt();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let summary = ended.json();
    schema::check("serve-summary", &summary);
    assert_eq!(summary["workers_lost"], 4);
}

/// Waits until there is something.
fn until_some<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_that_cannot_start_ends_the_server_with_its_reason() {
    let ended =
        run(&["serve", "127.0.0.1:0", "--processes", "2", "--app", "files", "no/folder", "--json"]);
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{ended:?}");
    assert!(ended.errors.contains("no/folder") && ended.errors.lines().count() == 1, "{ended:?}");
}

/// The child of process `id` that was started with this word.
fn child_with(id: u32, word: &str) -> Option<u32> {
    children(id).into_iter().find(|child| {
        // One that has ended meanwhile is not it.
        let words = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|it| it == word.as_bytes())
    })
}

#[test]
fn a_load_that_loses_a_process_says_so_and_ends() {
    let (_server, address) = Running::serve(&["--quiet"]);
    let load = Running::start(&[
        "stress",
        &address.to_string(),
        "-c",
        "4",
        "-i",
        "10m",
        "--processes",
        "2",
        "--json",
    ]);
    let worker = until_some(|| child_with(load.id(), "internal-load"));
    send_signal(worker, Signal::KILL);
    let ended = load.wait();
    assert_eq!((ended.code(), ended.output.as_str()), (1, ""), "{ended:?}");
    assert!(ended.errors.contains(&format!("process {worker} ")), "{ended:?}");
    assert!(ended.errors.contains("has died (signal 9)"), "{ended:?}");
}

#[test]
fn a_comparison_that_loses_a_process_says_so_in_its_document() {
    for process in ["internal-model", "internal-load"] {
        let options = ["--models", "blocking", "--counts", "2", "--rounds", "1"];
        let pace = ["--pace", "closed-loop", "--duration", "2s", "--json"];
        let comparison = Running::start(&[&["compare"], &options[..], &pace].concat());
        until_some(|| child_with(comparison.id(), "internal-load"));
        let lost = until_some(|| child_with(comparison.id(), process));
        send_signal(lost, Signal::KILL);
        let ended = comparison.wait();
        let document = ended.json();
        schema::check("compare", &document);
        let problems = &document["rows"][0]["problems"];
        assert_eq!(problems.as_array().map(Vec::len), Some(1), "{process}: {document:#}");
    }
}

#[test]
fn a_full_process_leaves_connections_to_the_other() {
    // Each of the two may hold two connections; four clients are served at the same time.
    let (server, address) =
        Running::serve(&["--processes", "2", "--max-connections", "4", "--json", "--quiet"]);
    let mut clients: Vec<TcpStream> = (0..4).map(|_| connect(address)).collect();
    for client in &mut clients {
        echo(client, b"served");
    }
    let summary = server.interrupt().json();
    assert_eq!(summary["accepted"], 4);
    assert_eq!(summary["peak_connected"], 4);
}

#[test]
fn workers_end_with_a_parent_that_is_killed() {
    let (server, _) = Running::serve(&["--processes", "2", "--quiet"]);
    let workers: Vec<OwnedFd> = children(server.id())
        .into_iter()
        .map(|id| {
            let id = Pid::from_raw(i32::try_from(id).expect("a process id")).expect("not zero");
            pidfd_open(id, PidfdFlags::empty()).expect("the worker lives")
        })
        .collect();
    assert_eq!(workers.len(), 2);
    send_signal(server.id(), Signal::KILL);
    let patience = Timespec::try_from(PATIENCE).expect("a time");
    for worker in &workers {
        // The descriptor of a process becomes readable when the process has ended.
        let mut worker = [PollFd::new(worker, PollFlags::IN)];
        let ended = retry_on_intr(|| poll(&mut worker, Some(&patience)));
        assert_eq!(ended, Ok(1), "a worker still lives");
    }
}

#[test]
fn a_comparison_takes_several_processes_where_one_cannot_hold_the_connections() {
    // 96 connections fit into a process then, and each is given less than that.
    let ended = shell(
        "ulimit -n 160 && exec \"$0\" compare --json --counts 120 --rounds 1 --duration 150ms \
         --models completion-port,blocking --pace fixed-rate --rate 1000",
    );
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let document: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a document");
    schema::check("compare", &document);
    let rows = document["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let median = &row["median"];
        assert_eq!(median["established"], 120, "{row:#}");
        assert_eq!(median["server_processes"], 2, "{row:#}");
        assert_eq!(median["errors"], 0, "{row:#}");
        assert!(median["threads"].as_u64() >= Some(6), "{row:#}");
    }
}

/// Runs a script of the shell, in which `$0` is the tool.
fn shell(script: &str) -> Output {
    start_as_usual();
    let limit = PATIENCE.as_secs().to_string();
    let tool = env!("CARGO_BIN_EXE_overlapped");
    let mut command = Command::new("timeout");
    command.args([&limit, "sh", "-c", script, tool]).stdin(Stdio::null());
    command.output().expect("a shell")
}
