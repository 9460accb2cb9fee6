//! Operations that are notified through an event, or through their handle (M110-M119, F50, P146).

use super::plain_sockets::assert_was_reset;
use super::world::{ABORTED, LONG, NONE, auto, client, comes, listener, manual, pair};
use overlapped_notify::{Completed, EventObject, Received, Waited, wait_any};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

fn room() -> Vec<u8> {
    Vec::with_capacity(64)
}

#[track_caller]
fn assert_data(completed: &Completed<Vec<u8>, Received>, bytes: &[u8]) {
    assert!(matches!(completed.result, Ok(Received::Data(_))), "{completed:?}");
    assert_eq!(completed.transferred, bytes.len());
    assert_eq!(&completed.buffer[..], bytes);
}

#[track_caller]
fn assert_aborted<T: std::fmt::Debug>(completed: &Completed<Vec<u8>, T>) {
    let error = completed.result.as_ref().expect_err("it was cancelled");
    assert_eq!(error.raw_os_error(), Some(ABORTED), "{error}");
}

#[test]
fn m110_the_start_resets_the_event_and_the_end_sets_it() {
    for event in [manual(), auto()] {
        let (stream, mut peer) = pair();
        event.set();
        let receive = stream.receive(room(), &event).expect("starts");
        assert!(!event.is_set(), "the start resets it");
        peer.write_all(b"ping").expect("sends");
        assert!(comes(&event));
        assert_data(&receive.result(), b"ping");
    }
}

#[test]
fn m110_the_event_is_set_also_when_the_operation_succeeds_at_once() {
    let (stream, mut peer) = pair();
    let event = auto();
    event.set();
    let send = stream.send(b"pong".to_vec(), &event).expect("starts");
    assert!(comes(&event));
    let sent = send.result();
    sent.result.expect("sends");
    assert_eq!((sent.transferred, &sent.buffer[..]), (4, &b"pong"[..]));
    let mut answer = [0; 4];
    peer.read_exact(&mut answer).expect("the bytes");
    assert_eq!(&answer, b"pong");
}

#[test]
fn m111_what_fails_at_once_gives_the_buffer_back_and_sets_no_event() {
    let (stream, _peer) = pair();
    let event = manual();
    stream.shutdown(Shutdown::Write).expect("shuts down");
    let refused = stream.send(b"late".to_vec(), &event).expect_err("it is shut down");
    assert_eq!(&refused.returned[..], b"late");
    assert!(!event.is_set());
    assert_eq!(wait_any(&[&event], NONE, false).expect("a wait"), Waited::TimedOut);
}

#[test]
fn m112_the_result_of_an_operation_in_flight_is_not_there_and_asking_does_not_end_it() {
    let (stream, mut peer) = pair();
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    assert!(!receive.is_complete());
    let receive = receive.try_result().expect_err("nothing was sent");
    peer.write_all(b"now").expect("sends");
    assert!(comes(&event));
    assert_data(&receive.try_result().expect("it has ended"), b"now");
}

#[test]
fn m112_a_result_can_be_waited_for() {
    for event in [manual(), auto()] {
        let (stream, mut peer) = pair();
        let receive = stream.receive(room(), &event).expect("starts");
        let writer = thread::spawn(move || peer.write_all(b"later").map(|()| peer));
        assert_data(&receive.result(), b"later");
        drop(writer.join().expect("no panic"));
    }
}

#[test]
fn m114_an_operation_has_its_result_before_its_event_is_set() {
    let (stream, mut peer) = pair();
    let writer = thread::spawn(move || {
        for _ in 0..500 {
            peer.write_all(b"x").expect("sends");
            peer.read_exact(&mut [0]).expect("an answer");
        }
    });
    let (event, stop) = (auto(), AtomicBool::new(false));
    thread::scope(|threads| {
        // Looks at the event all the time, so that it may be this thread by which it is set.
        threads.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                event.is_set();
            }
        });
        for _ in 0..500 {
            let receive = stream.receive(room(), &event).expect("starts");
            assert!(comes(&event));
            assert_data(&receive.try_result().expect("the event was set"), b"x");
            let send = stream.send(b"y".to_vec(), &event).expect("starts");
            assert!(comes(&event));
            send.try_result().expect("the event was set").result.expect("sends");
        }
        stop.store(true, Ordering::Relaxed);
    });
    writer.join().expect("no panic");
}

#[test]
fn m116_receives_end_in_the_order_of_their_starts_and_are_seen_in_that_of_the_events() {
    let (stream, mut peer) = pair();
    let (low, high) = (manual(), manual());
    let first = stream.receive(Vec::with_capacity(2), &high).expect("starts");
    let second = stream.receive(Vec::with_capacity(2), &low).expect("starts");
    peer.write_all(b"1122").expect("sends");
    assert_data(&first.result(), b"11");
    assert!(comes(&low) && comes(&high));
    assert_eq!(wait_any(&[&low, &high], NONE, false).expect("a wait"), Waited::Signaled(0));
    assert_data(&second.result(), b"22");
}

#[test]
fn m116_a_receive_proceeds_when_only_one_behind_it_is_looked_at() {
    let (stream, mut peer) = pair();
    let (first_event, second_event) = (manual(), manual());
    let first = stream.receive(Vec::with_capacity(2), &first_event).expect("starts");
    let second = stream.receive(Vec::with_capacity(2), &second_event).expect("starts");
    peer.write_all(b"1122").expect("sends");
    assert!(comes(&second_event));
    assert_data(&first.try_result().expect("it ended before the second"), b"11");
    assert_data(&second.try_result().expect("its event was set"), b"22");
}

#[test]
fn m116_an_operation_proceeds_that_is_started_while_another_thread_waits_for_its_event() {
    let (stream, mut peer) = pair();
    let (event, (tell, told)) = (auto(), mpsc::channel());
    thread::scope(|threads| {
        let (its, tell) = (&event, tell);
        threads.spawn(move || {
            for round in 0..50 {
                tell.send(round).expect("somebody listens");
                assert!(comes(its), "round {round}");
                tell.send(round).expect("somebody listens");
            }
        });
        while told.recv().is_ok() {
            // Mostly it sleeps after this.
            (0..100).for_each(|_| thread::yield_now());
            let receive = stream.receive(room(), &event).expect("starts");
            peer.write_all(b"while").expect("sends");
            // To ask the operation would let it proceed, and it is the other thread that is to.
            told.recv().expect("the other thread saw the event");
            assert_data(&receive.try_result().expect("its event was set"), b"while");
        }
    });
}

#[test]
fn m118_the_sequence_of_the_books_ends_with_a_receive_of_nothing() {
    let (stream, mut peer) = pair();
    let event = manual();
    let mut got = Vec::new();
    peer.write_all(b"one").expect("sends");
    let mut receive = stream.receive(room(), &event).expect("starts");
    loop {
        assert!(comes(&event));
        event.reset();
        let completed = receive.result();
        match completed.result.expect("no error") {
            Received::End => break,
            _ => got.extend_from_slice(&completed.buffer),
        }
        if got == b"one" {
            peer.write_all(b"two").expect("sends");
            peer.shutdown(Shutdown::Write).expect("ends");
        }
        receive = stream.receive(completed.buffer, &event).expect("starts");
    }
    assert_eq!(got, b"onetwo");
}

#[test]
fn m119_a_receive_without_room_waits_for_data_and_takes_none() {
    let (stream, mut peer) = pair();
    let event = manual();
    let receive = stream.receive(Vec::new(), &event).expect("starts");
    assert!(!receive.is_complete());
    peer.write_all(b"all of it").expect("sends");
    assert!(comes(&event));
    let completed = receive.result();
    assert_eq!(completed.result.expect("data"), Received::Readable);
    assert_eq!(completed.transferred, 0);
    assert_data(&stream.receive(room(), &event).expect("starts").result(), b"all of it");
}

#[test]
fn m119_a_send_that_is_larger_than_what_the_system_takes_ends_when_all_is_taken() {
    let (stream, mut peer) = pair();
    let event = manual();
    let data: Vec<u8> = (0..8_000_000_u32).map(|at| (at % 251) as u8).collect();
    let send = stream.send(data.clone(), &event).expect("starts");
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).map(|_| got)
    });
    assert!(comes(&event));
    let sent = send.result();
    sent.result.expect("sends");
    assert_eq!(sent.transferred, data.len());
    stream.shutdown(Shutdown::Write).expect("ends");
    assert!(reader.join().expect("no panic").expect("reads") == data, "the bytes differ");
}

#[test]
fn f50_the_result_comes_also_when_another_waiter_took_the_auto_reset_event() {
    for _ in 0..50 {
        let (stream, mut peer) = pair();
        let event = auto();
        let receive = stream.receive(room(), &event).expect("starts");
        thread::scope(|threads| {
            let waits = threads.spawn(|| comes(&event));
            let result = threads.spawn(|| receive.result());
            peer.write_all(b"both").expect("sends");
            assert!(waits.join().expect("no panic"));
            assert_data(&result.join().expect("no panic"), b"both");
        });
    }
}

#[test]
fn p146_an_operation_ends_aborted_with_the_thread_that_started_it_and_no_byte_is_lost() {
    let (stream, mut peer) = pair();
    let event = manual();
    let receive = thread::scope(|threads| {
        let starts = threads.spawn(|| stream.receive(room(), &event).expect("starts"));
        starts.join().expect("no panic")
    });
    assert!(comes(&event));
    assert_aborted(&receive.result());
    peer.write_all(b"kept").expect("sends");
    assert_data(&stream.receive(room(), &event).expect("starts").result(), b"kept");
}

#[test]
fn an_operation_without_an_event_signals_its_stream() {
    let (stream, mut peer) = pair();
    let receive = stream.receive_unnotified(room()).expect("starts");
    assert!(!stream.wait(Some(Duration::from_millis(5))).expect("a wait"));
    peer.write_all(b"here").expect("sends");
    assert!(stream.wait(LONG).expect("a wait"));
    assert!(stream.wait(NONE).expect("a wait"), "it stays signaled");
    assert_data(&receive.try_result().expect("it has ended"), b"here");
    let send = stream.send_unnotified(b"back".to_vec()).expect("starts");
    assert!(stream.wait(LONG).expect("a wait"));
    send.result().result.expect("sends");
    peer.read_exact(&mut [0; 4]).expect("the bytes");
}

#[test]
fn an_accept_sets_its_event_and_gives_the_connection() {
    let listener = listener();
    let event = auto();
    let accepts = [listener.accept(&event), listener.accept(&event)];
    for (accept, text) in accepts.into_iter().zip([b"a", b"b"]) {
        let accept = accept.expect("starts");
        assert!(!accept.is_complete());
        let mut client = client(&listener);
        let accepted = accept.result().result.expect("a connection");
        assert_eq!(accepted.remote, client.local_addr().expect("its address"));
        let stream = accepted.stream;
        client.write_all(text).expect("sends");
        assert_data(&stream.receive(room(), &event).expect("starts").result(), text);
    }
}

#[test]
fn p132_cancelling_ends_an_operation_as_aborted_and_loses_no_byte() {
    let (stream, mut peer) = pair();
    let (event, other) = (auto(), auto());
    let first = stream.receive(room(), &event).expect("starts");
    let second = stream.receive(room(), &other).expect("starts");
    first.cancel();
    assert!(comes(&event));
    assert_aborted(&first.result());
    assert!(!second.is_complete(), "its neighbour goes on");
    peer.write_all(b"bytes").expect("sends");
    second.cancel();
    // It may have been faster than the cancellation.
    let completed = second.result();
    if completed.result.is_err() {
        assert_aborted(&completed);
        assert_data(&stream.receive(room(), &event).expect("starts").result(), b"bytes");
    } else {
        assert_data(&completed, b"bytes");
    }
}

#[test]
fn p131_cancelling_what_has_ended_has_no_effect() {
    let (stream, mut peer) = pair();
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    peer.write_all(b"done").expect("sends");
    assert!(comes(&event));
    receive.cancel();
    assert_data(&receive.result(), b"done");
}

#[test]
fn cancel_all_ends_everything_in_flight() {
    let (stream, _peer) = pair();
    let events: Vec<EventObject> = (0..5).map(|_| manual()).collect();
    let receives: Vec<_> =
        events.iter().map(|event| stream.receive(room(), event).expect("starts")).collect();
    stream.cancel_all();
    for (receive, event) in receives.into_iter().zip(&events) {
        assert!(comes(event));
        assert_aborted(&receive.result());
    }
}

#[test]
fn dropping_an_operation_cancels_it_and_the_next_one_gets_the_bytes() {
    let (stream, mut peer) = pair();
    let event = manual();
    for _ in 0..20 {
        drop(stream.receive(room(), &event).expect("starts"));
    }
    peer.write_all(b"next").expect("sends");
    assert_data(&stream.receive(room(), &event).expect("starts").result(), b"next");
}

#[test]
fn an_operation_that_is_forgotten_harms_nobody_and_keeps_its_place() {
    let (stream, mut peer) = pair();
    let event = manual();
    std::mem::forget(stream.receive(Vec::with_capacity(2), &event).expect("starts"));
    let second = stream.receive(room(), &event).expect("starts");
    peer.write_all(b"ab").expect("sends");
    // On a stream the forgotten one is first, and takes what fits.
    assert!(comes(&event));
    peer.write_all(b"cd").expect("sends");
    assert_data(&second.result(), b"cd");
}

#[test]
fn an_operation_in_flight_holds_its_stream_open() {
    let (stream, mut peer) = pair();
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    drop(stream);
    peer.write_all(b"open").expect("sends");
    assert_data(&receive.result(), b"open");
    // Now nothing holds it.
    assert!(matches!(peer.read(&mut [0; 1]), Ok(0) | Err(_)));
}

#[test]
fn p144_an_aborted_stream_is_reset_when_it_is_dropped() {
    let (stream, peer) = pair();
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    stream.abort();
    assert_aborted(&receive.result());
    drop(stream);
    assert_was_reset("p144_an_aborted_stream_is_reset_when_it_is_dropped", peer);
}

#[test]
fn a_reset_by_the_peer_ends_a_receive_with_that_error() {
    let (stream, peer) = pair();
    let event = manual();
    let receive = stream.receive(room(), &event).expect("starts");
    let peer = socket2::Socket::from(peer);
    peer.set_linger(Some(Duration::ZERO)).expect("lingers");
    drop(peer);
    let error = receive.result().result.expect_err("a reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
