//! Worker threads that a test holds in known places, by messages and by the port's snapshot, never
//! by sleeping.

use crate::world::{Numbers, PATIENCE};
use overlapped::{Packet, Port, Snapshot, TakeError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a worker does on its own thread.
pub type Work = Box<dyn FnOnce(&Port<Numbers>) + Send>;

/// What a test tells a worker to do next.
pub enum Order {
    /// Take a packet, waiting for it at most for the time.
    Take(Option<Duration>),
    /// Do this.
    Run(Work),
}

/// A thread that does what it is told, one order at a time.
pub struct Worker {
    orders: Option<Sender<Order>>,
    results: Receiver<Result<Packet<Numbers>, TakeError>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub fn start(port: &Port<Numbers>) -> Self {
        let (orders, to_do) = channel();
        let (done, results) = channel();
        let port = port.clone();
        let thread = std::thread::spawn(move || {
            // A busy wait for the next order: the worker must count as running, not as paused.
            while let Some(order) = next(&to_do) {
                match order {
                    Order::Take(timeout) => {
                        let result = match timeout {
                            None => port.take(),
                            Some(timeout) => port.take_timeout(timeout),
                        };
                        if done.send(result).is_err() {
                            return;
                        }
                    }
                    Order::Run(work) => work(&port),
                }
            }
        });
        Self { orders: Some(orders), results, thread: Some(thread) }
    }

    pub fn order(&self, order: Order) {
        self.orders.as_ref().expect("the worker was not ended").send(order).expect("it is alive");
    }

    /// Tells the worker to take a packet; returns at once.
    pub fn take(&self) {
        self.order(Order::Take(None));
    }

    /// What the last take came back with.
    pub fn result(&self) -> Result<Packet<Numbers>, TakeError> {
        self.results.recv_timeout(PATIENCE).expect("the worker has come back from its take")
    }

    /// The posted number that the last take came back with.
    pub fn posted(&self) -> u64 {
        match self.result() {
            Ok(Packet::Posted(number)) => number,
            other => panic!("a posted number was expected, not {other:?}"),
        }
    }

    /// Whether the last take has not come back yet.
    pub fn still_waits(&self) -> bool {
        self.results.try_recv().is_err()
    }

    /// Ends the thread and waits for its end.
    pub fn end(mut self) {
        self.join();
    }

    fn join(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the worker did not panic");
        }
    }
}

fn next(orders: &Receiver<Order>) -> Option<Order> {
    loop {
        match orders.try_recv() {
            Ok(order) => return Some(order),
            Err(std::sync::mpsc::TryRecvError::Empty) => std::thread::yield_now(),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return None,
        }
    }
}

/// Waits until the port looks like this, or fails.
pub fn until(port: &Port<Numbers>, what: &str, condition: impl Fn(&Snapshot) -> bool) {
    let start = Instant::now();
    loop {
        let snapshot = port.snapshot();
        if condition(&snapshot) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what} has not come about: {snapshot:?}");
        std::thread::yield_now();
    }
}
