//! What a process has used, read from `/proc`: processor time, context switches, resident memory.
//!
//! Processor time is summed over `/proc/PID/task/*/schedstat`, in nanoseconds, since the ticks of
//! `/proc/PID/stat` are 10 ms. A running thread's figure is only brought up to date at scheduler
//! ticks, so a reading is exact when the process has come to rest first. Threads that ended between
//! two readings take their figures with them: then the ticks are used, which keep them.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// What a process had used at one moment.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    threads: HashMap<u32, ThreadUsage>,
    ticks: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct ThreadUsage {
    run_ns: u64,
    voluntary: u64,
    involuntary: u64,
}

/// What a process used between two moments.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spent {
    /// Processor time in microseconds, user and system.
    pub cpu_us: f64,
    /// Whether threads ended meanwhile, so that the time comes from 10 ms ticks and the switches
    /// lack theirs.
    pub threads_ended: bool,
    /// Context switches because a thread waited.
    pub voluntary_switches: u64,
    /// Context switches because a thread was preempted.
    pub involuntary_switches: u64,
    /// Threads at the end.
    pub threads: usize,
}

impl Usage {
    /// Reads what the process `pid` has used so far.
    pub fn read(pid: u32) -> anyhow::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("cannot read the usage of process {pid}"))?;
        let ticks = parse_ticks(&stat).context("cannot understand /proc/PID/stat")?;
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let entry = entry?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let folder = entry.path();
            // A thread may end while it is being read.
            let (Ok(schedstat), Ok(status)) = (
                fs::read_to_string(folder.join("schedstat")),
                fs::read_to_string(folder.join("status")),
            ) else {
                continue;
            };
            let run_ns = parse_run_ns(&schedstat).context("cannot understand schedstat")?;
            let switches = |name| field(&status, name).unwrap_or(0);
            let usage = ThreadUsage {
                run_ns,
                voluntary: switches("voluntary_ctxt_switches:"),
                involuntary: switches("nonvoluntary_ctxt_switches:"),
            };
            threads.insert(thread, usage);
        }
        Ok(Self { threads, ticks })
    }

    /// What was used since `earlier`.
    pub fn since(&self, earlier: &Self) -> Spent {
        let mut spent = Spent { threads: self.threads.len(), ..Spent::default() };
        let mut run_ns = 0;
        for (thread, now) in &self.threads {
            let then = earlier.threads.get(thread).copied().unwrap_or_default();
            run_ns += now.run_ns.saturating_sub(then.run_ns);
            spent.voluntary_switches += now.voluntary.saturating_sub(then.voluntary);
            spent.involuntary_switches += now.involuntary.saturating_sub(then.involuntary);
        }
        spent.threads_ended =
            earlier.threads.keys().any(|thread| !self.threads.contains_key(thread));
        spent.cpu_us = if spent.threads_ended {
            let tick_us = 1e6 / rustix::param::clock_ticks_per_second() as f64;
            self.ticks.saturating_sub(earlier.ticks) as f64 * tick_us
        } else {
            run_ns as f64 / 1000.0
        };
        spent
    }
}

/// Makes sure that the process `pid` has at least so many descriptors open as it has connections.
///
/// The figures of a wrong process, such as that of a wrapper around the server, would look good.
pub fn check_has_connections(pid: u32, connections: usize) -> anyhow::Result<()> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
        .with_context(|| format!("cannot read the descriptors of process {pid}"))?
        .count();
    anyhow::ensure!(
        descriptors >= connections,
        "process {pid} has {descriptors} descriptors open and so cannot be the server of \
         {connections} connections; check --server-pid"
    );
    Ok(())
}

/// Resident memory of the process `pid` in bytes.
///
/// `smaps_rollup` walks the page tables; the figures of `status` lag behind by some pages for every
/// processor.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let read = || {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        if let Some(kib) = rollup.as_deref().and_then(|text| field(text, "Rss:")) {
            return Some(kib);
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        field(&status, "VmRSS:")
    };
    let kib = read().with_context(|| format!("cannot read the memory of process {pid}"))?;
    Ok(kib * 1024)
}

/// Processor time that all processes of the machine together have used, and what its host took from
/// it.
pub fn machine_time() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    let ticks = parse_busy_ticks(&stat).context("cannot understand /proc/stat")?;
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64))
}

/// Processor time of the calling process.
pub fn own_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The first number of the line that begins with `name`.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

fn parse_run_ns(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// User and system time; the name of the program before them may contain anything, also blanks and
/// parentheses.
fn parse_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Everything in the line of all processors but idle time, waiting time, and guests, who are in
/// user time already.
fn parse_busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Option<Vec<u64>> =
        line.split_whitespace().take(8).map(|field| field.parse().ok()).collect();
    let ticks = ticks.filter(|ticks| ticks.len() == 8)?;
    Some(ticks[..3].iter().chain(&ticks[5..]).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_guest_ticks_are_not_busy() {
        let stat = "cpu  1 2 4 800 900 8 16 32 700 700\ncpu0 9 9 9 9 9 9 9 9 9 9\n";
        assert_eq!(parse_busy_ticks(stat), Some(63));
        assert_eq!(parse_busy_ticks("cpu  1 2\n"), None);
    }

    #[test]
    fn ticks_are_found_behind_a_strange_name() {
        let stat = "7 (a b) 1) S 1 7 7 0 -1 4194560 100 0 0 0 12 30 0 0 20 0 1 0 5";
        assert_eq!(parse_ticks(stat), Some(42));
    }

    #[test]
    fn fields_are_matched_at_the_beginning_of_a_line() {
        let status = "nonvoluntary_ctxt_switches:\t3\nvoluntary_ctxt_switches:\t9\nRss:   12 kB\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(9));
        assert_eq!(field(status, "Rss:"), Some(12));
        assert_eq!(field(status, "Pss:"), None);
    }

    #[test]
    fn a_reading_of_this_process_grows_with_its_work() {
        let pid = std::process::id();
        let before = Usage::read(pid).expect("own usage");
        let end = own_time() + Duration::from_millis(30);
        while own_time() < end {
            std::hint::spin_loop();
        }
        // The other threads of the test harness may end meanwhile; ticks count 10 ms.
        let spent = Usage::read(pid).expect("own usage").since(&before);
        assert!(spent.cpu_us >= 10_000.0, "{spent:?}");
        assert!(resident_bytes(pid).expect("own memory") > 100_000);
    }

    #[test]
    fn a_process_without_the_connections_is_not_the_server() {
        let pid = std::process::id();
        assert!(check_has_connections(pid, 1).is_ok());
        let error = check_has_connections(pid, 1_000_000).expect_err("too few descriptors");
        assert!(error.to_string().contains("--server-pid"), "{error}");
    }

    #[test]
    fn ended_threads_make_the_ticks_count() {
        let thread = ThreadUsage { run_ns: 5_000_000, voluntary: 2, involuntary: 1 };
        let earlier = Usage { threads: HashMap::from([(1, thread), (2, thread)]), ticks: 10 };
        let later = ThreadUsage { run_ns: 9_000_000, voluntary: 5, involuntary: 1 };
        let kept = Usage { threads: HashMap::from([(1, later), (2, later)]), ticks: 11 };
        assert_eq!(kept.since(&earlier).cpu_us, 8000.0);
        assert_eq!(kept.since(&earlier).voluntary_switches, 6);
        let lost = Usage { threads: HashMap::from([(1, later)]), ticks: 12 };
        let spent = lost.since(&earlier);
        assert!(spent.threads_ended);
        assert_eq!(spent.cpu_us, 2e6 / rustix::param::clock_ticks_per_second() as f64);
    }
}
