//! The echo server of docs/from-tokio.md, which shouts and whose handler blocks.
//!
//! ```sh
//! cargo run -p overlapped-runtime --example from_tokio
//! # in another terminal:
//! nc -N 127.0.0.1 7000
//! ```

use overlapped_runtime::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> std::io::Result<()> {
    overlapped_runtime::run(async {
        let mut listener = TcpListener::bind("127.0.0.1:7000")?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            drop(overlapped_runtime::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                    let answer = look_up(bytes[..length].to_ascii_uppercase()); // it may block
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }));
        }
    })
}

fn look_up(key: Vec<u8>) -> Vec<u8> {
    std::thread::sleep(std::time::Duration::from_millis(5)); // or a query, a file, a lock
    key
}
