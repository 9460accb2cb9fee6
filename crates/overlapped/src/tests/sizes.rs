//! How much memory a connection takes while it is idle: 10,000 of them are to be cheap.

use crate::conn::connection::Connection;
use crate::conn::operation::Pending;
use crate::op::Op;
use crate::{Buffer, Protocol, TcpStream};

/// With as much data for each operation as a pointer.
struct Small;

impl Protocol for Small {
    type Key = ();
    type Operation = usize;
    type Message = ();
}

#[test]
fn what_every_connection_has_does_not_grow_unseen() {
    // Elsewhere a connection has what the kernel carries, or other pointers.
    if std::env::consts::OS != "linux" || size_of::<usize>() != 8 {
        return;
    }
    let sizes = [
        // Its place under the listener's limit is in it: on the heap that took 64 bytes of each connection of a
        // server with a limit, which most servers are.
        ("a connection in its table", size_of::<Connection<Op<Small>>>(), 136),
        ("of it, the first receive that waits", size_of::<Option<Pending<Op<Small>>>>(), 48),
        ("of that, the operation without the user's data", size_of::<Op<Small>>() - 8, 24),
        ("a handle", size_of::<TcpStream<Small>>(), 8),
        ("a buffer", size_of::<Buffer>(), 8),
    ];
    for (what, bytes, most) in sizes {
        println!("{what}: {bytes} bytes");
        assert!(bytes <= most, "{what} takes {bytes} bytes and may take {most}");
    }
}
