//! A WebSocket server that sends back what it is sent, by tokio-tungstenite on streams of the
//! runtime.
//!
//! ```sh
//! cargo run --release -p examples --example websocket
//! ```
//!
//! Then connect a browser or a client of WebSockets to `ws://127.0.0.1:3000`. Its handler may block.
//! Ctrl-C ends it.

use futures_util::{SinkExt, StreamExt};
use overlapped_runtime::net::{TcpListener, TcpStream};
use overlapped_runtime::time::{sleep, timeout};
use std::io;
use std::time::Duration;
use tokio_tungstenite::tungstenite::{Error, Message};

/// A client that has not ended its handshake by then is given up.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The pause after a failed accept.
const RETRY_AFTER: Duration = Duration::from_millis(50);

async fn echo(stream: TcpStream) -> Result<(), Error> {
    let handshake = timeout(HANDSHAKE_WITHIN, tokio_tungstenite::accept_async(stream));
    let mut socket = handshake.await.map_err(|elapsed| Error::Io(elapsed.into()))??;
    while let Some(message) = socket.next().await {
        let message = message?;
        // Pings and the end are answered by the library.
        if matches!(message, Message::Text(_) | Message::Binary(_)) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// Serves until its task is dropped.
pub async fn serve(mut listener: TcpListener) -> io::Result<()> {
    loop {
        match listener.accept().await {
            // The task goes on without its handle.
            Ok((stream, peer)) => drop(overlapped_runtime::spawn(async move {
                if let Err(error) = echo(stream).await {
                    eprintln!("{peer}: {error}");
                }
            })),
            // The client has gone, or the system is short of something.
            Err(error) => {
                eprintln!("accept: {error}");
                sleep(RETRY_AFTER).await;
            }
        }
    }
}

fn main() -> io::Result<()> {
    overlapped_runtime::run(async { serve(TcpListener::bind("127.0.0.1:3000")?).await })
}
