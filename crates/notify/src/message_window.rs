//! Message windows: network events as messages in the queue of one thread.

use crate::{NetworkEvents, SocketId, platform};
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// What a [`MessageWindow`] hands out.
#[derive(Debug)]
pub enum Message {
    /// One network event of one socket.
    Network {
        /// The number that the socket was selected with.
        message: u32,
        /// The socket to which it happened; for a connection that was accepted and selected like
        /// its listener, the connection.
        socket: SocketId,
        /// Exactly one event.
        event: NetworkEvents,
        /// Why a connect failed, or the connection broke. `None` when all went well.
        error: Option<io::Error>,
    },
    /// What was [posted](MessagePoster::post).
    Posted {
        /// The number that was posted.
        message: u32,
        /// What was posted with it.
        parameter: u64,
    },
}

/// A window that is not visible: a queue of messages that belongs to the thread that made it. It
/// cannot be sent to another thread.
///
/// Sockets report to it once they are [selected](crate::Socket::select_messages). One window serves
/// any number of sockets, and other threads post to it by a [`MessagePoster`].
///
/// The order of messages is that of the queue: of one socket's events in one moment it is CONNECT,
/// ACCEPT, OOB, READ, WRITE, CLOSE; between sockets it is the order in which they were first
/// reported, not that of the data. A post comes after everything that was queued before it.
///
/// ```
/// use overlapped_notify::{Message, MessageWindow, NetworkEvents, Socket};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let listener = Socket::try_from(listener)?;
/// let window = MessageWindow::new()?;
/// listener.select_messages(&window, 1, NetworkEvents::ACCEPT)?;
/// let client = std::net::TcpStream::connect(address)?;
/// if let Some(Message::Network { message: 1, event, .. }) = window.next(None)? {
///     assert_eq!(event, NetworkEvents::ACCEPT);
///     assert_eq!(listener.accept()?.1, client.local_addr()?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Platform
/// On Windows this is a message-only window, with the system's limit of 10,000 messages posted to a
/// thread and not taken: network events beyond it are lost there. On Linux it is a queue of ours,
/// which has no limit.
pub struct MessageWindow {
    pub(crate) system: Arc<platform::Window>,
    /// It belongs to its thread.
    _stays: PhantomData<Rc<()>>,
}

impl MessageWindow {
    /// A window of the calling thread.
    ///
    /// # Errors
    /// The system's, for want of descriptors, handles or memory.
    pub fn new() -> io::Result<Self> {
        Ok(Self { system: platform::Window::new()?, _stays: PhantomData })
    }

    /// What other threads post with.
    #[must_use]
    pub fn poster(&self) -> MessagePoster {
        MessagePoster(Arc::clone(&self.system))
    }

    /// Takes the next message; without one it waits, at most for `timeout`, for ever when that is
    /// `None`. `Ok(None)` means that the time was over.
    ///
    /// No message of a socket comes that was dropped before the call. After
    /// [`select_nothing`](crate::Socket::select_nothing) there may still come what was queued
    /// before.
    ///
    /// # Errors
    /// The system's, when it cannot wait.
    ///
    /// # Platform
    /// On Windows, messages of other windows of this thread are dispatched meanwhile.
    pub fn next(&self, timeout: Option<Duration>) -> io::Result<Option<Message>> {
        self.system.next(timeout)
    }
}

impl Drop for MessageWindow {
    fn drop(&mut self) {
        self.system.close();
    }
}

impl fmt::Debug for MessageWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWindow").finish_non_exhaustive()
    }
}

/// Posts messages to a [`MessageWindow`], from any thread. A clone posts to the same window.
#[derive(Clone)]
pub struct MessagePoster(Arc<platform::Window>);

impl MessagePoster {
    /// Puts a message at the end of the window's queue, and wakes its thread.
    ///
    /// # Errors
    /// `BrokenPipe` when the window was dropped.
    ///
    /// # Platform
    /// On Windows also the system's error for a queue that is full.
    pub fn post(&self, message: u32, parameter: u64) -> io::Result<()> {
        self.0.post(message, parameter)
    }
}

impl fmt::Debug for MessagePoster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessagePoster").finish_non_exhaustive()
    }
}

/// The error of a post to a window that is not there any more.
pub(crate) fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the message window was dropped: nobody will take what is posted",
    )
}
