//! Unix sockets, with the operations that streams of TCP have.
#![cfg(target_os = "linux")]

mod world;

use futures_util::future::poll_immediate;
use overlapped_runtime::net::{UnixListener, UnixStream};
use overlapped_runtime::spawn;
use std::io::{self, ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::pin::pin;
use world::{PATIENCE, run};

/// A name that ends with its socket, of one test.
fn name(test: &str) -> SocketAddr {
    let name = format!("overlapped-runtime-{test}-{}", std::process::id());
    SocketAddr::from_abstract_name(name).expect("it is short")
}

#[test]
fn a_server_and_its_clients_talk_at_a_path() {
    run(async {
        let path = std::env::temp_dir().join(format!("overlapped-unix-{}", std::process::id()));
        let mut listener = UnixListener::bind(&path).expect("the path is free");
        let address = listener.local_addr().expect("it listens");
        assert_eq!(address.as_pathname(), Some(&*path));
        assert_eq!(
            UnixListener::bind(&path).expect_err("it is taken").kind(),
            ErrorKind::AddrInUse
        );
        let server = spawn(async move {
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await?;
                while let Some(buffer) = stream.receive().await? {
                    stream.send(buffer).await.0?;
                }
            }
            io::Result::Ok(())
        });
        for _ in 0..3 {
            let mut client = UnixStream::connect(&path).await.expect("it is accepted");
            let credentials = client.peer_credentials().expect("it is connected");
            assert_eq!(credentials.process, std::process::id());
            let peer = client.peer_addr().expect("it is connected");
            assert_eq!(peer.as_pathname(), Some(&*path));
            client.send("ping").await.0.expect("the connection stands");
            let answer = client.receive().await.expect("the connection stands");
            assert_eq!(answer.as_deref(), Some(&b"ping"[..]));
            client.end_sending().expect("the connection stands");
            assert!(client.receive().await.expect("an end is no error").is_none());
        }
        server.await.expect("it ends").expect("nothing is wrong");
        let error = UnixStream::connect(&path).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        std::fs::remove_file(&path).expect("the file stays");
        let error = UnixStream::connect(&path).await.expect_err("there is no such file");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn what_is_dropped_loses_nothing() {
    run(async {
        let address = name("dropped");
        let mut listener = UnixListener::bind_addr(&address).expect("the name is free");
        for round in 0..50_u8 {
            assert!(poll_immediate(pin!(listener.accept())).await.is_none(), "nobody is there");
            let mut peer = std::os::unix::net::UnixStream::connect_addr(&address).expect("it does");
            peer.set_read_timeout(Some(PATIENCE)).expect("it is connected");
            let (mut stream, remote) = listener.accept().await.expect("a client is there");
            assert!(remote.is_unnamed());
            assert!(poll_immediate(pin!(stream.receive())).await.is_none(), "nothing was sent");
            peer.write_all(&[round]).expect("the connection stands");
            let received = stream.receive().await.expect("the connection stands");
            assert_eq!(received.as_deref(), Some(&[round][..]));
            drop(poll_immediate(pin!(stream.send(vec![round; 1 << 20]))).await);
            drop(stream);
            let mut bytes = Vec::new();
            peer.read_to_end(&mut bytes).expect("all of it comes, and then the end");
            assert!(bytes == vec![round; 1 << 20], "{} bytes, or others", bytes.len());
        }
    });
}

#[test]
fn a_pair_has_halves_and_the_traits() {
    use futures_util::{AsyncReadExt, AsyncWriteExt};
    use tokio::io::AsyncReadExt as _;

    run(async {
        let (one, mut two) = UnixStream::pair().expect("descriptors are there");
        let (mut reader, mut writer) = one.into_split();
        let echo = spawn(async move {
            while let Some(buffer) = two.receive().await? {
                AsyncWriteExt::write_all(&mut two, &buffer).await?;
            }
            io::Result::Ok(())
        });
        AsyncWriteExt::write_all(&mut writer, b"over a pair").await.expect("it stands");
        drop(writer);
        let mut text = String::new();
        AsyncReadExt::read_to_string(&mut reader, &mut text).await.expect("it stands");
        assert_eq!(text, "over a pair");
        echo.await.expect("it ends").expect("the connection stands");

        let (mut one, two) = UnixStream::pair().expect("descriptors are there");
        drop(two);
        assert!(one.read_u8().await.is_err(), "it has ended");
    });
}

#[test]
fn a_connect_that_is_dropped_leaves_nothing() {
    run(async {
        let address = name("connect");
        let listener = UnixListener::bind_addr(&address).expect("the name is free");
        for _ in 0..100 {
            drop(poll_immediate(pin!(UnixStream::connect_addr(address.clone()))).await);
        }
        drop(listener);
        let error = UnixStream::connect_addr(address).await.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}
