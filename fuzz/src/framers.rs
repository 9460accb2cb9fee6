//! Any bytes, in pieces, to what finds messages in a stream: the check of echoes, the eight models, and the example
//! programs for RESP and DNS.

use crate::hostile::{PATIENCE, exchange};
use overlapped::{DatagramSocket, ListenSocket, Port};
use overlapped_load::pattern::{MessageName, Mismatch, Verifier};
use overlapped_models::{Echo, Limits, Model, Server, models};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, LazyLock, Mutex};

/// The example programs have no library.
#[path = "../../crates/overlapped/examples/dns.rs"]
#[expect(dead_code, reason = "it is a program")]
mod dns;
#[path = "../../crates/overlapped/examples/resp.rs"]
#[expect(dead_code, reason = "it is a program")]
mod resp;

/// The store has no limit of its own, and many inputs come.
const COMMANDS_MAX: usize = 200;

/// Where it listens, and the server, which is kept.
type Serving = (SocketAddr, Mutex<Box<dyn Server>>);

/// An echo server of each model.
static MODELS: LazyLock<Vec<Serving>> = LazyLock::new(|| {
    let start = |model: &&dyn Model| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address is free");
        let address = listener.local_addr().expect("it listens");
        let limits = Limits { buffer_size: 512, ..Limits::default() };
        let server = model.start(listener, Arc::new(Echo), &limits).expect("it starts");
        (address, Mutex::new(server))
    };
    models().iter().map(start).collect()
});

static RESP: LazyLock<SocketAddr> = LazyLock::new(|| {
    let socket = ListenSocket::bind("127.0.0.1:0", 64).expect("an address is free");
    let address = socket.local_addr().expect("it listens");
    std::thread::spawn(|| resp::serve(socket).expect("it serves"));
    address
});

static DNS: LazyLock<(SocketAddr, UdpSocket)> = LazyLock::new(|| {
    let socket = DatagramSocket::bind("127.0.0.1:0").expect("an address is free");
    let address = socket.local_addr().expect("it is bound");
    std::thread::spawn(|| dns::serve(&Port::new().expect("a port"), socket).expect("it serves"));
    let client = UdpSocket::bind("127.0.0.1:0").expect("an address is free");
    client.set_read_timeout(Some(PATIENCE)).expect("it may wait so long");
    (address, client)
});

/// The first byte says which one, the second where the bytes are cut.
pub fn run(data: &[u8]) {
    let [kind, cut, bytes @ ..] = data else { return };
    match kind % 11 {
        kind @ 0..8 => {
            let echo = exchange(MODELS[usize::from(kind)].0, bytes, usize::from(*cut));
            assert!(echo == bytes, "{}: another echo", models()[usize::from(kind)].name());
        }
        8 => verify(bytes, usize::from(*cut)),
        9 => {
            let commands = &bytes[..bytes.len().min(COMMANDS_MAX)];
            let mut replies = &exchange(*RESP, commands, usize::from(*cut))[..];
            while !replies.is_empty() {
                replies = one_reply(replies);
            }
        }
        _ => ask(bytes),
    }
}

/// An echo with one piece that may be wrong, against a comparison of the whole.
fn verify(bytes: &[u8], cut: usize) {
    let name = MessageName { connection: 7, message: cut as u32, mark: None };
    let mut right = Vec::new();
    name.write(300, |piece| right.extend_from_slice(piece));
    let mut verifier = Verifier::new(name, right.len());
    let (before, wanted) = right.split_at(cut);
    assert_eq!(verifier.check(before), Ok(false));
    assert_eq!(verifier.left(), wanted.len());
    // What is zero leaves the right byte.
    let mut echo: Vec<u8> = wanted.iter().zip(bytes).map(|(right, other)| right ^ other).collect();
    echo.extend(bytes.iter().skip(wanted.len()));
    let differs = wanted.iter().zip(&echo).position(|(right, other)| right != other);
    let expected = match differs {
        _ if echo.len() > wanted.len() => {
            Err(Mismatch::Surplus { bytes: echo.len() - wanted.len() })
        }
        Some(at) => Err(Mismatch::WrongByte { position: cut + at }),
        None => Ok(echo.len() == wanted.len()),
    };
    assert_eq!(verifier.check(&echo), expected);
}

/// Passes over one reply of RESP.
fn one_reply(replies: &[u8]) -> &[u8] {
    let end = replies.windows(2).position(|two| two == b"\r\n").expect("a whole line");
    let (line, rest) = (&replies[..end], &replies[end + 2..]);
    match line {
        b"+OK" | b"+PONG" | b"-ERR unknown command" | b"$-1" => rest,
        _ => {
            let digits = line.strip_prefix(b"$").unwrap_or_else(|| panic!("no reply: {line:?}"));
            let length: usize =
                str::from_utf8(digits).ok().and_then(|it| it.parse().ok()).expect("a number");
            assert_eq!(&rest[length..length + 2], b"\r\n");
            &rest[length + 2..]
        }
    }
}

/// Sends a datagram, and then a question that the server answers if it is still there.
fn ask(bytes: &[u8]) {
    const QUESTION: &[u8] = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
    let (address, client) = &*DNS;
    client.send_to(bytes, address).expect("it is sent");
    client.send_to(QUESTION, address).expect("it is sent");
    let mut answer = [0; 2_048];
    loop {
        let length = match client.recv_from(&mut answer) {
            // The fuzzer's clock is a signal.
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            received => received.expect("the server is still there").0,
        };
        assert!(length >= 12 && answer[2] & 0x80 > 0, "no answer: {:?}", &answer[..length]);
        if answer.starts_with(b"\xab\xcd") && answer[..length].ends_with(&[127, 0, 0, 1]) {
            return;
        }
    }
}
