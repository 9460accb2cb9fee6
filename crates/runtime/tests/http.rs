//! HTTP by hyper and axum on the runtime: clients and servers, HTTP/1.1 and HTTP/2.

use axum::Router;
use axum::extract::Path;
use axum::routing::{get, post};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use overlapped_runtime::net::{TcpListener, TcpStream};
use overlapped_runtime::{HyperExecutor, HyperTimer, Runtime, spawn};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn app() -> Router {
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/panic", get(panicking))
        .route("/number/{number}", get(|Path(number): Path<u32>| async move { number.to_string() }))
}

async fn panicking() -> &'static str {
    let text: Option<&str> = std::hint::black_box(None);
    text.expect("the handler panics")
}

/// Runs a client beside a server of the app.
fn with_server<F: Future<Output = ()>>(client: impl FnOnce(SocketAddr) -> F) {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = spawn(overlapped_runtime::serve(listener, app()).into_future());
        client(address).await;
        server.abort();
    });
}

type Client = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

async fn connect(address: SocketAddr) -> Client {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    let (client, connection) =
        hyper::client::conn::http1::handshake(stream).await.expect("it is HTTP");
    drop(spawn(connection));
    client
}

async fn ask(client: &mut Client, path: &str, body: Bytes) -> hyper::Result<(StatusCode, Bytes)> {
    client.ready().await?;
    let method = if body.is_empty() { "GET" } else { "POST" };
    let request = Request::builder().method(method).uri(path).header("host", "test");
    let request = request.body(Full::new(body)).expect("it is a request");
    // The answer before may have come a moment before the connection takes the next question.
    client.ready().await?;
    let response = client.send_request(request).await?;
    let status = response.status();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

#[test]
fn a_router_answers_on_connections_that_stay() {
    with_server(|address| async move {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                spawn(async move {
                    let mut client = connect(address).await;
                    for number in 0..50 {
                        let path = format!("/number/{number}");
                        let (status, body) = ask(&mut client, &path, Bytes::new()).await?;
                        assert_eq!(
                            (status, &body[..]),
                            (StatusCode::OK, number.to_string().as_bytes())
                        );
                    }
                    hyper::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await.expect("it ends").expect("it is answered");
        }
    });
}

#[test]
fn large_bodies_come_whole_both_ways() {
    with_server(|address| async move {
        let mut client = connect(address).await;
        let body: Bytes = (0..1_500_000_u32).map(|number| (number % 251) as u8).collect();
        let (status, back) = ask(&mut client, "/echo", body.clone()).await.expect("it is answered");
        assert_eq!(status, StatusCode::OK);
        assert!(back == body, "{} bytes, or others", back.len());
    });
}

#[test]
fn a_handler_that_panics_loses_its_connection_alone() {
    with_server(|address| async move {
        let mut other = connect(address).await;
        ask(&mut other, "/hello", Bytes::new()).await.expect("it is answered");
        let mut client = connect(address).await;
        assert!(ask(&mut client, "/panic", Bytes::new()).await.is_err(), "nobody answers it");
        let (_, body) = ask(&mut other, "/hello", Bytes::new()).await.expect("it is answered");
        assert_eq!(&body[..], b"hello");
    });
}

#[test]
fn the_second_version_of_http_is_served_on_the_same_address() {
    with_server(|address| async move {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        let mut http = hyper::client::conn::http2::Builder::new(HyperExecutor);
        http.timer(HyperTimer);
        let (client, connection) = http.handshake(stream).await.expect("it is HTTP");
        drop(spawn(connection));
        // All at once, on one connection.
        let asks: Vec<_> = (0..50)
            .map(|number| {
                let mut client = client.clone();
                spawn(async move {
                    let path = format!("http://test/number/{number}");
                    let request = Request::builder().uri(path).body(Empty::<Bytes>::new());
                    let response = client.send_request(request.expect("it is a request")).await?;
                    let body = response.into_body().collect().await?.to_bytes();
                    assert_eq!(&body[..], number.to_string().as_bytes());
                    hyper::Result::Ok(())
                })
            })
            .collect();
        for ask in asks {
            ask.await.expect("it ends").expect("it is answered");
        }
    });
}

#[test]
fn nonsense_and_silence_cost_nobody_else_anything() {
    with_server(|address| async move {
        let _silent = std::net::TcpStream::connect(address).expect("the server listens");
        let mut nonsense = std::net::TcpStream::connect(address).expect("the server listens");
        nonsense.set_read_timeout(Some(PATIENCE)).expect("it is connected");
        nonsense.write_all(b"\0\x01nonsense\r\n\r\n").expect("it is connected");
        let mut answer = Vec::new();
        // It may be answered, or the connection reset: it ends.
        let ended = nonsense.read_to_end(&mut answer);
        assert!(
            ended.is_err() || answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{answer:?}"
        );
        let mut client = connect(address).await;
        let (_, body) = ask(&mut client, "/hello", Bytes::new()).await.expect("it is answered");
        assert_eq!(&body[..], b"hello");
    });
}

#[test]
fn a_server_that_stops_ends_idle_connections_and_finishes_requests() {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let (in_hand, is_in_hand) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
        let slow = move || async move {
            in_hand.send(()).expect("the test waits");
            let released = overlapped_runtime::blocking(|| {
                wait.lock().expect("nobody panics").recv_timeout(PATIENCE)
            });
            released.map_or("not released", |()| "released")
        };
        let app = app().route("/slow", get(slow));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = overlapped_runtime::serve(listener, app)
            .with_graceful_shutdown(async { drop(stopped.await) })
            .drain_within(PATIENCE);
        let server = spawn(server.into_future());

        let mut idle = connect(address).await;
        ask(&mut idle, "/hello", Bytes::new()).await.expect("it is answered");
        let mut client = connect(address).await;
        let asked = spawn(async move { ask(&mut client, "/slow", Bytes::new()).await });
        overlapped_runtime::blocking(|| is_in_hand.recv_timeout(PATIENCE)).expect("it is in hand");
        stop.send(()).expect("the server waits for it");
        while idle.ready().await.is_ok() && !idle.is_closed() {
            overlapped_runtime::yield_now().await;
        }
        assert!(!server.is_finished(), "a request is in hand");
        release.send(()).expect("the handler waits");
        let (_, body) = asked.await.expect("it ends").expect("it is answered");
        assert_eq!(&body[..], b"released");
        server.await.expect("it does not panic").expect("it has stopped");
        let refused = TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}
