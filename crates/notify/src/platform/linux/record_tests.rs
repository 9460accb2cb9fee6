//! Every row of M57, and what M58 to M66, M87 and M88 say, on the record alone.

use super::*;

const READ: NetworkEvents = NetworkEvents::READ;
const WRITE: NetworkEvents = NetworkEvents::WRITE;
const OOB: NetworkEvents = NetworkEvents::OOB;
const ACCEPT: NetworkEvents = NetworkEvents::ACCEPT;
const CONNECT: NetworkEvents = NetworkEvents::CONNECT;
const CLOSE: NetworkEvents = NetworkEvents::CLOSE;
const NOTHING: NetworkEvents = NetworkEvents::empty();

fn everything() -> NetworkEvents {
    NetworkEvents::from_bits(!0)
}

fn record(phase: Phase, mask: NetworkEvents) -> Record {
    let mut record = Record::new(phase);
    record.select(mask, Form::Events);
    record
}

/// Data is there, and nothing else is so.
fn data() -> Seen {
    Seen { ready: Ready { readable: true, ..Ready::default() }, has_data: true, code: 0 }
}

fn room() -> Seen {
    Seen { ready: Ready { writable: true, ..Ready::default() }, ..Seen::default() }
}

fn urgent() -> Seen {
    Seen { ready: Ready { urgent: true, ..Ready::default() }, ..Seen::default() }
}

/// The peer has ended its direction.
fn end(has_data: bool) -> Seen {
    let ready = Ready { readable: true, ended: true, ..Ready::default() };
    Seen { ready, has_data, code: 0 }
}

/// The connection is broken.
fn broken(code: i32) -> Seen {
    let ready = Ready {
        readable: true,
        writable: true,
        ended: true,
        hung_up: true,
        failed: code != 0,
        ..Ready::default()
    };
    Seen { ready, has_data: false, code }
}

#[test]
fn m57_read_is_recorded_once_until_a_receive_and_then_if_data_is_left() {
    let mut record = record(Phase::Connected, READ);
    assert!(record.wanted().read);
    assert_eq!(record.see(&data()), READ);
    assert_eq!(record.see(&data()), NOTHING);
    assert!(!record.wanted().read, "nothing is asked for what would not be recorded");
    assert_eq!(record.take().events(), READ);
    assert_eq!(record.see(&data()), NOTHING);
    record.enable(READ | OOB);
    assert_eq!(record.see(&Seen::default()), NOTHING);
    assert_eq!(record.see(&data()), READ);
}

#[test]
fn m57_m59_write_is_recorded_once_until_a_send_finds_no_room() {
    let mut record = record(Phase::Connected, WRITE);
    assert_eq!(record.see(&room()), WRITE);
    assert!(!record.wanted().write);
    assert_eq!(record.see(&room()), NOTHING);
    record.enable(WRITE);
    assert!(record.wanted().write);
    assert_eq!(record.see(&room()), WRITE);
}

#[test]
fn m57_oob_is_recorded_once_until_it_was_received() {
    let mut record = record(Phase::Connected, OOB);
    assert_eq!(record.see(&urgent()), OOB);
    assert_eq!(record.see(&urgent()), NOTHING);
    record.enable(OOB);
    assert_eq!(record.see(&urgent()), OOB);
}

#[test]
fn m57_accept_is_recorded_once_until_an_accept() {
    let mut record = record(Phase::Listening, everything());
    assert_eq!(record.see(&data()), ACCEPT);
    assert_eq!(record.see(&data()), NOTHING);
    assert!(!record.wanted().read);
    record.enable(ACCEPT);
    assert!(record.wanted().read);
    assert_eq!(record.see(&data()), ACCEPT);
}

#[test]
fn m57_m66_connect_is_recorded_once_and_write_with_it() {
    let mut record = record(Phase::Fresh, CONNECT | WRITE | READ | CLOSE);
    assert_eq!(record.see(&broken(0)), NOTHING, "it never connected (M42)");
    record.connect_started();
    assert_eq!(record.see(&Seen::default()), NOTHING);
    assert_eq!(record.see(&room()), CONNECT | WRITE);
    assert_eq!(record.take().code(CONNECT), 0);
    record.enable(READ | WRITE);
    assert_eq!(record.see(&room()), WRITE);
    assert_eq!(record.phase(), Phase::Connected);
}

#[test]
fn m57_m66_a_failed_connect_is_recorded_with_its_error_and_nothing_else_is() {
    let mut record = record(Phase::Fresh, everything());
    for _ in 0..2 {
        record.connect_started();
        assert_eq!(record.see(&broken(code::REFUSED)), CONNECT);
        assert_eq!(record.take().code(CONNECT), code::REFUSED);
        assert_eq!(record.see(&broken(0)), NOTHING);
        assert_eq!(record.phase(), Phase::Failed);
        assert_eq!(record.wanted(), Wanted::default());
    }
}

#[test]
fn a_connection_that_was_reset_as_soon_as_it_was_made_has_connected() {
    let mut record = record(Phase::Fresh, CONNECT | CLOSE);
    record.connect_started();
    assert_eq!(record.see(&broken(code::RESET)), CONNECT | CLOSE);
    let taken = record.take();
    assert_eq!((taken.code(CONNECT), taken.code(CLOSE)), (0, code::RESET));
}

#[test]
fn m57_m64_close_is_recorded_once_also_before_data_that_is_unread() {
    let mut record = record(Phase::Connected, READ | CLOSE);
    assert_eq!(record.see(&end(true)), READ | CLOSE);
    assert_eq!(record.take().code(CLOSE), 0);
    record.enable(READ);
    assert_eq!(record.see(&end(true)), READ);
    record.enable(READ);
    assert_eq!(record.see(&end(false)), NOTHING, "the end is no data");
    assert_eq!(record.wanted(), Wanted::default(), "what is over is not asked for again");
}

#[test]
fn m63_a_break_is_a_close_with_its_error_whoever_met_it_first() {
    let mut record = record(Phase::Connected, everything());
    assert_eq!(record.see(&broken(code::RESET)), CLOSE);
    assert_eq!(record.take().code(CLOSE), code::RESET);
    assert_eq!(record.wanted(), Wanted::default());

    // A receive has met it, and the system tells of it only once.
    let mut record = self::record(Phase::Connected, CLOSE);
    record.broken_by(code::RESET);
    assert_eq!(record.see(&broken(0)), CLOSE);
    assert_eq!(record.take().code(CLOSE), code::RESET);
}

#[test]
fn what_is_broken_is_never_waited_for_whatever_the_mask() {
    for bits in 0..64_u32 {
        let kinds = [READ, WRITE, OOB, ACCEPT, CONNECT, CLOSE];
        let chosen = kinds.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
        let mask = chosen.fold(NOTHING, |mask, (_, event)| mask | event);
        for code in [0, code::RESET] {
            let mut record = record(Phase::Connected, mask);
            record.see(&broken(code));
            assert_eq!(record.wanted(), Wanted::default(), "{mask:?}");
            record.enable(READ | WRITE | OOB);
            record.see(&broken(0));
            assert_eq!(record.wanted(), Wanted::default(), "{mask:?}");
        }
    }
}

#[test]
fn m57_qos_and_the_reserved_are_never_recorded() {
    let mask = NetworkEvents::QOS | NetworkEvents::GROUP_QOS;
    for phase in [Phase::Fresh, Phase::Connected, Phase::Listening, Phase::Datagram] {
        let mut record = record(phase, mask);
        assert_eq!(record.wanted(), Wanted::default());
        assert_eq!(record.see(&broken(0)), NOTHING);
    }
}

#[test]
fn m62_messages_repeat_what_is_so_when_selected_anew_but_for_a_connect() {
    let mut record = record(Phase::Fresh, NOTHING);
    record.select(everything(), Form::Messages);
    record.connect_started();
    let all = Seen { ready: Ready { readable: true, ..room().ready }, has_data: true, code: 0 };
    assert_eq!(record.see(&all), CONNECT | READ | WRITE);
    record.select(everything(), Form::Messages);
    assert_eq!(record.see(&all), READ | WRITE);
}

#[test]
fn m87_m88_events_keep_what_was_not_taken_and_do_not_repeat_what_was() {
    let mut record = record(Phase::Connected, READ | WRITE);
    record.see(&data());
    record.see(&room());
    record.select(READ, Form::Events);
    assert_eq!(record.take().events(), READ);
    record.select(READ | WRITE, Form::Events);
    assert_eq!(record.see(&data()), NOTHING, "it was taken and not received");
    assert_eq!(record.pending(), WRITE);
}

#[test]
fn a_connect_that_ended_before_it_was_selected_is_told_then() {
    let mut record = record(Phase::Fresh, NOTHING);
    record.connect_started();
    assert_eq!(record.see(&room()), NOTHING);
    record.select(CONNECT, Form::Events);
    assert_eq!(record.see(&Seen::default()), CONNECT);
}
