//! What a server is told of its limits, and what it counts.

use axum::routing::get;
use axum::{Extension, Router};
use overlapped_runtime::net::TcpListener;
use overlapped_runtime::{ClientAddress, Runtime, Serve, ServeMetrics, blocking, serve, spawn};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A limit that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

const LARGE_BYTES: usize = 64 << 20;

fn app() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
        .route("/who", get(who))
}

async fn who(Extension(ClientAddress(client)): Extension<ClientAddress>) -> String {
    client.to_string()
}

/// Runs clients beside a server of the app. They are of the standard library, and block.
fn with_server(
    settings: impl FnOnce(Serve<Router>) -> Serve<Router>,
    clients: impl FnOnce(SocketAddr, &ServeMetrics),
) {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = settings(serve(listener, app()));
        let metrics = server.metrics();
        let server = spawn(server.into_future());
        blocking(|| clients(address, &metrics));
        server.abort();
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is connected");
    stream
}

fn send(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is connected");
}

/// Reads an answer that ends with `end`.
fn read_until(stream: &mut TcpStream, end: &str) {
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it is answered");
        answer.push(byte[0]);
    }
}

/// Waits until the server has ended the connection, and gives what it still said.
fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("the connection stays")
        }
        // It may also be reset.
        _ => answer,
    }
}

/// Waits for what becomes true when a connection has ended.
fn wait_until(is_true: impl Fn() -> bool) {
    while !is_true() {
        std::thread::yield_now();
    }
}

#[test]
fn at_the_limit_nothing_is_accepted_until_one_ends() {
    with_server(
        |server| server.max_connections(2),
        |address, metrics| {
            let (mut first, mut second) = (connect(address), connect(address));
            for stream in [&mut first, &mut second] {
                send(stream, "/hello");
                read_until(stream, "hello");
            }
            assert_eq!((metrics.open(), metrics.at_limit()), (2, 1));
            let mut third = connect(address);
            send(&mut third, "/hello");
            for _ in 0..20 {
                send(&mut first, "/hello");
                read_until(&mut first, "hello");
            }
            assert_eq!((metrics.open(), metrics.accepted()), (2, 2));
            drop(second);
            read_until(&mut third, "hello");
            assert_eq!((metrics.accepted(), metrics.peak(), metrics.at_limit()), (3, 2, 2));
            drop((first, third));
            wait_until(|| metrics.open() == 0);
            assert_eq!((metrics.failed(), metrics.reset(), metrics.timed_out()), (0, 0, 0));
        },
    );
}

#[test]
fn who_sends_no_head_in_time_loses_the_connection() {
    with_server(
        // One of them has to ask and be answered within it.
        |server| server.request_head_within(10 * SHORT),
        |address, metrics| {
            let (mut silent, mut slow, mut idle) =
                (connect(address), connect(address), connect(address));
            slow.write_all(b"GET /hello HTTP/1.1\r\nHo").expect("it is connected");
            send(&mut idle, "/hello");
            read_until(&mut idle, "hello");
            for (stream, ended) in [(&mut silent, 1), (&mut slow, 2), (&mut idle, 3)] {
                assert_eq!(read_to_end(stream), b"");
                assert!(metrics.timed_out() >= ended, "{metrics:?}");
            }
            wait_until(|| metrics.open() == 0);
            assert_eq!((metrics.accepted(), metrics.timed_out()), (3, 3));
        },
    );
}

#[test]
fn a_connection_on_which_nothing_moves_is_ended() {
    with_server(
        |server| server.request_head_within(PATIENCE * 10).idle_within(SHORT),
        |address, metrics| {
            let mut idle = connect(address);
            send(&mut idle, "/hello");
            read_until(&mut idle, "hello");
            assert_eq!(read_to_end(&mut idle), b"");
            assert_eq!(metrics.timed_out(), 1);

            // The preface of HTTP/2, and settings without a setting: the client asks for nothing.
            let mut http2 = connect(address);
            let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
            http2.write_all(settings).expect("it is connected");
            assert!(!read_to_end(&mut http2).is_empty(), "the server says what it takes");
            wait_until(|| metrics.open() == 0);
            assert_eq!(metrics.timed_out(), 2, "{metrics:?}");
        },
    );
}

#[test]
fn who_does_not_read_is_given_up() {
    with_server(
        |server| server.idle_within(SHORT),
        |address, metrics| {
            let mut clogged = connect(address);
            send(&mut clogged, "/large");
            wait_until(|| metrics.timed_out() == 1);
            let got = read_to_end(&mut clogged).len();
            assert!(got < LARGE_BYTES, "{got} bytes: all of it was in buffers");
            wait_until(|| metrics.open() == 0);
        },
    );
}

#[test]
fn what_is_no_http_is_counted_and_a_clients_end_is_not() {
    with_server(
        |server| server,
        |address, metrics| {
            let mut nonsense = connect(address);
            nonsense.write_all(b"\0\x01nonsense\r\n\r\n").expect("it is connected");
            drop(read_to_end(&mut nonsense));
            wait_until(|| metrics.open() == 0);
            assert_eq!(metrics.failed(), 1);
            let mut polite = connect(address);
            send(&mut polite, "/hello");
            read_until(&mut polite, "hello");
            polite.shutdown(Shutdown::Write).expect("it is connected");
            assert_eq!(read_to_end(&mut polite), b"");
            wait_until(|| metrics.open() == 0);
            assert_eq!((metrics.failed(), metrics.reset(), metrics.timed_out()), (1, 0, 0));
        },
    );
}

#[test]
fn a_request_says_whose_it_is() {
    with_server(
        |server| server,
        |address, _| {
            let mut client = connect(address);
            let own = client.local_addr().map(|address| address.to_string());
            send(&mut client, "/who");
            read_until(&mut client, &own.expect("it is connected"));
        },
    );
}
