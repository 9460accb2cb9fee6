//! What only Windows shows, on a port of the library's: packets that strangers cause (F9), and that
//! no handle is left behind (F19).

use super::block::Finished;
use super::{Iocp, Marker, TAKE_MAX, Taken};
use crate::sys::Backend;
use crate::{Buffer, DriverChoice, ListenSocket, Packet, Port, Protocol, TakeError, TcpSocket};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::windows::io::AsRawSocket;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::STATUS_PENDING;
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSABUF, WSARecv};
use windows_sys::Win32::System::IO::{OVERLAPPED, PostQueuedCompletionStatus};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

const PATIENCE: Duration = Duration::from_secs(300);

struct Numbers;

impl Protocol for Numbers {
    type Key = u64;
    type Operation = u64;
    type Message = u64;
}

fn port() -> Port<Numbers> {
    let builder = Port::<Numbers>::builder().driver(DriverChoice::Iocp).concurrency(1);
    builder.build().expect("a port can be made")
}

fn iocp(port: &Port<Numbers>) -> &Iocp {
    match port.inner().scheduler().backend() {
        Backend::Overlapped(iocp) => iocp,
        Backend::Readiness(_) => panic!("the port was made on the system's own"),
    }
}

/// A connection of the standard library's: our end and the peer's.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = listener.local_addr().expect("it has an address");
    let peer = TcpStream::connect(address).expect("somebody listens");
    (listener.accept().expect("the peer has connected").0, peer)
}

/// A receive of somebody who has another handle of the same socket. The kernel reports it to the
/// port that the socket belongs to, under its key.
struct Stranger {
    socket: TcpStream,
    room: [u8; 8],
    overlapped: OVERLAPPED,
}

impl Stranger {
    fn start(socket: TcpStream) -> Box<Self> {
        let mut stranger =
            Box::new(Self { socket, room: [0; 8], overlapped: OVERLAPPED::default() });
        let length = stranger.room.len() as u32;
        let slice = WSABUF { len: length, buf: stranger.room.as_mut_ptr() };
        let socket = stranger.socket.as_raw_socket() as SOCKET;
        let overlapped = &raw mut stranger.overlapped;
        let mut flags = 0;
        // SAFETY: room and block are in a box that each test keeps until the receive has ended.
        unsafe { WSARecv(socket, &slice, 1, null_mut(), &mut flags, overlapped, None) };
        assert!(!stranger.has_ended(), "nothing was sent yet");
        stranger
    }

    fn has_ended(&self) -> bool {
        // SAFETY: the block is alive; the kernel writes this field in one piece.
        let status = unsafe { std::ptr::read_volatile(&raw const self.overlapped.Internal) };
        status as i32 != STATUS_PENDING
    }
}

#[test]
fn f9_a_packet_of_an_operation_that_a_stranger_started_is_passed_over() {
    let port = port();
    let (own, mut peer) = pair();
    let copy = own.try_clone().expect("a socket can have a second handle");
    let socket = TcpSocket::try_from(own).expect("it is adopted");
    let stream = port.associate(socket, 7).unwrap_or_else(|refused| panic!("{refused}"));

    // Alone: nobody of ours is told of it.
    let stranger = Stranger::start(copy.try_clone().expect("and a third"));
    peer.write_all(b"theirs 1").expect("the peer can send");
    let start = Instant::now();
    while !stranger.has_ended() {
        assert!(start.elapsed() < PATIENCE, "the stranger's receive has not ended");
        std::thread::yield_now();
    }
    assert_eq!(&stranger.room, b"theirs 1");
    let nothing = port.take_timeout(Duration::from_millis(50));
    assert!(matches!(nothing, Err(TakeError::TimedOut)), "it is no packet of ours");

    // Before one of ours, which is not mistaken for it.
    let stranger = Stranger::start(copy);
    stream.receive(Buffer::with_capacity(8), 1).unwrap_or_else(|refused| panic!("{refused}"));
    peer.write_all(b"theirs 2ours").expect("the peer can send");
    match port.take_timeout(PATIENCE) {
        Ok(Packet::Received { stream, buffer, operation: 1, result: Ok(_) }) => {
            assert_eq!((*stream.key(), &buffer[..]), (7, &b"ours"[..]));
        }
        _ => panic!("our receive was owed"),
    }
    assert_eq!(&stranger.room, b"theirs 2");
    assert_eq!((iocp(&port).in_flight(), port.snapshot().queued), (0, 0));
}

#[test]
fn f9_packets_that_a_stranger_posts_are_passed_over() {
    let port = port();
    let (own, mut peer) = pair();
    let socket = TcpSocket::try_from(own).expect("it is adopted");
    let stream = port.associate(socket, 7).unwrap_or_else(|refused| panic!("{refused}"));
    stream.receive(Buffer::with_capacity(8), 1).unwrap_or_else(|refused| panic!("{refused}"));
    let own_token = 0;
    let found = port.inner().connections.table.find(own_token).map(drop);
    assert!(found.is_some(), "it is the token of the port's first connection");
    let theirs = Box::new(OVERLAPPED::default());
    let of_handles = [own_token as usize, 1, 0xDEAD_BEEF, usize::MAX / 2];
    let of_markers = [Marker::Posted, Marker::Alarm, Marker::Look].map(Marker::key);
    for key in of_handles.into_iter().chain(of_markers) {
        for block in [null(), std::ptr::from_ref(&*theirs), std::ptr::dangling()] {
            // SAFETY: the port is open; the pointer is carried and never looked at.
            let posted = unsafe { PostQueuedCompletionStatus(iocp(&port).raw(), 5, key, block) };
            assert_ne!(posted, 0);
        }
    }
    let nothing = port.take_timeout(Duration::from_millis(50));
    assert!(matches!(nothing, Err(TakeError::TimedOut)), "none is a packet of ours");
    assert_eq!(iocp(&port).in_flight(), 1, "our receive goes on");
    peer.write_all(b"ours").expect("the peer can send");
    match port.take_timeout(PATIENCE) {
        Ok(Packet::Received { buffer, operation: 1, .. }) => assert_eq!(&buffer[..], b"ours"),
        _ => panic!("our receive was owed"),
    }
}

#[test]
fn the_alarm_holds_its_port_open_until_it_is_gone() {
    let Iocp { port, alarm, .. } = Iocp::new(1).expect("a port can be made");
    let watched = Arc::downgrade(&port);
    alarm.set(Some(Instant::now() + PATIENCE));
    drop(port);
    assert_eq!(watched.strong_count(), 1, "its callback may still use the port");
    drop(alarm);
    assert_eq!(watched.strong_count(), 0, "no callback can come any more");
}

/// As if the system had been short of memory.
#[test]
fn p25_a_packet_that_could_not_be_queued_is_queued_by_the_next_call_and_in_its_order() {
    let iocp = Iocp::new(1).expect("a port can be made");
    let finished = |transferred| Finished { block: null_mut(), transferred };
    iocp.unposted.lock().push_back((1, finished(10)));
    iocp.unposted_count.store(1, Ordering::SeqCst);
    iocp.post_finished(2, finished(20));
    let take = || {
        let mut taken = Vec::new();
        iocp.take(&mut taken, TAKE_MAX, Some(Duration::ZERO));
        taken.into_iter().map(|taken| match taken {
            Taken::Finished(token, finished) => (token, finished.transferred),
            other => panic!("no such thing was queued: {other:?}"),
        })
    };
    assert!(take().eq([(1, 10), (2, 20)]));

    iocp.unposted.lock().push_back((3, finished(30)));
    iocp.unposted_count.store(1, Ordering::SeqCst);
    assert!(take().eq([(3, 30)]));
    assert!(take().eq([]));
}

/// How many handles this process has open.
fn handles() -> u32 {
    let mut count = 0;
    // SAFETY: the handle means this process, always.
    let process = unsafe { GetCurrentProcess() };
    // SAFETY: there is room for the count.
    let told = unsafe { GetProcessHandleCount(process, &mut count) };
    assert_ne!(told, 0, "the system tells it");
    if count > 0 {
        return count;
    }
    // Wine counts none. A new handle has the lowest number that is free, and numbers go by fours.
    let new = Iocp::new(1).expect("a port can be made");
    (new.raw() as usize / 4) as u32
}

#[test]
fn f19_no_handle_is_left_after_a_hundred_thousand_operations() {
    const CONNECTIONS: u64 = 500;
    const SENDS: u64 = 99;
    // Other tests of this process open a few meanwhile.
    const OTHERS: u32 = 250;
    let port = port();
    let socket = ListenSocket::bind("127.0.0.1:0", 16).expect("one can listen");
    let listener = port.associate(socket, 1).unwrap_or_else(|refused| panic!("{refused}"));
    let address = listener.local_addr().expect("it has an address");
    let next = || port.take_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}"));
    let before = handles();
    for _ in 0..CONNECTIONS {
        listener.accept(1).unwrap_or_else(|refused| panic!("{refused}"));
        let socket = TcpSocket::v4().expect("a socket can be made");
        let client = port.associate(socket, 2).unwrap_or_else(|refused| panic!("{refused}"));
        client.connect(address, (), 2).unwrap_or_else(|refused| panic!("{refused}"));
        let mut connection = None;
        for _ in 0..2 {
            if let Packet::Accepted { result, .. } = next() {
                connection = result.ok();
            }
        }
        let socket = connection.expect("the client was accepted").socket;
        let server = port.associate(socket, 3).unwrap_or_else(|refused| panic!("{refused}"));
        for _ in 0..SENDS {
            client.send(b"x", 3).unwrap_or_else(|refused| panic!("{refused}"));
            drop(next());
            server.receive_pooled(4).unwrap_or_else(|refused| panic!("{refused}"));
            drop(next());
        }
        client.abort();
    }
    let grown = handles().saturating_sub(before);
    assert!(grown < OTHERS, "{grown} handles are left");
}
