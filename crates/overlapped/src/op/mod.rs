//! The operations of sockets, one file each: what it owns, what it yields, how it is performed, and
//! the public method that starts it.
//!
//! The same three steps for every one of them:
//!
//! 1. *start*: a method of the handle (in the operation's own file) moves buffers and the user's
//!    per-operation data in. What fails at once is given back and queues nothing (P33).
//! 2. *complete*: on a readiness backend [`Kind::attempt`] is called, under the connection's lock, when
//!    the operation is first in its direction and the system says that it may go on; where the kernel
//!    carries it ([`platform`], Windows) it is told the outcome. Either way it keeps its result.
//! 3. *take*: [`Kind::into_packet`] moves everything out, with the handle, into the packet.
//!
//! # To add an operation
//!
//! 1. Its file here: what it owns, its [`Kind`], its public method. [`receive`] is a good example.
//! 2. Its line in the list of modules below, and its line in `operations!`.
//! 3. Its packet: a variant in [`packet`]. The compiler then asks for it in [`packet_parts`].
//! 4. What Windows' kernel is asked for it: its `KindInKernel` in `platform/windows`. A build for Linux
//!    does not miss it.
//! 5. If it makes a call on the socket that there is not yet: a method of `sys::socket::Socket`, and
//!    of the sockets of each system and of the simulated network below it.
//! 6. A type that users name: its line in `lib.rs`. A test: on every driver that can show it. Its lines
//!    in docs/contract.md, docs/from-iocp.md and the changelog.
//!
//! # What else is here
//!
//! - [`tcp_listener`], [`tcp_stream`] and [`udp_socket`] are the typed handles, with what is no
//!   operation; [`udp_options`] are those of datagrams.
//! - [`packet`] is what a thread takes.
//! - [`limits`] is how handles limit the time of operations.
//! - [`start`] is step one, and [`or_packet`] makes a packet of what it refused.
//! - [`stored`] is how operations lie where they wait.

pub(crate) mod accept;
mod accept_into;
mod connect;
mod disconnect;
mod first_data;
mod leaving;
mod limits;
mod options;
pub(crate) mod or_packet;
pub(crate) mod packet;
pub(crate) mod packet_parts;
pub(crate) mod receive;
mod receive_batch;
mod receive_from;
mod receive_scattered;
mod send;
mod send_batch;
mod send_to;
mod start;
mod stored;
pub(crate) mod tcp_listener;
pub(crate) mod tcp_stream;
pub(crate) mod transmit_file;
mod udp_options;
pub(crate) mod udp_socket;

use crate::conn::connection::Connection;
use crate::conn::delivery::Delivery;
use crate::conn::handle::Handle;
use crate::conn::in_place::Started;
use crate::conn::locked::Locked;
use crate::conn::operation::{
    Direction, Operation, Pending, Perform, Progress, Role, Surroundings,
};
use crate::error::{Refused, loss};
use crate::protocol::Protocol;
use packet::Packet;
use platform::{KindInKernel, WaitingSend};
use std::io;
use stored::{Inline, Open};

/// What each kind of operation has to say of itself.
trait Kind<P: Protocol>: KindInKernel + Known<P> + Sized {
    /// In which states of a connection it may be started.
    const ROLE: Role;

    /// Whether its success yields no packet. [`Kind::complete`] says so, too.
    const QUIET: bool = false;

    /// Goes on as far as it can without waiting. Complete, it keeps its result.
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress;

    /// The packet of the complete operation, which gives everything back.
    fn into_packet(self, handle: Handle<Op<P>>, operation: P::Operation) -> Packet<P>;

    /// Whether it has done something that the peer or the system knows of.
    fn has_begun(&self) -> bool {
        false
    }

    /// How many bytes of a connection it has transferred so far.
    fn transferred(&self) -> u64 {
        0
    }

    /// Whether its next attempt may hold the thread up: for a disk.
    fn may_block(&self) -> bool {
        false
    }

    /// How the connection was lost, if this error of its says that it was.
    fn loss(error: &io::Error) -> Option<i32> {
        loss(error)
    }

    /// Updates the connection's state when it is complete.
    fn conclude(&mut self, _connection: &mut Connection<Op<P>>) {}

    /// What is to be done on the connection, and on others, before its packet is made.
    fn complete(
        &mut self,
        _at: &mut Locked<'_, Op<P>>,
        _holder: &Handle<Op<P>>,
        _delivery: &mut Delivery<Op<P>>,
    ) -> Next {
        Next::Packet
    }
}

/// What `operations!` knows of each kind: that it has a field `result`, and that it is a [`Task`].
trait Known<P: Protocol> {
    /// The error that it ended with, if it did.
    fn error(&self) -> Option<&io::Error>;

    /// Ends it with `error`.
    fn fail(&mut self, error: io::Error);

    fn into_task(self) -> Task<P>;

    /// The reverse; a task is of the kind that it was made of.
    fn from_task(task: Task<P>) -> Self;
}

/// What a start with leave to complete in place answers: the operation is in flight, or here is its
/// packet, or it was refused and this is what was given.
pub type InPlace<P, T> = Result<Started<Packet<P>>, Refused<T>>;

/// What comes after an operation is complete.
enum Next {
    /// Its packet.
    Packet,
    /// An accept over the limit on connections waits for a place.
    Place,
    /// An accept waits for the first data of its connection, which has this token.
    FirstData(u64, first_data::FirstData),
    /// Nothing: it was quiet, and succeeded.
    Nothing,
}

/// One operation in flight, with everything that it owns.
pub(crate) struct Op<P: Protocol> {
    task: Task<P>,
    /// The user's per-operation data.
    operation: P::Operation,
}

/// The same where its kind is known: while it is started. One that is complete at once becomes its
/// packet from here.
struct Starting<P: Protocol, K> {
    kind: K,
    operation: P::Operation,
}

/// Declares [`Task`], which may be any kind, and how a call reaches the one that it is.
macro_rules! operations {
    ($($name:ident($store:ident<$kind:ty>)),+ $(,)?) => {
        enum Task<P: Protocol> {
            $($name($store<$kind>)),+
        }

        macro_rules! dispatch {
            ($task:expr, $it:ident => $call:expr) => {
                match $task {
                    $(Task::$name($it) => {
                        let $it = Open::open($it);
                        $call
                    }),+
                }
            };
        }

        $(impl<P: Protocol> Known<P> for $kind {
            #[inline]
            fn error(&self) -> Option<&io::Error> {
                self.result.as_ref().err()
            }

            fn fail(&mut self, error: io::Error) {
                self.result = Err(error);
            }

            #[inline]
            fn into_task(self) -> Task<P> {
                Task::$name($store::new(self))
            }

            fn from_task(task: Task<P>) -> Self {
                match task {
                    Task::$name(it) => it.open(),
                    _ => unreachable!("a task is of the kind that it was made of"),
                }
            }
        })+
    };
}

operations! {
    Accept(Box<accept::Accept>),
    AcceptInto(Box<accept_into::AcceptInto<P>>),
    Connect(Box<connect::Connect>),
    Disconnect(Box<disconnect::Disconnect>),
    FirstData(Box<first_data::FirstData>),
    Receive(Inline<receive::Receive>),
    ReceiveBatch(Box<receive_batch::ReceiveBatch>),
    ReceiveFrom(Box<receive_from::ReceiveFrom>),
    ReceiveScattered(Box<receive_scattered::ReceiveScattered>),
    Send(WaitingSend<send::Send<false>>),
    SendQuiet(WaitingSend<send::Send<true>>),
    SendBatch(Box<send_batch::SendBatch>),
    SendTo(Box<send_to::SendTo>),
    TransmitFile(Box<transmit_file::TransmitFile>),
}

/// Here, where `dispatch!` is known.
mod platform;

impl<P: Protocol> Operation for Op<P> {
    type Protocol = P;
    type Packet = Packet<P>;

    fn accepts_into(&self) -> Option<u64> {
        match &self.task {
            Task::AcceptInto(into) => Some(into.stream().token()),
            _ => None,
        }
    }

    #[inline(always)]
    fn end_next(
        at: &mut Locked<'_, Self>,
        direction: Direction,
        delivery: &mut Delivery<Self>,
    ) -> Option<Packet<P>> {
        let Pending { id, operation: Self { task, operation }, holder } = at.pop(direction)?;
        dispatch!(task, kind => {
            let mut operation = Starting { kind, operation };
            at.conclude(direction, &mut operation);
            Starting::complete(Pending { id, operation, holder }, at, delivery)
        })
    }
}

/// As it waits, it may be of any kind.
impl<P: Protocol> Perform<Self> for Op<P> {
    fn role(&self) -> Role {
        fn role<P: Protocol, K: Kind<P>>(_: &K) -> Role {
            K::ROLE
        }
        dispatch!(&self.task, it => role::<P, _>(it))
    }

    #[inline]
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        dispatch!(&mut self.task, it => Kind::<P>::attempt(it, with))
    }

    #[inline]
    fn error(&self) -> Option<&io::Error> {
        dispatch!(&self.task, it => it.result.as_ref().err())
    }

    fn fail(&mut self, error: io::Error) {
        dispatch!(&mut self.task, it => it.result = Err(error));
    }

    fn has_begun(&self) -> bool {
        dispatch!(&self.task, it => Kind::<P>::has_begun(it))
    }

    fn transferred(&self) -> u64 {
        dispatch!(&self.task, it => Kind::<P>::transferred(it))
    }

    fn may_block(&self) -> bool {
        dispatch!(&self.task, it => Kind::<P>::may_block(it))
    }

    fn loss(&self) -> Option<i32> {
        let error = self.error()?;
        dispatch!(&self.task, it => loss_of_kind::<P, _>(it, error))
    }

    #[inline]
    fn conclude(&mut self, connection: &mut Connection<Self>) {
        dispatch!(&mut self.task, it => Kind::<P>::conclude(it, connection));
    }

    fn complete(
        pending: Pending<Self>,
        at: &mut Locked<'_, Self>,
        delivery: &mut Delivery<Self>,
    ) -> Option<Packet<P>> {
        let Pending { id, operation: Self { task, operation }, holder } = pending;
        dispatch!(task, kind => {
            let operation = Starting { kind, operation };
            Starting::complete(Pending { id, operation, holder }, at, delivery)
        })
    }

    #[inline]
    fn into_packet(self, handle: Handle<Self>) -> Packet<P> {
        dispatch!(self.task, it => Kind::<P>::into_packet(it, handle, self.operation))
    }

    fn into_waiting(self) -> Self {
        self
    }

    fn from_waiting(waiting: Self) -> Self {
        waiting
    }
}

impl<P: Protocol, K: Kind<P>> Perform<Op<P>> for Starting<P, K> {
    const QUIET: bool = K::QUIET;

    #[inline]
    fn role(&self) -> Role {
        K::ROLE
    }

    #[inline]
    fn attempt(&mut self, with: Surroundings<'_>) -> Progress {
        self.kind.attempt(with)
    }

    #[inline]
    fn error(&self) -> Option<&io::Error> {
        self.kind.error()
    }

    fn fail(&mut self, error: io::Error) {
        self.kind.fail(error);
    }

    fn has_begun(&self) -> bool {
        self.kind.has_begun()
    }

    fn transferred(&self) -> u64 {
        self.kind.transferred()
    }

    fn may_block(&self) -> bool {
        self.kind.may_block()
    }

    fn loss(&self) -> Option<i32> {
        loss_of_kind::<P, K>(&self.kind, self.error()?)
    }

    #[inline]
    fn conclude(&mut self, connection: &mut Connection<Op<P>>) {
        self.kind.conclude(connection);
    }

    #[inline(always)]
    fn complete(
        mut pending: Pending<Op<P>, Self>,
        at: &mut Locked<'_, Op<P>>,
        delivery: &mut Delivery<Op<P>>,
    ) -> Option<Packet<P>> {
        let Pending { operation: Self { kind, .. }, holder, .. } = &mut pending;
        match kind.complete(at, holder, delivery) {
            Next::Packet => Some(pending.into_packet()),
            next => go_on(next, pending.into_waiting(), at, delivery),
        }
    }

    #[inline(always)]
    fn into_packet(self, handle: Handle<Op<P>>) -> Packet<P> {
        self.kind.into_packet(handle, self.operation)
    }

    #[inline]
    fn into_waiting(self) -> Op<P> {
        Op { task: self.kind.into_task(), operation: self.operation }
    }

    fn from_waiting(waiting: Op<P>) -> Self {
        Self { kind: K::from_task(waiting.task), operation: waiting.operation }
    }
}

fn loss_of_kind<P: Protocol, K: Kind<P>>(_: &K, error: &io::Error) -> Option<i32> {
    K::loss(error)
}

/// What comes before the packet of a complete operation.
#[inline(never)]
fn go_on<P: Protocol>(
    next: Next,
    mut pending: Pending<Op<P>>,
    at: &mut Locked<'_, Op<P>>,
    delivery: &mut Delivery<Op<P>>,
) -> Option<Packet<P>> {
    match next {
        Next::Packet => return Some(pending.into_packet()),
        Next::Place => match at.rare.accepting_mut() {
            Some(accepting) => accepting.wait_for_place(pending),
            None => return Some(pending.into_packet()),
        },
        Next::FirstData(token, first_data) => {
            let number = first_data.number();
            pending.operation.task = first_data.into_task();
            at.hold(token, number, pending, delivery);
        }
        Next::Nothing => {
            // It is owed nothing, as if its packet had been handed out.
            pending.holder.handed_out(Direction::of_id(pending.id));
            delivery.later().quiet.push(pending);
        }
    }
    None
}
