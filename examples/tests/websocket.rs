//! The WebSocket server, driven by a client of the same library.

#[path = "../websocket.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod websocket;

use futures_util::{SinkExt, StreamExt};
use overlapped_runtime::net::{TcpListener, TcpStream};
use overlapped_runtime::{JoinSet, Runtime, spawn};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a client beside the server.
fn with_server<F: Future<Output = ()>>(client: impl FnOnce(SocketAddr) -> F) {
    let runtime = Runtime::builder().concurrency(2).build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = spawn(websocket::serve(listener));
        client(address).await;
        server.abort();
    });
}

async fn connect(address: SocketAddr) -> Result<WebSocketStream<TcpStream>, Error> {
    let stream = TcpStream::connect(address).await?;
    Ok(tokio_tungstenite::client_async(format!("ws://{address}/"), stream).await?.0)
}

#[test]
fn messages_come_back_whole_and_the_end_is_answered() {
    with_server(|address| async move {
        let clients: JoinSet<Result<(), Error>> = (0..8)
            .map(|number| async move {
                let mut socket = connect(address).await?;
                let binary: Vec<u8> = (0..300_000_u32).map(|byte| (byte % 251) as u8).collect();
                for round in 0..10 {
                    let text = Message::text(format!("client {number}, round {round}"));
                    socket.send(text.clone()).await?;
                    assert_eq!(socket.next().await.expect("it is answered")?, text);
                }
                socket.send(Message::Ping("here?".into())).await?;
                let pong = socket.next().await.expect("it is answered")?;
                assert_eq!(pong, Message::Pong("here?".into()));
                socket.send(Message::binary(binary.clone())).await?;
                let back = socket.next().await.expect("it is answered")?;
                assert!(back == Message::binary(binary), "{} bytes, or others", back.len());
                socket.close(None).await?;
                let end = socket.next().await.expect("the end is answered")?;
                assert!(end.is_close(), "{end}");
                assert!(socket.next().await.is_none(), "nothing comes behind it");
                Ok(())
            })
            .collect();
        for client in clients.join_all().await.expect("none panics") {
            client.expect("nothing fails");
        }
    });
}

#[test]
fn who_speaks_no_websocket_loses_its_connection_alone() {
    with_server(|address| async move {
        let mut other = connect(address).await.expect("it is answered");
        let mut nonsense = std::net::TcpStream::connect(address).expect("the server listens");
        nonsense.set_read_timeout(Some(PATIENCE)).expect("it is connected");
        nonsense.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").expect("it is connected");
        let mut answer = Vec::new();
        // It may be reset: the server has no more to say.
        let _ = overlapped_runtime::blocking(|| nonsense.read_to_end(&mut answer));
        assert!(!answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        other.send(Message::text("still here")).await.expect("it is connected");
        let back = other.next().await.expect("it is answered").expect("nothing fails");
        assert_eq!(back, Message::text("still here"));
    });
}
