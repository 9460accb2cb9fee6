//! An exchange that is dropped at each of its waits, one after another: what it had is gone, and what it had
//! sent comes whole.

use super::files::Path;
use super::{assert_bytes, bytes, polled, world};
use futures_util::future::FutureExt;
use overlapped::FilesChoice;
use overlapped_runtime::fs::File;
use overlapped_runtime::net::{TcpListener, TcpStream, UdpSocket};
use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Buffer, Handle, Runtime, spawn};
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

/// More than a socket takes at once, so that a send waits.
const SENT: u64 = 4 << 20;

/// Awaits a future until it has to wait for so many times, and drops it there.
async fn until_wait<F: Future>(future: F, waits: usize) -> Option<F::Output> {
    let (mut future, mut seen) = (Box::pin(future), 0);
    poll_fn(|context| match future.poll_unpin(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            seen += 1;
            if seen > waits { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// Drops an exchange at its first wait, at its second one and so on, until it comes to its end. After each, the
/// runtime has no more sockets, files and tasks than before.
async fn dropped_at_each_wait<F: Future<Output = io::Result<()>>>(exchange: impl Fn() -> F) {
    let runtime = Handle::current();
    let counts = || (runtime.metrics().port.devices, runtime.metrics().tasks);
    let before = counts();
    for waits in 0.. {
        let ended = until_wait(exchange(), waits).await;
        let gone = async {
            while counts() > before {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let left = timeout(world::PATIENCE, gone).await;
        assert!(left.is_ok(), "dropped at wait {waits}: {:?}", runtime.metrics());
        if let Some(result) = ended {
            result.expect("nothing fails");
            eprintln!("dropped at {waits} waits");
            return;
        }
    }
}

/// What a client sends comes whole or not at all.
async fn serve(mut listener: TcpListener) -> io::Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut received = 0;
        // A client that was dropped may be gone with an error.
        while let Ok(Some(buffer)) = stream.receive().await {
            assert_bytes(received, &buffer);
            received += buffer.len() as u64;
            if received == SENT {
                let (_, _) = stream.send("thanks").await;
            }
        }
        assert!(received == 0 || received == SENT, "{received} bytes came");
    }
}

async fn ask(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    // A receive is in flight, and nothing comes.
    assert!(polled(stream.receive(), 1).await.is_none());
    stream.send(bytes(0, SENT)).await.0?;
    let thanks = stream.receive().await?;
    assert_eq!(thanks.as_deref(), Some(&b"thanks"[..]));
    stream.end_sending()?;
    assert!(stream.receive().await?.is_none(), "the server ends as well");
    Ok(())
}

#[test]
fn a_stream_may_be_dropped_at_each_wait() {
    world::run(async {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = spawn(serve(listener));
        dropped_at_each_wait(|| ask(address)).await;
        assert!(!server.is_finished(), "nothing was amiss there");
        server.abort();
        drop(server.await);
    });
}

#[test]
fn datagrams_may_be_dropped_at_each_wait() {
    async fn exchange() -> io::Result<()> {
        let (mut one, mut two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
        assert!(polled(one.receive_from(), 1).await.is_none());
        two.send_to("question", one.local_addr()?).await.0?;
        let (question, sender) = one.receive_from().await?;
        assert_eq!(&question[..], b"question");
        one.send_to("answer", sender).await.0?;
        assert_eq!(&two.receive().await?[..], b"answer");
        Ok(())
    }

    world::run(dropped_at_each_wait(exchange));
}

#[test]
fn a_file_may_be_dropped_at_each_wait() {
    async fn exchange(path: &Path) -> io::Result<()> {
        let mut file = File::create(&path.0).await?;
        file.write(bytes(0, 3_000)).await.0?;
        file.write(bytes(3_000, 3_000)).await.0?;
        file.sync().await?;
        file.seek(SeekFrom::Start(1_000)).await?;
        let (count, buffer) = file.read(Buffer::with_capacity(10_000)).await;
        assert_eq!(count?, 5_000);
        assert_bytes(1_000, &buffer);
        file.write_at(bytes(100, 100), 100).await.0?;
        file.set_len(200).await?;
        let (count, buffer) = file.read_at(buffer, 50).await;
        assert_eq!(count?, 150);
        assert_bytes(50, &buffer);
        assert_eq!(file.metadata().await?.len(), 200);
        Ok(())
    }

    for files in [FilesChoice::Automatic, FilesChoice::Helpers] {
        let path = Path::new(&format!("waits-{files:?}"));
        let settings = Runtime::builder().files(files);
        world::run_with(settings, world::PATIENCE, dropped_at_each_wait(|| exchange(&path)));
    }
}
