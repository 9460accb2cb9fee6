//! The doorkeeper: one thread that accepts, for models whose other threads only serve.
//!
//! It asks for admission before it accepts, so that clients over the limit wait in the backlog. It
//! puts accepting off when descriptors or memory run short, and goes on when something has changed
//! (F20: an error of one client is no error of the listener).

use super::Common;
use crate::platform;
use overlapped_serving::Handle;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

/// The stack of the thread, in bytes of address space; what it does not touch costs no memory.
const STACK: usize = 256 * 1024;

/// The thread that accepts, and the listener, which is closed when that thread is done.
pub(crate) struct Doorkeeper(Option<Door>);

struct Door {
    listener: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

impl Doorkeeper {
    /// Starts the thread. It calls `welcome` with each connection, which has to be in the list when
    /// `welcome` returns: the limit goes by that. The socket blocks on Linux and does not on
    /// Windows, so whoever cares sets it.
    pub(crate) fn start<H: Handle + Send + Sync + 'static>(
        listener: TcpListener,
        common: &Arc<Common<H>>,
        mut welcome: impl FnMut(TcpStream) + Send + 'static,
    ) -> io::Result<Self> {
        platform::prepare_listener(&listener)?;
        // Accepted connections inherit it, where they inherit anything.
        socket2::SockRef::from(&listener).set_tcp_nodelay(true)?;
        let listener = Arc::new(listener);
        let (common, door) = (Arc::clone(common), Arc::clone(&listener));
        let on_duty = common.tally.enlist();
        let thread = std::thread::Builder::new().name("accept".into()).stack_size(STACK).spawn(
            move || {
                accept(&common, &door, &mut welcome);
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
fn accept<H: Handle>(
    common: &Common<H>,
    listener: &TcpListener,
    welcome: &mut impl FnMut(TcpStream),
) {
    while common.await_room() {
        match platform::accept(listener) {
            // Whoever comes now comes too late.
            Ok(_) if common.is_stopping() => return,
            Ok(None) => {}
            Ok(Some(stream)) => welcome(stream),
            Err(_) if common.is_stopping() => return,
            Err(error) if is_the_clients(&error) => {}
            Err(_) => common.defer(),
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
