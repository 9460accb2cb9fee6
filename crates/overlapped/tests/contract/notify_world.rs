//! What the tests of events, operations with events, and routines share.

use crate::family::any;
use overlapped::notify::{EventObject, Listener, Stream, Waited, wait_any};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Long enough that a wait which should end has ended.
pub(crate) const LONG: Option<Duration> = Some(crate::world::PATIENCE);
pub(crate) const NONE: Option<Duration> = Some(Duration::ZERO);
/// What says that an operation was cancelled.
pub(crate) const ABORTED: i32 = if cfg!(windows) { 995 } else { 125 };

pub(crate) fn manual() -> EventObject {
    EventObject::manual_reset().expect("an event")
}

pub(crate) fn auto() -> EventObject {
    EventObject::auto_reset().expect("an event")
}

/// Whether the event is set within a long time; an auto-reset one is not any more then.
pub(crate) fn comes(event: &EventObject) -> bool {
    wait_any(&[event], LONG, false).expect("a wait") == Waited::Signaled(0)
}

/// A connection: a stream of the library and its peer.
pub(crate) fn pair() -> (Stream, TcpStream) {
    let listener = TcpListener::bind(any()).expect("a listener");
    let peer = TcpStream::connect(listener.local_addr().expect("its address")).expect("connects");
    peer.set_read_timeout(LONG).expect("a time-out");
    peer.set_nodelay(true).expect("no delay");
    let (stream, _) = listener.accept().expect("a connection");
    (Stream::try_from(stream).expect("a stream"), peer)
}

/// A listener of the library.
pub(crate) fn listener() -> Listener {
    Listener::try_from(TcpListener::bind(any()).expect("a listener")).expect("a listener")
}

/// A client of `listener`.
pub(crate) fn client(listener: &Listener) -> TcpStream {
    let client = TcpStream::connect(listener.local_addr().expect("its address")).expect("connects");
    client.set_read_timeout(LONG).expect("a time-out");
    client
}
