//! A listener in each of its states, and every call that can be made on it there.

use crate::handle_ledger::{Answer, Counted, Flight, Ledger, Mark};
use crate::handle_states::Cell;
use crate::world::{PATIENCE, World};
use overlapped::{AcceptWindow, OperationId, Packet, TcpListener, TcpStream};
use std::net::SocketAddr;

/// The number of every accept of a window.
const OF_THE_WINDOW: u64 = 1_000;

struct Scene<'a> {
    world: &'a World,
    ledger: Ledger,
    listener: TcpListener<Counted>,
    address: SocketAddr,
    /// A stream that may be accepted into.
    free: TcpStream<Counted>,
    /// The number of an operation that nobody has in flight.
    completed: OperationId,
}

/// Makes the call of one cell in the state of one cell.
pub fn try_cell(world: &World, state: &str, call: &str, cell: &Cell) {
    let own = world.another();
    let mut scene = Scene::in_state(&own, state);
    let answer = scene.call(call);
    scene.ledger.judge(call, answer, cell);
    scene.assert_is(cell.next(state, world.is_kernel()));
    let Scene { ledger, listener, free, .. } = scene;
    listener.close();
    drop((listener, free));
    ledger.end();
    own.assert_empty();
}

impl<'a> Scene<'a> {
    fn in_state(world: &'a World, state: &str) -> Self {
        let mut ledger = Ledger::in_world(world);
        let listener = ledger.port.associate(world.listen_socket(), ledger.key());
        let listener = listener.expect("a listener is associated");
        let address = listener.local_addr().expect("it listens");
        let completed = listener.accept(ledger.mark()).expect("an accept can be posted");
        let peer = world.connect(address);
        let packet = ledger.port.take_timeout(PATIENCE).expect("a client has come");
        let Packet::Accepted { result, .. } = packet else { panic!("{packet:?}") };
        let socket = result.expect("a client has come").socket;
        let free = ledger.port.associate(socket, ledger.key()).expect("it is associated");
        let mark = ledger.mark();
        let answer = Answer::started(mark.number, free.disconnect(mark));
        ledger.has_started("disconnect", answer);
        ledger.expect_fates("done");
        drop(peer);
        let mut scene = Self { world, ledger, listener, address, free, completed };
        match state {
            "listening" => {}
            "accepting" => {
                let answer = scene.call("accept");
                scene.ledger.has_started("accept", answer);
            }
            "window" => drop(scene.call("accept_window")),
            "closed" => drop(scene.call("close")),
            "port closed" => {
                drop(scene.call("accept_window"));
                scene.ledger.port.close();
                scene.ledger.in_flight.clear();
            }
            other => panic!("the page has a state that nobody makes: {other}"),
        }
        scene.ledger.assert_nothing_comes();
        scene
    }

    fn call(&mut self, call: &str) -> Answer {
        let mark = self.ledger.mark();
        let number = mark.number;
        let last = self.ledger.in_flight.last().and_then(|flight| flight.id);
        let last = last.unwrap_or(self.completed);
        match call {
            "accept" => Answer::started(number, self.listener.accept(mark)),
            "accept_into" => Answer::started(number, self.listener.accept_into(&self.free, mark)),
            "accept_window" => self.keep_a_window(),
            "posted" => Answer::Count(self.listener.posted()),
            "local_addr" => Answer::address(self.listener.local_addr()),
            "cancel" => Answer::done(self.listener.cancel(last)),
            "cancel_all" => Answer::Count(self.listener.cancel_all()),
            "close" => {
                self.listener.close();
                Answer::Value("ok")
            }
            other => panic!("the page has a call that nobody makes: {other}"),
        }
    }

    fn keep_a_window(&mut self) -> Answer {
        let alive = self.ledger.key();
        let make = move || Mark::new(OF_THE_WINDOW, &alive);
        let kept = self.listener.accept_window(AcceptWindow::new(2), make);
        if kept.is_ok() {
            self.window_is_full();
        }
        Answer::done(kept)
    }

    fn window_is_full(&mut self) {
        let of_the_window = Flight { number: OF_THE_WINDOW, id: None, is_receive: true };
        self.ledger.in_flight = vec![of_the_window; 2];
    }

    /// A client comes, and the oldest accept has it.
    fn has_a_client(&mut self) {
        let _client = self.world.connect(self.address);
        let oldest = self.ledger.in_flight.remove(0);
        self.ledger.expect(vec![(oldest.number, "done")]);
    }

    /// The listener is in this state, and what is posted is what it was.
    fn assert_is(&mut self, state: &str) {
        match state {
            "listening" => {
                assert_eq!(self.listener.posted(), 0);
                let answer = self.call("accept");
                self.ledger.has_started("accept", answer);
                self.has_a_client();
            }
            "accepting" => {
                assert_eq!(self.listener.posted(), self.ledger.in_flight.len());

                while !self.ledger.in_flight.is_empty() {
                    self.has_a_client();
                }
                self.assert_is("listening");
            }
            "window" => {
                // What was cancelled was posted anew when its packet was taken.
                self.window_is_full();
                for _ in 0..3 {
                    assert_eq!(self.listener.posted(), 2);
                    self.has_a_client();
                    self.window_is_full();
                }
                assert_eq!(self.listener.cancel_all(), 2);
                self.listener.close();
                self.ledger.expect_fates("aborted");
            }
            "closed" => {
                let port_is_closed = self
                    .listener
                    .accept(self.ledger.mark())
                    .is_err_and(|it| it.error.kind() == std::io::ErrorKind::BrokenPipe);
                assert!(self.world.is_refused(self.address), "nobody listens any more");
                let refusal = if port_is_closed { "port closed" } else { "closed" };
                self.call("accept_into").assert_refused("accept_into", refusal);
                self.call("local_addr").assert_refused("local_addr", "closed");
            }
            "port closed" => {
                self.call("accept").assert_refused("accept", "port closed");
                assert_eq!(self.listener.local_addr().expect("it is open"), self.address);
            }
            other => panic!("the page has a state that nobody looks at: {other}"),
        }
        self.ledger.assert_nothing_comes();
    }
}
