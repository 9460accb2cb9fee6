//! Windows: no signals, and handles instead of descriptors. A child is told to end by closing its
//! standard input.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::windows::process::CommandExt;
use std::process::{Command, ExitStatus};

use overlapped::ListenSocket;
use overlapped_load::kernel_figures;
use winsafe::{HKEY, RegistryValue, co};

use super::Machine;
use crate::place::Place;

/// A command that starts this program again, out of reach of a Ctrl-C at the terminal.
pub fn copy_of_this_program() -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    out_of_reach(&mut command)?;
    Ok(command)
}

/// Asks a child to end as Ctrl-C would. Its standard input has been closed, which says the same.
pub fn ask_to_end(_process_id: u32) {}

/// Called by a child, which ends with its pipes when its parent dies.
pub fn end_with_parent() {}

/// How a child ended, in words.
pub fn ending(status: ExitStatus) -> String {
    // A process that was ended by force has the code that whoever ended it gave.
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "an unknown end".to_owned(),
    }
}

/// What is to be said of the machine.
pub fn machine() -> Machine {
    Machine {
        kernel: system(),
        processor: processor(),
        memory_kib: winsafe::GlobalMemoryStatusEx().ok().map(|it| it.ullTotalPhys / 1_024),
        congestion_control: None,
    }
}

/// The processor as its maker calls it.
fn processor() -> Option<String> {
    let value = HKEY::LOCAL_MACHINE.RegGetValue(
        Some(r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"),
        Some("ProcessorNameString"),
        co::RRF::RT_ANY,
    );
    match value {
        Ok(RegistryValue::Sz(name)) => Some(name.trim().to_owned()),
        _ => None,
    }
}

/// The system and its version, and whether it really is Wine.
pub fn system() -> String {
    let wine = if kernel_figures::is_wine() { ", which is Wine" } else { "" };
    format!("Windows {}{wine}", version().unwrap_or_else(|| "of unknown version".to_owned()))
}

/// The version as `ver` shows it: the function for it says what the program was made for instead.
fn version() -> Option<String> {
    let value = |name| {
        HKEY::LOCAL_MACHINE
            .RegGetValue(
                Some(r"SOFTWARE\Microsoft\Windows NT\CurrentVersion"),
                Some(name),
                co::RRF::RT_ANY,
            )
            .ok()
    };
    let number = |name| match value(name) {
        Some(RegistryValue::Dword(number)) => Some(number),
        _ => None,
    };
    let Some(RegistryValue::Sz(build)) = value("CurrentBuildNumber") else { return None };
    let (major, minor) =
        (number("CurrentMajorVersionNumber")?, number("CurrentMinorVersionNumber")?);
    let revision = number("UBR").map_or(String::new(), |revision| format!(".{revision}"));
    Some(format!("{major}.{minor}.{build}{revision}"))
}

/// Opens a listening socket, alone: connections to a port belong to one socket on this system.
pub fn listen_shared(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    ListenSocket::bind(address, backlog)?.try_into()
}

/// Refuses: no parent hands sockets over here in a way that others know.
pub fn inherited(_name: Option<&str>) -> anyhow::Result<TcpListener> {
    anyhow::bail!("--listen-fds is for Linux, where a parent hands sockets over: give an address")
}

/// Whether several processes may listen on one port.
pub const SHARES_PORTS: bool = false;

/// What to do when this process may not listen on `address`.
pub fn remedy_for_denied(_address: SocketAddr) -> &'static str {
    "another program has the port for itself, or the system has reserved it \
     (netsh int ipv4 show excludedportrange tcp); port 0 picks a free one"
}

/// What to do when an address is none of this machine's.
pub const REMEDY_FOR_FOREIGN_ADDRESS: &str =
    "it is not an address of this machine; use one that `ipconfig` lists";

/// What to do when not even one connection fits.
pub const REMEDY_FOR_NO_ROOM: &str = "give fewer --posted-accepts and --threads";

/// What to do when a process cannot hold so many connections.
pub fn remedy_for_too_many(_descriptors: u64, _processes: u64) -> String {
    "give fewer, since a server is one process on this system".to_owned()
}

/// What to do when no handle is free for a new connection.
pub const REMEDY_FOR_DEFERRALS: &str = "close other programs, or use --max-connections";

/// What to do when no handle is left for a connection of a load.
pub const REMEDY_FOR_NO_DESCRIPTORS: &str = "use fewer --connections or give more --processes";

/// What to look at when no port can be made.
pub const REMEDY_FOR_NO_PORT: &str = "check OVERLAPPED_DRIVER";

/// Whether a process can be given processors and a nice value.
pub const HAS_PLACES: bool = false;

/// Whether a child can be asked to end in another way than by closing its standard input.
pub const CAN_ASK_TO_END: bool = false;

/// What a thread had before it took a place.
pub struct PlaceBefore;

/// Nobody asks for a place where there is none.
pub fn take_place(_place: &Place) -> anyhow::Result<PlaceBefore> {
    Ok(PlaceBefore)
}

/// Gives this thread back what it had.
pub fn leave_place(_before: PlaceBefore) -> anyhow::Result<()> {
    Ok(())
}

/// Keeps a command out of reach of a Ctrl-C at the terminal.
pub fn out_of_reach(command: &mut Command) -> io::Result<()> {
    command.creation_flags(co::CREATE::NEW_PROCESS_GROUP.raw());
    Ok(())
}

/// Nothing, since sessions do not share processors by weight here.
pub struct Urgent;

/// Nobody can have that here.
pub fn urgent() -> anyhow::Result<Urgent> {
    anyhow::bail!("--urgent works on Linux only")
}
