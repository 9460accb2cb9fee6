//! Limits of this process. The system sets them, and no process can raise them.

use std::io;

use crate::limits::LimitPair;

pub(crate) const RAISE_DESCRIPTORS_OR: &str = "";
pub(crate) const WIDEN_PORT_RANGE: &str = "widen the range (netsh int ipv4 set dynamicport tcp)";

/// How many handles the system's table has for one process.
const HANDLES: u64 = 1 << 24;

/// The range that the system comes with. What it was set to since cannot be asked without an
/// administrator's tool, so a plan rests on this, and an address that has less says so when it
/// connects.
const PORT_RANGE: (u16, u16) = (49_152, 65_535);

/// Memory alone limits how many sockets there are.
pub(crate) fn resources_of_sockets() -> Vec<crate::room::Resource> {
    Vec::new()
}

pub(crate) fn descriptors() -> LimitPair {
    LimitPair { soft: Some(HANDLES), hard: Some(HANDLES) }
}

pub(crate) fn descriptors_open() -> io::Result<u64> {
    match winsafe::HPROCESS::GetCurrentProcess().GetProcessHandleCount() {
        // Every process has some. Wine counts none.
        Ok(0) => Err(io::ErrorKind::Unsupported.into()),
        Ok(count) => Ok(count.into()),
        Err(code) => Err(super::error(code)),
    }
}

pub(crate) fn raise_descriptors() -> io::Result<u64> {
    Ok(HANDLES)
}

pub(crate) fn port_range() -> io::Result<(u16, u16)> {
    Ok(PORT_RANGE)
}

pub(crate) fn machine_threads() -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "memory is the limit of threads here"))
}

pub(crate) fn machine_threads_open() -> io::Result<u64> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not count its threads"))
}

pub(crate) fn backlog_limit() -> io::Result<u32> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell its longest backlog"))
}
