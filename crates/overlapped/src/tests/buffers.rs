//! What threads keep of a port's buffers when it is closed.

use crate::{Port, Protocol, TakeError};
use std::sync::mpsc::channel;
use std::sync::{Arc, Weak};
use std::thread;

#[derive(Debug)]
struct Nothing;

impl Protocol for Nothing {
    type Key = ();
    type Operation = ();
    type Message = ();
}

#[test]
fn a_thread_whose_wait_ends_since_the_port_is_closed_keeps_none_of_its_buffers() {
    let port: Port<Nothing> = Port::builder().concurrency(1).build().expect("a port");
    let pool = Arc::downgrade(&port.inner().connections.pool);
    let (ready, wait) = channel();
    let ((ended, wait_ended), (go, wait_go)) = (channel(), channel::<()>());
    let taker = {
        let port = port.clone();
        thread::spawn(move || {
            drop(port.buffer());
            ready.send(()).expect("the other waits");
            let error = port.take().expect_err("nothing comes");
            assert!(matches!(error, TakeError::Abandoned | TakeError::Closed), "{error}");
            drop(port);
            ended.send(()).expect("the other waits");
            // It lives on, and what it kept must be gone nevertheless.
            let _ = wait_go.recv();
        })
    };
    wait.recv().expect("the other lives");
    drop(port.buffer());
    port.close();
    drop(port);
    wait_ended.recv().expect("the other lives");
    assert!(Weak::upgrade(&pool).is_none(), "somebody keeps buffers of it");
    drop(go);
    taker.join().expect("it does not panic");
}

#[test]
fn a_thread_that_leaves_a_port_gives_its_buffers_back() {
    let port: Port<Nothing> = Port::builder().concurrency(1).build().expect("a port");
    let pool = &port.inner().connections.pool;
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(port.buffer());
            let held = Arc::strong_count(pool);
            port.leave();
            assert_eq!(Arc::strong_count(pool), held - 2, "that of the buffer, and of its place");
        });
    });
}
