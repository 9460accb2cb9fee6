//! `serve` over TLS, and the app over SQLite on it.

#[path = "../axum_sqlite.rs"]
#[expect(dead_code, reason = "its `main` and the reading of files are left out")]
mod axum_sqlite;
mod certificates;

use axum::Router;
use axum::routing::get;
use certificates::configs;
use overlapped_runtime::net::{TcpListener, TcpStream};
use overlapped_runtime::time::timeout;
use overlapped_runtime::{JoinError, Runtime, blocking, spawn, yield_now};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

async fn connect(address: SocketAddr, config: &ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("it is a name");
    TlsConnector::from(Arc::new(config.clone())).connect(name, stream).await
}

/// The body of an answer. The end of the connection is told, or this is an error.
async fn ask(address: SocketAddr, config: &ClientConfig, request: &str) -> io::Result<String> {
    let mut stream = connect(address, config).await?;
    let request = format!("{request}\r\n");
    let request =
        request.replacen("\r\n", " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", 1);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    Ok(body.to_owned())
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    (listener, address)
}

fn app() -> Router {
    Router::new().route("/hello", get(|| async { "hello" }))
}

fn runtime() -> Runtime {
    Runtime::builder().concurrency(1).build().expect("a runtime starts")
}

#[test]
fn both_versions_of_http_are_offered_and_the_end_is_told() {
    let (server, mut client) = configs();
    runtime()
        .block_on(async {
            let (listener, address) = listen();
            drop(spawn(overlapped_runtime::serve(listener, app()).with_tls(server).into_future()));
            // Without a `close_notify` of the server the end would be an error.
            assert_eq!(ask(address, &client, "GET /hello\r\n").await?, "hello");

            client.alpn_protocols = vec![b"h2".to_vec()];
            let mut stream = connect(address, &client).await?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            // The preface of HTTP/2, and settings without a setting; the server's settings come back.
            stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await?;
            let mut head = [0; 9];
            stream.read_exact(&mut head).await?;
            assert_eq!(head[3], 4, "a frame of settings");
            io::Result::Ok(())
        })
        .expect("nothing fails");
}

#[test]
fn what_was_chosen_in_the_handshake_is_spoken_and_nothing_else() {
    let (server, mut client) = configs();
    runtime().block_on(async {
        let (listener, address) = listen();
        drop(spawn(overlapped_runtime::serve(listener, app()).with_tls(server).into_future()));
        for (protocol, request, status) in [
            ("http/1.0", "GET /hello HTTP/1.0\r\n\r\n", Some("HTTP/1.0 200 OK\r\n")),
            ("http/1.1", "OPTIONS /hello HTTP/9.9\r\n\r\n", Some("HTTP/1.1 400 Bad Request\r\n")),
            ("h2", "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", None),
        ] {
            client.alpn_protocols = vec![protocol.into()];
            let mut stream = connect(address, &client).await.expect(protocol);
            stream.write_all(request.as_bytes()).await.expect(protocol);
            let mut answer = Vec::new();
            let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            // What ends for an error may end without a `close_notify`.
            drop(ended.expect("the connection ends"));
            let answer = String::from_utf8_lossy(&answer);
            match status {
                Some(status) => assert!(answer.starts_with(status), "{protocol}: {answer}"),
                None => assert!(!answer.contains("HTTP/1"), "{protocol}: {answer}"),
            }
        }
    });
}

/// Until the server ends the connection.
fn read_to_end(mut stream: std::net::TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).expect("it is connected");
    let mut answer = Vec::new();
    match blocking(|| stream.read_to_end(&mut answer)) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            panic!("the connection stays")
        }
        // It may also be reset.
        _ => answer,
    }
}

#[test]
fn who_ends_no_handshake_is_given_up_and_holds_up_nobody() {
    let (server, client) = configs();
    runtime().block_on(async {
        let (listener, address) = listen();
        let server = overlapped_runtime::serve(listener, app()).with_tls(server);
        let metrics = server.metrics();
        drop(spawn(server.handshake_within(Duration::from_secs(3)).into_future()));
        let silent = std::net::TcpStream::connect(address).expect("the server listens");
        let mut plain = std::net::TcpStream::connect(address).expect("the server listens");
        plain.write_all(b"GET /hello HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is connected");
        let nobody = ClientConfig::builder().with_root_certificates(RootCertStore::empty());
        let error = connect(address, &nobody.with_no_client_auth()).await;
        assert!(error.is_err(), "the client does not trust the server");
        assert_eq!(ask(address, &client, "GET /hello\r\n").await.expect("it is served"), "hello");
        assert!(!read_to_end(plain).starts_with(b"HTTP"), "nothing is answered without TLS");
        assert_eq!(read_to_end(silent), b"");
        assert_eq!(ask(address, &client, "GET /hello\r\n").await.expect("it is served"), "hello");
        while metrics.failed_handshakes() < 3 || metrics.open() > 0 {
            yield_now().await;
        }
        assert_eq!((metrics.accepted(), metrics.failed_handshakes()), (5, 3));
    });
}

#[test]
fn a_handshake_has_a_place_until_it_is_given_up() {
    let (server, client) = configs();
    runtime().block_on(async {
        let (listener, address) = listen();
        let server = overlapped_runtime::serve(listener, app()).with_tls(server);
        let server = server.handshake_within(Duration::from_secs(3)).max_connections(1);
        let metrics = server.metrics();
        drop(spawn(server.into_future()));
        let silent = std::net::TcpStream::connect(address).expect("the server listens");
        assert_eq!(ask(address, &client, "GET /hello\r\n").await.expect("it is served"), "hello");
        assert_eq!((metrics.peak(), metrics.accepted(), metrics.failed_handshakes()), (1, 2, 1));
        drop(silent);
    });
}

#[test]
fn a_server_that_stops_gives_up_handshakes() {
    let (server, client) = configs();
    runtime().block_on(async {
        let (listener, address) = listen();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = overlapped_runtime::serve(listener, app())
            .with_tls(server)
            .handshake_within(PATIENCE * 10)
            .drain_within(PATIENCE * 10)
            .with_graceful_shutdown(async { drop(stopped.await) });
        let server = spawn(server.into_future());
        let silent = std::net::TcpStream::connect(address).expect("the server listens");
        // The silent one was accepted before this one.
        assert_eq!(ask(address, &client, "GET /hello\r\n").await.expect("it is served"), "hello");
        stop.send(()).expect("the server waits for it");
        let ended: Result<Result<_, JoinError>, _> = timeout(PATIENCE, server).await;
        ended.expect("it waits for no handshake").expect("it ends").expect("nothing fails");
        assert_eq!(read_to_end(silent), b"");
    });
}

#[test]
fn the_page_quotes_the_whole_program() {
    let page = include_str!("../../docs/axum.md").replace('\r', "");
    let program = include_str!("../axum_sqlite.rs").replace('\r', "");
    // What the file says of itself is not quoted.
    let (_, program) = program.split_once("\n\n").expect("a comment, then the program");
    assert!(page.contains(&format!("```rust\n{program}```")), "it should quote this:\n{program}");
}

/// The handler waits for another process, in effect, and does not say so.
#[test]
#[cfg(target_os = "linux")]
fn a_handler_that_waits_for_the_database_holds_up_nobody() {
    let name = format!("overlapped-notes-{}.db", std::process::id());
    let file = std::env::temp_dir().join(name);
    let _ = std::fs::remove_file(&file);
    let (server, client) = configs();
    let app = axum_sqlite::app(&file).expect("it is a database");
    runtime().block_on(async {
        let (listener, address) = listen();
        drop(spawn(overlapped_runtime::serve(listener, app).with_tls(server).into_future()));
        let other = rusqlite::Connection::open(&file).expect("it is a database");
        other.execute_batch("BEGIN EXCLUSIVE").expect("nobody else writes");
        let of_writer = client.clone();
        let post = "POST /notes\r\nContent-Length: 8\r\nContent-Type: text/plain\r\n";
        let writes = spawn(async move {
            let mut stream = connect(address, &of_writer).await?;
            let head =
                post.replacen("\r\n", " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", 1);
            stream.write_all(format!("{head}\r\nbuy milk").as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        });
        for _ in 0..5 {
            assert_eq!(ask(address, &client, "GET /\r\n").await.expect("it is served"), "hello\n");
        }
        assert!(!writes.is_finished(), "the database is locked");
        other.execute_batch("COMMIT").expect("it was begun");
        let answer = writes.await.expect("it ends").expect("it is answered");
        assert!(answer.ends_with("note 1\n"), "{answer}");
        assert_eq!(
            ask(address, &client, "GET /notes\r\n").await.expect("it is served"),
            "buy milk\n"
        );
    });
    std::fs::remove_file(&file).expect("it is closed");
}
