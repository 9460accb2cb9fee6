//! The doorkeeper: one thread that accepts, for models whose other threads only serve.
//!
//! It asks for admission before it accepts, so that clients over the limit wait in the backlog. It
//! puts accepting off when descriptors or memory run short, and goes on when something has changed
//! (F20: an error of one client is no error of the listener).

use crate::platform;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::tally::Tally;

/// The stack of the thread, in bytes of address space; what it does not touch costs no memory.
const STACK: usize = 256 * 1024;

/// Who may come in, and when.
pub(crate) trait Admission {
    /// Waits until one more connection is allowed. False when the server is being stopped.
    fn await_room(&self) -> bool;

    /// Accepting failed for want of descriptors or memory: waits until something has changed, at
    /// most for a while, and counts it.
    fn defer(&self);

    fn is_stopping(&self) -> bool;
}

/// The thread that accepts, and the listener, which is closed when that thread is done.
pub(crate) struct Doorkeeper(Option<Door>);

struct Door {
    listener: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

impl Doorkeeper {
    /// Starts the thread. It calls `welcome` with each connection, which has to count as open when
    /// `welcome` returns: `admission` asks no later. The socket blocks on Linux and does not on
    /// Windows, so whoever cares sets it.
    pub(crate) fn start<A, S>(
        listener: TcpListener,
        tally: &Arc<Tally>,
        shared: &Arc<S>,
        admission: fn(&S) -> &A,
        mut welcome: impl FnMut(TcpStream) + Send + 'static,
    ) -> io::Result<Self>
    where
        A: Admission + ?Sized + 'static,
        S: Send + Sync + 'static,
    {
        platform::prepare_listener(&listener)?;
        // Accepted connections inherit it, where they inherit anything.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = Arc::new(listener);
        let (shared, door) = (Arc::clone(shared), Arc::clone(&listener));
        let on_duty = tally.enlist();
        let thread = std::thread::Builder::new().name("accept".into()).stack_size(STACK).spawn(
            move || {
                accept(admission(&shared), &door, &mut welcome);
                drop(on_duty);
            },
        )?;
        Ok(Self(Some(Door { listener, thread })))
    }

    /// Ends the thread and closes the listener: clients in the backlog are turned away. The server
    /// has to be stopping already.
    pub(crate) fn dismiss(&mut self) {
        let Some(Door { listener, thread }) = self.0.take() else { return };
        platform::wake(&listener);
        // A panic was reported by its thread, and there is nobody else to tell.
        let _ = thread.join();
    }
}

/// Accepts until the server is stopped, whatever single clients do.
fn accept(
    admission: &(impl Admission + ?Sized),
    listener: &TcpListener,
    welcome: &mut impl FnMut(TcpStream),
) {
    while admission.await_room() {
        match platform::accept(listener) {
            // Whoever comes now comes too late.
            Ok(_) if admission.is_stopping() => return,
            Ok(None) => {}
            Ok(Some(stream)) => welcome(stream),
            Err(_) if admission.is_stopping() => return,
            Err(error) if is_the_clients(&error) => {}
            Err(_) => admission.defer(),
        }
    }
}

/// An error that concerns one client, which went away before it was accepted, and not the listener.
pub(crate) fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Interrupted
            | ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            // It was there, and had gone when it was asked for its address.
            | ErrorKind::NotConnected
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    )
}
