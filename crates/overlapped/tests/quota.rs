//! A port in a control group with less than a processor: its threads wait for a processor most of the
//! time, and none of them is taken for one that blocks.
//!
//! Each test runs in a process of its own, which moves itself into a group that the test makes. Where
//! the system lets it make none, the test says by name that it is skipped.
#![cfg(target_os = "linux")]

use overlapped::{Packet, Port, Protocol};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the process that runs alone finds its group.
const GROUP: &str = "OVERLAPPED_TEST_GROUP";

struct Numbers;

impl Protocol for Numbers {
    type Key = u64;
    type Operation = u64;
    type Message = u64;
}

/// A control group that is removed at the end.
struct Group(PathBuf);

impl Group {
    /// A group below the one that this process is in, whose members together get `percent` of one
    /// processor: of the second version of control groups, or else of the first.
    fn make(name: &str, percent: u32) -> io::Result<Self> {
        let quota_us = percent * 1_000;
        let unique = format!("overlapped-{name}-{}", std::process::id());
        let second = || {
            let group = Self::below(Path::new("/sys/fs/cgroup"), "0", &unique)?;
            fs::write(group.0.join("cpu.max"), format!("{quota_us} 100000"))?;
            Ok(group)
        };
        let first = || {
            let group = Self::below(Path::new("/sys/fs/cgroup/cpu"), "cpu", &unique)?;
            fs::write(group.0.join("cpu.cfs_period_us"), "100000")?;
            fs::write(group.0.join("cpu.cfs_quota_us"), quota_us.to_string())?;
            Ok(group)
        };
        second().or_else(|_: io::Error| first())
    }

    /// A new group below the one that this process is in: that of the line in which `wanted` is the
    /// number of the hierarchy or one of its controllers.
    fn below(mount: &Path, wanted: &str, name: &str) -> io::Result<Self> {
        let lines = fs::read_to_string("/proc/self/cgroup")?;
        let own = lines.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (number, controllers) = (parts.next()?, parts.next()?);
            let is_it = number == wanted || controllers.split(',').any(|name| name == wanted);
            is_it.then(|| parts.next()).flatten()
        });
        let own = own.ok_or(io::ErrorKind::NotFound)?;
        let parent = mount.join(own.trim_start_matches('/'));
        if !parent.join("cgroup.procs").exists() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let group = parent.join(name);
        fs::create_dir(&group)?;
        Ok(Self(group))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Runs a test in a process of its own, in a group that gets so much of one processor.
fn within(test: &str, percent: u32, body: fn(&Path)) {
    if let Some(group) = std::env::var_os(GROUP) {
        let group = PathBuf::from(group);
        fs::write(group.join("cgroup.procs"), "0").expect("a process may go into its own group");
        return body(&group);
    }
    let group = match Group::make(test, percent) {
        Ok(group) => group,
        Err(error) => {
            println!("skipped: {test}: no control group with a quota can be made here ({error})");
            return;
        }
    };
    let program = std::env::current_exe().expect("a test has a program");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env(GROUP, &group.0);
    let output = command.output().expect("it can be run once more");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert!(said.contains("1 passed"), "it ran no test: {said}");
}

/// How often the members of the group were made to wait.
fn throttled(group: &Path) -> u64 {
    let stat = fs::read_to_string(group.join("cpu.stat")).expect("the group tells it");
    let line = stat.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    line.expect("it has a quota").parse().expect("it is a number")
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} has not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Lets a thread go for which the scope would wait, also when the test fails.
struct AtTheEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What a port does that is told no concurrency.
#[test]
fn p6_the_concurrency_follows_the_quota_of_a_control_group() {
    within("p6_the_concurrency_follows_the_quota_of_a_control_group", 100, |_| {
        // On a machine with one processor it would be 1 in any case.
        assert_eq!(Port::<Numbers>::new().expect("a port").concurrency(), 1);
    });
}

/// The thread runs, and gets no processor half of the time. The monitor looks at it all the while.
#[test]
fn p74_a_thread_that_is_throttled_lets_nobody_in_as_the_monitor_sees_it() {
    let name = "p74_a_thread_that_is_throttled_lets_nobody_in_as_the_monitor_sees_it";
    within(name, 50, |group| {
        let port = Port::<Numbers>::builder().concurrency(1).build().expect("a port");
        if !port.driver().blocked_thread_monitor.contains("wait channel") {
            println!("skipped: {}", port.driver().blocked_thread_monitor);
            return;
        }
        let (runs, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let _ends = AtTheEnd(|| is_over.store(true, Ordering::SeqCst));
            port.post(1).expect("it is open");
            scope.spawn(|| {
                port.take().expect("a packet is there");
                runs.store(true, Ordering::SeqCst);
                while !is_over.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
                port.leave();
            });
            until("a handler that runs", || runs.load(Ordering::SeqCst));
            let second = scope.spawn(|| port.take().map(|packet| packet.kind()));
            until("a thread that waits", || port.snapshot().waiting == 1);
            port.post(2).expect("it is open");

            let before = (throttled(group), port.counters().monitor_looks);
            until("that the thread is throttled while the monitor looks", || {
                throttled(group) >= before.0 + 10 && port.counters().monitor_looks >= before.1 + 100
            });
            let snapshot = port.snapshot();
            let counters = port.counters();
            is_over.store(true, Ordering::SeqCst);
            second.join().expect("it does not panic").expect("the slot is free in the end");
            let seen = (snapshot.queued, snapshot.waiting, snapshot.released, snapshot.paused);
            assert_eq!(seen, (1, 1, 1, 0), "{snapshot:?}");
            assert_eq!(counters.released_on_block, 0);
        });
    });
}

/// More threads than may run, all of which compute, on half of a processor: each packet is handled
/// once, and each answer comes.
#[test]
fn under_a_quota_each_packet_is_handled_once_and_nothing_is_lost() {
    const NUMBERS: usize = 400;
    let name = "under_a_quota_each_packet_is_handled_once_and_nothing_is_lost";
    within(name, 50, |group| {
        let port = Port::<Numbers>::builder().concurrency(2).build().expect("a port");
        let handled: Vec<_> = (0..NUMBERS).map(|_| AtomicU32::new(0)).collect();
        let before = throttled(group);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Ok(packet) = port.take() {
                        let Packet::Posted(number) = packet else { continue };
                        let begun = Instant::now();
                        while begun.elapsed() < Duration::from_millis(2) {
                            std::hint::spin_loop();
                        }
                        handled[number as usize].fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            for number in 0..NUMBERS {
                port.post(number as u64).expect("it is open");
            }
            until("that all are handled", || {
                let is_handled = |count: &AtomicU32| count.load(Ordering::SeqCst) > 0;
                handled.iter().all(is_handled)
            });
            until("that the threads wait again", || port.snapshot().waiting == 4);
            port.close();
        });
        assert!(throttled(group) > before, "the quota was never used up");
        assert!(handled.iter().all(|count| count.load(Ordering::SeqCst) == 1), "{handled:?}");
        let counters = port.counters();
        assert_eq!((counters.queued, counters.taken), (NUMBERS as u64, NUMBERS as u64));
    });
}
