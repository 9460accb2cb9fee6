//! A request to end is always followed, whatever holds the command: a peer that never answers or never
//! reads, a pipe without its other end, standard output that nobody reads.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags, fcntl_getfl, fcntl_setfl, mknodat};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use socket2::{Domain, Socket, Type};

use crate::copy::{Scratch, contents};
use crate::process::{Nobody, PATIENCE, Running, run, tool};
use crate::serve::MODELS;
use crate::system::send_signal;

/// The exit code of a command that was ended by force.
const BY_FORCE: Option<i32> = Some(1);

/// A running command with a standard output of the test's choice.
struct Held(Child);

impl Held {
    fn start(arguments: &[&str], output: impl Into<Stdio>) -> Self {
        Self::start_with(arguments, output, Stdio::piped())
    }

    fn start_with(arguments: &[&str], output: impl Into<Stdio>, errors: impl Into<Stdio>) -> Self {
        let mut command = tool(arguments);
        // Input that goes on, or a client would end by itself.
        command.stdin(Stdio::piped()).stdout(output).stderr(errors);
        Self(command.spawn().expect("the tool starts"))
    }

    /// Waits until its first thread waits for somebody to read a pipe; false where the system does not
    /// tell what a thread waits for.
    fn waits_for_a_reader(&self) -> bool {
        let path = format!("/proc/{}/wchan", self.0.id());
        let begun = Instant::now();
        loop {
            let place = fs::read_to_string(&path).unwrap_or_default();
            if place.contains("pipe_write") {
                return true;
            }
            if begun.elapsed() > PATIENCE {
                return false;
            }
            std::thread::yield_now();
        }
    }

    /// Asks it to end, once, and waits until it has.
    fn asked_to_end(mut self) -> (ExitStatus, String) {
        let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let descriptor = pidfd_open(id, PidfdFlags::empty()).expect("it lives");
        send_signal(self.0.id(), Signal::TERM);
        let patience = Timespec::try_from(PATIENCE).expect("a time");
        let mut watched = [PollFd::new(&descriptor, PollFlags::IN)];
        let ended = retry_on_intr(|| poll(&mut watched, Some(&patience)));
        assert_eq!(ended, Ok(1), "it goes on");
        let status = self.0.wait().expect("a child");
        let mut errors = String::new();
        if let Some(stderr) = self.0.stderr.as_mut() {
            stderr.read_to_string(&mut errors).expect("text");
        }
        (status, errors)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A pipe that is full, which nobody reads: its two ends.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be made");
    let flags = fcntl_getfl(&writer).expect("it has flags");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("it can be told not to wait");
    while writer.write(&[b'\n'; 4_096]).is_ok() {}
    while writer.write(b"\n").is_ok() {}
    fcntl_setfl(&writer, flags).expect("it can be told to wait");
    (reader, writer)
}

/// A pipe with a name.
fn pipe_at(path: &str) {
    mknodat(CWD, path, FileType::Fifo, Mode::from(0o600), 0).expect("a pipe can be made");
}

/// A file so long that it fits into no socket.
fn long(scratch: &Scratch) -> String {
    let path = scratch.path("long");
    let file = File::create(&path).expect("it can be made");
    file.set_len(1 << 30).expect("it can be long");
    path
}

#[test]
fn standard_output_that_nobody_reads_keeps_no_command() {
    let scratch = Scratch::new();
    let small = scratch.write("small", b"contents");
    let (folder, copied) = (scratch.path(""), scratch.path("copied"));
    let nobody = Nobody::new();
    let nobody = &nobody.address;
    let own = ["--drain-seconds", "0"];
    let cases: Vec<(Vec<&str>, Option<i32>)> = vec![
        ([&["serve", "127.0.0.1:0"], &own[..]].concat(), BY_FORCE),
        ([&["serve", "127.0.0.1:0", "--json"], &own[..]].concat(), BY_FORCE),
        ([&["serve", "127.0.0.1:0", "--processes", "2"], &own[..]].concat(), BY_FORCE),
        ([&["serve", "127.0.0.1:0", "--app", "files", &folder], &own[..]].concat(), BY_FORCE),
        ([&["send", &small, "127.0.0.1:0"], &own[..]].concat(), BY_FORCE),
        (vec!["copy", &small, &copied], BY_FORCE),
        (vec!["fetch", nobody, &copied, "--json"], BY_FORCE),
        (vec!["stress", nobody, "-c", "1", "-m", "1"], BY_FORCE),
        // They have nothing to end in order, and the signal ends them itself.
        (vec!["client", nobody], None),
        (vec!["doctor"], None),
        (vec!["--help"], None),
    ];
    std::thread::scope(|threads| {
        for (arguments, code) in &cases {
            threads.spawn(move || {
                let (_reader, writer) = full_pipe();
                let held = Held::start(arguments, writer);
                assert!(held.waits_for_a_reader(), "{arguments:?}");
                let (status, errors) = held.asked_to_end();
                assert_eq!(status.code(), *code, "{arguments:?}: {errors}");
                match code {
                    None => assert_eq!(status.signal(), Some(Signal::TERM.as_raw())),
                    Some(_) => {
                        assert!(errors.contains("ended by force"), "{arguments:?}: {errors}")
                    }
                }
            });
        }
    });
    assert_eq!(scratch.read("copied"), b"contents");
}

#[test]
fn standard_error_that_nobody_reads_keeps_no_command() {
    let scratch = Scratch::new();
    let small = scratch.write("small", b"contents");
    let none = scratch.path("none");
    let nobody = Nobody::new();
    let nobody = &nobody.address;
    let own = ["--drain-seconds", "0"];
    let cases: Vec<(Vec<&str>, Option<i32>)> = vec![
        ([&["serve", "127.0.0.1:0"], &own[..]].concat(), BY_FORCE),
        ([&["send", &small, "127.0.0.1:0"], &own[..]].concat(), BY_FORCE),
        (vec!["copy", &none, &small], BY_FORCE),
        (vec!["fetch", nobody, &none], BY_FORCE),
        (vec!["stress", nobody, "-c", "1", "-m", "1"], BY_FORCE),
        (vec!["client", nobody], None),
        (vec!["doctor", "no"], None),
    ];
    std::thread::scope(|threads| {
        for (arguments, code) in &cases {
            threads.spawn(move || {
                let (_reader, writer) = full_pipe();
                let held = Held::start_with(arguments, Stdio::null(), writer);
                assert!(held.waits_for_a_reader(), "{arguments:?}");
                let (status, _) = held.asked_to_end();
                assert_eq!(status.code(), *code, "{arguments:?}");
            });
        }
    });
}

/// How many bytes lie at the far end of a connection: sent from there and not taken here, and not read
/// there.
fn queues_at_far_end(stream: &TcpStream) -> (u64, u64) {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(address) => {
            format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
        }
        SocketAddr::V6(_) => panic!("these tests use IPv4"),
    };
    let far = hex(stream.peer_addr().expect("it is connected"));
    let near = hex(stream.local_addr().expect("it is connected"));
    let table = fs::read_to_string("/proc/net/tcp").expect("the system tells it");
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let line = lines.find(|fields| fields[1..3] == [&far, &near]).expect("it is connected");
    let (sent, unread) = line[4].split_once(':').expect("two numbers");
    let number = |digits| u64::from_str_radix(digits, 16).expect("a number");
    (number(sent), number(unread))
}

/// Takes a connection to the tool, and writes to it until the tool is stuck for good: it leaves more unread
/// than it finds room to answer. A sender that sleeps for want of room has up to a third of it free, and
/// one that is told to end looks up, and may send the rest and end in order. So there is little room: a
/// receiver that takes little at a time and in small segments makes the system give the sender less.
fn clog(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(2_000).expect("an option");
    socket.set_tcp_mss(1_400).expect("an option");
    socket.connect(&address.into()).expect("it listens");
    let mut stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a limit");
    let piece = vec![7; 256 << 10];
    let begun = Instant::now();
    let (mut stuck, mut queues_before) = (0, (0, 0));
    while stuck < 5 {
        let is_written = stream.write(&piece).is_ok();
        let queues = queues_at_far_end(&stream);
        let (sent, unread) = queues;
        let is_stuck = !is_written && unread > sent && queues == queues_before;
        stuck = if is_stuck { stuck + 1 } else { 0 };
        queues_before = queues;
        assert!(begun.elapsed() < PATIENCE, "it takes whatever comes: {queues:?}");
    }
    stream
}

#[test]
fn a_client_that_never_reads_keeps_no_server() {
    std::thread::scope(|threads| {
        for model in MODELS {
            threads.spawn(move || {
                let options = ["--model", model, "--drain-seconds", "0", "--json", "--quiet"];
                let (server, address) = Running::serve(&options);
                let _clogged = clog(address);
                send_signal(server.id(), Signal::TERM);
                let ended = server.wait();
                assert_eq!(ended.code(), 0, "{model}: {ended:?}");
                assert_eq!(ended.json()["left"], 1, "{model}: {ended:?}");
            });
        }
    });
}

#[test]
fn who_never_reads_keeps_no_server_of_files_and_no_sender() {
    let scratch = Scratch::new();
    let file = long(&scratch);
    let options = ["--app", "files", &scratch.path(""), "--drain-seconds", "0", "--quiet"];
    let (server, address) = Running::serve(&options);
    let mut client = TcpStream::connect(address).expect("it listens");
    client.write_all(b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
    client.read_exact(&mut [0; 12]).expect("it answers");
    send_signal(server.id(), Signal::TERM);
    assert_eq!(server.wait().code(), 0);

    let sender = Running::start(&["send", &file, "127.0.0.1:0", "--drain-seconds", "0"]);
    let line = sender.output_until("\n");
    let address = line.strip_prefix("listening on ").expect(&line).trim_end();
    let mut fetcher = TcpStream::connect(address).expect("it listens");
    let request: Vec<u8> = b"OVLFETCH\0\x01\0\0".iter().copied().chain([0; 36]).collect();
    fetcher.write_all(&request).expect("it reads");
    fetcher.read_exact(&mut [0; 84]).expect("the head");
    send_signal(sender.id(), Signal::TERM);
    let ended = sender.wait();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(ended.errors.contains("1 connections were cut"), "{ended:?}");
}

#[test]
fn who_never_answers_keeps_no_fetcher_no_load_and_no_client() {
    let scratch = Scratch::new();
    for trickles in [false, true] {
        let peer = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = peer.local_addr().expect("it is bound").to_string();
        let target = scratch.path("target");
        let fetch = Running::start(&["fetch", &address, &target]);
        let (mut stream, _) = peer.accept().expect("it comes");
        stream.read_exact(&mut [0; 48]).expect("a request");
        let trickle = std::thread::spawn(move || {
            let mut head = b"OVLSENDS\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0".to_vec();
            head.extend(1_000_000u64.to_be_bytes());
            head.extend([0; 48]);
            head.extend(b"n");
            let mut taken = stream.write_all(&head);
            while trickles && taken.is_ok() {
                taken = stream.write_all(b"x");
                let _ = stream.set_read_timeout(Some(Duration::from_millis(10)));
                // The end of the fetcher ends it.
                if matches!(stream.read(&mut [0]), Ok(0)) {
                    return;
                }
            }
            let _ = stream.set_read_timeout(None);
            let _ = stream.read(&mut [0]);
        });
        send_signal(fetch.id(), Signal::TERM);
        let ended = fetch.wait();
        assert_eq!(ended.code(), 1, "{ended:?}");
        assert!(ended.errors.contains("interrupted"), "{ended:?}");
        trickle.join().expect("it sees the end");
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
    for command in [&["stress", "-c", "2", "-m", "1"][..], &["client"]] {
        let peer = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = peer.local_addr().expect("it is bound").to_string();
        let held = Held::start(&[&[command[0], &address], &command[1..]].concat(), Stdio::null());
        let _stream = peer.accept().expect("it comes");
        let (status, errors) = held.asked_to_end();
        match command[0] {
            "stress" => assert_eq!(status.code(), Some(1), "{errors}"),
            _ => assert!(!status.success(), "{status:?}"),
        }
    }
}

#[test]
fn a_comparison_ends_when_it_is_told_to() {
    let arguments = ["compare", "--counts", "16", "--rounds", "9", "--duration", "10s"];
    let held = Held::start(&arguments, Stdio::null());
    let mut children = String::new();
    let path = format!("/proc/{0}/task/{0}/children", held.0.id());
    let begun = Instant::now();
    while children.is_empty() {
        children = fs::read_to_string(&path).expect("it lives");
        assert!(begun.elapsed() < PATIENCE, "it starts nothing");
        std::thread::yield_now();
    }
    let (status, errors) = held.asked_to_end();
    assert_eq!(status.code(), Some(1), "{errors}");
}

#[test]
fn a_pipe_without_its_other_end_is_told_and_not_waited_for() {
    let scratch = Scratch::new();
    let pipe = scratch.path("pipe");
    pipe_at(&pipe);
    for (arguments, word) in [
        (vec!["send", &pipe, "127.0.0.1:0"], "no regular file"),
        (vec!["send", "/dev/zero", "127.0.0.1:0"], "no regular file"),
        (vec!["send", "/proc/self/status", "127.0.0.1:0"], "said to have 0 bytes"),
        (vec!["compare", "--from", &pipe], "no result of a comparison"),
        (vec!["compare", "--from", "/dev/zero"], "too long"),
        (vec!["compare", "--counts", "1", "--json", &pipe], "cannot write"),
        (vec!["compare", "--counts", "1", "--html", &pipe], "cannot write"),
    ] {
        let ended = run(&arguments);
        assert_eq!(ended.code(), 1, "{arguments:?}: {ended:?}");
        assert!(ended.errors.contains(word), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn standard_error_that_nobody_reads_holds_no_worker_of_a_sender() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let (_reader, full) = full_pipe();
    let (mut output, writer) = std::io::pipe().expect("a pipe can be made");
    let arguments = ["send", &source, "127.0.0.1:0", "--quiet", "--drain-seconds", "0"];
    let sender = Held::start_with(&arguments, writer, full);
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        output.read_exact(&mut byte).expect("it says where it listens");
        line.extend(byte);
    }
    let line = String::from_utf8(line).expect("text");
    let address = line.strip_prefix("listening on ").expect(&line).trim_end().to_owned();
    // Each of them is told of, and there are more than a sender has threads.
    for _ in 0..12 {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        stream.write_all(b"GET / HTTP/1.1\r\n").expect("it reads");
        stream.read_exact(&mut [0; 80]).expect("it answers");
    }
    let ended = run(&["fetch", &address, &scratch.path("target")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let (status, _) = sender.asked_to_end();
    assert!(status.code().is_some(), "{status:?}");
}

#[test]
fn a_file_that_becomes_a_pipe_holds_no_worker_of_a_sender() {
    let scratch = Scratch::new();
    let source = scratch.write("source", &contents(1_000));
    let sender = Running::start(&["send", &source, "127.0.0.1:0", "--drain-seconds", "0"]);
    let line = sender.output_until("\n");
    let address = line.strip_prefix("listening on ").expect(&line).trim_end().to_owned();
    fs::remove_file(&source).expect("it is there");
    pipe_at(&source);
    // More of them than a sender has threads.
    for number in 0..12 {
        let verify: &[&str] = if number % 2 == 0 { &["--verify"] } else { &[] };
        let target = scratch.path("target");
        let ended = run(&[&["fetch", &address, &target], verify].concat());
        assert_eq!(ended.code(), 1, "{ended:?}");
        assert!(ended.errors.contains("cannot read its file"), "{ended:?}");
    }
    fs::remove_file(&source).expect("it is there");
    scratch.write("source", b"again");
    let ended = run(&["fetch", &address, &scratch.path("target")]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    send_signal(sender.id(), Signal::TERM);
    assert_eq!(sender.wait().code(), 0);
}
