//! A connection that one thread has for long, as while a disk does not answer, holds up nobody who waits for
//! packets of others.

use crate::{Packet, Port, Protocol, Received, TcpSocket, Workers};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc::channel;
use std::time::Duration;

/// As long as no machine takes for it.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Numbers;

impl Protocol for Numbers {
    type Key = ();
    type Operation = ();
    type Message = u32;
}

#[test]
fn who_takes_packets_does_not_wait_for_a_connection_that_another_thread_has() -> io::Result<()> {
    // Where the kernel carries operations, nobody calls what may block with a connection's lock held.
    if std::env::consts::OS != "linux" {
        return Ok(());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    let port = Port::<Numbers>::builder().concurrency(1).build()?;
    let stream = port.associate(TcpSocket::try_from(listener.accept()?.0)?, ())?;
    stream.receive_pooled(())?;

    let (tell, told) = channel();
    let taker = {
        let port = port.clone();
        std::thread::spawn(move || {
            while let Ok(packet) = port.take() {
                let said = match packet {
                    Packet::Posted(number) => number,
                    Packet::Received { result: Ok(Received::Data(_)), .. } => u32::MAX,
                    other => panic!("{other:?}"),
                };
                if tell.send(said).is_err() {
                    return;
                }
            }
        })
    };
    let held = port.inner().connections.find(stream.0.token()).expect("it is there");
    peer.write_all(b"data")?;
    // Its event comes at one of them.
    for number in 0..100 {
        assert!(port.post(number).is_ok());
        assert_eq!(told.recv_timeout(PATIENCE), Ok(number));
    }
    drop(held);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(u32::MAX), "the event was performed later");
    port.close();
    taker.join().expect("it has ended");
    Ok(())
}

#[test]
fn workers_add_a_thread_before_the_one_that_waits_for_packets_is_held_up() -> io::Result<()> {
    let port = Port::<Numbers>::builder().concurrency(1).build()?;
    let workers = Workers::new(&port).least(1).most(3).start(|_, _| ())?;
    let connections = &port.inner().connections;
    assert_eq!(workers.threads(), 1);
    connections.will_block();
    assert_eq!(workers.threads(), 2);
    workers.stop(PATIENCE);
    // The pool is gone, and nobody is told.
    connections.will_block();
    Ok(())
}
