//! Listeners and streams, and what becomes of them when their futures are dropped.

use futures_util::future::{Either, poll_immediate, select};
use overlapped_runtime::net::{TcpListener, TcpStream, lookup_host};
use overlapped_runtime::time::{sleep, timeout};
use overlapped_runtime::{Buffer, Runtime, spawn, yield_now};
use std::io;
use std::io::{Read, Write};
use std::pin::pin;
use std::time::Duration;

/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(120);

fn runtime() -> Runtime {
    Runtime::builder().concurrency(2).build().expect("a runtime starts")
}

/// A stream of the runtime, and its peer, which is the standard library's.
async fn pair() -> (TcpStream, std::net::TcpStream) {
    let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
    let address = listener.local_addr().expect("it listens");
    let peer = std::net::TcpStream::connect(address).expect("it is accepted");
    peer.set_read_timeout(Some(PATIENCE)).expect("it is connected");
    let (stream, remote) = listener.accept().await.expect("a client is there");
    assert_eq!(remote, peer.local_addr().expect("it is connected"));
    (stream, peer)
}

/// Receives until so many bytes have come, or the end.
async fn receive_all(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        match stream.receive().await.expect("the connection stands") {
            Some(buffer) => bytes.extend_from_slice(&buffer),
            None => break,
        }
    }
    bytes
}

/// Bytes of which each place tells its number.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number % 251) as u8).collect()
}

#[test]
fn what_is_sent_comes_back_whole_and_in_order() {
    const COUNT: usize = 3 << 20;
    let runtime = runtime();
    runtime.block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            while let Some(buffer) = stream.receive().await? {
                stream.send(buffer).await.0?;
            }
            io::Result::Ok(())
        });
        let client = TcpStream::connect(address).await.expect("it is accepted");
        let (mut reader, mut writer) = client.into_split();
        let sender = spawn(async move {
            for part in pattern(COUNT).chunks(70_000) {
                writer.send(part.to_vec()).await.0?;
            }
            // Dropping it ends sending, behind all of that.
            io::Result::Ok(())
        });
        let mut bytes = Vec::new();
        while let Some(buffer) = reader.receive().await.expect("the connection stands") {
            bytes.extend_from_slice(&buffer);
        }
        sender.await.expect("it ends").expect("everything goes out");
        server.await.expect("it ends").expect("the connection stands");
        assert!(bytes == pattern(COUNT), "{} of {COUNT} bytes, or others", bytes.len());
    });
}

#[test]
fn a_send_gives_its_buffers_back() {
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        let (result, buffers) =
            stream.send(vec![Buffer::copy_of(b"one "), Buffer::copy_of(b"two")]).await;
        result.expect("the connection stands");
        assert_eq!(buffers.byte_len(), 7);
        let mut bytes = [0; 7];
        peer.read_exact(&mut bytes).expect("it was sent");
        assert_eq!(&bytes, b"one two");
    });
}

#[test]
fn the_end_and_a_reset_are_told_apart() {
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, peer) = pair().await;
        drop(peer);
        assert!(stream.receive().await.expect("an end is no error").is_none());

        let (mut stream, peer) = pair().await;
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("it is connected");
        drop(peer);
        let error = stream.receive().await.expect_err("a reset is no end");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_receive_that_is_dropped_loses_nothing() {
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        let mut bytes = Vec::new();
        for (round, part) in pattern(2_000).chunks(10).enumerate() {
            // Dropped before anything has come, and after.
            assert!(poll_immediate(pin!(stream.receive())).await.is_none(), "nothing was sent");
            peer.write_all(part).expect("the connection stands");
            if round % 2 == 0 {
                for _ in 0..round % 7 {
                    yield_now().await;
                }
                if let Some(received) = poll_immediate(pin!(stream.receive())).await {
                    let buffer =
                        received.expect("the connection stands").expect("it has not ended");
                    bytes.extend_from_slice(&buffer);
                }
            }
            let left = 10 * (round + 1) - bytes.len();
            bytes.extend(receive_all(&mut stream, left).await);
        }
        assert_eq!(bytes, pattern(2_000));
    });
}

#[test]
fn a_send_that_is_dropped_goes_out_whole_and_first() {
    const COUNT: usize = 32 << 20;
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        // More than the system takes at once: it is under way when its future is dropped.
        assert!(poll_immediate(pin!(stream.send(pattern(COUNT)))).await.is_none());
        let reader = std::thread::spawn(move || {
            let mut bytes = vec![0; COUNT + 4];
            peer.read_exact(&mut bytes).map(|()| bytes)
        });
        stream.send("last").await.0.expect("the connection stands");
        let bytes = reader.join().expect("it does not panic").expect("all of it comes");
        assert!(bytes[..COUNT] == pattern(COUNT)[..] && &bytes[COUNT..] == b"last");
    });
}

#[test]
fn a_stream_that_is_dropped_sends_what_it_has_and_ends() {
    const COUNT: usize = 32 << 20;
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        assert!(
            poll_immediate(pin!(stream.receive())).await.is_none(),
            "and one receive is in flight"
        );
        assert!(poll_immediate(pin!(stream.send(pattern(COUNT)))).await.is_none());
        drop(stream);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).expect("all of it comes, and then the end");
        assert!(bytes == pattern(COUNT), "{} of {COUNT} bytes, or others", bytes.len());
    });
}

#[test]
fn a_connection_whose_accept_was_dropped_goes_to_the_next() {
    let runtime = runtime();
    runtime.block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        for _ in 0..20 {
            assert!(poll_immediate(pin!(listener.accept())).await.is_none(), "nobody is there");
            let client = std::net::TcpStream::connect(address).expect("it listens");
            let (_stream, remote) = listener.accept().await.expect("a client is there");
            assert_eq!(remote, client.local_addr().expect("it is connected"));
        }
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    let runtime = runtime();
    runtime.block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        drop(listener);
        let error = TcpStream::connect(address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn nothing_is_left_of_streams_that_were_dropped_anywhere() {
    let runtime = runtime();
    let before = runtime.handle().metrics().port.devices;
    runtime.block_on(async {
        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let server = spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await?;
                drop(spawn(async move {
                    while let Ok(Some(buffer)) = stream.receive().await {
                        if stream.send(buffer).await.0.is_err() {
                            break;
                        }
                    }
                }));
            }
            #[expect(unreachable_code, reason = "it gives the type of errors")]
            io::Result::Ok(())
        });
        let exchange = async move || {
            let mut stream = TcpStream::connect(address).await?;
            stream.send("question").await.0?;
            receive_all(&mut stream, 8).await;
            stream.send("another").await.0?;
            receive_all(&mut stream, 7).await;
            io::Result::Ok(())
        };
        for polls in 0..300 {
            // Dropped after so many polls of something else beside it.
            let others = async {
                for _ in 0..polls % 60 {
                    yield_now().await;
                }
            };
            match select(pin!(exchange()), pin!(others)).await {
                Either::Left((result, _)) => result.expect("the server is there"),
                Either::Right(((), _dropped)) => {}
            }
        }
        server.abort();
        assert!(server.await.expect_err("it goes on for ever").is_aborted());
        // Each connection ends on both sides, and its task with it.
        let gone = async {
            while runtime.handle().metrics().tasks > 0
                || runtime.handle().metrics().port.devices > before
            {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let left = timeout(PATIENCE, gone).await;
        assert!(left.is_ok(), "{:?} {:?}", runtime.handle().metrics(), runtime.handle().tasks());
    });
}

#[test]
fn tokios_traits_read_and_write_it() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        let bytes = pattern(1 << 20);
        let echo = std::thread::spawn(move || {
            let mut back = vec![0; 1 << 20];
            peer.read_exact(&mut back)?;
            peer.write_all(&back)
        });
        stream.write_all(&bytes).await.expect("the connection stands");
        let mut back = Vec::new();
        // Read in pieces that fit no buffer.
        loop {
            let mut piece = [0; 777];
            match stream.read(&mut piece).await.expect("the connection stands") {
                0 => break,
                count => back.extend_from_slice(&piece[..count]),
            }
        }
        echo.join().expect("it does not panic").expect("the connection stands");
        assert!(back == bytes, "{} bytes, or others", back.len());
        stream.shutdown().await.expect("it was not lost");
        assert!(stream.write_all(b"x").await.is_err(), "sending was ended");
    });
}

#[test]
fn a_task_may_read_by_tokios_traits_and_by_ours() {
    use tokio::io::AsyncReadExt;

    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        peer.write_all(b"one two").expect("the connection stands");
        let mut word = [0; 3];
        stream.read_exact(&mut word).await.expect("it was sent");
        assert_eq!(&word, b"one");
        assert_eq!(receive_all(&mut stream, 4).await, b" two", "and nothing is left out");
    });
}

#[test]
fn the_traits_of_futures_read_and_write_it() {
    use futures_util::{AsyncReadExt, AsyncWriteExt};

    let runtime = runtime();
    runtime.block_on(async {
        let (stream, mut peer) = pair().await;
        let (mut reader, mut writer) = stream.into_split();
        writer.write_all(b"ping").await.expect("the connection stands");
        writer.close().await.expect("it was not lost");
        let mut text = String::new();
        peer.read_to_string(&mut text).expect("it was sent, and ended");
        peer.write_all(b"pong").expect("the connection stands");
        drop(peer);
        text.clear();
        reader.read_to_string(&mut text).await.expect("it was sent, and ended");
        assert_eq!(text, "pong");
    });
}

#[test]
fn what_has_come_is_there_without_waiting() {
    let runtime = runtime();
    runtime.block_on(async {
        let (mut stream, mut peer) = pair().await;
        let would_block = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
        assert!(stream.try_receive().is_err_and(would_block), "nothing was sent");
        assert!(stream.try_read(&mut [0]).is_err_and(would_block), "nothing was sent");
        peer.write_all(b"one two").expect("the connection stands");
        let mut word = [0; 3];
        let count = loop {
            match stream.try_read(&mut word) {
                Ok(count) => break count,
                Err(error) => assert!(would_block(error), "nothing else is wrong"),
            }
            yield_now().await;
        };
        assert_eq!((count, &word), (3, b"one"));
        let rest = stream.try_receive().expect("it has come").expect("it is no end");
        assert_eq!(&rest[..], b" two");
        // A receive that a try has left in flight is found by one that waits.
        assert!(stream.try_receive().is_err_and(would_block), "nothing was sent");
        peer.write_all(b"more").expect("the connection stands");
        assert_eq!(receive_all(&mut stream, 4).await, b"more");

        // Until the peer must read, and then nothing is lost.
        let mut sent = 0;
        loop {
            match stream.try_write(&pattern(251 * 200)) {
                Ok(count) => sent += count,
                Err(error) => {
                    assert!(would_block(error), "nothing else is wrong");
                    break;
                }
            }
            // Each begins where the pattern does.
            assert_eq!(sent % 251, 0, "there was room for all of it");
        }
        drop(stream);
        let mut bytes = Vec::new();
        peer.read_to_end(&mut bytes).expect("all of it comes, and then the end");
        assert!(bytes == pattern(sent), "{} of {sent} bytes, or others", bytes.len());
    });
}

#[test]
fn names_are_looked_up_beside_the_caller() {
    let runtime = runtime();
    runtime.block_on(async {
        let addresses = lookup_host("localhost:80").await.expect("every system has this name");
        assert!(addresses.iter().any(|address| address.ip().is_loopback()), "{addresses:?}");
        let known = [([127, 0, 0, 1], 7).into()];
        assert_eq!(lookup_host("127.0.0.1:7").await.expect("it is known"), known);
        assert_eq!(lookup_host(("127.0.0.1", 7)).await.expect("it is known"), known);
        assert_eq!(lookup_host(&known[..]).await.expect("it is known"), known);
        assert!(lookup_host("no port").await.is_err());
        assert!(TcpStream::connect(&[][..]).await.is_err(), "there is no address");

        let mut listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let port = listener.local_addr().expect("it listens").port();
        let spawned = runtime.handle().metrics().spawned;
        let client = spawn(async move { TcpStream::connect(("localhost", port)).await });
        let (_stream, remote) = listener.accept().await.expect("a client is there");
        let client = client.await.expect("it ends").expect("it is accepted");
        assert_eq!(client.local_addr().expect("it is connected"), remote);
        assert_eq!(runtime.handle().metrics().spawned, spawned + 2, "the look-up is a task");

        // Polled once and dropped: it ends by itself.
        drop(poll_immediate(pin!(lookup_host("localhost:80"))).await);
        while runtime.handle().metrics().tasks > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    });
}
