//! What the tests of readiness are made of: plain sockets and their peers, and the two ways in which
//! network events are told.

use crate::world::{PATIENCE, any, is_v6, on_wine};
use overlapped_notify::{
    EventObject, Message, MessageWindow, NetworkEvents, Socket, SocketSet, Waited, select, wait_any,
};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So long nothing must come where nothing is owed. It decides how sure a test is that it sees a
/// mistake, and never whether it passes.
pub const QUIET: Duration = Duration::from_millis(if cfg!(windows) { 100 } else { 20 });

pub fn listener() -> (Socket, SocketAddr) {
    let listener = TcpListener::bind(any()).expect("one can listen");
    let address = listener.local_addr().expect("it has an address");
    (Socket::try_from(listener).expect("it becomes non-blocking"), address)
}

/// A stream socket that is connected to nobody.
pub fn fresh() -> Socket {
    let socket = if is_v6() { Socket::stream_v6() } else { Socket::stream_v4() };
    socket.expect("a socket can be made")
}

pub fn client(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    stream.set_nodelay(true).expect("an option can be set");
    stream
}

/// A connection: our end, and the peer's.
pub fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind(any()).expect("one can listen");
    let peer = client(listener.local_addr().expect("it has an address"));
    let (stream, _) = listener.accept().expect("the peer has connected");
    (Socket::try_from(stream).expect("it becomes non-blocking"), peer)
}

/// A datagram socket that sends to itself.
pub fn echo_of_itself() -> Socket {
    let socket = UdpSocket::bind(any()).expect("it can be bound");
    socket.connect(socket.local_addr().expect("it is bound")).expect("it can be connected");
    Socket::try_from(socket).expect("it becomes non-blocking")
}

/// An address at which nobody listens.
pub fn nobody() -> SocketAddr {
    // Bound, so that nobody else gets the port while the tests run, and not listening.
    static HELD: Mutex<Vec<socket2::Socket>> = Mutex::new(Vec::new());
    let address = any();
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&address.into()).expect("a free port");
    let address = socket.local_addr().expect("it is bound").as_socket().expect("of the internet");
    HELD.lock().unwrap_or_else(PoisonError::into_inner).push(socket);
    address
}

/// Asserts that a socket which was aborted has reset its connection.
pub fn assert_was_reset(test: &str, mut peer: TcpStream) {
    match peer.read(&mut [0; 8]) {
        Err(error) => assert!(
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
            ),
            "{error}"
        ),
        Ok(0)
            if on_wine(test, "Wine ends a stream before it resets it, and the end came first") => {}
        Ok(count) => panic!("{count} bytes or the end came, and no reset"),
    }
}

pub fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("an option can be set");
}

/// Starts to connect.
pub fn start_connect(socket: &Socket, address: SocketAddr) {
    match socket.connect(address) {
        Ok(()) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
    }
}

/// Sends until there is no room, and none comes back by itself. Gives how many bytes went.
pub fn fill(socket: &Socket) -> usize {
    let (block, mut sent) = (vec![7; 1 << 16], 0);
    loop {
        match socket.send(&block) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut write = SocketSet::new();
                write.insert(socket);
                let has_room = select(None, Some(&mut write), None, Some(QUIET));
                if has_room.expect("a socket was given") == 0 {
                    return sent;
                }
            }
            Err(error) => panic!("it can be sent: {error}"),
        }
    }
}

/// Takes so many bytes at the peer.
pub fn take(peer: &mut TcpStream, count: usize) {
    let mut room = vec![0; count];
    peer.read_exact(&mut room).expect("so much was sent");
}

/// Receives until nothing is there: what came, and whether it was the end.
pub fn drain(socket: &Socket) -> (Vec<u8>, bool) {
    let (mut all, mut room) = (Vec::new(), [0; 4096]);
    loop {
        match socket.receive(&mut room) {
            Ok(0) => return (all, true),
            Ok(count) => all.extend_from_slice(&room[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (all, false),
            Err(error) => panic!("it can be received: {error}"),
        }
    }
}

/// How network events are told of.
pub enum Teller {
    Event(EventObject),
    Window(MessageWindow),
}

/// Makes a test of each function `fn name(teller: &Teller)` in either form.
#[macro_export]
macro_rules! in_both_forms {
    ($($name:ident),+ $(,)?) => {
        mod events {
            $(#[test] fn $name() {
                $crate::world::over_both(stringify!($name), || {
                    super::$name(&$crate::plain_sockets::Teller::event())
                });
            })+
        }
        mod messages {
            $(#[test] fn $name() { super::$name(&$crate::plain_sockets::Teller::window()); })+
        }
    };
}

impl Teller {
    pub fn event() -> Self {
        Self::Event(EventObject::manual_reset().expect("an event can be made"))
    }

    pub fn window() -> Self {
        Self::Window(MessageWindow::new().expect("a window can be made"))
    }

    pub fn is_event(&self) -> bool {
        matches!(self, Self::Event(_))
    }

    pub fn event_object(&self) -> &EventObject {
        match self {
            Self::Event(event) => event,
            Self::Window(_) => panic!("it was made as a window"),
        }
    }

    pub fn select(&self, socket: &Socket, mask: NetworkEvents) {
        match self {
            Self::Event(event) => socket.select_events(event, mask),
            Self::Window(window) => socket.select_messages(window, 1, mask),
        }
        .expect("it can be selected");
    }

    /// The next events of the socket, in their order, with their errors; `None` when the time is
    /// over. Of other sockets nothing comes meanwhile.
    fn next(
        &self,
        socket: &Socket,
        patience: Duration,
    ) -> Option<Vec<(NetworkEvents, Option<i32>)>> {
        let code = |error: Option<io::Error>| error.map(|error| error.raw_os_error().unwrap_or(-1));
        match self {
            Self::Event(event) => {
                match wait_any(&[event], Some(patience), false).expect("one can wait") {
                    Waited::TimedOut => None,
                    _ => {
                        let record = socket.enumerate_network_events(Some(event));
                        let record = record.expect("there is a record");
                        let events = record.events();
                        Some(events.iter().map(|one| (one, code(record.error(one)))).collect())
                    }
                }
            }
            Self::Window(window) => match window.next(Some(patience)).expect("one can wait") {
                None => None,
                Some(Message::Network { message: 1, socket: of, event, error }) => {
                    assert_eq!(of, socket.id(), "it is of that socket");
                    Some(vec![(event, code(error))])
                }
                Some(other) => panic!("{other:?} was not expected"),
            },
        }
    }

    /// Each of `events` comes, once, and no other; gives them as they came.
    #[track_caller]
    pub fn expect(
        &self,
        socket: &Socket,
        events: NetworkEvents,
    ) -> Vec<(NetworkEvents, Option<i32>)> {
        let mut came: Vec<(NetworkEvents, Option<i32>)> = Vec::new();
        while came.len() < events.iter().count() {
            let next = self.next(socket, PATIENCE);
            assert!(next.is_some(), "{events:?} are owed; there came {came:?}");
            // An event object may be set for what was taken since, so nothing may come with it.
            for (event, code) in next.unwrap_or_default() {
                let is_new = came.iter().all(|(one, _)| *one != event);
                assert!(events.contains(event) && is_new, "{event:?} came, after {came:?}");
                came.push((event, code));
            }
        }
        came
    }

    /// One of these comes, without an error.
    #[track_caller]
    pub fn expect_well(&self, socket: &Socket, events: NetworkEvents) {
        let came = self.expect(socket, events);
        assert!(came.iter().all(|(_, code)| code.is_none()), "{came:?}");
    }

    /// Sends until there is no room and nothing more is told of any: the last send found none, and
    /// has enabled WRITE.
    pub fn fill(&self, socket: &Socket) -> usize {
        let mut sent = fill(socket);
        while self.next(socket, QUIET).is_some_and(|came| !came.is_empty()) {
            sent += fill(socket);
        }
        sent
    }

    /// Everything that comes until a close does, while all data is received.
    pub fn until_close(&self, socket: &Socket) -> (Vec<NetworkEvents>, Vec<u8>) {
        let (mut came, mut data) = (Vec::new(), Vec::new());
        while !came.contains(&NetworkEvents::CLOSE) {
            let next = self.next(socket, PATIENCE).expect("a close is owed");
            came.extend(next.into_iter().map(|(event, _)| event));
            data.append(&mut drain(socket).0);
        }
        (came, data)
    }

    #[track_caller]
    pub fn expect_nothing(&self, socket: &Socket) {
        let came = self.next(socket, QUIET).unwrap_or_default();
        assert!(came.is_empty(), "nothing is owed, and there came {came:?}");
    }
}
