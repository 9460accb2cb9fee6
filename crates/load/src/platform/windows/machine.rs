//! Figures of the whole machine.

use std::io;
use std::time::Duration;

use crate::kernel_figures::{MemoryFigures, SocketFigures};

pub(crate) fn sockets() -> io::Result<SocketFigures> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell what sockets hold"))
}

pub(crate) fn memory() -> io::Result<MemoryFigures> {
    let status = winsafe::GlobalMemoryStatusEx().map_err(super::error)?;
    Ok(MemoryFigures {
        total_kib: status.ullTotalPhys / 1_024,
        available_kib: status.ullAvailPhys / 1_024,
        kernel_kib: None,
        all_kernel_kib: None,
    })
}

/// Wine says what it is by a function of its own.
pub(crate) fn is_wine() -> bool {
    winsafe::HINSTANCE::GetModuleHandle(Some("ntdll.dll"))
        .is_ok_and(|library| library.GetProcAddress("wine_get_version").is_ok())
}

pub(crate) fn idle_time() -> io::Result<Duration> {
    let (idle, _, _) = winsafe::GetSystemTimes().map_err(super::error)?;
    Ok(super::duration(idle))
}

pub(crate) fn stolen_time() -> io::Result<Duration> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell what its host takes"))
}

pub(crate) fn processor_time() -> io::Result<Duration> {
    // The time in the kernel includes that of idle processors.
    let (idle, kernel, user) = winsafe::GetSystemTimes().map_err(super::error)?;
    Ok((super::duration(kernel) + super::duration(user)).saturating_sub(super::duration(idle)))
}
