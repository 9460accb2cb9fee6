//! What only Linux has: several processes on one listening socket, and signals one after the other.

use std::fs;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::{Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::process::{PATIENCE, Running, run};
use crate::schema;
use crate::serve::{clogged_client, connect, echo};
use crate::system::send_signal;

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
fn several_processes_share_the_socket_and_survive_one() {
    let (server, address) = Running::serve(&["--processes", "2", "--json", "--quiet"]);
    let workers = children(server.id());
    assert_eq!(workers.len(), 2);
    let address = address.to_string();
    let load = ["stress", &address, "-c", "40", "-m", "2", "-i", "20ms", "--json"];
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    send_signal(workers[0], Signal::KILL);
    let complaint = server.errors_until("\n");
    assert!(complaint.contains("has died (signal 9)"), "{complaint}");
    assert!(complaint.contains(&workers[0].to_string()), "{complaint}");
    let result = run(&load);
    assert_eq!(result.code(), 0, "{result:?}");

    let summary = server.interrupt();
    assert_eq!(summary.code(), 0);
    let summary = summary.json();
    schema::check("serve-summary", &summary);
    assert_eq!(summary["processes"], 2);
    assert!(summary["accepted"].as_u64() >= Some(40), "{summary:#}");
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
        let ended = poll(&mut [PollFd::new(worker, PollFlags::IN)], Some(&patience));
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
    let limit = PATIENCE.as_secs().to_string();
    let tool = env!("CARGO_BIN_EXE_overlapped");
    let mut command = Command::new("timeout");
    command.args([&limit, "sh", "-c", script, tool]).stdin(Stdio::null());
    command.output().expect("a shell")
}
