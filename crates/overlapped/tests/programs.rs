//! The example programs that others talk to, each driven by a client that is not of this project: `dig`,
//! `redis-cli`, `redis-benchmark`, or the standard library's sockets. What is not installed is skipped by name.

#[path = "../examples/chat.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod chat;
#[path = "../examples/dns.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod dns;
#[path = "../examples/executor.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod executor;
#[path = "../examples/framed.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod framed;
#[path = "../examples/proxy.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod proxy;
#[path = "../examples/resp.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod resp;
#[path = "../examples/worker_pool.rs"]
#[expect(dead_code, reason = "only its `main` is left out")]
mod worker_pool;

use overlapped::{DatagramSocket, ListenSocket, Port};
use std::fmt::Debug;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// No test waits longer than this for anything; it fails instead.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a server of one of the programs until the test program ends.
fn start<E: Debug>(
    serve: impl FnOnce(ListenSocket) -> Result<(), E> + Send + 'static,
) -> SocketAddr {
    let socket = ListenSocket::bind("127.0.0.1:0", 128).expect("one can listen");
    let address = socket.local_addr().expect("it has an address");
    thread::spawn(move || serve(socket).expect("it serves on"));
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).expect("it can be connected");
    client.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    client
}

/// What a program prints that has to succeed; nothing if it is not installed.
fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) => {
            let printed = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {printed}{complaint}");
            Some(printed)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("skipped: {program} {arguments:?}: no {program} here");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

struct Chatter(BufReader<TcpStream>);

impl Chatter {
    fn new(address: SocketAddr) -> Self {
        Self(BufReader::new(connect(address)))
    }

    /// Connects, and says that it is here until `other` hears it: then both are in the room.
    fn enter(address: SocketAddr, other: &mut Self) -> Self {
        let mut chatter = Self::new(address);
        let set = |other: &Self, limit| other.0.get_ref().set_read_timeout(Some(limit));
        set(other, Duration::from_millis(100)).expect("a time-out can be set");
        loop {
            chatter.say("here\n");
            if other.0.fill_buf().is_ok() {
                set(other, PATIENCE).expect("a time-out can be set");
                return chatter;
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("it is received");
    }

    /// The next line that says more than that somebody is here.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).expect("a line comes");
            if !line.ends_with(": here\n") {
                return line;
            }
        }
    }

    fn heard_as(&self, text: &str) -> String {
        format!("{}: {text}\n", self.0.get_ref().local_addr().expect("it has one"))
    }
}

#[test]
fn what_one_says_in_the_chat_all_others_hear() {
    let address = start(chat::serve);
    let mut first = Chatter::new(address);
    let mut second = Chatter::enter(address, &mut first);
    // What the first one hears next is from the third one.
    second.say("all here\n");
    assert_eq!(first.hear(), second.heard_as("all here"));
    let mut third = Chatter::enter(address, &mut first);
    second.say("in two ");
    second.say("parts\nand two lines\n");
    for other in [&mut first, &mut third] {
        assert_eq!(other.hear(), second.heard_as("in two parts"));
        assert_eq!(other.hear(), second.heard_as("and two lines"));
    }
    // Who sends a line without an end is thrown out, and the others stay.
    let endless = vec![b'x'; 1 << 20];
    let end = third.0.get_mut().write_all(&endless).and_then(|()| third.0.read_to_end(&mut vec![]));
    assert!(matches!(end, Ok(0) | Err(_)), "it is still there");
    drop(third);
    first.say("still here\n");
    assert_eq!(second.hear(), first.heard_as("still here"));
}

/// A frame of the tutorial's server.
fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

#[test]
fn the_server_of_the_tutorial_answers_frames_however_they_are_cut_and_ends_what_is_wrong() {
    let address = start(|socket| framed::serve(socket, PATIENCE));
    let questions = [frame(b"hello"), frame(b""), frame(&[b'a'; 60_000])].concat();
    let answers = [frame(b"HELLO"), frame(b""), frame(&[b'A'; 60_000])].concat();
    for piece in [1_001, 3, questions.len()] {
        let mut client = connect(address);
        for part in questions.chunks(piece).take(20) {
            client.write_all(part).expect("it receives");
        }
        let sent = questions.len().min(20 * piece);
        client.write_all(&questions[sent..]).expect("it receives");
        let mut answer = vec![0; answers.len()];
        client.read_exact(&mut answer).expect("it answers");
        assert!(answer == answers, "another answer");
    }
    let mut client = connect(address);
    client.write_all(&[0, 1, 0, 1]).expect("it receives");
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)), "the frame is too long");
    // A frame before it is answered all the same.
    let mut client = connect(address);
    client.write_all(&[&frame(b"hello")[..], &[0, 1, 0, 1]].concat()).expect("it receives");
    let mut last = Vec::new();
    client.read_to_end(&mut last).expect("it ends");
    assert_eq!(last, frame(b"HELLO"));
}

#[test]
fn the_server_of_the_tutorial_ends_a_connection_on_which_nothing_happens() {
    let address = start(|socket| framed::serve(socket, Duration::from_millis(50)));
    let end = connect(address).read(&mut [0]);
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    // A time-out of the client's own would be one of these.
    let waited = end.map_err(|error| error.kind());
    assert!(!matches!(waited, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{waited:?}");
}

#[test]
fn through_the_proxy_all_bytes_come_in_both_directions_and_the_end_as_well() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("one can listen");
    let address = upstream.local_addr().expect("it has an address");
    // It answers with what was sent to it, when that has come to its end.
    let answering = thread::spawn(move || {
        for client in upstream.incoming().take(4) {
            let mut client = client.expect("a client");
            thread::spawn(move || {
                let mut all = Vec::new();
                client.read_to_end(&mut all).expect("it sends");
                client.write_all(&all).expect("it receives");
            });
        }
    });
    let proxy = start(move |socket| proxy::serve(socket, address));
    thread::scope(|threads| {
        for number in 0..4_usize {
            threads.spawn(move || {
                let all: Vec<_> = (0..3_000_000 + number).map(|at| ((at * 7) >> 3) as u8).collect();
                let mut client = connect(proxy);
                client.write_all(&all).expect("it receives");
                client.shutdown(Shutdown::Write).expect("it is connected");
                let mut answer = Vec::new();
                client.read_to_end(&mut answer).expect("it answers");
                assert!(answer == all, "other bytes");
            });
        }
    });
    answering.join().expect("it has answered");
    // Nobody is there any more: whoever connects now loses the connection.
    let mut client = connect(proxy);
    assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn redis_clients_store_and_get() {
    let port = start(resp::serve).port().to_string();
    let cli = |arguments: &[&str]| output_of("redis-cli", &[&["-p", &port], arguments].concat());
    if let Some(stored) = cli(&["set", "greeting", "hello world"]) {
        assert_eq!(stored.trim(), "OK");
        assert_eq!(cli(&["get", "greeting"]).expect("it is here").trim(), "hello world");
        assert_eq!(cli(&["get", "nothing"]).expect("it is here").trim(), "");
        assert!(cli(&["fly"]).expect("it is here").starts_with("ERR unknown command"));
    }
    for pipeline in ["1", "16"] {
        let ask = ["-p", &port, "-t", "ping_mbulk,set,get", "-n", "2000", "-P", pipeline, "--csv"];
        if let Some(table) = output_of("redis-benchmark", &ask) {
            for test in ["\"PING_MBULK\",", "\"SET\",", "\"GET\","] {
                assert!(table.lines().any(|line| line.starts_with(test)), "{table}");
            }
        }
    }
}

#[test]
fn the_store_takes_commands_in_pieces_and_refuses_what_is_none() {
    let address = start(resp::serve);
    let commands = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n*2\r\n$3\r\nget\r\n$1\r\nk\r\n*2\r\n$3\r\nget\r\n$1\r\nn\r\n";
    let answers = b"+OK\r\n$4\r\na\r\nb\r\n$-1\r\n";
    for piece in [1, 2, 7, commands.len()] {
        let mut client = connect(address);
        client.set_nodelay(true).expect("it can be set");
        for part in commands.chunks(piece) {
            client.write_all(part).expect("it receives");
        }
        let mut answer = vec![0; answers.len()];
        client.read_exact(&mut answer).expect("it answers");
        assert_eq!(answer, answers);
    }
    let large = vec![b'x'; 100_000];
    for wrong in [&b"hello\r\n"[..], b"*1\r\n$-1\r\n", b"*1\r\n$99999999999999999999\r\n", &large] {
        let mut client = connect(address);
        let end = client.write_all(wrong).and_then(|()| client.read_to_end(&mut Vec::new()));
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[test]
fn the_store_answers_a_client_that_asks_for_more_than_one_send_holds() {
    const ASKED: usize = 400;
    let mut client = connect(start(resp::serve));
    let value = vec![b'v'; 40_000];
    let set = [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$40000\r\n", &value[..], b"\r\n"].concat();
    client.write_all(&set).expect("it receives");
    // They come together, and their answers are 16 MB.
    client.write_all(&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(ASKED)).expect("it receives");
    let answer = [b"$40000\r\n", &value[..], b"\r\n"].concat();
    let mut answers = vec![0; 5 + ASKED * answer.len()];
    client.read_exact(&mut answers).expect("it answers all");
    assert_eq!(&answers[..5], b"+OK\r\n");
    assert!(answers[5..].chunks(answer.len()).all(|one| one == answer), "another answer");
    // What is malformed takes no answer away from what came before.
    client.write_all(b"*1\r\n$4\r\nPING\r\n*x\r\n").expect("it receives");
    let mut last = Vec::new();
    client.read_to_end(&mut last).expect("it ends");
    assert_eq!(last, b"+PONG\r\n");
}

#[test]
fn dig_is_answered_by_the_dns_server() {
    let socket = DatagramSocket::bind("127.0.0.1:0").expect("it can be bound");
    let port = socket.local_addr().expect("it is bound").port().to_string();
    thread::spawn(move || {
        dns::serve(&Port::new().expect("a port can be made"), socket).expect("it serves on");
    });
    let patience = format!("+time={}", PATIENCE.as_secs());
    let ask =
        ["@127.0.0.1", "-p", &port, &patience, "+tries=1", "+short", "overlapped.example", "A"];
    if let Some(answer) = output_of("dig", &ask) {
        assert_eq!(answer.trim(), "127.0.0.1");
    }
}

#[test]
fn every_job_of_the_pool_is_run_although_one_panics() {
    assert_eq!(worker_pool::run(200).expect("a pool can be made"), 400);
}

#[test]
fn tasks_of_the_executor_echo_to_many_clients_at_once() {
    let address = start(executor::serve);
    thread::scope(|threads| {
        for number in 0..16_u8 {
            threads.spawn(move || {
                let mut client = connect(address);
                for round in 0..50 {
                    let question = vec![number ^ round; 1 + usize::from(round) * 1_000];
                    let mut answer = vec![0; question.len()];
                    client.write_all(&question).expect("it receives");
                    client.read_exact(&mut answer).expect("it answers");
                    assert!(answer == question, "another answer");
                }
                client.shutdown(Shutdown::Write).expect("it is connected");
                assert_eq!(client.read(&mut [0]).expect("it ends"), 0);
            });
        }
    });
}
