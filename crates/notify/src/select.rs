//! Waiting for several sockets at once by their state.

use crate::{SocketSet, platform};
use std::io;
use std::time::Duration;

/// What a select waits for in the sockets of one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    Read,
    Write,
    Except,
}

/// Waits until a socket is ready, or the time is over. Afterwards each set holds only those of its
/// sockets that are ready. The call returns how many these are in all sets together: a socket that
/// is ready in two sets counts twice. When the time is over, the number is 0 and all sets are
/// empty.
///
/// - In `read`: data is there, the peer has ended its direction, the connection was reset, or a
///   connection waits to be accepted.
/// - In `write`: a connect has succeeded, or a send would be taken. A socket that was never
///   connected is not ready. After a reset by the peer a socket is ready in `read` and `write`.
/// - In `except`: a connect has *failed*, and then the socket is in no other set;
///   [`connect_error`](crate::Socket::connect_error) says why. Or there is urgent data.
///
/// It looks at the state and changes nothing. So it reports the same socket again as long as the
/// state lasts. The order is that of the set, not that of the events. The call blocks for up to
/// `timeout`, for ever when that is `None`, and not at all when it is zero. Sockets that block may
/// be selected as well.
///
/// ```
/// use overlapped_notify::{Socket, SocketSet, select};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let listener = Socket::try_from(listener)?;
/// let client = std::net::TcpStream::connect(address)?;
///
/// let mut all = SocketSet::new();
/// all.insert(&listener);
/// let mut readable = all.clone();
/// assert_eq!(select(Some(&mut readable), None, None, None)?, 1);
/// for listener in readable.iter() {
///     let (connection, from) = listener.accept()?;
///     assert_eq!(from, client.local_addr()?);
///     # drop(connection);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `InvalidInput` when there is no set or all sets are empty, also with a time to wait: use another
/// call to wait until there is a socket. Otherwise the system's, when memory is short; then the
/// sets are as they were.
///
/// # Platform
/// On Linux it is one `poll`, which has no limit on the number of a socket.
pub fn select<'a>(
    read: Option<&mut SocketSet<'a>>,
    write: Option<&mut SocketSet<'a>>,
    except: Option<&mut SocketSet<'a>>,
    timeout: Option<Duration>,
) -> io::Result<usize> {
    let mut sets: Vec<(Sought, &mut SocketSet<'a>)> = Vec::with_capacity(3);
    sets.extend(read.map(|set| (Sought::Read, set)));
    sets.extend(write.map(|set| (Sought::Write, set)));
    sets.extend(except.map(|set| (Sought::Except, set)));
    if sets.iter().all(|(_, set)| set.is_empty()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a select needs a socket and was given none: wait otherwise until there is one",
        ));
    }
    platform::select(&mut sets, timeout)?;
    Ok(sets.iter().map(|(_, set)| set.len()).sum())
}
