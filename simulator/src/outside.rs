//! The other ends of connections, which the port does not know.

use crate::plan::Outside;
use crate::streams::{bytes, from_connecting, from_listening};
use crate::trace::say;
use crate::world::World;
use overlapped::simulated::{Peer, PeerListener};
use overlapped::simulation;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

thread_local! {
    static LISTENER: RefCell<Option<PeerListener>> = const { RefCell::new(None) };
}

/// Leaves the listener of the outside to [`host`].
pub fn keep(listener: PeerListener) {
    LISTENER.with(|kept| kept.replace(Some(listener)));
}

/// One connection, as its other end sees it.
struct End {
    peer: Peer,
    /// What it sends, and what comes.
    outgoing: u64,
    incoming: u64,
    sent: u64,
    came: Vec<u8>,
    /// The end of the stream has come.
    has_ended: bool,
    /// Something of what came is not accounted for.
    is_lost: bool,
}

impl End {
    fn of(peer: Peer, outgoing: u64, incoming: u64) -> Self {
        Self {
            peer,
            outgoing,
            incoming,
            sent: 0,
            came: Vec::new(),
            has_ended: false,
            is_lost: false,
        }
    }

    fn send(&mut self, length: usize) {
        if self.is_lost {
            return;
        }
        say!(
            "outside {} sends {length} from {} on: {:?}",
            self.outgoing,
            self.sent,
            &bytes(self.outgoing, self.sent, length.min(9))
        );
        match self.peer.send(&bytes(self.outgoing, self.sent, length)) {
            Ok(()) => self.sent += length as u64,
            // A part of it may have gone out.
            Err(error) => {
                say!("cannot send: {error}");
                self.is_lost = true;
            }
        }
    }

    fn receive(&mut self, length: usize) {
        let mut buffer = vec![0; length];
        match self.peer.receive(&mut buffer) {
            Ok(0) => self.has_ended = true,
            Ok(count) => self.came.extend_from_slice(&buffer[..count]),
            Err(_) => {}
        }
    }

    /// Leaves what came, to be compared when all is over.
    fn leave(self, world: &World) -> Peer {
        let mut came = world.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.push((self.incoming, self.came));
        self.peer
    }
}

/// Connects to the port's listener and does what the plan says, on one connection after the other.
pub fn connect(world: &Arc<World>, number: usize) {
    let mut end = None;
    for action in &world.plan.peers[number] {
        if end.is_none() {
            let Ok(address) = world.listener.local_addr() else { return };
            let Ok(peer) = world.network.connect(address) else { continue };
            let Ok(local) = peer.local_addr() else { continue };
            let port = local.port();
            end = Some(End::of(peer, from_connecting(port), from_listening(port)));
        }
        let Some(current) = end.as_mut() else { continue };
        say!("end {}: {action:?}", current.outgoing);
        match *action {
            Outside::Send { bytes } => current.send(bytes),
            Outside::Receive { bytes } => current.receive(bytes),
            Outside::Shutdown => {
                // It may be over already.
                let _ = current.peer.shutdown();
            }
            Outside::Reset => {
                if let Some(end) = end.take() {
                    end.leave(world).reset();
                }
            }
            Outside::Close => {
                if let Some(end) = end.take() {
                    drop(end.leave(world));
                }
            }
            Outside::Sleep { for_us } => simulation::sleep(Duration::from_micros(for_us)),
        }
    }
    if let Some(end) = end {
        drop(end.leave(world));
    }
}

/// Accepts what the port connects, and sends and receives a little.
pub fn host(world: &Arc<World>, _: usize) {
    let Some(listener) = LISTENER.with(|kept| kept.take()) else { return };
    let mut ends = VecDeque::new();
    for turn in 0.. {
        if world.ends.load(Ordering::Relaxed) {
            break;
        }
        match listener.accept() {
            Ok(peer) => {
                let Ok(address) = peer.peer_addr() else { continue };
                let (incoming, outgoing) =
                    (from_connecting(address.port()), from_listening(address.port()));
                ends.push_back(End::of(peer, outgoing, incoming));
            }
            Err(error) if error.kind() == io::ErrorKind::TimedOut => continue,
            Err(error) => panic!("the listener of the outside fails: {error}"),
        }
        if ends.len() > 4 {
            drop(ends.pop_front().map(|end: End| end.leave(world)));
        }
        let index = world.choice(40, turn, ends.len() as u64) as usize;
        let end = &mut ends[index];
        match world.choice(41, turn, 4) {
            0 => end.send(60),
            1 => end.receive(100),
            2 => {
                end.send(300);
                end.receive(50);
            }
            _ => {}
        }
    }
    for end in ends {
        drop(end.leave(world));
    }
}
