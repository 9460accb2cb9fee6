//! Linux: signals, process groups, /proc.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use rustix::process::{Pid, Signal, getpriority_process, kill_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use signal_hook::consts::SIGCHLD;
use socket2::{Domain, Protocol, Socket, Type};

use super::Machine;
use crate::place::Place;

/// A command that starts this program again, out of reach of a Ctrl-C at the terminal.
pub fn copy_of_this_program() -> io::Result<Command> {
    // This link names the running program even after its file was replaced by a new build.
    let mut command = Command::new("/proc/self/exe");
    command.arg0("overlapped");
    out_of_reach(&mut command)?;
    Ok(command)
}

/// Has the system keep how children ended until they are waited for. It would not where this process
/// was started with SIGCHLD ignored; a signal that is caught is not ignored.
fn keep_exit_codes() -> io::Result<()> {
    static IS_CAUGHT: AtomicBool = AtomicBool::new(false);
    if is_ignored(SIGCHLD) && !IS_CAUGHT.swap(true, Ordering::AcqRel) {
        signal_hook::flag::register(SIGCHLD, Arc::default())?;
    }
    Ok(())
}

/// Whether this process ignores a signal; not where the system does not tell it.
fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.unwrap_or(0) & 1 << (signal - 1) != 0
}

/// Asks a child to end as Ctrl-C would.
pub fn ask_to_end(process_id: u32) {
    let id = i32::try_from(process_id).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // A child that has ended already needs no signal.
        let _ = kill_process(id, Signal::TERM);
    }
}

/// Called by a child: the system sends it SIGTERM when its parent dies.
pub fn end_with_parent() {
    // Refused only for signals that do not exist; without it the child still ends with its pipes.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
}

/// How a child ended, in words.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// What is to be said of the machine.
pub fn machine() -> Machine {
    let system = rustix::system::uname();
    let memory_kib = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse().ok()
    });
    let processor = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let congestion_control = fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control").ok();
    Machine {
        kernel: format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.release().to_string_lossy()
        ),
        processor,
        memory_kib,
        congestion_control: congestion_control.map(|text| text.trim().to_owned()),
    }
}

/// Opens a listening socket on a port that other processes listen on in the same way; each connection
/// goes to one of them.
pub fn listen_shared(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the last run that are still in TIME_WAIT must not keep a server from starting.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    // The kernel cuts the backlog down to its own limit.
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Whether several processes may listen on one port.
pub const SHARES_PORTS: bool = true;

/// What to do when this process may not listen on `address`.
pub fn remedy_for_denied(address: SocketAddr) -> &'static str {
    if address.port() < 1_024 {
        "ports below 1024 need the right CAP_NET_BIND_SERVICE; choose a port from 1024 on"
    } else {
        "this process may not open network sockets here"
    }
}

/// What to do when an address is none of this machine's.
pub const REMEDY_FOR_FOREIGN_ADDRESS: &str =
    "it is not an address of this machine; use one that `ip address` lists";

/// What to do when not even one connection fits.
pub const REMEDY_FOR_NO_ROOM: &str = "raise the limit (ulimit -n 1024)";

/// What to do when a process cannot hold so many connections, for which it would need
/// `descriptors`, or `processes` of them.
pub fn remedy_for_too_many(descriptors: u64, processes: u64) -> String {
    format!("raise the limit (ulimit -n {descriptors}) or give --processes {processes}")
}

/// What to do when no descriptor is free for a new connection.
pub const REMEDY_FOR_DEFERRALS: &str =
    "raise the limit (ulimit -n), or use --max-connections or --processes";

/// What to do when no descriptor is left for a connection of a load.
pub const REMEDY_FOR_NO_DESCRIPTORS: &str = "raise ulimit -n or give more --processes";

/// What to look at when no port can be made.
pub const REMEDY_FOR_NO_PORT: &str = "check the descriptor limit (ulimit -n) and OVERLAPPED_DRIVER";

/// Whether a process can be given processors and a nice value.
pub const HAS_PLACES: bool = true;

/// Whether a child can be asked to end in another way than by closing its standard input.
pub const CAN_ASK_TO_END: bool = true;

/// What a thread had before it took a place.
pub struct PlaceBefore {
    processors: CpuSet,
    nice: i32,
}

/// Gives this thread a place, for itself and the processes that it starts.
pub fn take_place(place: &Place) -> anyhow::Result<PlaceBefore> {
    let processors = sched_getaffinity(None).context("the allowed processors cannot be read")?;
    let nice = getpriority_process(None).context("the nice value cannot be read")?;
    let before = PlaceBefore { processors, nice };
    if !place.processors.is_empty() {
        let mut set = CpuSet::new();
        for &processor in &place.processors {
            let index = processor as usize;
            anyhow::ensure!(
                index < CpuSet::MAX_CPU && processors.is_set(index),
                "processor {processor} is not there; give others"
            );
            set.set(index);
        }
        sched_setaffinity(None, &set).context("processors cannot be chosen")?;
    }
    if let Some(nice) = place.nice {
        // Not everybody may; then all have the same.
        let _ = setpriority_process(None, nice);
    }
    Ok(before)
}

/// Gives this thread back what it had.
pub fn leave_place(before: PlaceBefore) -> anyhow::Result<()> {
    // It can fail only where the place could not be taken either.
    let _ = setpriority_process(None, before.nice);
    sched_setaffinity(None, &before.processors).context("the processors cannot be given back")
}

/// Keeps a command out of reach of a Ctrl-C at the terminal.
pub fn out_of_reach(command: &mut Command) -> io::Result<()> {
    keep_exit_codes()?;
    command.process_group(0);
    Ok(())
}

/// The file that says how much of the processors this session gets beside others. Linux divides them
/// among sessions first (autogroups) and looks at nice values only inside of one.
const SESSION: &str = "/proc/self/autogroup";

/// This session goes before all others until this is dropped.
pub struct Urgent {
    nice_before: String,
}

/// Lets this session go before all others.
pub fn urgent() -> anyhow::Result<Urgent> {
    let text = fs::read_to_string(SESSION)
        .context("processors are not divided among sessions here; leave out --urgent")?;
    let nice = session_nice(&text).with_context(|| format!("{SESSION} is not as expected"))?;
    fs::write(SESSION, "-20").context("--urgent needs the rights of root")?;
    Ok(Urgent { nice_before: nice.to_owned() })
}

impl Drop for Urgent {
    fn drop(&mut self) {
        // Who could raise it can lower it.
        let _ = fs::write(SESSION, &self.nice_before);
    }
}

fn session_nice(text: &str) -> Option<&str> {
    text.trim().rsplit_once(" nice ").map(|(_, nice)| nice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nice_value_of_a_session_is_its_last_word() {
        assert_eq!(session_nice("/autogroup-3 nice -4\n"), Some("-4"));
        assert_eq!(session_nice(""), None);
    }
}
