//! Windows: nothing that another thread does to a socket is sure to wake whoever blocks in it, and
//! a blocking call that ran out of time may have taken data along. So the blocking model waits for
//! its sockets, and makes calls that do not block.

use overlapped::Protocol;
use overlapped_serving::lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long the thread that accepts, or one that serves while the server is being stopped, may wait
/// before it looks around.
const LOOK: Duration = Duration::from_millis(50);

/// The same for the threads of connections, of which there may be thousands. The alarm wakes them.
const LOOK_OF_MANY: Duration = Duration::from_secs(2);

/// What wakes all threads that wait for a connection: a socket that becomes readable, and stays so
/// since nobody reads it.
#[derive(Clone)]
pub(crate) struct Alarm(Arc<UdpSocket>);

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(socket.local_addr()?)?;
        Ok(Self(Arc::new(socket)))
    }

    pub(crate) fn ring(&self) {
        // Without it they look by themselves, only later.
        let _ = self.0.send(&[0]);
    }
}

/// A connection of the blocking model. Its thread calls it, and the thread that stops the server.
pub(crate) struct Line {
    stream: TcpStream,
    alarm: Alarm,
    ending: AtomicU8,
    limits: Mutex<Limits>,
    /// A send ran out of time: part of it is with the system and part of it is not.
    stuck: AtomicBool,
}

/// The states of [`Line::ending`], each beyond the one before.
const OPEN: u8 = 0;
const INPUT_ENDS: u8 = 1;
const CUT: u8 = 2;

#[derive(Clone, Copy, Default)]
struct Limits {
    receive: Option<Duration>,
    send: Option<Duration>,
}

impl Line {
    pub(crate) fn new(stream: TcpStream, alarm: &Alarm) -> Self {
        // A connection that is gone already takes neither, and its thread will find out.
        let _ = stream.set_nonblocking(true);
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            alarm: alarm.clone(),
            ending: AtomicU8::new(OPEN),
            limits: Mutex::default(),
            stuck: AtomicBool::new(false),
        }
    }

    /// The client's address, as long as the system knows it.
    pub(crate) fn client(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Receives as one blocking call; 0 is the end.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (limit, since) = (self.limits().receive, Instant::now());
        loop {
            // Asked first: what comes after the input has ended is not looked for.
            let ending = self.ending.load(Ordering::SeqCst);
            match (&self.stream).read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if ending >= INPUT_ENDS {
                        return Ok(0);
                    }
                    self.wait_for(PollFlags::IN, limit, since)?;
                }
                other => return other,
            }
        }
    }

    /// Sends all of `bytes`.
    pub(crate) fn send_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let (limit, mut since) = (self.limits().send, Instant::now());
        while !bytes.is_empty() {
            match (&self.stream).write(bytes) {
                Ok(length) => {
                    bytes = &bytes[length..];
                    since = Instant::now();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait_for(PollFlags::OUT, limit, since).inspect_err(|error| {
                        let is_late = error.kind() == ErrorKind::TimedOut;
                        self.stuck.store(is_late, Ordering::Relaxed);
                    })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until the socket may go on, or until it is time to look around.
    fn wait_for(&self, what: PollFlags, limit: Option<Duration>, since: Instant) -> io::Result<()> {
        let ending = self.ending.load(Ordering::SeqCst);
        if ending == CUT {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let look = if ending == OPEN { LOOK_OF_MANY } else { LOOK };
        let wait = match limit.map(|limit| limit.saturating_sub(since.elapsed())) {
            Some(Duration::ZERO) => return Err(ErrorKind::TimedOut.into()),
            Some(rest) => rest.min(look),
            None => look,
        };
        // Rounded up, so that nobody goes round and round in the last millisecond.
        let wait = Timespec::try_from(wait + Duration::from_millis(1)).map_err(io::Error::other)?;
        let sockets =
            &mut [PollFd::new(&self.stream, what), PollFd::new(&*self.alarm.0, PollFlags::IN)];
        // Once the alarm is heard it says nothing new.
        let count = if ending == OPEN { 2 } else { 1 };
        poll(&mut sockets[..count], Some(&wait))?;
        Ok(())
    }

    /// Sets how long [`Line::receive`] may wait.
    pub(crate) fn set_receive_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        self.change_limits(|limits| limits.receive = limit);
        Ok(())
    }

    /// Sets how long [`Line::send_all`] may go without progress.
    pub(crate) fn set_send_limit(&self, limit: Option<Duration>) -> io::Result<()> {
        self.change_limits(|limits| limits.send = limit);
        Ok(())
    }

    /// From now on receives yield what has come, and then the end. Those under way need the alarm.
    pub(crate) fn end_input(&self) {
        self.ending.fetch_max(INPUT_ENDS, Ordering::SeqCst);
    }

    /// Ends a connection that ran out of time; its thread calls it. A client that does not read loses
    /// what it was still to get, and shall know. A silent one gets a graceful end, which a reset
    /// would overtake here.
    pub(crate) fn give_up(&self) {
        if self.stuck.load(Ordering::Relaxed) {
            self.reset();
        }
    }

    /// Ends the connection soon, whatever its thread is doing; unsent data is lost. The reset goes
    /// out when the thread lets go of the connection.
    pub(crate) fn reset(&self) {
        self.ending.store(CUT, Ordering::SeqCst);
        let socket = socket2::SockRef::from(&self.stream);
        // One that is gone already takes neither.
        let _ = socket.set_linger(Some(Duration::ZERO));
        let _ = socket.shutdown(Shutdown::Both);
    }

    fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut lock(&self.limits));
    }
}

/// Makes `listener` fit for [`accept`].
pub(crate) fn prepare_listener(listener: &TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)
}

/// Waits a while for a client; none may come.
pub(crate) fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    let wait = Timespec::try_from(LOOK).map_err(io::Error::other)?;
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&wait))?;
    // Nobody asks for the address, which a client that is gone already need not have any more.
    match socket2::SockRef::from(listener).accept() {
        Ok((stream, _)) => Ok(Some(stream.into())),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Wakes the thread in [`accept`], which here wakes by itself.
pub(crate) fn wake(_listener: &TcpListener) {}

/// Sets the options of an accepted connection, which does not inherit them.
pub(crate) fn prepare<P: Protocol>(stream: &overlapped::TcpStream<P>) {
    // One that is gone already takes none, and its first operation will say so.
    let _ = stream.set_nodelay(true);
}
