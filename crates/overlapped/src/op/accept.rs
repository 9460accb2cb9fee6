//! Accept: one posted accept, or one of a window that refills itself.

use super::first_data::FirstData;
use super::packet::Packet;
use super::platform::AcceptRoom;
use super::start::refused;
use super::tcp_listener::TcpListener;
use super::{Kind, Known, Next, Op};
use crate::buffer::Buffer;
use crate::conn::accept_window::{self, AcceptWindow};
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::locked::Locked;
use crate::conn::operation::{Direction, Progress, Role, Surroundings};
use crate::conn::sockets::TcpSocket;
use crate::error::{OperationId, Refused, aborted, not_performed};
use crate::protocol::Protocol;
use crate::sys::code;
use crate::sys::socket::Socket;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// What an accept yielded.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, associated with no port yet.
    pub socket: TcpSocket,
    /// The address at which the connection arrived. A Unix socket has none of the internet; then
    /// this and `remote` are `0.0.0.0:0`.
    pub local: SocketAddr,
    /// The address of the peer.
    pub remote: SocketAddr,
    /// What the peer sent first, where the accept waits for it. Empty when the peer ended its
    /// direction without sending.
    pub first_data: Option<Buffer>,
}

pub(super) struct Accept {
    /// Complete only with first data (X14).
    pub(super) with_first_data: bool,
    /// Its first attempt is left out, so that other events have their turn.
    yields: bool,
    pub(super) result: io::Result<Box<Accepted>>,
    /// What a kernel accepts into.
    #[allow(dead_code, reason = "needed where the kernel carries operations")]
    pub(super) room: AcceptRoom,
}

impl Accept {
    fn new(with_first_data: bool, yields: bool) -> Self {
        let room = AcceptRoom::default();
        Self { with_first_data, yields, result: not_performed(), room }
    }

    pub(super) fn keep(&mut self, taken: io::Result<(Connection, Option<Buffer>)>) -> Progress {
        self.result = taken.map(|((socket, local, remote), first_data)| {
            let socket = TcpSocket::connection(socket, remote);
            Box::new(Accepted { socket, local, remote, first_data })
        });
        Progress::Complete { drained: false }
    }

    /// The connection stands; its first data, without which the accept is not complete, does not.
    fn await_first_data<P: Protocol>(
        &mut self,
        at: &mut Locked<'_, Op<P>>,
        delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        let Some(admission) = at.place_for_silent(delivery) else { return Next::Place };
        let Some(silent) = at.count_silent() else { return Next::Packet };
        // Should it fail, the error takes the connection's place in the packet.
        let Ok(accepted) = std::mem::replace(&mut self.result, Err(aborted())) else {
            return Next::Packet;
        };
        let Accepted { mut socket, local, remote, .. } = *accepted;
        socket.admission = admission;
        match at.insert_silent(socket, delivery) {
            Err(error) => {
                self.result = Err(error);
                Next::Packet
            }
            Ok(token) => Next::FirstData(token, FirstData::new(local, remote, silent)),
        }
    }
}

impl<P: Protocol> Kind<P> for Accept {
    const ROLE: Role = Role::Free;

    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        if std::mem::take(&mut self.yields) {
            return Progress::Yields;
        }
        match next_connection(with.socket) {
            Err(progress) => progress,
            Ok(taken) => self.keep(taken.map(|connection| (connection, None))),
        }
    }

    fn complete(
        &mut self,
        at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        let Ok(accepted) = &mut self.result else { return Next::Packet };
        if self.with_first_data && accepted.first_data.is_none() {
            return self.await_first_data(at, delivery);
        }
        if let Some(accepting) = at.rare.accepting_mut() {
            if accepting.is_full() {
                return Next::Place;
            }
            accepted.socket.admission = accepting.admit();
        }
        Next::Packet
    }

    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P> {
        Packet::Accepted { listener: TcpListener(handle), operation, result: self.result }
    }
}

/// A connection with its local and its remote address.
pub(super) type Connection = (Socket, SocketAddr, SocketAddr);

/// The next connection that did not fail before it was accepted. `Err` says that there is none now.
pub(super) fn next_connection(listener: &Socket) -> Result<io::Result<Connection>, Progress> {
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(Progress::Blocked);
            }
            Err(error) => match error.raw_os_error() {
                Some(early) if code::FAILED_EARLY.contains(&early) => {}
                Some(short) if code::SHORT_OF.contains(&short) => return Err(Progress::Deferred),
                _ => return Ok(Err(error)),
            },
            Ok((socket, remote)) => {
                return Ok(socket.local_addr().map(|local| (socket, local, remote)));
            }
        }
    }
}

/// The packet of one that was refused.
fn refused_accept<P: Protocol>(
    handle: Handle<Op<P>>,
    operation: P::Operation,
    error: io::Error,
) -> Packet<P> {
    accept_window::expect_one_more(&handle);
    Packet::Accepted { listener: TcpListener(handle), operation, result: Err(error) }
}

impl<P: Protocol> TcpListener<P> {
    /// Posts one accept.
    ///
    /// Completes with [`Packet::Accepted`], in the order posted, as soon as a connection is there.
    /// The packet carries this listener's key; the connection is not associated. A connection that
    /// failed while it waited is skipped, or its first receive reports the error. When descriptors
    /// or memory run short, the accept stays posted and is tried again (see
    /// [`Counters::accept_deferrals`](crate::Counters)).
    ///
    /// # Errors
    /// What fails at once gives the operation back and queues no packet: the listener or the port
    /// is closed, or the listener has an accept window, which posts the accepts itself.
    pub fn accept(&self, operation: P::Operation) -> Result<OperationId, Refused<P::Operation>> {
        if let Err(error) = self.admits_single() {
            return Err(refused(error, operation, &self.0, Direction::Receive, refused_accept));
        }
        let accept = Accept::new(false, false);
        let take = |_, operation| operation;
        Op::start(&self.0, Direction::Receive, accept, operation, take, refused_accept)
    }

    /// Fails when the listener posts its accepts itself.
    pub(super) fn admits_single(&self) -> io::Result<()> {
        if self.0.lock().rare.accepting().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the listener keeps a window of accepts; single ones cannot be posted beside it",
            ));
        }
        Ok(())
    }

    /// Keeps a window of accepts posted until the listener is closed. `operation` makes the
    /// per-operation data of each.
    ///
    /// Each accept completes as [`accept`](Self::accept) says. The window is filled again as its
    /// packets are taken, after failures too, and as connections under its limit close.
    ///
    /// The window holds the listener: it accepts until [`close`](Self::close), or until the port
    /// is closed, even if every handle is dropped.
    ///
    /// `operation` is called on the thread that makes room: at first on this one, then on a thread
    /// that takes a packet of the window, or that drops a connection which counts against the
    /// limit. No lock is held then, and it may call the library. If it panics, the panic hook
    /// reports that and the panic goes no further; no client and no packet is lost. After 50 ms
    /// `operation` is called again and the accept is posted; this counts as [put
    /// off](crate::Counters::accept_deferrals).
    ///
    /// # Errors
    /// A window is kept already, single accepts are posted, or the listener or the port is closed.
    pub fn accept_window(
        &self,
        window: AcceptWindow,
        operation: impl Fn() -> P::Operation + Send + Sync + 'static,
    ) -> io::Result<()> {
        let with_first_data = window.first_data.is_some();
        let make = move |yields| Op {
            task: Accept::new(with_first_data, yields).into_task(),
            operation: operation(),
        };
        accept_window::open(&self.0, window, Arc::new(make))
    }

    /// How many accepts are posted and wait for a connection.
    pub fn posted(&self) -> usize {
        self.0.lock().posted()
    }

    /// How many connections are silent: accepted, and their first data is awaited
    /// ([`AcceptWindow::first_data`]). On Windows, where the kernel accepts with first data, the
    /// number is at most a tenth of a second old.
    pub fn silent(&self) -> usize {
        self.0.lock().rare.accepting().map_or(0, |accepting| accepting.silent_count())
    }
}
