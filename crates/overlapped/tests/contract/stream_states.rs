//! A stream in each of its states, and every call that can be made on it there.
//!
//! What a state is worth afterwards is seen in [`stream_probes`](crate::stream_probes).

use crate::connecting::full_listener;
use crate::crew::until;
use crate::family::any;
use crate::files_world::{Scratch, open};
use crate::handle_ledger::{Answer, Counted, Ledger};
use crate::handle_states::Cell;
use crate::world::{PATIENCE, Peer, PeerListener, World};
use overlapped::{
    Buffer, FileOptions, ListenSocket, OperationId, Packet, TcpListener, TcpStream, Transmission,
};
use std::net::Shutdown;

/// A stream in one state, with all that it takes to be in it.
pub struct Scene<'a> {
    pub world: &'a World,
    pub ledger: Ledger,
    pub stream: TcpStream<Counted>,
    /// The other end; none when there is no connection, or when it has reset it.
    pub peer: Option<Peer>,
    /// Our end was told before the call.
    pub has_ended: bool,
    /// What a connect in flight waits for.
    pub full: Option<(ListenSocket, Vec<Peer>)>,
    /// Somebody to connect to.
    pub outside: PeerListener,
    pub listener: TcpListener<Counted>,
    /// The number of an operation that nobody has in flight.
    completed: OperationId,
    file: Scratch,
}

/// Makes the call of one cell in the state of one cell, in each form that it has.
pub fn try_cell(world: &World, state: &str, call: &str, cell: &Cell) {
    let forms: &[&str] = match call {
        "receive" => &["receive", "receive nothing", "receive_pooled"],
        "send" => &["send", "send several", "transmit_file"],
        only => &[only],
    };
    for form in forms {
        // Each has a network of its own, so that one can see whether it leaves something there.
        let own = world.another();
        let mut scene = Scene::in_state(&own, state);
        let answer = scene.call(form);
        scene.ledger.judge(form, answer, cell);
        if form == &"connect" && cell.answer == "done" {
            scene.peer = Some(scene.outside.accept());
        }
        scene.assert_is(cell.next(state, world.is_kernel()));
        scene.end();
        own.assert_empty();
    }
}

impl<'a> Scene<'a> {
    fn in_state(world: &'a World, state: &str) -> Self {
        let mut ledger = Ledger::in_world(world);
        let listener = ledger
            .port
            .associate(world.listen_socket(), ledger.key())
            .expect("a listener is associated");
        let completed = listener.accept(ledger.mark()).expect("an accept can be posted");
        listener.cancel(completed).expect("nobody has come");
        drop(ledger.port.take_timeout(PATIENCE).expect("it was cancelled"));
        let socket = world.socket();
        if state == "bound" {
            socket.bind(any()).expect("the system chooses a port");
        }
        let mut scene = Self {
            world,
            stream: ledger.port.associate(socket, ledger.key()).expect("a socket is associated"),
            ledger,
            peer: None,
            has_ended: matches!(state, "send shut" | "both shut" | "both ended"),
            full: None,
            outside: world.peer_listener(),
            listener,
            completed,
            file: Scratch::holding(b"file"),
        };
        scene.enter(state);
        scene
    }

    fn enter(&mut self, state: &str) {
        match state {
            "new" | "bound" => {}
            "connecting" | "cancelled" => {
                let (listener, peers, address) = full_listener(self.world);
                self.full = Some((listener, peers));
                let mark = self.ledger.mark();
                let answer = Answer::started(mark.number, self.stream.connect(address, (), mark));
                self.ledger.has_started("connect", answer);
                self.ledger.assert_nothing_comes();
                if state == "cancelled" {
                    assert_eq!(self.stream.cancel_all(), 1);
                    self.expect_fates("aborted");
                }
            }
            "connected" => self.accept(),
            "receiving" => self.accept_and("receive"),
            "sending" => {
                self.accept();
                self.send_until_one_waits();
            }
            "send shut" => self.accept_and("shutdown(Write)"),
            "receive shut" => self.accept_and("shutdown(Read)"),
            "both shut" => self.accept_and("shutdown(Both)"),
            "peer ended" | "both ended" => {
                self.accept();
                self.peer.as_ref().expect("it is connected").shut_down_sending();
                self.has_started("receive");
                self.expect_fates("end");
                if state == "both ended" {
                    self.stream.shutdown(Shutdown::Write).expect("it is connected");
                }
            }
            "reset" => {
                self.accept_and("receive");
                self.peer.take().expect("it is connected").reset();
                self.expect_fates("reset");
            }
            "reset unmet" => self.be_reset(),
            "disconnecting" => {
                self.enter("sending");
                self.has_started("disconnect");
                self.ledger.assert_nothing_comes();
            }
            "disconnected client" => {
                self.has_started("connect");
                self.expect_fates("done");
                self.peer = Some(self.outside.accept());
                self.disconnect();
            }
            "disconnected server" | "reserved" => {
                self.accept();
                self.disconnect();
                if state == "reserved" {
                    self.has_started("accept_into");
                    self.ledger.assert_nothing_comes();
                }
            }
            "closed" => self.accept_and("close"),
            "port closed" => {
                self.accept();
                self.ledger.port.close();
            }
            other => panic!("the page has a state that nobody makes: {other}"),
        }
    }

    /// The stream is now one that was accepted.
    fn accept(&mut self) {
        let address = self.listener.local_addr().expect("it listens");
        self.listener.accept(self.ledger.mark()).expect("an accept can be posted");
        self.peer = Some(self.world.connect(address));
        let packet = self.ledger.port.take_timeout(PATIENCE).expect("a client has come");
        let Packet::Accepted { result, .. } = packet else { panic!("{packet:?}") };
        let socket = result.expect("a client has come").socket;
        let key = self.ledger.key();
        self.stream = self.ledger.port.associate(socket, key).expect("a socket is associated");
    }

    fn accept_and(&mut self, call: &str) {
        self.accept();
        match self.call(call) {
            Answer::Value(_) => {}
            started => self.ledger.has_started(call, started),
        }
        self.ledger.assert_nothing_comes();
    }

    fn disconnect(&mut self) {
        self.has_started("disconnect");
        self.expect_fates("done");
        self.peer = None;
    }

    /// A reset has come, and no operation was there to meet it.
    fn be_reset(&mut self) {
        let World::System = self.world else {
            self.accept();
            return self.peer.take().expect("it is connected").reset();
        };
        let outside = std::net::TcpListener::bind(any()).expect("one can listen");
        let peer = self.world.connect(outside.local_addr().expect("it listens"));
        let (stream, _) = outside.accept().expect("the peer connects");
        let look = stream.try_clone().expect("it can be looked at");
        let socket = overlapped::TcpSocket::try_from(stream).expect("it becomes non-blocking");
        let key = self.ledger.key();
        self.stream = self.ledger.port.associate(socket, key).expect("a socket is associated");
        peer.reset();
        // Linux forgets the peer as soon as the reset is there.
        if cfg!(target_os = "linux") {
            until(|| look.peer_addr().is_err(), || "the reset has not come".into());
        }
    }

    /// Fills the connection, until a send waits for the peer.
    fn send_until_one_waits(&mut self) {
        let length = self.world.long_send();
        for _ in 0..10_000 {
            let mark = self.ledger.mark();
            let answer = Answer::started(mark.number, self.stream.send(vec![0; length], mark));
            self.ledger.has_started("send", answer);
            if self.ledger.port.snapshot().queued == 0 {
                return self.ledger.assert_nothing_comes();
            }
            self.expect_fates("done");
        }
        panic!("the connection takes everything although nobody receives");
    }

    /// Starts an operation that has to be possible.
    pub fn has_started(&mut self, call: &str) {
        let answer = self.call(call);
        self.ledger.has_started(call, answer);
    }

    /// The call is refused with this word of the page.
    pub fn is_refused(&mut self, call: &str, wanted: &str) {
        self.call(call).assert_refused(call, wanted);
    }

    /// The call meets this error, at once or by its packet.
    pub fn is_told(&mut self, call: &str, wanted: &str) {
        match self.call(call) {
            started @ Answer::Started(_) => {
                self.ledger.has_started(call, started);
                self.expect_fates(wanted);
            }
            refused => refused.assert_refused(call, wanted),
        }
    }

    fn call(&mut self, call: &str) -> Answer {
        let mark = self.ledger.mark();
        let number = mark.number;
        let last = self.ledger.in_flight.last().and_then(|flight| flight.id);
        let last = last.unwrap_or(self.completed);
        let stream = &self.stream;
        match call {
            "receive" => {
                let room = Buffer::with_capacity(100);
                Answer::started_receive(number, stream.receive(room, mark))
            }
            "receive nothing" => {
                Answer::started_receive(number, stream.receive(Buffer::empty(), mark))
            }
            "receive_pooled" => Answer::started_receive(number, stream.receive_pooled(mark)),
            "send" => Answer::started(number, stream.send(b"some", mark)),
            "send several" => {
                let several = vec![Buffer::from(b"so"), Buffer::from(b"me")];
                Answer::started(number, stream.send(several, mark))
            }
            "send nothing" => Answer::started(number, stream.send((), mark)),
            "transmit_file" => {
                let file = open(self.file.path(), FileOptions::new().read(true));
                Answer::started(number, stream.transmit_file(Transmission::of(file), mark))
            }
            "connect" => Answer::started(number, stream.connect(self.outside.address(), (), mark)),
            "disconnect" => Answer::started(number, stream.disconnect(mark)),
            "accept_into" => Answer::started(number, self.listener.accept_into(stream, mark)),
            "shutdown(Read)" => Answer::done(stream.shutdown(Shutdown::Read)),
            "shutdown(Write)" => Answer::done(stream.shutdown(Shutdown::Write)),
            "shutdown(Both)" => Answer::done(stream.shutdown(Shutdown::Both)),
            "close" => {
                stream.close();
                Answer::Value("ok")
            }
            "abort" => {
                stream.abort();
                Answer::Value("ok")
            }
            "local_addr" => Answer::address(stream.local_addr()),
            "peer_addr" => Answer::address(stream.peer_addr()),
            "connected_for" => Answer::Value(stream.connected_for().map_or("none", |_| "some")),
            "set_nodelay" => Answer::done(stream.set_nodelay(true)),
            "cancel" => Answer::done(stream.cancel(last)),
            "cancel_all" => Answer::Count(stream.cancel_all()),
            other => panic!("the page has a call that nobody makes: {other}"),
        }
    }

    pub fn expect_fates(&mut self, fate: &str) {
        self.ledger.expect_fates(fate);
    }

    /// Every operation has had its packet, and nothing of the user's is left.
    fn end(self) {
        let Self { ledger, stream, listener, peer, .. } = self;
        drop((stream, listener, peer));
        ledger.end();
    }
}
