//! What a server has taken of the process it gives back when it is stopped: descriptors and threads.
//!
//! In a program of its own with one test, since whatever else runs in the process would count, too.
#![cfg(target_os = "linux")]

use overlapped_models::{Accepting, Echo, Limits, Model, models};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(300);

/// Descriptors and threads of this process.
fn possessions() -> (usize, usize) {
    let count = |path| std::fs::read_dir(path).expect("the system tells").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

fn serve(model: &dyn Model, limits: &Limits) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let server = model.start(listener, Arc::new(Echo), limits).expect("it starts");
    let mut clients: Vec<TcpStream> =
        (0..150).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    for client in &mut clients {
        client.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
        client.write_all(b"hello").expect("it is connected");
        client.read_exact(&mut [0; 5]).expect("the echo");
    }
    // Some go before the stop, and some are there until then.
    clients.truncate(100);
    assert_eq!(server.stop(PATIENCE).left, 0, "{}", model.name());
}

#[test]
fn nothing_is_left_of_a_server_that_was_stopped() {
    // Whatever is made once and kept is there from now on.
    models().iter().for_each(|model| serve(*model, &Limits::default()));
    let in_sets = Limits { set_size: 64, ..Limits::default() };
    let with_accept_thread = Limits { accepting: Accepting::Thread, ..Limits::default() };
    let (descriptors, threads) = possessions();
    for model in models() {
        for limits in [&Limits::default(), &in_sets, &with_accept_thread] {
            serve(*model, limits);
            // A thread that has ended needs a moment to be gone.
            let start = Instant::now();
            while possessions() > (descriptors, threads) || possessions().1 > threads {
                let left = possessions();
                let name = model.name();
                assert!(start.elapsed() < PATIENCE, "{name}: {left:?}, {descriptors} {threads}");
                std::thread::yield_now();
            }
        }
    }
}
