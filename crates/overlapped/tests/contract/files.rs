//! Reads, writes and flushes of files (P12, P20, P31, P33, P45, P46, F8, F42, L7).
// Pipes, descriptors and io_uring are of Linux, so what is only about them is unused elsewhere.
#![cfg_attr(windows, allow(unused_imports, dead_code))]

use crate::errno;
use crate::files_world::{Backend, Scratch, bytes_at, open, read, read_write, written};
#[cfg(target_os = "linux")]
use crate::files_world::{backends, ring_is_there};
use crate::on_every_backend;
use crate::packets::{assert_nothing_comes, code, next, outcome, received};
use crate::rounds::rounds;
use crate::world::{Numbers, PATIENCE, SYSTEM, World, wine_differs};
use overlapped::{Buffer, FileOptions, FilesChoice, OpenFile, Packet, Port};
use std::io::{self, ErrorKind};

fn p12_sockets_and_files_are_mixed_on_one_port(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"from the file");
    let file = scratch.file(&port, 1);
    let (stream, peer) = World::System.stream(&port, 2);
    assert_eq!(port.snapshot().devices, 2);
    stream.receive_pooled(20).expect("a receive can be started");
    file.read_at(Buffer::with_capacity(64), 0, 10).expect("a read can be started");
    let packet = read(&port);
    assert_eq!((packet.operation, &packet.buffer[..]), (10, &b"from the file"[..]));
    peer.send(b"from the peer");
    assert_eq!(&received(&port).buffer[..], b"from the peer");
    assert_nothing_comes(&port);
}

fn p20_packets_give_back_key_buffer_and_operation(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"");
    let file = scratch.file(&port, 7);
    let mut buffer = Buffer::with_capacity(100);
    buffer.extend_from_slice(b"0123456789");
    file.write_at(buffer, 0, 1).expect("a write can be started");
    let packet = written(&port);
    assert!(packet.result.is_ok());
    assert_eq!((*packet.file.key(), packet.operation, packet.transferred), (7, 1, 10));
    assert_eq!((&packet.buffer[..], packet.buffer.capacity()), (&b"0123456789"[..], 100));
    packet.file.read_at(packet.buffer, 4, 2).expect("a read can be started");
    let packet = read(&port);
    assert_eq!((*packet.file.key(), packet.operation), (7, 2));
    assert_eq!((&packet.buffer[..], packet.buffer.capacity()), (&b"456789"[..], 100));
    packet.file.flush(3).expect("a flush can be started");
    match next(&port) {
        Packet::Flushed { file, operation: 3, result: Ok(()) } => assert_eq!(*file.key(), 7),
        other => panic!("the packet of a flush was owed, not {other:?}"),
    }
    assert_nothing_comes(&port);
}

fn p31_each_operation_queues_exactly_one_packet(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(&[1; 4096]);
    let file = scratch.file(&port, 7);
    for number in 0..300 {
        let started = match number % 3 {
            0 => file.read_at(Buffer::with_capacity(512), 0, number).is_ok(),
            1 => file.write_at(Buffer::from(&[1; 512]), 512, number).is_ok(),
            _ => file.flush(number).is_ok(),
        };
        assert!(started);
    }
    let mut numbers: Vec<_> = (0..300).map(|_| outcome(next(&port))).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).map(|number| (number, None)).collect::<Vec<_>>());
    assert_nothing_comes(&port);
    let counters = port.counters();
    assert_eq!((counters.queued, counters.taken), (300, 300));
}

#[cfg(target_os = "linux")]
#[test]
fn p31_what_the_cache_holds_is_queued_when_the_start_returns() {
    if !ring_is_there("p31_what_the_cache_holds_is_queued_when_the_start_returns") {
        return;
    }
    let port = Backend::Ring.port();
    let scratch = Scratch::holding(&[1; 4096]);
    let file = scratch.file(&port, 7);
    assert_eq!(bytes_at(&port, &file, 0, 4096), [1; 4096]);
    let mut at_once = 0;
    for number in 0..100 {
        file.read_at(Buffer::with_capacity(4096), 0, number).expect("a read can be started");
        at_once += port.snapshot().queued;
        assert_eq!(outcome(next(&port)), (number, None));
    }
    // The system may forget it now and then.
    assert!(at_once > 50, "only {at_once} of 100 were queued at once");
}

fn p33_what_fails_at_once_gives_everything_back_and_queues_nothing(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"contents");
    let associate = |options| port.associate(open(scratch.path(), options), 7).expect("a file");
    let reading = associate(FileOptions::new().read(true));
    let writing = associate(FileOptions::new().write(true));
    let both = associate(read_write());
    let closed = associate(read_write());
    closed.close();

    let buffer = || Buffer::from(b"bytes");
    let last = i64::MAX as u64;
    let refusals = [
        (reading.write_at(buffer(), 0, 1), ErrorKind::PermissionDenied, "opened for writing"),
        (writing.read_at(buffer(), 0, 1), ErrorKind::PermissionDenied, "opened for reading"),
        (both.read_at(buffer(), last - 4, 1), ErrorKind::InvalidInput, "beyond the last position"),
        (both.write_at(buffer(), u64::MAX, 1), ErrorKind::InvalidInput, "beyond the last position"),
    ];
    for (refused, kind, text) in refusals {
        let refused = refused.expect_err("it fails at once");
        assert_eq!(refused.error.kind(), kind);
        assert!(refused.error.to_string().contains(text), "{}", refused.error);
        assert_eq!((&refused.returned.0[..], refused.returned.1), (&b"bytes"[..], 1));
    }
    for refused in [closed.read_at(buffer(), 0, 1), closed.write_at(buffer(), 0, 1)] {
        let refused = refused.expect_err("it fails at once");
        assert_eq!(refused.error.raw_os_error(), Some(errno::FILE_CLOSED));
        assert_eq!((&refused.returned.0[..], refused.returned.1), (&b"bytes"[..], 1));
    }
    assert_eq!(closed.flush(5).expect_err("it fails at once").returned, 5);
    assert!(closed.size().is_err() && closed.set_size(1).is_err());
    assert_nothing_comes(&port);
    assert_eq!(scratch.contents(), b"contents");

    port.close();
    let refused = both.read_at(buffer(), 0, 1).expect_err("it fails at once");
    assert_eq!(
        (refused.error.kind(), &refused.returned.0[..]),
        (ErrorKind::BrokenPipe, &b"bytes"[..])
    );
    let again = port.associate(open(scratch.path(), read_write()), 9);
    assert_eq!(again.expect_err("the port is closed").returned.1, 9);
}

fn l7_a_read_at_the_end_is_shorter_and_past_it_empty(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"0123456789");
    let file = scratch.file(&port, 7);
    for (offset, capacity, expected) in [
        (0, 10, &b"0123456789"[..]),
        (0, 11, b"0123456789"),
        (7, 10, b"789"),
        (9, 1, b"9"),
        (10, 1, b""),
        (1_000_000, 64, b""),
    ] {
        assert_eq!(bytes_at(&port, &file, offset, capacity), expected, "{capacity} at {offset}");
    }
}

fn p45_transfers_of_nothing_succeed_with_a_packet(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"contents");
    let file = scratch.file(&port, 7);
    file.read_at(Buffer::empty(), 2, 1).expect("a read can be started");
    let packet = read(&port);
    assert_eq!((packet.operation, packet.result.expect("it succeeds")), (1, 0));
    file.write_at(Buffer::with_capacity(50), 100, 2).expect("a write can be started");
    let packet = written(&port);
    assert_eq!((packet.operation, packet.transferred, packet.result.is_ok()), (2, 0, true));
    assert_eq!(file.size().expect("it has one"), 8, "nothing was written");
}

fn a_long_transfer_goes_on_until_all_of_it_is_done(backend: Backend) {
    const LENGTH: usize = 5_000_001;
    let port = backend.port();
    let scratch = Scratch::holding(b"");
    let file = scratch.file(&port, 7);
    let bytes: Vec<u8> = (0..LENGTH).map(|place| (place * 7 + place / 1_000) as u8).collect();
    file.write_at(Buffer::copy_of(&bytes), 3, 1).expect("a write can be started");
    let packet = written(&port);
    assert!(packet.result.is_ok());
    assert_eq!(packet.transferred, LENGTH);
    assert_eq!(scratch.contents()[3..], bytes);
    assert_eq!(bytes_at(&port, &file, 3, LENGTH + 1_000_000), bytes);
    assert_nothing_comes(&port);
}

fn the_size_of_a_file_is_seen_and_set(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"0123456789");
    let file = scratch.file(&port, 7);
    assert_eq!(file.size().expect("it has one"), 10);
    file.set_size(4).expect("it can be cut");
    assert_eq!(bytes_at(&port, &file, 0, 64), b"0123");
    file.set_size(6).expect("it can be lengthened");
    assert_eq!(bytes_at(&port, &file, 0, 64), b"0123\0\0");
    file.write_at(Buffer::from(b"far"), 1_000, 1).expect("a write can be started");
    assert!(written(&port).result.is_ok());
    assert_eq!(file.size().expect("it has one"), 1_003);
    assert_eq!(file.alignment(), 1);
}

fn r60_room_is_reserved_and_nothing_is_cut_or_lost(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"0123456789");
    let file = scratch.file(&port, 7);
    file.preallocate(0).expect("nothing is easily reserved");
    file.preallocate(4).expect("there is room");
    assert_eq!(bytes_at(&port, &file, 0, 64), b"0123456789");
    let reserved = file.preallocate(1 << 20);
    if wine_differs(&World::System, "r60", "it does not have the call") {
        return assert_eq!(reserved.expect_err("not there").kind(), ErrorKind::Unsupported);
    }
    reserved.expect("there is room");
    assert_eq!(file.size().expect("it has one"), 1 << 20);
    assert_eq!(bytes_at(&port, &file, 0, 12), b"0123456789\0\0");
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(scratch.path()).expect("it is there");
        assert!(metadata.blocks() * 512 >= 1 << 20, "the room is its own");
    }
    file.preallocate(1 << 61).expect_err("no device is so large");
    assert_eq!(file.size().expect("it has one"), 1 << 20);
    file.close();
    assert!(file.preallocate(1).is_err());
}

fn f42_operations_on_one_file_do_not_wait_for_each_other(backend: Backend) {
    const LONG: usize = 4 << 20;
    let port = backend.port();
    let scratch = Scratch::holding(b"");
    let file = scratch.file(&port, 7);
    file.write_at(Buffer::from(vec![1; LONG]), 0, 1).expect("a write can be started");
    file.write_at(Buffer::from(b"short"), LONG as u64, 2).expect("a write can be started");
    // Whichever comes first: each packet has its own operation and its own length.
    for _ in 0..2 {
        let packet = written(&port);
        assert!(packet.result.is_ok());
        let length = if packet.operation == 1 { LONG } else { 5 };
        assert_eq!((packet.transferred, packet.buffer.len()), (length, length));
    }
    let contents = scratch.contents();
    assert!(contents[..LONG].iter().all(|byte| *byte == 1));
    assert_eq!(&contents[LONG..], b"short");
}

fn f8_every_one_of_100_000_operations_comes_back_with_4096_in_flight(backend: Backend) {
    const IN_FLIGHT: u64 = 4_096;
    let operations = rounds(100_000);
    let port = backend.port();
    let scratch = Scratch::holding(&[0; 1 << 16]);
    let file = scratch.file(&port, 7);
    let mut seen = vec![false; operations as usize];
    let (mut started, mut taken) = (0, 0);
    while taken < operations {
        while started < operations && started - taken < IN_FLIGHT {
            let offset = (started * 64) % (1 << 16);
            let start = if started % 4 == 0 {
                file.write_at(Buffer::from(&[0; 64]), offset, started)
            } else {
                file.read_at(Buffer::with_capacity(64), offset, started)
            };
            start.expect("it can be started");
            started += 1;
        }
        let batch = port.take_many(64, Some(PATIENCE)).expect("packets are owed");
        for packet in batch {
            let (number, code) = outcome(packet);
            assert_eq!(code, None);
            assert!(!std::mem::replace(&mut seen[number as usize], true), "{number} came twice");
            taken += 1;
        }
    }
    assert_nothing_comes(&port);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error_of_that_write_alone() {
    backends("a_full_device_is_an_error_of_that_write_alone").for_each(write_to_a_full_device);
}

#[cfg(target_os = "linux")]
fn write_to_a_full_device(backend: Backend) {
    let port = backend.port();
    let full = port.associate(open("/dev/full", read_write()), 1).expect("a device is associated");
    let scratch = Scratch::holding(b"");
    let file = scratch.file(&port, 2);
    full.write_at(Buffer::from(b"lost"), 0, 10).expect("a write can be started");
    file.write_at(Buffer::from(b"kept"), 0, 20).expect("a write can be started");
    for _ in 0..2 {
        let packet = written(&port);
        if packet.operation == 10 {
            assert_eq!((code(&packet.result), packet.transferred), (Some(errno::NO_SPACE), 0));
            assert_eq!((*packet.file.key(), &packet.buffer[..]), (1, &b"lost"[..]));
        } else {
            assert!(packet.result.is_ok());
        }
    }
    assert_eq!(scratch.contents(), b"kept");
    full.read_at(Buffer::with_capacity(4), 0, 30).expect("a read can be started");
    assert_eq!(read(&port).result.expect("it reads zeroes"), 4, "the handle is as good as before");
}

fn a_file_that_was_removed_goes_on(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"still here");
    let file = scratch.file(&port, 7);
    std::fs::remove_file(scratch.path()).expect("it is there");
    assert_eq!(bytes_at(&port, &file, 6, 64), b"here");
    file.write_at(Buffer::from(b"more"), 10, 1).expect("a write can be started");
    assert!(written(&port).result.is_ok());
    assert_eq!(bytes_at(&port, &file, 0, 64), b"still heremore");
}

#[test]
fn opening_says_what_is_wrong_and_names_the_path() {
    let scratch = Scratch::holding(b"");
    let missing = Scratch::nothing();
    let directory = scratch.path().parent().expect("it lies in a directory");
    let read = || FileOptions::new().read(true);
    let cases = [
        // The words of these two are the system's.
        (missing.path(), read(), ErrorKind::NotFound, ""),
        (scratch.path(), read_write().create_new(true), ErrorKind::AlreadyExists, ""),
        (directory, read(), ErrorKind::IsADirectory, "is a directory"),
        (scratch.path(), FileOptions::new(), ErrorKind::InvalidInput, "neither for reading"),
        (scratch.path(), read().truncate(true), ErrorKind::InvalidInput, "need write"),
    ];
    for (path, options, kind, text) in cases {
        let error = OpenFile::open(path, &options).expect_err("it cannot be opened");
        assert_eq!(error.kind(), kind, "{error}");
        let message = error.to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains(text), "{message}");
    }
    let made = OpenFile::open(missing.path(), &read_write().create(true));
    assert!(made.is_ok() && missing.path().exists());

    // Windows does not tell how a file was opened.
    #[cfg(target_os = "linux")]
    {
        let appending = std::fs::File::options().append(true).open(scratch.path()).expect("a file");
        let error = OpenFile::try_from(appending).expect_err("it would ignore offsets");
        assert!(error.to_string().contains("opened for appending"), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn helper_threads_refuse_what_has_no_positions() {
    let port = Backend::Helpers.port();
    let (reader, _writer) = io::pipe().expect("a pipe can be made");
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(reader));
    let file = OpenFile::try_from(file).expect("a pipe is taken");
    let refused = port.associate(file, 7).expect_err("a helper could wait for ever");
    assert_eq!(refused.error.kind(), ErrorKind::Unsupported);
    assert!(refused.error.to_string().contains("a pipe"), "{}", refused.error);
    assert_eq!((refused.returned.1, port.snapshot().devices), (7, 0));
}

#[test]
fn a_port_of_the_simulated_network_carries_files_by_helper_threads() {
    let port = World::simulated().exact_port(1);
    let scratch = Scratch::holding(b"contents");
    let file = scratch.file(&port, 7);
    assert_eq!(bytes_at(&port, &file, 3, 64), b"tents");
    let files = port.driver().files;
    assert!(
        files.starts_with("helper threads: ") && (cfg!(windows) || files.contains("simulated")),
        "{files}"
    );
}

/// What a process of its own reports of a port's files, with `OVERLAPPED_FILES` set to `value`.
#[cfg(target_os = "linux")]
fn report_with(value: &str) -> String {
    let test = "files::the_environment_chooses_what_carries_files";
    crate::signals::children_start_as_usual();
    let output = std::process::Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", test, "--nocapture"])
        .env("OVERLAPPED_FILES", value)
        .env("OVERLAPPED_TEST_REPORTS_FILES", "yes")
        .output()
        .expect("it can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.split("FILES=").nth(1));
    line.unwrap_or_else(|| panic!("no report: {text}")).to_owned()
}

/// What carries files, and how many descriptors port, first file and first operation cost.
#[cfg(target_os = "linux")]
fn report() -> io::Result<String> {
    let count = |folder| std::fs::read_dir(folder).expect("the system tells them").count();
    let (descriptors, threads) = (|| count("/proc/self/fd"), || count("/proc/self/task"));
    let (before, threads_before) = (descriptors(), threads());
    let builder = Port::<Numbers>::builder().driver(SYSTEM).blocked_thread_monitor(false);
    let port = builder.files(FilesChoice::Automatic).build()?;
    assert!(port.driver().files.starts_with("none yet: "), "{}", port.driver().files);
    let of_port = descriptors() - before;
    let scratch = Scratch::holding(b"");
    let _file = scratch.file(&port, 7);
    let of_file = descriptors() - before - of_port;
    assert_eq!(threads(), threads_before, "no thread is started for a file that is not used");
    Ok(format!("{} ({of_port} and {of_file} descriptors)", port.driver().files))
}

#[cfg(target_os = "linux")]
#[test]
fn the_environment_chooses_what_carries_files() {
    if std::env::var_os("OVERLAPPED_TEST_REPORTS_FILES").is_some() {
        println!("FILES={}", report().unwrap_or_else(|error| error.to_string()));
        return;
    }
    // A port takes four descriptors whether it has files or not; a ring takes two.
    let helpers = "helper threads: OVERLAPPED_FILES asks for them (4 and 1 descriptors)";
    assert_eq!(report_with("helpers"), helpers);
    let nonsense = report_with("nonsense");
    assert!(nonsense.contains("OVERLAPPED_FILES names nothing"), "{nonsense}");
    assert!(nonsense.contains("set it to ring or helpers"), "{nonsense}");
    if ring_is_there("the_environment_chooses_what_carries_files") {
        let ring = "io_uring: OVERLAPPED_FILES asks for it (4 and 3 descriptors)";
        assert_eq!(report_with("ring"), ring);
    }
}

/// How long the file is, by its descriptor.
#[cfg(target_os = "linux")]
fn length(descriptor: &impl std::os::fd::AsFd) -> u64 {
    rustix::fs::fstat(descriptor).expect("it is open").st_size.cast_unsigned()
}

#[cfg(windows)]
fn length(descriptor: &impl std::os::windows::io::AsHandle) -> u64 {
    let owned = descriptor.as_handle().try_clone_to_owned().expect("it is open");
    std::fs::File::from(owned).metadata().expect("it is open").len()
}

fn files_can_be_told_apart_and_have_descriptors(backend: Backend) {
    let port = backend.port();
    let scratch = Scratch::holding(b"contents");
    let unassociated = open(scratch.path(), read_write());
    assert_eq!(length(&unassociated), 8);
    let file = port.associate(unassociated, 1).expect("it is associated");
    let other = scratch.file(&port, 1);
    assert!(file == file.clone() && file != other && file.id() != other.id());
    let descriptor = file.descriptor().expect("it is open");
    file.close();
    assert_eq!(length(&descriptor), 8, "it is open as long as somebody has a descriptor");
    file.descriptor().expect_err("a closed handle has none");
}

on_every_backend! {
    files_can_be_told_apart_and_have_descriptors,
    p12_sockets_and_files_are_mixed_on_one_port,
    p20_packets_give_back_key_buffer_and_operation,
    p31_each_operation_queues_exactly_one_packet,
    p33_what_fails_at_once_gives_everything_back_and_queues_nothing,
    p45_transfers_of_nothing_succeed_with_a_packet,
    l7_a_read_at_the_end_is_shorter_and_past_it_empty,
    a_long_transfer_goes_on_until_all_of_it_is_done,
    the_size_of_a_file_is_seen_and_set,
    r60_room_is_reserved_and_nothing_is_cut_or_lost,
    f8_every_one_of_100_000_operations_comes_back_with_4096_in_flight,
    f42_operations_on_one_file_do_not_wait_for_each_other,
    a_file_that_was_removed_goes_on,
}
