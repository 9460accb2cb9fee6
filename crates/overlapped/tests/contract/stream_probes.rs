//! Whether a stream is in the state that it should be in: what it does and what its peer sees.

use crate::handle_ledger::{Counted, Mark};
use crate::stream_states::Scene;
use crate::world::{PATIENCE, Peer, wine_differs};
use overlapped::{Packet, Port, Received, TcpStream};
use std::io::ErrorKind;
use std::sync::Arc;

/// What one direction of a connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Shut,
    /// The peer has ended it.
    Ended,
    Reset,
}

/// What the peer found last.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Greeting,
    End,
    Reset,
}

const GREETING: &[u8] = b"a greeting to the peer";

/// What the peer sees, after whatever was sent before.
fn look(peer: &Peer) -> Seen {
    let (mut room, mut tail) = (vec![0; 64 << 10], Vec::new());
    loop {
        match peer.receive(&mut room) {
            Ok(0) => return Seen::End,
            Ok(length) => tail.extend_from_slice(&room[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Seen::Reset,
            Err(error) => panic!("the peer can receive: {error}"),
        }
        if tail.ends_with(GREETING) {
            return Seen::Greeting;
        }
        tail.drain(..tail.len().saturating_sub(GREETING.len()));
    }
}

impl Scene<'_> {
    /// The stream is in this state, and its operations in flight are what they were.
    pub fn assert_is(&mut self, state: &str) {
        match state {
            "new" | "bound" | "disconnected client" => self.connects(),
            "connecting" => self.goes_on_connecting(),
            "cancelled" => {
                self.is_refused("connect", "unfit");
                self.is_refused("send", "not connected");
            }
            "connected" | "receiving" | "sending" => self.flows(Flow::Open, Flow::Open),
            "send shut" => self.flows(Flow::Shut, Flow::Open),
            "receive shut" => self.flows(Flow::Open, Flow::Shut),
            "both shut" => self.flows(Flow::Shut, Flow::Shut),
            "peer ended" => self.flows(Flow::Open, Flow::Ended),
            "both ended" => self.flows(Flow::Shut, Flow::Ended),
            "reset" => {
                self.is_refused("receive", "reset");
                self.is_refused("send", "reset");
            }
            "reset unmet" => self.flows(Flow::Reset, Flow::Reset),
            "disconnecting" => self.goes_on_disconnecting(),
            "disconnected server" => {
                self.sees(Seen::End);
                self.has_started("accept_into");
                self.is_accepted_into();
            }
            "reserved" => self.is_accepted_into(),
            "closed" => self.is_closed(Seen::End),
            // A reset behind an end that nobody has looked at yet may hide behind it.
            "aborted" => {
                let seen = self.peer.take().map(|peer| look(&peer));
                let is_end = seen == Some(Seen::End);
                let why = "a reset may look like the end of the stream";
                let may_end = is_end && (self.has_ended || wine_differs(self.world, "abort", why));
                assert!(
                    may_end || matches!(seen, None | Some(Seen::Reset)),
                    "the peer saw {seen:?}"
                );
                self.is_closed(Seen::Reset);
            }
            "port closed" => {
                self.is_refused("send", "port closed");
                self.stream.peer_addr().expect("it is open");
                // The last handle closes the connection.
                let fresh = self.world.port::<Counted>(|builder| builder.concurrency(1));
                let key = Arc::new(());
                self.stream = fresh.associate(self.world.socket(), key).expect("it is open");
                self.sees(Seen::End);
            }
            other => panic!("the page has a state that nobody looks at: {other}"),
        }
    }

    /// What the peer sees, if there is one.
    fn sees(&mut self, wanted: Seen) {
        if let Some(peer) = self.peer.take() {
            assert_eq!(look(&peer), wanted, "what the peer sees");
        }
    }

    fn connects(&mut self) {
        self.sees(Seen::End);
        self.has_started("connect");
        self.expect_fates("done");
        self.peer = Some(self.outside.accept());
        self.flows(Flow::Open, Flow::Open);
    }

    fn is_accepted_into(&mut self) {
        let address = self.listener.local_addr().expect("it listens");
        self.peer = Some(self.world.connect(address));
        self.expect_fates("done");
        self.flows(Flow::Open, Flow::Open);
    }

    /// Both directions are so. What is in flight completes with success.
    fn flows(&mut self, sends: Flow, receives: Flow) {
        // Whoever has reset the connection is gone.
        let or_reset = |flow| match (&self.peer, flow) {
            (None, Flow::Open | Flow::Ended) => Flow::Reset,
            _ => flow,
        };
        let (sends, receives) = (or_reset(sends), or_reset(receives));
        let peer = self.peer.take();
        std::thread::scope(|scope| {
            let reader = peer.as_ref().map(|peer| scope.spawn(|| look(peer)));
            match &peer {
                Some(peer) => self.settle(peer),
                None => self.expect_fates("reset"),
            }
            match sends {
                Flow::Open => {
                    let mark = self.ledger.mark();
                    self.stream.send(GREETING, mark).expect("sending is open");
                    self.expect_done();
                }
                Flow::Shut => self.is_refused("send", "shut down"),
                Flow::Reset => self.is_told("send", "reset"),
                Flow::Ended => unreachable!("only what is received is ended by the peer"),
            }
            if let Some(reader) = reader {
                let wanted = if sends == Flow::Open { Seen::Greeting } else { Seen::End };
                assert_eq!(reader.join().expect("it can look"), wanted, "what the peer sees");
            }
            match (receives, &peer) {
                (Flow::Open, Some(peer)) => {
                    peer.send(b"from the peer");
                    self.has_received(b"from the peer");
                }
                (Flow::Shut, _) => self.is_refused("receive", "shut down"),
                (Flow::Ended, _) => {
                    self.has_started("receive");
                    self.expect_fates("end");
                }
                (Flow::Open | Flow::Reset, _) => self.is_told("receive", "reset"),
            }
        });
        self.ledger.assert_nothing_comes();
    }

    /// What is in flight completes with success, each receive with a byte of its own.
    fn settle(&mut self, peer: &Peer) {
        let flights = std::mem::take(&mut self.ledger.in_flight);
        let mut owed: Vec<(u64, &str)> =
            flights.iter().map(|flight| (flight.number, "done")).collect();
        for receive in flights.iter().filter(|flight| flight.is_receive) {
            peer.send(b"x");
            while owed.iter().any(|(number, _)| *number == receive.number) {
                self.ledger.expect_one_of(&mut owed);
            }
        }
        self.ledger.expect(owed);
    }

    fn expect_done(&self) {
        match self.ledger.port.take_timeout(PATIENCE).expect("a packet is owed") {
            Packet::Sent { result: Ok(()), .. } => {}
            other => panic!("the send had to succeed: {other:?}"),
        }
    }

    /// Everything that the peer sent is received, and it ends with this.
    fn has_received(&mut self, wanted: &[u8]) {
        let mut all = Vec::new();
        while !all.ends_with(wanted) {
            let mark = self.ledger.mark();
            self.stream.receive_pooled(mark).expect("receiving is open");
            match self.ledger.port.take_timeout(PATIENCE).expect("a packet is owed") {
                Packet::Received { buffer, result: Ok(Received::Data(_)), .. } => {
                    all.extend_from_slice(&buffer);
                }
                other => panic!("data was owed: {other:?}"),
            }
        }
    }

    /// Somebody accepts what fills the backlog, and then the connection that waits.
    fn goes_on_connecting(&mut self) {
        let (listener, peers) = self.full.take().expect("a connect is in flight");
        let others = self
            .world
            .port::<Counted>(|builder| builder.concurrency(1).blocked_thread_monitor(false));
        let key = Arc::new(());
        let listener = others.associate(listener, Arc::clone(&key)).expect("it is associated");
        let mut accepted = Vec::new();
        for _ in 0..2 {
            let mark = self.ledger.mark();
            listener.accept(mark).expect("an accept can be posted");
            match others.take_timeout(PATIENCE).expect("somebody waits") {
                Packet::Accepted { result, .. } => {
                    accepted.push(result.expect("it is connected").socket);
                }
                other => panic!("an accept was posted: {other:?}"),
            }
        }
        self.expect_fates("done");
        let socket = accepted.pop().expect("two were accepted");
        let other = others.associate(socket, key).expect("it is associated");
        let (here, there) = (self.ledger.mark(), self.ledger.mark());
        speak((&self.ledger.port, &self.stream, here), (&others, &other, there));
        let (here, there) = (self.ledger.mark(), self.ledger.mark());
        speak((&others, &other, there), (&self.ledger.port, &self.stream, here));
        drop(peers);
    }

    fn goes_on_disconnecting(&mut self) {
        let peer = self.peer.take().expect("it is connected");
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| look(&peer));
            self.expect_fates("done");
            assert_eq!(reader.join().expect("it can look"), Seen::End, "what the peer sees");
        });
        self.assert_is("disconnected server");
    }

    fn is_closed(&mut self, seen: Seen) {
        self.sees(seen);
        let port_is_closed = self.ledger.port.try_take().is_err();
        let refusal = if port_is_closed { "port closed" } else { "closed" };
        for call in ["receive", "send", "connect", "disconnect"] {
            self.is_refused(call, refusal);
        }
        for call in ["shutdown(Both)", "local_addr", "peer_addr", "set_nodelay"] {
            self.is_refused(call, "closed");
        }
    }
}

type End<'a> = (&'a Port<Counted>, &'a TcpStream<Counted>, Mark);

/// What one sends the other receives.
fn speak((from, sender, mark): End<'_>, (to, receiver, other): End<'_>) {
    sender.send(GREETING, mark).expect("it is connected");
    match from.take_timeout(PATIENCE).expect("a packet is owed") {
        Packet::Sent { result: Ok(()), .. } => {}
        other => panic!("the send had to succeed: {other:?}"),
    }
    receiver.receive_pooled(other).expect("it is connected");
    match to.take_timeout(PATIENCE).expect("a packet is owed") {
        Packet::Received { buffer, result: Ok(_), .. } => assert_eq!(&buffer[..], GREETING),
        other => panic!("data was owed: {other:?}"),
    }
}
