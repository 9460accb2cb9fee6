//! Child processes: pinned to processors from their first instruction, ended in every case.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpriority_process, kill_process, pidfd_open, setpriority_process,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::Timespec;

/// Where a child runs and how urgently.
#[derive(Clone, Debug)]
pub struct Place {
    /// Processors.
    pub cpus: Vec<usize>,
    /// Nice value; none leaves it as it is.
    pub nice: Option<i32>,
}

/// How long a server may take to say where it listens, and to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);

/// A running server; dropping it ends the process.
pub struct Server {
    child: Running,
    address: SocketAddr,
    /// Kept open, so that the server may write to it.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the server at its place and waits until it says where it listens.
    pub fn start(command: &mut Command, place: &Place) -> anyhow::Result<Self> {
        command.arg("--end-with-parent").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = spawn_at(command, place)?;
        let stdout = child.0.stdout.take().context("the server has no stdout")?;
        if !wait_readable(&stdout, GRACE)? {
            bail!("{} did not say where it listens", command.get_program().display());
        }
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).context("cannot read from the server")?;
        let address = line.trim().strip_prefix("listening on ").and_then(|text| text.parse().ok());
        let address = address.with_context(|| {
            format!("{} did not say where it listens", command.get_program().display())
        })?;
        Ok(Self { child, address, _stdout: stdout })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }
}

/// Runs a program at its place to its end, within `limit`, and returns what it wrote to stdout (at
/// most a pipe full).
pub fn output(command: &mut Command, place: &Place, limit: Duration) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = spawn_at(command, place)?;
    let Some(status) = child.wait_within(limit)? else {
        bail!("the load generator did not end within {} s", limit.as_secs());
    };
    let (mut said, mut complaint) = (String::new(), String::new());
    if let (Some(stdout), Some(stderr)) = (&mut child.0.stdout, &mut child.0.stderr) {
        stdout.read_to_string(&mut said).context("cannot read from the load generator")?;
        stderr.read_to_string(&mut complaint).context("cannot read from the load generator")?;
    }
    if !status.success() {
        bail!("the load generator ended with {status}: {}", complaint.trim());
    }
    Ok(said)
}

/// A child process that does not outlive this value.
struct Running(Child);

impl Running {
    /// The exit status, or none if the process is still there after `limit`.
    fn wait_within(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let process = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty())
            .context("cannot watch a child process")?;
        if !wait_readable(&process, limit)? {
            return Ok(None);
        }
        Ok(Some(self.0.wait().context("cannot wait for a child process")?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Every failure here means that the process is gone already.
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        if !matches!(self.wait_within(GRACE), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// A child inherits processors and nice value of the thread that starts it, so this thread takes
/// them for a moment.
fn spawn_at(command: &mut Command, place: &Place) -> anyhow::Result<Running> {
    let before = sched_getaffinity(None).context("cannot read the allowed processors")?;
    let mut set = CpuSet::new();
    for &cpu in &place.cpus {
        if cpu >= CpuSet::MAX_CPU || !before.is_set(cpu) {
            bail!("processor {cpu} is not there; choose others with --server-cpus and --load-cpu");
        }
        set.set(cpu);
    }
    let nice_before = getpriority_process(None).context("cannot read the nice value")?;
    sched_setaffinity(None, &set).context("cannot choose processors")?;
    if let Some(nice) = place.nice {
        setpriority_process(None, nice).context("cannot set the nice value; use --no-priority")?;
    }
    let child = command.spawn();
    setpriority_process(None, nice_before).context("cannot restore the nice value")?;
    sched_setaffinity(None, &before).context("cannot go back to all processors")?;
    let program = command.get_program().display();
    Ok(Running(child.with_context(|| format!("cannot start {program}"))?))
}

fn wait_readable(descriptor: impl AsFd, limit: Duration) -> anyhow::Result<bool> {
    let limit = Timespec::try_from(limit).context("a limit that is too long")?;
    let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
    let ready = rustix::io::retry_on_intr(|| poll(&mut descriptors, Some(&limit)));
    Ok(ready.context("cannot wait for a child process")? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This test process may itself be confined to some processors.
    fn some_place() -> Place {
        let allowed = sched_getaffinity(None).expect("the allowed processors");
        let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("one of them");
        Place { cpus: vec![cpu], nice: None }
    }

    #[test]
    fn a_nice_value_is_inherited_and_not_kept() {
        let before = getpriority_process(None).expect("the nice value");
        let nice = (before + 1).min(19);
        let place = Place { nice: Some(nice), ..some_place() };
        // Raising the nice value needs no right, but going back does.
        if !rustix::process::getuid().is_root() {
            eprintln!("skipped: a_nice_value_is_inherited_and_not_kept needs root");
            return;
        }
        let said = output(&mut Command::new("nice"), &place, GRACE).expect("its output");
        assert_eq!(said.trim(), nice.to_string());
        assert_eq!(getpriority_process(None).expect("the nice value"), before);
    }

    #[test]
    fn a_child_runs_where_it_was_pinned() {
        let place = some_place();
        let mut command = Command::new("grep");
        command.args(["Cpus_allowed_list:", "/proc/self/status"]);
        let said = output(&mut command, &place, GRACE).expect("its output");
        assert_eq!(said.split_whitespace().nth(1), Some(place.cpus[0].to_string().as_str()));
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended() {
        let mut command = Command::new("sleep");
        let limit = Duration::from_millis(20);
        let error = output(command.arg("600"), &some_place(), limit).expect_err("too long");
        assert!(error.to_string().contains("did not end"), "{error}");
    }

    #[test]
    fn a_failing_child_is_quoted() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo broken >&2; exit 3"]);
        let error = output(&mut command, &some_place(), GRACE).expect_err("a failure");
        assert!(error.to_string().contains("broken"), "{error}");
    }

    #[test]
    fn a_processor_that_is_not_there_is_named() {
        let place = Place { cpus: vec![100_000], nice: None };
        let error = output(&mut Command::new("true"), &place, GRACE).expect_err("no such one");
        assert!(error.to_string().contains("100000"), "{error}");
    }
}
