//! The example of docs/datagrams.md answers questions of the standard library's socket.

#[path = "../examples/dns.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod example;

use overlapped::{DatagramSocket, Port};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE, rdata::RData};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);

fn question(id: u16, of: TYPE) -> Vec<u8> {
    let mut query = Packet::new_query(id);
    let name = Name::new("overlapped.example").expect("a name");
    query.questions.push(Question::new(name, QTYPE::TYPE(of), QCLASS::CLASS(CLASS::IN), false));
    query.build_bytes_vec().expect("a question")
}

#[test]
fn the_example_answers_each_question_and_ignores_the_rest() {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let socket = DatagramSocket::bind(any).expect("it can be bound");
    let server = socket.local_addr().expect("it is bound");
    let port = Port::new().expect("a port can be made");
    thread::scope(|threads| {
        let serving = threads.spawn(|| example::serve(&port, socket));
        let client = UdpSocket::bind(any).expect("it can be bound");
        client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        client.send_to(b"no question", server).expect("it can be sent");
        for id in 0..100 {
            // Every tenth asks for something else, of which nothing is known.
            let of = if id % 10 == 9 { TYPE::AAAA } else { TYPE::A };
            client.send_to(&question(id, of), server).expect("it can be sent");
        }
        let mut bytes = [0; 2_000];
        for id in 0..100 {
            let (length, from) = client.recv_from(&mut bytes).expect("an answer comes");
            let answer = Packet::parse(&bytes[..length]).expect("it is one");
            assert_eq!((answer.id(), from), (id, server));
            assert_eq!(answer.questions.len(), 1);
            let here = RData::A(Ipv4Addr::LOCALHOST.into());
            let expected = if id % 10 == 9 { vec![] } else { vec![here] };
            let told: Vec<_> = answer.answers.into_iter().map(|record| record.rdata).collect();
            assert_eq!(told, expected);
        }
        port.close();
        // It may be about to start its next receive, which a closed port refuses.
        let served =
            serving.join().expect("it does not panic").or_else(|error| match error.kind() {
                ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            });
        served.expect("it served");
    });
}
