//! What concerns the whole process: its descriptors, and who else has them.
#![cfg(target_os = "linux")]

use overlapped::{
    AcceptWindow, Buffer, DatagramSocket, FileOptions, ListenSocket, OpenFile, Packet, Port,
    Protocol, TcpListener, TcpSocket, Workers, WorkersEvent,
};
use rustix::process::{Resource, Signal, getrlimit, kill_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);

struct Numbers;

impl Protocol for Numbers {
    type Key = u64;
    type Operation = u64;
    type Message = u64;
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Runs a test alone in a process of its own, since what it changes or counts is the whole process's.
fn alone(test: &str, body: fn()) {
    const ALONE: &str = "OVERLAPPED_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let program = std::env::current_exe().expect("a test has a program");
    let mut command = Command::new(program);
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1");
    let output = command.output().expect("it can be run once more");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert!(said.contains("1 passed"), "it ran no test: {said}");
}

fn listener(port: &Port<Numbers>) -> (TcpListener<Numbers>, SocketAddr) {
    let socket = ListenSocket::bind(ANY, 16).expect("one can listen");
    let address = socket.local_addr().expect("it is bound");
    (port.associate(socket, 0).expect("it is open"), address)
}

/// A connected socket, and its peer.
fn connection() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind(ANY).expect("one can listen");
    let address = listener.local_addr().expect("it is bound");
    let peer = std::net::TcpStream::connect(address).expect("it listens");
    peer.set_read_timeout(Some(PATIENCE)).expect("a limit");
    (listener.accept().expect("a client").0, peer)
}

/// The descriptors that a program has which is started now.
fn inherited() -> BTreeSet<String> {
    let output = Command::new("ls").arg("/proc/self/fd").output().expect("ls is there");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_program_that_is_started_inherits_no_descriptor() {
    alone("a_program_that_is_started_inherits_no_descriptor", || {
        let before = inherited();
        let port = Port::<Numbers>::new().expect("a port");
        port.watch_signals().expect("signals are watched");
        let (listener, address) = listener(&port);
        listener.accept_window(AcceptWindow::new(2), || 1).expect("it is the first");
        let client = port.associate(TcpSocket::v4().expect("a socket"), 1).expect("it is open");
        client.connect(address, (), 2).expect("it starts");
        let datagrams = DatagramSocket::bind(ANY).expect("it can be bound");
        let datagrams = port.associate(datagrams, 1).expect("it is open");
        datagrams.receive_from_pooled(1).expect("it starts");
        let file = OpenFile::open("Cargo.toml", &FileOptions::new().read(true)).expect("is there");
        let file = port.associate(file, 1).expect("it is open");
        file.read_at(Buffer::with_capacity(8), 0, 3).expect("it starts");
        port.timer(Duration::from_millis(1), 4).expect("it starts");
        // Connected, accepted, read and run out; the thread takes, so it is watched as well.
        let mut taken = Vec::new();
        while taken.len() < 4 {
            taken.push(port.take_timeout(PATIENCE).expect("four are owed"));
        }
        assert_eq!(inherited(), before);
    });
}

/// How many sockets and other things the event sets of this process watch.
fn watched() -> usize {
    let sets = std::fs::read_dir("/proc/self/fd").expect("the system tells them");
    let sets = sets.filter_map(|entry| entry.ok()).filter(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|link| link.ends_with("anon_inode:[eventpoll]"))
    });
    let count = |entry: std::fs::DirEntry| {
        let facts = format!("/proc/self/fdinfo/{}", entry.file_name().display());
        let text = std::fs::read_to_string(facts).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("tfd:")).count()
    };
    sets.map(count).sum()
}

/// As a clone has it, or a process that was forked: the system goes on telling an event set of a
/// closed descriptor as long as somebody has what it was open on (L13).
#[test]
fn l13_what_somebody_else_has_still_is_not_watched_once_it_is_closed() {
    alone("l13_what_somebody_else_has_still_is_not_watched_once_it_is_closed", || {
        let port = Port::<Numbers>::new().expect("a port");
        let others = watched();
        let (socket, mut peer) = connection();
        let mut kept = socket.try_clone().expect("a clone");
        let socket = TcpSocket::try_from(socket).expect("it is taken");
        let stream = port.associate(socket, 7).expect("it is open");
        assert_eq!(watched(), others + 1);
        stream.receive_pooled(1).expect("it starts");
        peer.write_all(b"for the port").expect("it is connected");
        let packet = port.take_timeout(PATIENCE).expect("data came");
        assert!(
            matches!(&packet, Packet::Received { buffer, .. } if &buffer[..] == b"for the port")
        );
        drop((packet, stream));
        assert_eq!(watched(), others, "though its clone is open");

        peer.write_all(b"for the clone").expect("it is connected");
        assert!(matches!(port.try_take(), Ok(None)), "no packet is owed");
        let mut came = [0; 13];
        kept.set_nonblocking(false).expect("it is open");
        kept.read_exact(&mut came).expect("the connection is the clone's");
        assert_eq!(&came, b"for the clone");

        // The same of a listener.
        let listening = std::net::TcpListener::bind(ANY).expect("one can listen");
        let _kept = listening.try_clone().expect("a clone");
        let listening = ListenSocket::try_from(listening).expect("it is taken");
        let listening = port.associate(listening, 7).expect("it is open");
        listening.accept(1).expect("it is posted");
        assert_eq!(watched(), others + 1);
        listening.close();
        assert_eq!(watched(), others);
    });
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn f29_a_want_of_descriptors_is_waited_out_without_processor_time() {
    alone("f29_a_want_of_descriptors_is_waited_out_without_processor_time", || {
        /// As the page says of it.
        const RETRY_AFTER: Duration = Duration::from_millis(50);
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = Some(200);
        setrlimit(Resource::Nofile, limit).expect("it may be lowered");
        let port = Port::<Numbers>::builder().concurrency(1).build().expect("a port");
        let (listener, address) = listener(&port);
        listener.accept_window(AcceptWindow::new(4), || 1).expect("it is the first");
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            let takes = &port;
            scope.spawn(move || {
                while let Ok(packet) = takes.take() {
                    // Nobody listens only if the test has failed already.
                    let _ = tell.send(packet);
                }
            });
            while port.snapshot().waiting == 0 {
                std::thread::yield_now();
            }
            let mut taken = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                taken.push(file);
            }
            // One for the client, and none for its other end.
            taken.pop();
            let client = std::net::TcpStream::connect(address);
            let (begun, used) = (Instant::now(), processor_time());
            let mut came = Err(RecvTimeoutError::Timeout);
            while port.counters().accept_deferrals < 10 && begun.elapsed() < PATIENCE {
                came = told.recv_timeout(RETRY_AFTER);
            }
            let (passed, used) = (begun.elapsed(), processor_time() - used);
            let deferrals = port.counters().accept_deferrals;
            drop(taken);
            let accepted = told.recv_timeout(PATIENCE);
            port.close();

            client.expect("it listens");
            assert!(matches!(came, Err(RecvTimeoutError::Timeout)), "there was none to be had");
            assert!(deferrals >= 10, "{deferrals} in {passed:?}");
            let at_most = passed.as_millis() / RETRY_AFTER.as_millis() + 2;
            assert!(u128::from(deferrals) <= at_most, "{deferrals} in {passed:?}");
            assert!(used < passed / 4, "{used:?} of {passed:?}");
            let Ok(Packet::Accepted { result, .. }) = accepted else {
                panic!("the client was to be accepted")
            };
            result.expect("there are descriptors again");
        });
    });
}

/// Context switches of all threads of this process but the calling one, and whether all of them sleep.
fn switches_of_the_others() -> (u64, bool) {
    let own = std::fs::read_link("/proc/thread-self").expect("the kernel names the thread");
    let mut sum = (0, true);
    for task in std::fs::read_dir("/proc/self/task").expect("the kernel tells them") {
        let task = task.expect("it can be read");
        if own.ends_with(task.file_name()) {
            continue;
        }
        // One of a pool may end meanwhile.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.expect("the kernel tells it")[name.len()..].trim().to_owned()
        };
        let count = |name: &str| -> u64 { field(name).parse().expect("it is a number") };
        sum.0 += count("voluntary_ctxt_switches:") + count("nonvoluntary_ctxt_switches:");
        sum.1 &= field("State:").starts_with('S');
    }
    sum
}

/// The first signal ends the wait, what is in hand is finished, and the handler sees no signal.
#[test]
fn a_server_that_runs_ends_at_a_signal() {
    alone("a_server_that_runs_ends_at_a_signal", || {
        let port = Port::<Numbers>::builder().concurrency(2).build().expect("a port");
        port.watch_signals().expect("signals are watched");
        for number in 0..100 {
            port.post(number).expect("it is open");
        }
        let handled = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&handled);
        let report = Workers::new(&port).stop_within(PATIENCE).run(move |_, packet| {
            let Packet::Posted(number) = packet else {
                panic!("{:?} is not the handler's", packet.kind())
            };
            if number == 0 {
                let own = rustix::process::getpid();
                kill_process(own, Signal::TERM).expect("a process may end itself");
            }
            counts.fetch_add(1, Ordering::SeqCst);
        });
        let report = report.expect("it runs");
        assert_eq!((report.in_handler, report.discarded), (0, 0));
        assert_eq!(handled.load(Ordering::SeqCst), 100);
    });
}

/// There is memory for a few stacks and no more: the pool goes on with the threads that it has, says so,
/// and tries again.
#[test]
fn a_pool_that_cannot_start_threads_goes_on_with_those_it_has() {
    alone("a_pool_that_cannot_start_threads_goes_on_with_those_it_has", || {
        const STACK_BYTES: usize = 512 << 20;
        let port = Port::<Numbers>::builder().concurrency(1).build().expect("a port");
        let (tell, told) = channel();
        let (entered, entries) = channel();
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let status = std::fs::read_to_string("/proc/self/status").expect("the kernel tells it");
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let size = size.and_then(|size| size.trim().strip_suffix(" kB")).expect("it is a size");
        let size_kib: u64 = size.trim().parse().expect("it is a number");
        let mut limit = getrlimit(Resource::As);
        // Two stacks and three quarters: the threads that watch have theirs, and each has an arena of its own.
        limit.current = Some((size_kib << 10) + 11 * STACK_BYTES as u64 / 4);
        setrlimit(Resource::As, limit).expect("it may be lowered");
        let at = Arc::clone(&gate);
        let workers = Workers::new(&port).least(1).stack_size(STACK_BYTES).on_event(move |event| {
            if let WorkersEvent::ThreadNotStarted { threads, .. } = event {
                let _ = tell.send(*threads);
            }
        });
        let running = workers.start(move |_, packet| {
            let Packet::Posted(number) = packet else { return };
            let _ = entered.send(number);
            if number < 10 {
                let closed = at.0.lock().expect("nobody panics");
                drop(at.1.wait_while(closed, |is_open| !*is_open).expect("nobody panics"));
            }
        });
        let running = running.expect("there is memory for one");
        for number in [1, 2] {
            port.post(number).expect("it is open");
            assert_eq!(entries.recv_timeout(PATIENCE), Ok(number));
        }
        assert_eq!(told.recv_timeout(PATIENCE), Ok(2), "a third one cannot be started");
        port.post(11).expect("it is open");
        assert_eq!(told.recv_timeout(PATIENCE), Ok(2), "nor a while later");
        assert!(entries.try_recv().is_err());
        assert_eq!(running.threads(), 2);
        // Memory is there again.
        limit.current = limit.maximum;
        setrlimit(Resource::As, limit).expect("it may be raised again");
        assert_eq!(entries.recv_timeout(PATIENCE), Ok(11));
        *gate.0.lock().expect("nobody panics") = true;
        gate.1.notify_all();
        let counters = running.counters();
        assert!(counters.not_started >= 2, "{counters:?}");
        assert_eq!(running.stop(PATIENCE).in_handler, 0);
    });
}

/// Nor do the threads of a server, once those that are not needed have ended.
#[test]
fn f15_an_idle_pool_wakes_no_thread_of_the_process() {
    alone("f15_an_idle_pool_wakes_no_thread_of_the_process", || {
        const OBSERVATION: Duration = Duration::from_secs(1);
        let port = Port::<Numbers>::builder().concurrency(2).build().expect("a port");
        let workers = Workers::new(&port).idle_limit(Duration::from_millis(50));
        let running = workers.start(|_, packet| {
            if let Packet::Posted(number) = packet
                && number % 10 == 0
            {
                overlapped::blocking(|| std::thread::sleep(Duration::from_millis(1)));
            }
        });
        let running = running.expect("threads can be started");
        for number in 0..1_000 {
            port.post(number).expect("it is open");
        }
        let begun = Instant::now();
        let mut before = switches_of_the_others();
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = switches_of_the_others();
            let at_rest = now == before && now.1 && running.threads() == 2;
            before = now;
            if at_rest || begun.elapsed() > PATIENCE {
                break;
            }
        }
        std::thread::sleep(OBSERVATION);
        let after = switches_of_the_others();
        assert_eq!(after, (before.0, true), "context switches while nothing happened");
        assert_eq!(running.counters().handled, 1_000);
        running.stop(PATIENCE);
    });
}

/// Also none that the library made for itself.
#[test]
fn f15_an_idle_port_wakes_no_thread_of_the_process() {
    alone("f15_an_idle_port_wakes_no_thread_of_the_process", || {
        /// Longer than the half second of the periodic wake-ups that other libraries have.
        const OBSERVATION: Duration = Duration::from_secs(2);
        let port = Port::<Numbers>::builder().concurrency(2).build().expect("a port");
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                let (takes, tell) = (&port, tell.clone());
                scope.spawn(move || {
                    while let Ok(packet) = takes.take() {
                        match packet {
                            Packet::Received { stream, buffer, operation, .. } => {
                                stream.send(buffer, operation).expect("it is connected");
                            }
                            Packet::Sent { stream, operation, .. } => {
                                stream.receive_pooled(operation).expect("it is connected");
                            }
                            Packet::Posted(_) => tell.send(()).expect("the test listens"),
                            _ => {}
                        }
                    }
                });
            }
            let (socket, mut peer) = connection();
            let socket = TcpSocket::try_from(socket).expect("it is taken");
            let stream = port.associate(socket, 0).expect("it is open");
            stream.receive_pooled(0).expect("it starts");
            // It was busy before it was idle, with connections and with posts.
            for _ in 0..500 {
                peer.write_all(b"ping").expect("it is connected");
                peer.read_exact(&mut [0; 4]).expect("it is echoed");
                port.post(0).expect("it is open");
            }
            (0..500).for_each(|_| told.recv_timeout(PATIENCE).expect("each is taken"));

            let begun = Instant::now();
            let mut before = switches_of_the_others();
            loop {
                std::thread::sleep(Duration::from_millis(20));
                let now = switches_of_the_others();
                let at_rest = now == before && now.1;
                before = now;
                if at_rest || begun.elapsed() > PATIENCE {
                    break;
                }
            }
            std::thread::sleep(OBSERVATION);
            let after = switches_of_the_others();
            port.close();
            assert_eq!(after, (before.0, true), "context switches while nothing happened");
        });
    });
}
