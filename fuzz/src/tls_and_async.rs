//! The runtime's streams under any schedule of reads, writes, drops and time-outs, and TLS with hostile bytes. Both ends
//! are of one runtime, over TCP or a pair of Unix sockets. The runtime opens the system's sockets alone, so the
//! simulated network is not among them.
//!
//! What one end receives is what the other one has sent, from its start, and all of it when both went on to the end.

use crate::hostile;
use futures_util::future::poll_immediate;
use overlapped_runtime::net::{Family, ReadHalf, Stream, TcpStream, UnixStream, WriteHalf};
use overlapped_runtime::time::timeout;
use overlapped_runtime::{Buffer, Runtime, spawn, yield_now};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(30);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::builder().concurrency(2).build().expect("a runtime starts"));

static TLS: LazyLock<(TlsAcceptor, TlsConnector)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.der().clone(), made.signing_key.serialize_der());
    let key = PrivateKeyDer::try_from(key).expect("a key");
    let server = ServerConfig::builder().with_no_client_auth();
    let server = server.with_single_cert(vec![certificate.clone()], key).expect("they fit");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)))
});

/// The first byte says what is tried.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let (kind, rest) = (*kind, rest.to_vec());
    let ended = RUNTIME.block_on(async move {
        let attempt = async {
            if kind & 8 > 0 {
                let (client, server) = UnixStream::pair().expect("a pair of sockets");
                attempt(kind % 8, client, server, rest).await;
            } else {
                let (client, server) = hostile::pair();
                let client = TcpStream::from_std(client).expect("it is connected");
                attempt(
                    kind % 8,
                    client,
                    TcpStream::from_std(server).expect("it is connected"),
                    rest,
                )
                .await;
            }
        };
        timeout(PATIENCE, attempt).await
    });
    assert!(ended.is_ok(), "it hangs");
}

async fn attempt<F: Any>(kind: u8, client: Stream<F>, server: Stream<F>, bytes: Vec<u8>) {
    match kind {
        0 => hostile(client, bytes, TLS.0.accept(server)).await,
        1 => {
            let name = ServerName::try_from("localhost").expect("a name");
            hostile(server, bytes, TLS.1.connect(name, client)).await;
        }
        2 => secured(client, server, bytes).await,
        _ => schedules(client, server, bytes).await,
    }
}

/// A kind of sockets.
trait Any: Family + Send + Sync + Unpin + 'static {}
impl<F: Family + Send + Sync + Unpin + 'static> Any for F {}

/// One end sends any bytes and ends; the other one's handshake fails, or waits for no more.
async fn hostile<F: Any, T>(
    mut from: Stream<F>,
    bytes: Vec<u8>,
    handshake: impl Future<Output = io::Result<T>>,
) {
    let sender = spawn(async move {
        for piece in bytes.chunks(100) {
            if from.send(piece.to_vec()).await.0.is_err() {
                return;
            }
        }
        let _ = from.end_sending();
        // Until the other one has ended, or is lost.
        while matches!(from.receive().await, Ok(Some(_))) {}
    });
    assert!(handshake.await.is_err(), "hostile bytes are no handshake");
    sender.await.expect("no panic");
}

/// Both are honest: what is written in pieces of any size comes back.
async fn secured<F: Any>(client: Stream<F>, server: Stream<F>, sizes: Vec<u8>) {
    let server = spawn(async move {
        let mut stream = TLS.0.accept(server).await?;
        let mut room = [0; 777];
        loop {
            let length = stream.read(&mut room).await?;
            if length == 0 {
                return stream.shutdown().await;
            }
            stream.write_all(&room[..length]).await?;
        }
    });
    let name = ServerName::try_from("localhost").expect("a name");
    let mut stream = TLS.1.connect(name, client).await.expect("it is trusted");
    let mut next = 0_u8;
    for size in sizes.iter().take(30) {
        let sent: Vec<u8> = (0..usize::from(*size) * 40).map(|_| step(&mut next)).collect();
        stream.write_all(&sent).await.expect("it is open");
        stream.flush().await.expect("it is open");
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).await.expect("it comes back");
        assert!(back == sent, "other bytes came back");
    }
    stream.shutdown().await.expect("it is open");
    assert_eq!(stream.read(&mut [0; 1]).await.expect("an end is no error"), 0);
    server.await.expect("no panic").expect("it is open");
}

fn step(next: &mut u8) -> u8 {
    *next = next.wrapping_add(1) % 251;
    *next
}

/// Both ends send and receive by schedules of their own.
async fn schedules<F: Any>(client: Stream<F>, server: Stream<F>, bytes: Vec<u8>) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let (here, there) = (client.into_split(), server.into_split());
    let tasks = (
        spawn(write(here.1, pairs(first))),
        spawn(read(there.0, pairs(second))),
        spawn(write(there.1, pairs(second))),
        spawn(read(here.0, pairs(first))),
    );
    let (sent, got) = (tasks.0.await.expect("no panic"), tasks.1.await.expect("no panic"));
    compare(sent, got);
    let (sent, got) = (tasks.2.await.expect("no panic"), tasks.3.await.expect("no panic"));
    compare(sent, got);
}

fn pairs(bytes: &[u8]) -> Vec<(u8, u8)> {
    bytes.chunks_exact(2).take(40).map(|pair| (pair[0], pair[1])).collect()
}

/// How many bytes were received, the last being the right one, and whether the end was.
struct Got {
    bytes: usize,
    ended: bool,
}

/// How many bytes were given to the stream, and whether nothing went wrong.
struct Sent {
    bytes: usize,
    is_sure: bool,
}

fn compare(sent: Sent, got: Got) {
    assert!(got.bytes <= sent.bytes, "{} of {} bytes came", got.bytes, sent.bytes);
    let is_whole = got.bytes == sent.bytes || !sent.is_sure;
    assert!(is_whole || !got.ended, "the end came after {} of {} bytes", got.bytes, sent.bytes);
}

/// Sends a pattern by the calls of the schedule, and ends.
async fn write(mut half: WriteHalf, schedule: Vec<(u8, u8)>) -> Sent {
    let (mut sent, mut next) = (Sent { bytes: 0, is_sure: true }, 0);
    for (call, size) in schedule {
        // What is not taken is to be the next: so the pattern goes on behind what was.
        let before = next;
        let bytes: Vec<u8> = (0..usize::from(size) * 8).map(|_| step(&mut next)).collect();
        let written = match call % 7 {
            0 => half.send(bytes.clone()).await.0.map(|()| bytes.len()),
            1 => {
                // Dropped on its way, it goes out whole.
                match poll_immediate(pin!(half.send(bytes.clone()))).await {
                    Some((result, _)) => result.map(|()| bytes.len()),
                    None => Ok(bytes.len()),
                }
            }
            2 => match half.try_write(&bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
                other => other,
            },
            3 => half.write(&bytes).await,
            4 => {
                let parts: Vec<Buffer> = bytes.chunks(33).map(Buffer::copy_of).collect();
                half.send(parts).await.0.map(|()| bytes.len())
            }
            5 => {
                let flushed = half.flush().await;
                flushed.map(|()| 0)
            }
            _ => {
                yield_now().await;
                Ok(0)
            }
        };
        match written {
            Ok(length) => {
                sent.bytes += length;
                next = before;
                (0..length).for_each(|_| {
                    step(&mut next);
                });
            }
            // The other end was dropped: what was on its way may have come all the same.
            Err(_) => {
                sent.bytes += bytes.len();
                sent.is_sure = false;
                return sent;
            }
        }
    }
    sent.is_sure &= half.shutdown().await.is_ok();
    sent
}

/// Receives by the calls of the schedule, and then to the end, unless the schedule drops the half before.
async fn read(mut half: ReadHalf, schedule: Vec<(u8, u8)>) -> Got {
    let (mut got, mut next) = (Got { bytes: 0, ended: false }, 0);
    let calls = schedule.into_iter().chain(std::iter::repeat((0, 0)));
    for (call, size) in calls {
        let mut room = vec![0; 1 + usize::from(size) * 4];
        let read: io::Result<Option<Vec<u8>>> = match call % 9 {
            0 => half.receive().await.map(|buffer| buffer.map(|it| it.to_vec())),
            1 => match poll_immediate(pin!(half.receive())).await {
                Some(received) => received.map(|buffer| buffer.map(|it| it.to_vec())),
                None => continue,
            },
            2 => match half.try_receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                received => received.map(|buffer| buffer.map(|it| it.to_vec())),
            },
            3 => match half.try_read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                length => length.map(|length| some(&room[..length])),
            },
            4 | 5 => half.read(&mut room).await.map(|length| some(&room[..length])),
            6 => match timeout(Duration::ZERO, half.receive()).await {
                Ok(received) => received.map(|buffer| buffer.map(|it| it.to_vec())),
                Err(_) => continue,
            },
            7 => {
                yield_now().await;
                continue;
            }
            _ if size < 16 => return got,
            _ => continue,
        };
        match read {
            Ok(Some(bytes)) => {
                assert!(!got.ended && !bytes.is_empty());
                for byte in &bytes {
                    assert_eq!(*byte, step(&mut next), "byte {} is another one", got.bytes);
                    got.bytes += 1;
                }
            }
            Ok(None) => {
                got.ended = true;
                return got;
            }
            Err(_) => return got,
        }
    }
    got
}

/// None at the end.
fn some(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then(|| bytes.to_vec())
}
