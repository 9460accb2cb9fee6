//! What the tests share: time limits, the system they run on, addresses, events and connections.

use overlapped_notify::{EventObject, Listener, Stream, Waited, wait_any};
use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// No test waits longer than this for anything; it fails instead. It is long, since a test may run
/// at the lowest priority beside programs that take all of the processors.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// Long enough that a wait which should end has ended.
pub(crate) const LONG: Option<Duration> = Some(PATIENCE);
pub(crate) const NONE: Option<Duration> = Some(Duration::ZERO);

/// What says that an operation was cancelled.
pub(crate) const ABORTED: i32 = if cfg!(windows) { 995 } else { 125 };
/// What says that a direction was shut down.
pub(crate) const SHUT_DOWN: i32 = if cfg!(windows) { 10058 } else { 108 };

/// Whether this is Wine; then it says that a part of `test` is left out, and why.
pub(crate) fn on_wine(test: &str, why: &str) -> bool {
    let is_wine = cfg!(windows) && std::env::var_os("OVERLAPPED_WINE").is_some();
    if is_wine {
        println!("skipped: {test}: {why}");
    }
    is_wine
}

thread_local! {
    static OVER_IPV6: Cell<bool> = const { Cell::new(false) };
}

/// Whether the addresses of this thread's world are of IPv6.
pub(crate) fn is_v6() -> bool {
    OVER_IPV6.get()
}

/// The loopback address of this thread's world, with a port that the system chooses.
pub(crate) fn any() -> SocketAddr {
    let loopback: IpAddr =
        if is_v6() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
    (loopback, 0).into()
}

/// Runs `test` over IPv4 and then over IPv6. Where this machine has no IPv6 that is passed over, with
/// a word.
pub(crate) fn over_both(name: &str, test: impl Fn()) {
    test();
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        println!("skipped: {name} over IPv6: this machine has none: {error}");
        return;
    }
    println!("over IPv6:");
    OVER_IPV6.set(true);
    test();
    OVER_IPV6.set(false);
}

/// Whether this process may have so many descriptors; if not, says that `test` is passed over. The
/// limit is raised as far as the process may.
#[cfg(target_os = "linux")]
pub(crate) fn may_have_descriptors(test: &str, count: u64) -> bool {
    use rustix::process::{Resource, getrlimit, setrlimit};
    // For the tests that run at the same time.
    const OTHERS: u64 = 300;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("it may be raised up to the maximum");
    let may = limit.maximum.is_none_or(|maximum| maximum >= count + OTHERS);
    if !may {
        println!("skipped: {test}: it takes {count} descriptors, and {limit:?} are allowed");
    }
    may
}

/// The same: there is no such limit.
#[cfg(windows)]
pub(crate) fn may_have_descriptors(_test: &str, _count: u64) -> bool {
    true
}

/// Waits until the condition holds, or fails.
pub(crate) fn until(condition: impl Fn() -> bool, complaint: &str) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it has not come about: {complaint}");
        std::thread::yield_now();
    }
}

/// A listener whose backlog is full and stays so while the result lives: a connect to it goes on.
pub(crate) fn full_listener() -> (socket2::Socket, TcpStream, SocketAddr) {
    let domain = socket2::Domain::for_address(any());
    let listener = socket2::Socket::new(domain, socket2::Type::STREAM, None).expect("a socket");
    listener.bind(&any().into()).expect("a free port");
    listener.listen(0).expect("it is bound");
    let address = listener.local_addr().expect("it is bound").as_socket().expect("of the internet");
    let only = TcpStream::connect(address).expect("one fits");
    (listener, only, address)
}

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
