//! The tool as others start it: signals ignored or blocked, standard descriptors closed.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::{SigSet, Signal as Blocked};
use rustix::process::Signal;

use crate::copy::Scratch;
use crate::process::{Running, run, tool};
use crate::schema;
use crate::serve::{connect, echo};
use crate::system::{send_signal, start_as_usual};

/// The tool, started by a shell that says this first.
fn after(script: &str, arguments: &[&str]) -> Command {
    start_as_usual();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{script}; exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_overlapped")).args(arguments);
    command
}

const SERVE: &[&str] = &["serve", "127.0.0.1:0", "--quiet", "--json"];

#[test]
fn a_hangup_that_it_was_started_to_ignore_stays_ignored_and_an_interrupt_ends_it() {
    for processes in ["1", "2"] {
        let options = [SERVE, &["--processes", processes]].concat();
        let server = Running::run(after("trap '' INT HUP", &options));
        let address = server.address();
        send_signal(server.id(), Signal::HUP);
        // It was delivered before this one, which comes from somebody who means it.
        echo(&mut connect(address), b"still here");
        send_signal(server.id(), Signal::INT);
        let ended = server.wait();
        assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{processes}");
        assert_eq!(ended.json()["accepted"], 1);
    }
}

#[test]
fn signals_that_it_was_started_with_blocked_end_it_all_the_same() {
    let blocked: SigSet =
        [Blocked::SIGINT, Blocked::SIGTERM, Blocked::SIGHUP].into_iter().collect();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let command = tool(SERVE);
        // What is started has the mask of the thread that starts it.
        blocked.thread_block().expect("signals can be blocked");
        let server = Running::run(command);
        blocked.thread_unblock().expect("signals can be unblocked");
        server.address();
        send_signal(server.id(), signal);
        let ended = server.wait();
        assert_eq!((ended.code(), ended.errors.as_str()), (0, ""), "{signal:?}");
        schema::check("serve-summary", &ended.json());
    }
}

#[test]
fn it_waits_for_its_children_although_it_was_started_to_ignore_their_end() {
    // Not by the shell's own `trap`: some shells leave this signal alone.
    let ignoring = r#"exec env --ignore-signal=CHLD "$0" "$@""#;
    let server = Running::run(after(ignoring, &[SERVE, &["--processes", "2"]].concat()));
    let address = server.address();
    let load = ["stress", &address.to_string(), "-c", "4", "-m", "1", "-i", "1ms", "--json"];
    let load = Running::run(after(ignoring, &load)).wait();
    assert_eq!(load.code(), 0, "{load:?}");
    let ended = server.interrupt();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
}

#[test]
fn without_standard_descriptors_it_writes_nothing_into_files_of_its_own() {
    let scratch = Scratch::new();
    let source = scratch.write("source", b"contents");
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let target = scratch.path("target");
        let script = format!("exec {closed}");
        let copy = Running::run(after(&script, &["copy", &source, &target, "--json"])).wait();
        assert_eq!(copy.code(), 0, "{closed}: {copy:?}");
        assert_eq!(scratch.read("target"), b"contents", "{closed}");
        // What goes wrong is told to nobody then, and nowhere else.
        let nowhere = scratch.path("no/target");
        let copy = Running::run(after(&script, &["copy", &source, &nowhere, "--json"])).wait();
        assert_eq!(copy.status.signal(), None, "{closed}");
        assert_ne!(copy.code(), 0, "{closed}");
        assert_eq!(scratch.names(), ["source", "target"], "{closed}");
        std::fs::remove_file(target).expect("it is there");
    }
    assert_eq!(run(&["copy", &source, &scratch.path("target")]).code(), 0);
}
