//! A port and its workers: how a test brings each of them to a known place, and what it sees then.

use crate::threads::{Order, Worker};
use crate::world::{Numbers, PATIENCE, SYSTEM, World};
use overlapped::{Packet, Port};
use std::ops::Index;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Four of the five structures: packets, and threads by where they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    pub queued: usize,
    pub waiting: usize,
    pub released: usize,
    pub paused: usize,
}

impl Shape {
    /// Nothing queued, nobody bound.
    pub const EMPTY: Self = Self { queued: 0, waiting: 0, released: 0, paused: 0 };
}

pub fn shape(port: &Port<Numbers>) -> Shape {
    let snapshot = port.snapshot();
    Shape {
        queued: snapshot.queued,
        waiting: snapshot.waiting,
        released: snapshot.released,
        paused: snapshot.paused,
    }
}

/// The port has this shape. A kernel that is queue and scheduler itself has made its decision as
/// exactly, but the port learns of it only when the thread is back, so there it is waited for.
#[track_caller]
pub fn expect_shape(port: &Port<Numbers>, wanted: Shape) {
    if port.driver().name == "iocp" {
        until_shape(port, wanted);
    } else {
        assert_eq!(shape(port), wanted);
    }
}

/// Waits until the port has this shape, or fails.
pub fn until_shape(port: &Port<Numbers>, wanted: Shape) {
    until(|| shape(port) == wanted, || format!("{wanted:?} was wanted, it is {:?}", shape(port)));
}

/// Waits until the condition holds, or fails.
pub fn until(condition: impl Fn() -> bool, complaint: impl Fn() -> String) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it has not come about: {}", complaint());
        std::thread::yield_now();
    }
}

/// The posted number that a packet is.
pub fn number(packet: &Packet<Numbers>) -> u64 {
    match packet {
        Packet::Posted(number) => *number,
        other => panic!("a posted number was expected, not {other:?}"),
    }
}

/// Takes a posted number without waiting.
pub fn poll_number(port: &Port<Numbers>) -> u64 {
    let taken = port.try_take().expect("the port is open");
    number(&taken.expect("a packet is queued"))
}

/// Lets time pass for an observation: returns when a timer of a port of its own has run out.
pub fn let_pass(period: Duration) {
    // On a thread of its own, since a thread that takes leaves the port it was bound to.
    let clock = std::thread::spawn(move || {
        let port = Port::<Numbers>::builder().driver(SYSTEM).build().expect("a port");
        port.timer(period, 0).expect("a timer starts");
        port.take_timeout(PATIENCE).expect("the timer runs out");
    });
    clock.join().expect("the clock did not panic");
}

/// A port and its workers, numbered from 0. When it is dropped, the port is closed and the workers
/// are ended.
pub struct Crew {
    pub port: Port<Numbers>,
    workers: Vec<Worker>,
}

impl Crew {
    /// A port of exactly this concurrency, and so many workers, none of them bound yet.
    pub fn new(world: &World, concurrency: usize, size: usize) -> Self {
        Self::on(world.exact_port(concurrency), size)
    }

    /// The same with a monitor.
    #[cfg(target_os = "linux")]
    pub fn with_monitor(world: &World, concurrency: usize, size: usize) -> Self {
        Self::on(world.port(|builder| builder.concurrency(concurrency)), size)
    }

    pub fn on(port: Port<Numbers>, size: usize) -> Self {
        let workers = (0..size).map(|_| Worker::start(&port)).collect();
        Self { port, workers }
    }

    /// A crew of which everybody waits; worker 0 was the first to do so.
    pub fn waiting(world: &World, concurrency: usize, size: usize) -> Self {
        let crew = Self::new(world, concurrency, size);
        for worker in 0..size {
            crew.wait(worker);
        }
        crew
    }

    pub fn shape(&self) -> Shape {
        shape(&self.port)
    }

    /// The port has this shape.
    #[track_caller]
    pub fn expect(&self, wanted: Shape) {
        expect_shape(&self.port, wanted);
    }

    pub fn post(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.port.post(number).expect("the port is open");
        }
    }

    /// Sends the worker to take, and returns when it waits. No packet may be there for it.
    pub fn wait(&self, worker: usize) {
        let waiting = self.shape().waiting + 1;
        self[worker].take();
        until(|| self.shape().waiting == waiting, || format!("{:?}", self.shape()));
        self.settle();
    }

    /// Gives a thread that is about to wait the time to do so: the port counts it before the kernel
    /// has it, and nothing tells when it does.
    pub fn settle(&self) {
        if self.port.driver().name == "iocp" {
            let_pass(Duration::from_millis(30));
        }
    }

    /// Gives the worker a packet to be busy with. Nobody may be waiting.
    pub fn busy(&self, worker: usize) {
        self.post([u64::MAX]);
        self[worker].take();
        assert_eq!(self[worker].posted(), u64::MAX);
    }

    /// Has the worker do something, and returns when it is done.
    pub fn run<R: Send + 'static>(
        &self,
        worker: usize,
        work: impl FnOnce(&Port<Numbers>) -> R + Send + 'static,
    ) -> R {
        let (done, is_done) = channel();
        self[worker].order(Order::Run(Box::new(move |port| {
            // Nobody listens only if the test has failed already.
            let _ = done.send(work(port));
        })));
        is_done.recv_timeout(PATIENCE).expect("the worker has done its work")
    }

    /// Sends the worker into [`overlapped::blocking`], and returns when it is inside.
    pub fn pause(&self, worker: usize) -> Held {
        self.hold(worker, |inside, go_on| {
            overlapped::blocking(|| {
                let _ = inside.send(());
                let _ = go_on.recv();
            });
        })
    }

    /// Starts work that says when it has begun and goes on until it is told to end.
    pub fn hold(
        &self,
        worker: usize,
        work: impl FnOnce(Sender<()>, Receiver<()>) + Send + 'static,
    ) -> Held {
        let (inside, is_inside) = channel();
        let (go_on, told_to_go_on) = channel();
        let (done, is_done) = channel();
        self[worker].order(Order::Run(Box::new(move |_| {
            work(inside, told_to_go_on);
            let _ = done.send(());
        })));
        is_inside.recv_timeout(PATIENCE).expect("the worker has begun");
        Held { go_on, is_done }
    }

    /// Ends one worker's thread and waits for its end; the others keep their order.
    pub fn dismiss(&mut self, worker: usize) {
        self.workers.remove(worker).end();
    }
}

impl Index<usize> for Crew {
    type Output = Worker;

    fn index(&self, worker: usize) -> &Worker {
        &self.workers[worker]
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.port.close();
        // A failed test leaves its workers to end by themselves.
        if !std::thread::panicking() {
            self.workers.drain(..).for_each(Worker::end);
        }
    }
}

/// A worker that is held in the middle of something.
pub struct Held {
    go_on: Sender<()>,
    is_done: Receiver<()>,
}

impl Held {
    /// Lets the worker go on, and returns when it has left what it was held in.
    pub fn release(self) {
        self.go_on.send(()).expect("the worker is held");
        self.is_done.recv_timeout(PATIENCE).expect("the worker has gone on");
    }
}

/// Does something at the end of its scope, also when the test fails: it lets threads go that the
/// scope would wait for.
pub struct AtTheEnd<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for AtTheEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
