//! What a process has spent and holds: processor time, resident memory, threads, context switches.
//!
//! All of it is read from /proc, so that it works for any process of the same user, and nothing
//! needs to be built into the server that is measured.

use std::fs;
use std::io;
use std::time::Duration;

/// The unit of processor times in /proc. The kernel's interface fixes it at 1/100 s whatever its
/// own clock runs at.
const TICK: Duration = Duration::from_millis(10);

/// Figures of one process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessFigures {
    /// User and system time of all its threads, also of those that have ended; to 10 ms.
    pub processor_time: Duration,
    /// Resident memory in KiB.
    pub resident_kib: u64,
    /// Threads.
    pub threads: u64,
    /// Voluntary and involuntary context switches of the threads that live.
    pub context_switches: u64,
}

impl ProcessFigures {
    /// Reads the figures of process `process_id`. Fails with `NotFound` when it has ended.
    pub fn read(process_id: u32) -> io::Result<Self> {
        let processor_time = processor_time(process_id)?;
        let status = fs::read_to_string(format!("/proc/{process_id}/status"))?;
        let field = |name| status_field(&status, name);
        Ok(Self {
            processor_time,
            // A process that is ending has no memory any more, and so no such line.
            resident_kib: field("VmRSS").unwrap_or(0),
            threads: field("Threads").ok_or_else(|| malformed("status"))?,
            context_switches: context_switches(process_id)?,
        })
    }
}

/// The processor time of process `process_id` alone, which is cheap to read however many threads
/// the process has.
pub fn processor_time(process_id: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    parse_processor_time(&stat).ok_or_else(|| malformed("stat"))
}

/// The processor time of this process, exact.
pub fn own_processor_time() -> Duration {
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
fn parse_processor_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user + TICK * system)
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
        assert_eq!(parse_processor_time(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse_processor_time("17 (a) S 1"), None);
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

    #[test]
    fn work_shows_in_the_figures_of_this_process() {
        let before = ProcessFigures::read(std::process::id()).expect("this process lives");
        let start = own_processor_time();
        let mut value = 1_u64;
        while own_processor_time() - start < TICK * 5 {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
        let after = ProcessFigures::read(std::process::id()).expect("this process lives");
        let spent = after.processor_time - before.processor_time;
        assert!(spent >= TICK * 3, "{spent:?}");
        assert!(after.resident_kib > 0 && after.threads > 0);
        assert!(after.context_switches >= before.context_switches);
    }

    #[test]
    fn a_process_that_is_not_there_is_not_found() {
        let error = ProcessFigures::read(u32::MAX).expect_err("no such process");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
