//! A datagram socket in each of its states, and every call that can be made on it there.

use crate::family::any;
use crate::handle_ledger::{Answer, Counted, Ledger};
use crate::handle_states::Cell;
use crate::world::{DatagramPeer, World};
use overlapped::{Buffer, OperationId, UdpSocket};
use std::net::SocketAddr;

struct Scene {
    ledger: Ledger,
    socket: UdpSocket<Counted>,
    address: SocketAddr,
    peer: DatagramPeer,
    /// The number of an operation that nobody has in flight.
    completed: OperationId,
}

/// Makes the call of one cell in the state of one cell, in each form that it has.
pub fn try_cell(world: &World, state: &str, call: &str, cell: &Cell) {
    let forms: &[&str] = match call {
        "receive_from" => &["receive_from", "receive_from_pooled"],
        only => &[only],
    };
    for form in forms {
        let own = world.another();
        let mut scene = Scene::in_state(&own, state);
        let answer = scene.call(form);
        scene.ledger.judge(form, answer, cell);
        if *form == "send_to" && cell.answer == "done" {
            assert_eq!(scene.peer.receive_from(), (b"some".to_vec(), scene.address));
        }
        scene.assert_is(cell.next(state, world.is_kernel()));
        let Scene { ledger, socket, peer, .. } = scene;
        drop((socket, peer));
        ledger.end();
        own.assert_empty();
    }
}

impl Scene {
    fn in_state(world: &World, state: &str) -> Self {
        let mut ledger = Ledger::in_world(world);
        let socket = world.datagram_socket(any()).expect("it can be bound");
        let address = socket.local_addr().expect("it is bound");
        let socket = ledger.port.associate(socket, ledger.key()).expect("it is associated");
        let mark = ledger.mark();
        let number = mark.number;
        let started = socket.receive_from_pooled(mark);
        let completed = *started.as_ref().expect("it can be started");
        ledger.has_started("receive_from", Answer::started_receive(number, started));
        socket.cancel(completed).expect("nothing has come");
        ledger.expect_fates("aborted");
        let peer = world.datagram_peer();
        let mut scene = Self { ledger, socket, address, peer, completed };
        match state {
            "bound" => {}
            "receiving" => scene.has_started("receive_from"),
            "unreachable" => {
                let nobody = world.datagram_peer().address();
                let mark = scene.ledger.mark();
                let answer = Answer::started(mark.number, scene.socket.send_to(b"x", nobody, mark));
                scene.ledger.has_started("send_to", answer);
                scene.ledger.expect_fates("done");
            }
            "closed" => scene.socket.close(),
            "port closed" => scene.ledger.port.close(),
            other => panic!("the page has a state that nobody makes: {other}"),
        }
        scene.ledger.assert_nothing_comes();
        scene
    }

    fn has_started(&mut self, call: &str) {
        let answer = self.call(call);
        self.ledger.has_started(call, answer);
    }

    fn call(&mut self, call: &str) -> Answer {
        let mark = self.ledger.mark();
        let number = mark.number;
        let last = self.ledger.in_flight.last().and_then(|flight| flight.id);
        let last = last.unwrap_or(self.completed);
        let socket = &self.socket;
        match call {
            "receive_from" => {
                let room = Buffer::with_capacity(100);
                Answer::started_receive(number, socket.receive_from(room, mark))
            }
            "receive_from_pooled" => {
                Answer::started_receive(number, socket.receive_from_pooled(mark))
            }
            "send_to" => {
                Answer::started(number, socket.send_to(b"some", self.peer.address(), mark))
            }
            "local_addr" => Answer::address(socket.local_addr()),
            "set_broadcast" => Answer::done(socket.set_broadcast(true)),
            "cancel" => Answer::done(socket.cancel(last)),
            "cancel_all" => Answer::Count(socket.cancel_all()),
            "close" => {
                socket.close();
                Answer::Value("ok")
            }
            other => panic!("the page has a call that nobody makes: {other}"),
        }
    }

    /// The socket is in this state, and its operations in flight are what they were.
    fn assert_is(&mut self, state: &str) {
        match state {
            "bound" | "receiving" | "unreachable" => {
                let expected = usize::from(state == "receiving");
                assert!(self.ledger.in_flight.len() >= expected, "a receive is in flight");
                for receive in std::mem::take(&mut self.ledger.in_flight) {
                    self.peer.send_to(b"x", self.address);
                    self.ledger.expect(vec![(receive.number, "done")]);
                }
                self.has_started("receive_from");
                self.ledger.assert_nothing_comes();
                self.peer.send_to(b"x", self.address);
                self.ledger.expect_fates("done");
                self.has_started("send_to");
                self.ledger.expect_fates("done");
                assert_eq!(self.peer.receive_from(), (b"some".to_vec(), self.address));
            }
            "closed" => {
                self.call("local_addr").assert_refused("local_addr", "closed");
                assert!(self.socket.receive_from_pooled(self.ledger.mark()).is_err());
            }
            "port closed" => {
                self.call("send_to").assert_refused("send_to", "port closed");
                assert_eq!(self.socket.local_addr().expect("it is open"), self.address);
            }
            other => panic!("the page has a state that nobody looks at: {other}"),
        }
        self.ledger.assert_nothing_comes();
    }
}
