//! Figures of one process from /proc.

use std::fs;
use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

use crate::process_figures::{ProcessFigures, ProcessorTime};

/// The unit of processor times in /proc. The kernel's interface fixes it at 1/100 s whatever its
/// own clock runs at.
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn figures(process_id: u32) -> io::Result<ProcessFigures> {
    let processor_time = processor_time(process_id)?;
    let status = fs::read_to_string(format!("/proc/{process_id}/status"))?;
    let field = |name| status_field(&status, name);
    Ok(ProcessFigures {
        processor_time: Some(processor_time.total()),
        // A process that is ending has no memory any more, and so no such line.
        resident_kib: field("VmRSS").unwrap_or(0),
        threads: field("Threads").ok_or_else(|| malformed("status"))?,
        context_switches: Some(context_switches(process_id)?),
    })
}

pub(crate) fn anonymous_kib(process_id: u32) -> io::Result<u64> {
    // Exact, but not for everybody to read; the other one lags behind by some pages for each processor.
    let exact = fs::read_to_string(format!("/proc/{process_id}/smaps_rollup"))
        .ok()
        .and_then(|text| status_field(&text, "Anonymous"));
    match exact {
        Some(exact) => Ok(exact),
        None => {
            let status = fs::read_to_string(format!("/proc/{process_id}/status"))?;
            Ok(status_field(&status, "RssAnon").unwrap_or(0))
        }
    }
}

pub(crate) fn processes_of(process_id: u32) -> io::Result<Vec<u32>> {
    parent(process_id)?;
    let mut all = vec![process_id];
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One may end between the listing and the reading.
        if parent(id).is_ok_and(|parent| parent == process_id) {
            all.push(id);
        }
    }
    Ok(all)
}

/// Who has started it, or whose it is now.
fn parent(process_id: u32) -> io::Result<u32> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1));
    parent.and_then(|parent| parent.parse().ok()).ok_or_else(|| malformed("stat"))
}

pub(crate) fn processor_time(process_id: u32) -> io::Result<ProcessorTime> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    let ticks = parse_processor_time(&stat).ok_or_else(|| malformed("stat"))?;
    match exact_processor_time(process_id) {
        // The process has ended and is not waited for yet, or another user's.
        Err(Errno::EINVAL | Errno::EPERM) => Ok(ticks),
        Err(Errno::ESRCH) => Err(io::ErrorKind::NotFound.into()),
        total => Ok(divided(total?, ticks)),
    }
}

/// `total` in the proportion of `ticks`.
fn divided(total: Duration, ticks: ProcessorTime) -> ProcessorTime {
    let all = ticks.total().as_secs_f64();
    let part = if all > 0.0 { ticks.kernel.as_secs_f64() / all } else { 0.0 };
    let kernel = total.mul_f64(part);
    ProcessorTime { user: total.saturating_sub(kernel), kernel }
}

/// The processor-time clock of a process counts nanoseconds where /proc counts ticks.
fn exact_processor_time(process_id: u32) -> Result<Duration, Errno> {
    let id = i32::try_from(process_id).map_err(|_| Errno::ESRCH)?;
    let time = clock_getcpuclockid(Pid::from_raw(id))?.now()?;
    Ok(time.into())
}

pub(crate) fn own_processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Sums over the threads, since the file of the process counts its first thread only.
fn context_switches(process_id: u32) -> io::Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process_id}/task"))? {
        let Ok(task) = task else { continue };
        // A thread may end between the listing and the reading.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else {
            continue;
        };
        sum += status_field(&status, "voluntary_ctxt_switches").unwrap_or(0);
        sum += status_field(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
    }
    Ok(sum)
}

/// The number in the line `name:` of a status file.
fn status_field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields utime and stime. The name of the program comes before them in brackets and may
/// itself hold spaces and brackets, so counting starts behind the last one.
fn parse_processor_time(stat: &str) -> Option<ProcessorTime> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(ProcessorTime { user: TICK * user, kernel: TICK * system })
}

fn malformed(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("/proc: {file} is not as expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_a_hostile_name() {
        let stat = "17 (a ) b (c) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 3 0 99 0 0";
        let expected = ProcessorTime {
            user: Duration::from_millis(2_500),
            kernel: Duration::from_millis(500),
        };
        assert_eq!(parse_processor_time(stat), Some(expected));
        assert_eq!(parse_processor_time("17 (a) S 1"), None);
    }

    #[test]
    fn the_exact_time_is_divided_as_the_ticks_are() {
        let ticks = |user, kernel| ProcessorTime { user: TICK * user, kernel: TICK * kernel };
        let total = Duration::from_nanos(40_000_004);
        let whole = divided(total, ticks(3, 1));
        assert_eq!((whole.kernel, whole.total()), (Duration::from_nanos(10_000_001), total));
        assert_eq!(divided(total, ticks(0, 0)).user, total, "before the first tick");
    }

    #[test]
    fn a_process_that_was_started_belongs_to_the_one_that_started_it() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("cat is on every system");
        let all = processes_of(std::process::id()).expect("this process lives");
        assert_eq!(all[0], std::process::id());
        assert!(all.contains(&child.id()), "{all:?}");
        assert!(anonymous_kib(child.id()).expect("it waits for its input") > 0);
        child.kill().and_then(|()| child.wait()).expect("a child");
    }

    #[test]
    fn status_lines_are_told_apart_by_their_whole_name() {
        let status = "VmRSS:\t  812 kB\nThreads:\t3\nvoluntary_ctxt_switches:\t5\n\
                      nonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(status_field(status, "VmRSS"), Some(812));
        assert_eq!(status_field(status, "voluntary_ctxt_switches"), Some(5));
        assert_eq!(status_field(status, "nonvoluntary_ctxt_switches"), Some(7));
        assert_eq!(status_field(status, "Thread"), None);
    }
}
