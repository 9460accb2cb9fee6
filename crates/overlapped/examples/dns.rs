//! A DNS server that answers each question for an address of IPv4 with that of this machine.

use overlapped::{DatagramSocket, Datagrams, OrPacket, Packet, Port, Protocol};
use simple_dns::{CLASS, PacketFlag, QTYPE, ResourceRecord, TYPE, rdata::RData};
use std::{io, net::Ipv4Addr};

/// No keys, no data of operations, no messages.
pub struct Dns;
#[rustfmt::skip]
impl Protocol for Dns { type Key = (); type Operation = (); type Message = (); }

/// What answers the question; nothing does if it is none.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let question = simple_dns::Packet::parse(question).ok()?;
    let mut reply = (!question.has_flags(PacketFlag::RESPONSE)).then(|| question.into_reply())?;
    for asked in reply.questions.iter().filter(|asked| asked.qtype == QTYPE::TYPE(TYPE::A)) {
        let here = RData::A(Ipv4Addr::LOCALHOST.into());
        reply.answers.push(ResourceRecord::new(asked.qname.clone(), CLASS::IN, 60, here));
    }
    reply.build_bytes_vec_compressed().ok()
}

/// Serves until the port is closed.
pub fn serve(port: &Port<Dns>, socket: DatagramSocket) -> io::Result<()> {
    port.associate(socket, ())?.receive_batch(Datagrams::with_room(64, 1_232), ())?;
    while let Ok(packet) = port.take() {
        let Packet::ReceivedBatch { socket, datagrams, .. } = packet else { continue };
        let mut answers = Datagrams::new();
        for datagram in datagrams.iter() {
            answer(datagram.bytes).inspect(|bytes| answers.push(datagram.info.reply(), bytes));
        }
        // Who gets no answer asks again.
        socket.send_batch(answers, ()).or_packet();
        socket.receive_batch(datagrams, ())?;
    }
    Ok(())
}

#[rustfmt::skip]
fn main() -> io::Result<()> { serve(&Port::new()?, DatagramSocket::bind(([127, 0, 0, 1], 5300).into())?) }
