//! Linux: by signals.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use nix::sys::signal::SigSet;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_default};

/// What to start the tool with so that it can be interrupted.
pub const INTERRUPTIBLE: &[&str] = &[];

/// Has what is started from here have the signals that programs usually have, however this process
/// was started: none is ignored and none blocked, and one can wait for it.
pub fn start_as_usual() {
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        let status = std::fs::read_to_string("/proc/self/status").expect("the system tells it");
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(mask.expect("it is there").trim(), 16).expect("a number");
        let is_ignored = |signal: &i32| ignored & 1 << (signal - 1) != 0;
        // A signal that is caught here is not ignored there. What catches it does the usual.
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_ignored) {
            let usual = Arc::new(AtomicBool::new(true));
            register_conditional_default(signal, usual).expect("a signal");
        }
        if is_ignored(&SIGCHLD) {
            register(SIGCHLD, Arc::default()).expect("a signal");
        }
    });
    SigSet::all().thread_unblock().expect("a signal can be unblocked");
}

/// Ctrl-C for this process alone.
pub fn interrupt(process_id: u32) {
    send_signal(process_id, Signal::INT);
}

/// Sends a signal to a process that the test has started.
pub fn send_signal(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(id, signal).expect("the process is there");
}

/// The driver that sockets have, and what else `doctor` looks at here.
pub const DRIVER: &str = "epoll";
pub const LOOKS: &[&str] =
    &["wait channel", "io_uring", "locked memory", "backlog", "congestion control"];

/// What the tool advises: too few descriptors for a server, for a load, for a comparison; too few
/// local ports.
pub const FOR_SERVER: &[&str] = &["ulimit -n", "--processes"];
pub const FOR_LOAD: &[&str] = &["ulimit -n", "--processes"];
pub const FOR_COMPARISON: &[&str] = &["--counts", "ulimit -n"];
pub const FOR_PORTS: &[&str] = &["ip_local_port_range", "127.0.0.0/8"];

/// How long the longest file is that the process has open and that has no name.
pub fn unnamed_bytes(process_id: u32) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(open) = std::fs::read_dir(format!("/proc/{process_id}/fd")) else { return 0 };
    let facts = open.flatten().flat_map(|entry| std::fs::metadata(entry.path()));
    let unnamed = facts.filter(|facts| facts.is_file() && facts.nlink() == 0);
    unnamed.map(|facts| facts.len()).max().unwrap_or_default()
}
