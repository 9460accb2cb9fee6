//! The end of a connection of which not everything was read: how an answer still arrives (F31, P143).

use crate::disconnecting::disconnect;
use crate::on_every_driver;
use crate::packets::{received, sent};
use crate::world::{Numbers, World};
use overlapped::{Buffer, Port, Received, TcpStream};
use std::net::Shutdown;

const CLIENTS: usize = 30;
const ANSWER: &[u8] = b"that is too large";

/// Receives the beginning of a request, and answers.
fn answer(port: &Port<Numbers>, stream: &TcpStream<Numbers>) {
    stream.receive(Buffer::with_capacity(1_000), 1).expect("it is connected");
    assert!(matches!(received(port).result, Ok(Received::Data(1_000))));
    stream.send(ANSWER, 2).expect("it is connected");
    sent(port).result.expect("the system takes it");
}

fn f31_p143_an_answer_to_what_was_not_read_arrives_when_the_stream_is_disconnected(world: &World) {
    let port = world.exact_port(1);
    for _ in 0..CLIENTS {
        let (stream, peer) = world.stream(&port, 7);
        peer.send(&[7; 16_000]);
        answer(&port, &stream);
        disconnect(&port, &stream);
        drop(stream);
        assert_eq!(peer.receive_all(), ANSWER, "and then a clean end");
    }
}

fn f31_p143_an_answer_to_who_goes_on_sending_arrives_when_that_is_thrown_away(world: &World) {
    let port = world.exact_port(1);
    for _ in 0..CLIENTS {
        let (stream, peer) = world.stream(&port, 7);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| {
                // Far more than two sockets hold, so that it goes on while it is answered.
                for _ in 0..64 {
                    peer.send(&[7; 64_000]);
                }
                peer.shut_down_sending();
                peer.receive_all()
            });
            answer(&port, &stream);
            stream.shutdown(Shutdown::Write).expect("it is connected");
            loop {
                stream.receive_pooled(3).expect("it is connected");
                match received(&port).result.expect("it goes on") {
                    Received::End => break,
                    _ => continue,
                }
            }
            drop(stream);
            assert_eq!(client.join().expect("it is served"), ANSWER, "and then a clean end");
        });
    }
}

on_every_driver! {
    f31_p143_an_answer_to_what_was_not_read_arrives_when_the_stream_is_disconnected,
    f31_p143_an_answer_to_who_goes_on_sending_arrives_when_that_is_thrown_away,
}
