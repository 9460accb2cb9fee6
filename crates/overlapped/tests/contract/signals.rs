//! Signals as packets. Each test starts itself once more as a child process, which watches, and
//! sends the signals to that child.

use crate::on_every_driver;
use crate::packets::{assert_nothing_comes, next};
use crate::world::{Numbers, PATIENCE, World};
use nix::sys::signal::{SigSet, Signal as Blocked};
use overlapped::{Packet, Port, Signal, TakeError};
use signal_hook::flag::{register, register_conditional_default};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

/// That this process is such a child.
const IS_CHILD: &str = "OVERLAPPED_TEST_SIGNAL_CHILD";
/// What begins the child's lines, among those of the test harness.
const MARK: &str = "child says: ";

fn is_child() -> bool {
    std::env::var_os(IS_CHILD).is_some()
}

fn say(line: &str) {
    println!("{MARK}{line}");
}

/// The test again, in a process of its own.
struct Child {
    process: process::Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Child {
    fn start(world: &World, test: &str) -> Self {
        let binary = std::env::current_exe().expect("the test knows itself");
        Self::run(Command::new(binary), world, test)
    }

    /// As a shell starts it in the background of a script, under `nohup`: these are ignored.
    fn start_ignoring(signals: &str, world: &World, test: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!(r#"trap "" {signals}; exec "$0" "$@""#));
        shell.arg(std::env::current_exe().expect("the test knows itself"));
        Self::run(shell, world, test)
    }

    /// With all three signals blocked.
    fn start_blocking(world: &World, test: &str) -> Self {
        children_start_as_usual();
        let binary = std::env::current_exe().expect("the test knows itself");
        let all: SigSet = WATCHED.into_iter().collect();
        // What is started has the mask of the thread that starts it.
        all.thread_block().expect("signals can be blocked");
        let child = Self::spawn(Command::new(binary), world, test);
        all.thread_unblock().expect("signals can be unblocked");
        child
    }

    fn run(command: Command, world: &World, test: &str) -> Self {
        children_start_as_usual();
        Self::spawn(command, world, test)
    }

    fn spawn(mut command: Command, world: &World, test: &str) -> Self {
        let driver = match world {
            World::System => "epoll",
            World::Simulated(_) => "simulated",
        };
        command.args([&format!("signals::{driver}::{test}"), "--exact", "--nocapture"]);
        command.env(IS_CHILD, "1").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("the test can be started again");
        let output = process.stdout.take().expect("its output is piped");
        Self { process, lines: BufReader::new(output).lines() }
    }

    /// The child ends by itself, so this does, too.
    fn expect(&mut self, expected: &str) {
        let said = self.lines.by_ref().find_map(|line| {
            let line = line.expect("the child writes text");
            line.split_once(MARK).map(|(_, said)| said.to_owned())
        });
        assert_eq!(said.as_deref(), Some(expected));
    }

    fn send(&self, signal: rustix::process::Signal) {
        let child = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(child, signal).expect("the child is there");
    }

    fn end(mut self) -> ExitStatus {
        self.process.wait().expect("the child ends")
    }
}

const WATCHED: [Blocked; 3] = [Blocked::SIGINT, Blocked::SIGTERM, Blocked::SIGHUP];

/// Has processes started from here have the signals that programs usually have, however this one was
/// started: none is ignored and none blocked, and one can wait for them.
pub fn children_start_as_usual() {
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        // A signal that is caught here is not ignored there. What catches it does the usual.
        for signal in WATCHED.into_iter().filter(|signal| ignores(*signal)) {
            let usual = Arc::new(AtomicBool::new(true));
            register_conditional_default(signal as i32, usual).expect("it can be caught");
        }
        if ignores(Blocked::SIGCHLD) {
            register(Blocked::SIGCHLD as i32, Arc::default()).expect("it can be caught");
        }
    });
    SigSet::all().thread_unblock().expect("signals can be unblocked");
}

fn signal(port: &Port<Numbers>) -> Signal {
    match next(port) {
        Packet::Signal(signal) => signal,
        other => panic!("a signal was owed, not {other:?}"),
    }
}

/// Waits to be killed; in vain, if this returns.
fn wait_for_the_end(port: &Port<Numbers>) {
    assert!(matches!(port.take_timeout(PATIENCE), Err(TakeError::TimedOut)));
}

fn a_signal_arrives_at_every_port_that_watches_and_at_no_other(world: &World) {
    if is_child() {
        let [first, second, other] = [(); 3].map(|()| world.exact_port(1));
        first.watch_signals().expect("it can watch");
        second.watch_signals().expect("it can watch");
        second.watch_signals().expect("twice is once");
        say("ready");
        for _ in 0..4 {
            let arrived = (signal(&first), signal(&second));
            assert_nothing_comes(&first);
            assert_nothing_comes(&second);
            say(&format!("{arrived:?}"));
        }
        assert_nothing_comes(&other);
        return;
    }
    let name = "a_signal_arrives_at_every_port_that_watches_and_at_no_other";
    let mut child = Child::start(world, name);
    child.expect("ready");
    for (sent, arrives) in [
        (rustix::process::Signal::INT, "(Interrupt, Interrupt)"),
        (rustix::process::Signal::TERM, "(Terminate, Terminate)"),
        (rustix::process::Signal::HUP, "(Terminate, Terminate)"),
        (rustix::process::Signal::INT, "(Interrupt, Interrupt)"),
    ] {
        child.send(sent);
        child.expect(arrives);
    }
    assert!(child.end().success());
}

fn a_signal_wakes_who_waits_and_queues_behind_what_was_posted(world: &World) {
    if is_child() {
        let port = world.exact_port(1);
        port.watch_signals().expect("it can watch");
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| signal(&port));
            say("one waits");
            assert_eq!(taker.join().expect("it takes a packet"), Signal::Terminate);
        });
        port.post(5).expect("the port is open");
        say("one is queued");
        assert!(matches!(next(&port), Packet::Posted(5)));
        assert_eq!(signal(&port), Signal::Interrupt);
        assert_nothing_comes(&port);
        return;
    }
    let name = "a_signal_wakes_who_waits_and_queues_behind_what_was_posted";
    let mut child = Child::start(world, name);
    child.expect("one waits");
    child.send(rustix::process::Signal::TERM);
    child.expect("one is queued");
    child.send(rustix::process::Signal::INT);
    assert!(child.end().success());
}

fn when_the_last_port_that_watches_is_closed_a_signal_ends_the_process_again(world: &World) {
    if is_child() {
        let other = world.exact_port(1);
        // A thread that is bound to a port has a descriptor, too.
        assert_nothing_comes(&other);
        let before = open_descriptors();
        let [first, second] = [(); 2].map(|()| world.exact_port(1));
        first.watch_signals().expect("it can watch");
        second.watch_signals().expect("it can watch");
        first.close();
        say("one is closed");
        assert_eq!(signal(&second), Signal::Terminate);
        drop(second);
        first.watch_signals().expect_err("it is closed");
        await_no_watching_thread();
        // Once more from the beginning.
        let third = world.exact_port(1);
        third.watch_signals().expect("it can watch");
        say("another one watches");
        assert_eq!(signal(&third), Signal::Terminate);
        drop((first, third));
        await_no_watching_thread();
        assert_nothing_comes(&other);
        assert_eq!(open_descriptors(), before, "nothing is left of those that watched");
        say("none watches");
        wait_for_the_end(&other);
        return;
    }
    let name = "when_the_last_port_that_watches_is_closed_a_signal_ends_the_process_again";
    for last in [rustix::process::Signal::INT, rustix::process::Signal::HUP] {
        let mut child = Child::start(world, name);
        child.expect("one is closed");
        child.send(rustix::process::Signal::TERM);
        child.expect("another one watches");
        child.send(rustix::process::Signal::TERM);
        child.expect("none watches");
        child.send(last);
        assert_eq!(child.end().signal(), Some(last.as_raw()));
    }
}

fn a_hangup_that_was_ignored_before_stays_ignored(world: &World) {
    if is_child() {
        let port = world.exact_port(1);
        port.watch_signals().expect("it can watch");
        assert!(ignores(Blocked::SIGHUP));
        say("ready");
        assert_eq!(signal(&port), Signal::Terminate, "the others came before it");
        assert_nothing_comes(&port);
        drop(port);
        assert!(ignores(Blocked::SIGHUP));
        say("none watches");
        wait_for_the_end(&world.exact_port(1));
        return;
    }
    let name = "a_hangup_that_was_ignored_before_stays_ignored";
    let mut child = Child::start_ignoring("INT HUP", world, name);
    child.expect("ready");
    child.send(rustix::process::Signal::HUP);
    child.send(rustix::process::Signal::TERM);
    child.expect("none watches");
    child.send(rustix::process::Signal::HUP);
    child.send(rustix::process::Signal::INT);
    child.send(rustix::process::Signal::TERM);
    assert_eq!(child.end().signal(), Some(rustix::process::Signal::TERM.as_raw()));
}

fn interrupts_and_terminations_arrive_though_they_were_ignored_before(world: &World) {
    if is_child() {
        let port = world.exact_port(1);
        port.watch_signals().expect("it can watch");
        say("ready");
        assert_eq!(signal(&port), Signal::Interrupt);
        say("interrupted");
        assert_eq!(signal(&port), Signal::Terminate);
        return;
    }
    let name = "interrupts_and_terminations_arrive_though_they_were_ignored_before";
    let mut child = Child::start_ignoring("INT HUP TERM", world, name);
    child.expect("ready");
    child.send(rustix::process::Signal::INT);
    child.expect("interrupted");
    child.send(rustix::process::Signal::TERM);
    assert!(child.end().success());
}

fn signals_that_were_blocked_before_arrive(world: &World) {
    if is_child() {
        let port = world.exact_port(1);
        // Whoever asks may end before the port does.
        std::thread::scope(|scope| {
            let asks = scope.spawn(|| port.watch_signals());
            asks.join().expect("it ends").expect("it can watch");
        });
        SigSet::all().thread_block().expect("signals can be blocked");
        for _ in 0..3 {
            say("ready");
            say(&format!("{:?}", signal(&port)));
        }
        return;
    }
    let mut child = Child::start_blocking(world, "signals_that_were_blocked_before_arrive");
    for (sent, arrives) in [
        (rustix::process::Signal::INT, "Interrupt"),
        (rustix::process::Signal::TERM, "Terminate"),
        (rustix::process::Signal::HUP, "Terminate"),
    ] {
        child.expect("ready");
        child.send(sent);
        child.expect(arrives);
    }
    assert!(child.end().success());
}

/// What the kernel says of this process.
fn ignores(signal: Blocked) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("the system tells it");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).expect("it is there");
    let mask = u64::from_str_radix(mask.trim(), 16).expect("it is a number");
    mask & 1 << (signal as i32 - 1) != 0
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("the system tells them").count()
}

/// A port that cannot wait for a signal itself has a thread for it, which ends with the port.
fn await_no_watching_thread() {
    let is_there = || {
        let tasks = std::fs::read_dir("/proc/self/task").expect("a process has threads");
        tasks.flatten().any(|task| {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            name.starts_with("overlapped-sig")
        })
    };
    let end = std::time::Instant::now() + PATIENCE;
    while is_there() {
        assert!(std::time::Instant::now() < end, "the thread is still there");
        std::thread::yield_now();
    }
}

on_every_driver! {
    a_signal_arrives_at_every_port_that_watches_and_at_no_other,
    a_signal_wakes_who_waits_and_queues_behind_what_was_posted,
    when_the_last_port_that_watches_is_closed_a_signal_ends_the_process_again,
    interrupts_and_terminations_arrive_though_they_were_ignored_before,
    a_hangup_that_was_ignored_before_stays_ignored,
    signals_that_were_blocked_before_arrive,
}
