//! The threads of a server ([`overlapped::Workers`]): how many there are, what a panic costs, and how a
//! stop ends them.

use crate::crew::{AtTheEnd, number, until};
use crate::on_every_driver;
use crate::world::{Numbers, PATIENCE, World};
use overlapped::{
    Packet, PacketKind, Port, Received, RunningWorkers, Workers, WorkersCounters, WorkersEvent,
    blocking,
};
use std::io::ErrorKind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Where handlers wait until the test lets them go.
#[derive(Default)]
pub struct Gate {
    is_open: Mutex<bool>,
    changed: Condvar,
    inside: AtomicUsize,
}

impl Gate {
    pub fn pass(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        let closed = self.is_open.lock().expect("nobody panics");
        drop(self.changed.wait_while(closed, |is_open| !*is_open).expect("nobody panics"));
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn open(&self) {
        *self.is_open.lock().expect("nobody panics") = true;
        self.changed.notify_all();
    }

    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

/// Numbers from here on go through the gate.
pub const BLOCKS: u64 = 100;

/// Starts threads whose handler waits at the gate with each number from [`BLOCKS`] on, by a wait that it
/// announces or not, and sends each other number to the test.
pub fn gated(
    workers: Workers<Numbers>,
    says_so: bool,
) -> (RunningWorkers<Numbers>, Arc<Gate>, std::sync::mpsc::Receiver<u64>) {
    let gate = Arc::new(Gate::default());
    let (tell, told) = channel();
    let at = Arc::clone(&gate);
    let running = workers.start(move |_, packet| match number(&packet) {
        blocks if blocks >= BLOCKS && says_so => blocking(|| at.pass()),
        blocks if blocks >= BLOCKS => at.pass(),
        // Nobody listens only if the test has failed already.
        passes => drop(tell.send(passes)),
    });
    (running.expect("threads can be started"), gate, told)
}

fn post(port: &Port<Numbers>, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| port.post(number).expect("it is open"));
}

fn grows_while_all_block(world: &World, says_so: bool) {
    const BLOCKED: usize = 12;
    let port = world.port(|builder| builder.concurrency(2));
    let (running, gate, told) = gated(Workers::new(&port).least(1), says_so);
    let _opens = AtTheEnd(|| gate.open());
    assert_eq!(running.threads(), 1, "the least");
    post(&port, (0..BLOCKED as u64).map(|number| BLOCKS + number));
    post(&port, [1]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1), "though those before it block");
    until(|| gate.inside() == BLOCKED, || format!("{running:?}"));
    post(&port, [2]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(2));
    // One for each that blocks, those that may run, and one to spare.
    assert!(running.threads() <= BLOCKED + 3, "{running:?}");
    gate.open();
    until(|| running.in_handler() == 0, || format!("{running:?}"));
    let counters = running.counters();
    assert_eq!((counters.handled, counters.panicked), (BLOCKED as u64 + 2, 0));
    assert_eq!((counters.not_started, counters.exhausted), (0, 0));
    let report = running.stop(PATIENCE);
    assert_eq!((report.in_handler, report.discarded), (0, 0));
}

fn workers_are_added_while_all_of_them_say_that_they_block(world: &World) {
    grows_while_all_block(world, true);
}

fn workers_are_added_while_all_of_them_block_as_the_monitor_sees_it(world: &World) {
    let means = world.port::<Numbers>(|builder| builder).driver().blocked_thread_monitor;
    if means.starts_with("off") {
        let test = "workers_are_added_while_all_of_them_block_as_the_monitor_sees_it";
        println!("skipped: {test}: {means}");
        return;
    }
    grows_while_all_block(world, false);
}

fn workers_without_need_end_down_to_the_least(world: &World) {
    let port = world.port(|builder| builder.concurrency(2));
    let workers = Workers::new(&port).least(2).idle_limit(Duration::from_millis(20));
    let (running, gate, told) = gated(workers, true);
    let _opens = AtTheEnd(|| gate.open());
    post(&port, (0..8).map(|number| BLOCKS + number));
    until(|| gate.inside() == 8, || format!("{running:?}"));
    gate.open();
    until(|| running.threads() == 2, || format!("{running:?}"));
    until(|| port.snapshot().waiting == 2, || format!("{:?}", port.snapshot()));
    // A thread that goes is counted after it is no longer there.
    let has_counted = |counters: WorkersCounters| counters.started == counters.ended + 2;
    until(|| has_counted(running.counters()), || format!("{running:?}"));
    let counters = running.counters();
    assert_eq!(counters.handled, 8, "what ended threads have handled counts");
    // They are as good as before.
    post(&port, [1, 2, 3]);
    let mut passed: Vec<_> =
        (0..3).map(|_| told.recv_timeout(PATIENCE).expect("three are taken")).collect();
    passed.sort();
    assert_eq!(passed, [1, 2, 3]);
    assert_eq!(running.stop(PATIENCE).in_handler, 0);
}

fn workers_have_names_and_are_never_more_than_the_most(world: &World) {
    let port = world.port(|builder| builder.concurrency(2));
    let (tell, told) = channel();
    let gate = Arc::new(Gate::default());
    let at = Arc::clone(&gate);
    let workers = Workers::new(&port).name("echo").least(9).most(3);
    let running = workers.start(move |_, _| {
        let name = std::thread::current().name().map(str::to_owned);
        let _ = tell.send(name.unwrap_or_default());
        blocking(|| at.pass());
    });
    let running = running.expect("threads can be started");
    let _opens = AtTheEnd(|| gate.open());
    assert_eq!(running.threads(), 3);
    post(&port, 0..6);
    let mut names: Vec<_> =
        (0..3).map(|_| told.recv_timeout(PATIENCE).expect("three are taken")).collect();
    names.sort();
    assert_eq!(names, ["echo-1", "echo-2", "echo-3"]);
    until(|| running.counters().exhausted > 0, || format!("{running:?}"));
    assert_eq!((running.threads(), running.counters().started), (3, 3));
    gate.open();
    until(|| running.counters().handled == 6, || format!("{running:?}"));
    assert_eq!(running.stop(PATIENCE).in_handler, 0);
}

/// The connections whose handler panics are reset, though somebody else has handles of them. Nobody
/// else notices.
fn a_handler_that_panics_costs_the_connection_of_its_packet_and_nothing_else(world: &World) {
    const CLIENTS: u64 = 20;
    const MESSAGES: usize = 20;
    let port = world.port(|builder| builder.concurrency(2));
    let (tell, told) = channel();
    let workers = Workers::new(&port).on_event(move |event| {
        if let WorkersEvent::HandlerPanicked { kind, handle, message, .. } = event {
            let _ = tell.send((*kind, handle.key().copied(), message.clone()));
        }
        panic!("a hook that panics");
    });
    let running = workers.start(|_, packet| match packet {
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            assert!(&buffer[..] != b"boom", "as {} wished", stream.key());
            stream.send(buffer, 0).expect("it is connected");
        }
        Packet::Sent { stream, result: Ok(()), .. } => {
            stream.receive_pooled(0).expect("it is connected");
        }
        Packet::Posted(_) => panic!("{}", "a posted number".to_owned()),
        _ => {}
    });
    let running = running.expect("threads can be started");
    let mut streams = Vec::new();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|key| {
            let (stream, peer) = world.stream(&port, key);
            stream.receive_pooled(0).expect("it starts");
            streams.push(stream);
            peer
        })
        .collect();
    std::thread::scope(|scope| {
        for (key, client) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                for _ in 0..MESSAGES {
                    client.send(b"ping");
                    assert_eq!(client.receive_exact(4), b"ping");
                }
                if key % 10 == 0 {
                    client.send(b"boom");
                    let error = client.receive(&mut [0]).expect_err("it is reset");
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                } else {
                    client.send(b"last");
                    assert_eq!(client.receive_exact(4), b"last");
                }
            });
        }
    });
    post(&port, [7]);
    let mut panics: Vec<_> =
        (0..3).map(|_| told.recv_timeout(PATIENCE).expect("three have panicked")).collect();
    panics.sort_by_key(|(_, key, _)| *key);
    let reported = |key: u64| (PacketKind::Received, Some(key), format!("as {key} wished"));
    let posted = (PacketKind::Posted, None, "a posted number".to_owned());
    assert_eq!(panics, [posted, reported(0), reported(10)]);
    until(|| running.in_handler() == 0, || format!("{running:?}"));
    assert_eq!(running.counters().panicked, 3);
    assert_eq!(running.counters().ended, 0, "no thread is lost");
    drop(streams);
    until(|| port.snapshot().devices == 0, || format!("something is left: {:?}", port.snapshot()));
    running.stop(PATIENCE);
}

/// What was queued is handled, what is sent goes out, and nothing new comes in.
fn a_stop_serves_what_has_come(world: &World) {
    const NUMBERS: u64 = 200;
    let port = world.port(|builder| builder.concurrency(2));
    let (listener, address) = world.listen(&port, 0);
    listener.accept_window(overlapped::AcceptWindow::new(2), || 0).expect("it is the first");
    let handled = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&handled);
    let running = Workers::new(&port).start(move |_, packet| {
        if let Packet::Posted(_) = packet {
            std::thread::yield_now();
            counts.fetch_add(1, Ordering::SeqCst);
        }
    });
    let running = running.expect("threads can be started");
    post(&port, 0..NUMBERS);
    let report = running.stop(PATIENCE);
    assert_eq!((report.in_handler, report.discarded), (0, 0));
    assert_eq!(handled.load(Ordering::SeqCst) as u64, NUMBERS);
    assert!(world.is_refused(address), "the listener is closed");
    assert!(port.post(1).is_err(), "and so is the port");
    drop(listener);
}

/// Each thread has a handler of its own, which keeps what it keeps, also when it panics, and goes with it.
fn each_thread_has_a_handler_of_its_own(world: &World) {
    /// Tells at its end what it has counted.
    struct Own {
        count: u64,
        tell: std::sync::mpsc::Sender<u64>,
    }
    impl Drop for Own {
        fn drop(&mut self) {
            let _ = self.tell.send(self.count);
        }
    }
    let port = world.port(|builder| builder.concurrency(2));
    let (tell, told) = channel();
    let gate = Arc::new(Gate::default());
    let at = Arc::clone(&gate);
    let workers = Workers::new(&port).least(2).most(2);
    let running = workers.start_with(move || {
        let mut own = Own { count: 0, tell: tell.clone() };
        let at = Arc::clone(&at);
        move |_, packet| {
            // All of it belongs to the handler, and not its number alone.
            let own = &mut own;
            own.count += 1;
            if number(&packet) >= BLOCKS {
                blocking(|| at.pass());
            }
            assert!(number(&packet) < BLOCKS, "it panics, as it is to");
        }
    });
    let running = running.expect("threads can be started");
    let _opens = AtTheEnd(|| gate.open());
    // One for each, since no thread takes a second one before the gate opens.
    post(&port, [BLOCKS, BLOCKS]);
    until(|| gate.inside() == 2, || format!("{running:?}"));
    gate.open();
    post(&port, 0..10);
    // A packet counts when it is handed over, and its panic after that.
    let is_over = |counters: WorkersCounters| (counters.handled, counters.panicked) == (12, 2);
    until(|| is_over(running.counters()), || format!("{running:?}"));
    assert!(told.try_recv().is_err(), "both are there");
    assert_eq!(running.stop(PATIENCE).in_handler, 0);
    let counts: Vec<_> = told.iter().collect();
    assert_eq!((counts.len(), counts.iter().sum()), (2, 12), "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

/// A drain serves all the while, until it is done, and closes nothing.
fn a_drain_serves_clients_until_it_is_done(world: &World) {
    const MESSAGES: usize = 20;
    let port = world.port(|builder| builder.concurrency(2));
    let served = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&served);
    let running = Workers::new(&port).start(move |_, packet| match packet {
        Packet::Received { stream, buffer, result: Ok(Received::Data(_)), .. } => {
            stream.send(buffer, 0).expect("it is connected");
        }
        Packet::Received { result: Ok(Received::End), .. } => {
            counts.fetch_add(1, Ordering::SeqCst);
        }
        Packet::Sent { stream, result: Ok(()), .. } => {
            stream.receive_pooled(0).expect("it is connected");
        }
        _ => {}
    });
    let running = running.expect("threads can be started");
    assert!(!running.drain(Duration::from_millis(20), || false), "it is never done");
    let (stream, client) = world.stream(&port, 1);
    stream.receive_pooled(0).expect("it starts");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..MESSAGES {
                client.send(b"ping");
                assert_eq!(client.receive_exact(4), b"ping");
            }
        });
        assert!(running.drain(PATIENCE, || served.load(Ordering::SeqCst) == 1));
    });
    port.post(1).expect("it is open");
    assert!(running.drain(PATIENCE, || true), "what is queued is taken");
    assert_eq!(running.counters().panicked, 0);
    drop(stream);
    running.stop(PATIENCE);
}

/// The stop ends at its deadline, and says what was left.
fn a_stop_ends_although_a_handler_does_not(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    let (running, gate, told) = gated(Workers::new(&port).most(1), true);
    let _opens = AtTheEnd(|| gate.open());
    post(&port, [BLOCKS]);
    until(|| gate.inside() == 1, || format!("{running:?}"));
    post(&port, [1, 2]);
    let report = running.stop(Duration::from_millis(50));
    assert_eq!((report.in_handler, report.discarded, report.open), (1, 2, 0));
    assert_eq!(gate.inside(), 1, "it is left to itself");
    assert!(told.try_recv().is_err(), "what was discarded is not handled");
    gate.open();
    until(|| gate.inside() == 0, || "it goes on".to_owned());
}

/// A pool that is dropped closes its port; its threads end by themselves.
fn a_pool_that_is_dropped_closes_its_port(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    let (running, _, told) = gated(Workers::new(&port), true);
    post(&port, [1]);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
    drop(running);
    assert!(port.post(2).is_err(), "it is closed");
    assert!(told.recv_timeout(PATIENCE).is_err(), "the handler goes with the last thread");
}

/// A server that is run ends when somebody closes the port.
fn a_server_that_runs_ends_with_its_port(world: &World) {
    let port = world.port(|builder| builder.concurrency(1));
    post(&port, [1, 2]);
    let workers = Workers::new(&port).least(2);
    let report = workers.run(|port, packet| {
        if number(&packet) == 2 {
            port.close();
        }
    });
    assert_eq!(report.expect("it can be run").in_handler, 0);
}

/// Threads of which not even one can be started are an error.
fn a_pool_without_any_thread_is_an_error(world: &World) {
    let port: Port<Numbers> = world.port(|builder| builder.concurrency(1));
    let workers = Workers::new(&port).stack_size(1 << 60);
    assert!(workers.start(|_, _| {}).is_err());
    port.post(1).expect("the port is as it was");
}

on_every_driver! {
    workers_are_added_while_all_of_them_say_that_they_block,
    workers_are_added_while_all_of_them_block_as_the_monitor_sees_it,
    workers_without_need_end_down_to_the_least,
    workers_have_names_and_are_never_more_than_the_most,
    a_handler_that_panics_costs_the_connection_of_its_packet_and_nothing_else,
    each_thread_has_a_handler_of_its_own,
    a_stop_serves_what_has_come,
    a_drain_serves_clients_until_it_is_done,
    a_stop_ends_although_a_handler_does_not,
    a_pool_that_is_dropped_closes_its_port,
    a_server_that_runs_ends_with_its_port,
    a_pool_without_any_thread_is_an_error,
}
