//! Windows: one process serves.

use std::net::TcpListener;

use super::super::observing::Places;
use super::super::settings::Settings;
use crate::interrupt::EndArguments;

/// Refuses more processes than one.
pub fn check(processes: u32) -> anyhow::Result<()> {
    anyhow::ensure!(
        processes == 1,
        "--processes {processes}: a server is one process on this system, where a listening socket \
         belongs to one completion port; leave the option out"
    );
    Ok(())
}

/// Never called: see [`check`].
pub fn run(
    settings: &Settings,
    _listener: TcpListener,
    _places: Places,
    _end: EndArguments,
) -> anyhow::Result<()> {
    check(settings.processes)
}

/// Never called by this tool.
pub fn run_worker(settings: &Settings) -> anyhow::Result<()> {
    check(settings.processes)
}
