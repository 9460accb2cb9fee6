//! A DNS server that answers questions for addresses with 127.0.0.1, 64 at a time. Ctrl-C ends it.
//!
//! ```sh
//! cargo run -p overlapped --example dns
//! # in another terminal:
//! dig -p 5300 @127.0.0.1 example.org
//! ```

use overlapped::{DatagramSocket, Datagrams, OrPacket, Packet, Port};
use simple_dns::{self as dns, CLASS, PacketFlag, QTYPE, ResourceRecord, TYPE, rdata::RData};
use std::{io, net::Ipv4Addr};

/// The answer to what came. With `None` nothing is sent.
fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    let question =
        dns::Packet::parse(bytes).ok().filter(|it| !it.has_flags(PacketFlag::RESPONSE))?;
    let mut reply = question.into_reply();
    reply.questions.truncate(1); // so that an answer is little longer than what it answers
    for asked in reply.questions.iter().filter(|asked| asked.qtype == QTYPE::TYPE(TYPE::A)) {
        let here = RData::A(Ipv4Addr::LOCALHOST.into());
        reply.answers.push(ResourceRecord::new(asked.qname.clone(), CLASS::IN, 60, here));
    }
    reply.build_bytes_vec_compressed().ok()
}

/// Serves until the port is closed. The receive in flight holds the socket.
pub fn serve(port: &Port<()>, socket: DatagramSocket) -> io::Result<()> {
    port.associate(socket, ())?.receive_batch(Datagrams::with_room(64, 1_232), ())?;
    while let Ok(packet) = port.take() {
        // Sends may fail unseen: who gets no answer asks again.
        let Packet::ReceivedBatch { socket, datagrams, .. } = packet else { continue };
        let mut answers = Datagrams::new();
        for question in datagrams.iter() {
            let Some(bytes) = answer(question.bytes) else { continue };
            answers.push(question.info.reply(), &bytes);
        }
        socket.send_batch(answers, ()).or_packet();
        socket.receive_batch(datagrams, ())?; // the same room again; after an error it is empty
    }
    Ok(())
}

fn main() -> io::Result<()> {
    serve(&Port::new()?, DatagramSocket::bind("127.0.0.1:5300")?)
}
