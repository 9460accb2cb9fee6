//! Figures of one process.

use std::io;
use std::time::Duration;

use winsafe::co::{ERROR, PROCESS, TH32CS};
use winsafe::guard::CloseHandleGuard;
use winsafe::{HPROCESS, HPROCESSLIST};

use super::{duration, error};
use crate::process_figures::{ProcessFigures, ProcessorTime};

pub(crate) fn figures(process_id: u32) -> io::Result<ProcessFigures> {
    let process = open(process_id)?;
    let memory = process.GetProcessMemoryInfo().map_err(error)?;
    Ok(ProcessFigures {
        processor_time: times_of(process_id, &process).ok().map(ProcessorTime::total),
        resident_kib: memory.WorkingSetSize as u64 / 1_024,
        threads: threads(process_id)?,
        context_switches: None,
    })
}

pub(crate) fn processor_time(process_id: u32) -> io::Result<ProcessorTime> {
    times_of(process_id, &*open(process_id)?)
}

pub(crate) fn anonymous_kib(process_id: u32) -> io::Result<u64> {
    figures(process_id).map(|figures| figures.resident_kib)
}

pub(crate) fn processes_of(process_id: u32) -> io::Result<Vec<u32>> {
    figures(process_id).map(|_| vec![process_id])
}

/// Wine knows nobody's times but a process's own, and says zero of all others.
fn times_of(process_id: u32, process: &HPROCESS) -> io::Result<ProcessorTime> {
    if process_id != std::process::id() && super::machine::is_wine() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Wine tells a process its own time",
        ));
    }
    times(process)
}

pub(crate) fn own_processor_time() -> Duration {
    // A process may always ask for its own.
    times(&HPROCESS::GetCurrentProcess()).unwrap_or_default().total()
}

fn open(process_id: u32) -> io::Result<CloseHandleGuard<HPROCESS>> {
    HPROCESS::OpenProcess(PROCESS::QUERY_LIMITED_INFORMATION, false, process_id).map_err(|code| {
        match code {
            // That is how the system says that there is no such process.
            ERROR::INVALID_PARAMETER => io::ErrorKind::NotFound.into(),
            code => error(code),
        }
    })
}

fn times(process: &HPROCESS) -> io::Result<ProcessorTime> {
    let (_, _, kernel, user) = process.GetProcessTimes().map_err(error)?;
    Ok(ProcessorTime { user: duration(user), kernel: duration(kernel) })
}

/// The system tells the number of threads in its list of all processes only.
fn threads(process_id: u32) -> io::Result<u64> {
    let mut list =
        HPROCESSLIST::CreateToolhelp32Snapshot(TH32CS::SNAPPROCESS, None).map_err(error)?;
    for process in list.iter_processes() {
        let process = process.map_err(error)?;
        if process.th32ProcessID == process_id {
            return Ok(process.cntThreads.into());
        }
    }
    Err(io::ErrorKind::NotFound.into())
}
