//! The engine against servers of one thread per connection that behave in known ways.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use overlapped_load::document::Outcome;
use overlapped_load::engine::{Config, Phase, Run};
use overlapped_load::failure::FailureKind;
use overlapped_load::plan::{Share, Sources};
use overlapped_load::schedule::Pace;

/// Far beyond what any of these runs takes; reaching it is a failure.
const PATIENCE: Duration = Duration::from_secs(300);

/// The stretches of runs in which something must come in each. A busy machine may stand still for a while.
const WARM_UP: Duration = Duration::from_millis(300);
const RECORDED: Duration = Duration::from_secs(1);

/// Serves every connection with `serve` on a thread of its own, for as long as the test runs.
fn server(serve: fn(TcpStream)) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    address
}

fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 || stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

fn interval(messages: u32, milliseconds: u64) -> Pace {
    Pace::Interval { messages, interval: Duration::from_millis(milliseconds) }
}

fn config(target: SocketAddr, connections: u32, pace: Pace) -> Config {
    Config {
        target,
        share: Share { first: 0, count: connections },
        sources: Sources { connections_per_address: 20_000, extra_base: None },
        ramp: Duration::from_millis(20),
        pace,
        message_bytes: 64,
        depth: 1,
        hot: 0,
        timeout: Duration::from_secs(10),
        threads: 2,
    }
}

/// Runs to the end; gives the phases that were seen too.
fn run(config: Config) -> (Outcome, Vec<Phase>) {
    let run = Run::start(config).expect("a run");
    let mut phases = Vec::new();
    loop {
        let phase = run.next_phase(PATIENCE).expect("the next phase in time");
        phases.push(phase);
        match phase {
            Phase::Open => run.control().begin(),
            Phase::Finished => break,
            _ => {}
        }
    }
    (run.finish(), phases)
}

fn only_failures(outcome: &Outcome, kind: FailureKind, count: u64) {
    let found: Vec<_> =
        outcome.failures.by_kind.iter().map(|(kind, count)| (*kind, *count)).collect();
    assert_eq!(found, [(kind, count)], "{}", outcome.failures);
    assert!(!outcome.is_clean());
}

#[test]
fn every_message_of_an_interval_comes_back() {
    let (outcome, phases) = run(config(server(echo), 50, interval(3, 30)));
    assert_eq!(phases, [Phase::Connecting, Phase::Open, Phase::Recording, Phase::Finished]);
    assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
    assert_eq!(outcome.counts.peak_connected, 50);
    assert_eq!(outcome.counts.messages_sent, 150);
    assert_eq!(outcome.counts.messages_recorded, 150);
    assert_eq!(outcome.counts.bytes_echoed, 150 * 64);
    assert_eq!(outcome.latencies.count(), 150);
    // The last message of the last connection is meant to go out 2 x 30 ms + 49/50 of 30 ms after
    // the beginning, and nothing may go out before its time.
    assert!(outcome.recorded_time >= Duration::from_millis(89), "{:?}", outcome.recorded_time);
}

#[test]
fn a_closed_loop_ends_by_time_and_leaves_the_warm_up_out() {
    let pace = Pace::ClosedLoop { warm_up: WARM_UP, duration: RECORDED, cool_down: Duration::ZERO };
    let (outcome, phases) = run(config(server(echo), 8, pace));
    let expected = [
        Phase::Connecting,
        Phase::Open,
        Phase::WarmUp,
        Phase::Recording,
        Phase::Closing,
        Phase::Finished,
    ];
    assert_eq!(phases, expected);
    assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
    assert!(outcome.counts.messages_recorded > 0);
    assert!(outcome.counts.messages_recorded < outcome.counts.messages_echoed);
    assert_eq!(outcome.counts.messages_sent, outcome.counts.messages_echoed);
    assert!(outcome.recorded_time >= RECORDED, "{:?}", outcome.recorded_time);
}

#[test]
fn the_cool_down_is_not_recorded_and_ends_when_it_is_told_to() {
    let pace = Pace::ClosedLoop {
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(100),
        // Far longer than the patience with the run.
        cool_down: PATIENCE * 10,
    };
    let run = Run::start(config(server(echo), 4, pace)).expect("a run");
    while run.next_phase(PATIENCE).expect("the next phase in time") != Phase::Open {}
    run.control().begin();
    while run.next_phase(PATIENCE).expect("the next phase in time") != Phase::CoolDown {}
    let before = run.progress().messages_echoed();
    while run.progress().messages_echoed() < before + 100 {
        std::thread::yield_now();
    }
    run.control().close();
    while run.next_phase(PATIENCE).expect("the end in time") != Phase::Finished {}
    let outcome = run.finish();
    assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
    assert!(outcome.recorded_time < PATIENCE, "{:?}", outcome.recorded_time);
    let unrecorded = outcome.counts.messages_echoed - outcome.counts.messages_recorded;
    assert!(unrecorded >= 100, "{:?}", outcome.counts);
}

#[test]
fn a_fixed_rate_is_kept_and_the_end_waits_for_no_timer() {
    let address = server(echo);
    let recorded_in_a_run = |_| {
        let pace = Pace::FixedRate {
            warm_up: Duration::from_millis(100),
            duration: Duration::from_secs(1),
            cool_down: Duration::ZERO,
            interval: Duration::from_millis(100),
        };
        let (outcome, _) = run(config(address, 20, pace));
        assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
        let recorded = outcome.counts.messages_recorded;
        assert!(outcome.lateness.count() > 0 && outcome.lateness.count() <= recorded + 20);
        recorded
    };
    // 20 connections, each 10 times in the recorded time; the edges may hold one more or less. What a
    // busy machine holds up belongs to another stretch then, but it does not do so in each run.
    let is_kept = (0..10).map(recorded_in_a_run).any(|recorded| (180..=220).contains(&recorded));
    assert!(is_kept, "the rate is kept in none of ten runs");

    // One connection whose second message is due in ten minutes closes all the same.
    let pace = Pace::FixedRate {
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(50),
        cool_down: Duration::ZERO,
        interval: PATIENCE * 10,
    };
    let (outcome, phases) = run(config(server(echo), 1, pace));
    assert_eq!(phases.last(), Some(&Phase::Finished));
    assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
}

#[test]
fn a_server_that_is_slow_does_not_count_as_a_late_load() {
    let address = server(|mut stream| {
        let mut buffer = [0; 64];
        while stream.read_exact(&mut buffer).is_ok() {
            std::thread::sleep(Duration::from_millis(30));
            if stream.write_all(&buffer).is_err() {
                return;
            }
        }
    });
    let pace = Pace::FixedRate {
        warm_up: Duration::ZERO,
        duration: Duration::from_millis(300),
        cool_down: Duration::ZERO,
        interval: Duration::from_millis(10),
    };
    let (outcome, _) = run(config(address, 1, pace));
    // Three messages are due during each echo, so that each waits longer than the one before.
    let worst = outcome.latencies.percentile(100.0);
    assert!(worst >= Duration::from_millis(100), "{worst:?}");
    // Only the first waited for its time and not for an echo.
    assert_eq!(outcome.lateness.count(), 1, "{:?}", outcome.lateness.percentile(100.0));
}

#[test]
fn messages_larger_than_all_buffers_between_the_ends_come_back() {
    let mut config = config(server(echo), 2, interval(2, 0));
    config.message_bytes = 16 * 1_024 * 1_024;
    let (outcome, _) = run(config);
    assert!(outcome.is_clean(), "{:?}: {}", outcome.counts, outcome.failures);
    assert_eq!(outcome.counts.bytes_echoed, 4 * 16 * 1_024 * 1_024);
}

#[test]
fn a_wrong_byte_is_found() {
    let address = server(|mut stream| {
        let mut buffer = [0; 64];
        while stream.read_exact(&mut buffer).is_ok() {
            buffer[63] ^= 0x80;
            if stream.write_all(&buffer).is_err() {
                return;
            }
        }
    });
    let (outcome, _) = run(config(address, 5, interval(2, 10)));
    only_failures(&outcome, FailureKind::WrongBytes, 5);
    assert_eq!(outcome.counts.messages_echoed, 0);
}

#[test]
fn bytes_that_nobody_asked_for_are_wrong() {
    let address = server(|mut stream| {
        if stream.write_all(b"welcome").is_ok() {
            echo(stream);
        }
    });
    let (outcome, _) = run(config(address, 3, interval(1, 10)));
    only_failures(&outcome, FailureKind::WrongBytes, 3);
}

#[test]
fn a_server_that_closes_before_the_echo_is_not_a_clean_end() {
    let address = server(|mut stream| {
        let _ = stream.read_exact(&mut [0; 64]);
    });
    let (outcome, _) = run(config(address, 4, interval(2, 10)));
    only_failures(&outcome, FailureKind::ClosedEarly, 4);
}

#[test]
fn a_reset_is_told_from_a_close() {
    let address = server(|mut stream| {
        // Closing with bytes that were not read resets the connection.
        let _ = stream.read_exact(&mut [0; 32]);
    });
    let (outcome, _) = run(config(address, 4, interval(1, 10)));
    only_failures(&outcome, FailureKind::Reset, 4);
}

#[test]
fn an_echo_that_never_comes_ends_by_the_timeout() {
    let address = server(|mut stream| {
        let mut buffer = [0; 64];
        while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
    });
    let mut config = config(address, 4, interval(1, 10));
    config.timeout = Duration::from_secs(1);
    let (outcome, _) = run(config);
    only_failures(&outcome, FailureKind::TimedOut, 4);
    assert_eq!(outcome.counts.established, 4);
}

#[test]
fn a_port_where_nobody_listens_refuses_everything() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    // The near end of a connection, which nobody else gets meanwhile.
    let connection = listener.local_addr().and_then(TcpStream::connect).expect("it listens");
    let address = connection.local_addr().expect("it is connected");
    let (outcome, phases) = run(config(address, 20, interval(1, 10)));
    only_failures(&outcome, FailureKind::Refused, 20);
    assert_eq!((outcome.counts.attempted, outcome.counts.established), (20, 0));
    assert_eq!(phases.last(), Some(&Phase::Finished));
}

#[test]
fn a_run_that_is_stopped_ends_at_once_and_says_so() {
    let run = Run::start(config(server(echo), 10, interval(2, 600_000))).expect("a run");
    while run.next_phase(PATIENCE).expect("the next phase in time") != Phase::Open {}
    run.control().begin();
    run.control().stop();
    while run.next_phase(PATIENCE).expect("the end in time") != Phase::Finished {}
    only_failures(&run.finish(), FailureKind::Interrupted, 10);
}

#[test]
fn connections_beyond_one_address_come_from_others() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let mut config =
        config(listener.local_addr().expect("a bound socket"), 6, interval(1, 600_000));
    let base = Ipv4Addr::new(127, 9, 0, 1);
    config.sources = Sources { connections_per_address: 2, extra_base: Some(base) };
    let run = Run::start(config).expect("a run");
    let mut seen: Vec<_> =
        (0..6).map(|_| listener.accept().expect("a connection").1.ip().to_string()).collect();
    seen.sort();
    assert_eq!(
        seen,
        ["127.0.0.1", "127.0.0.1", "127.9.0.1", "127.9.0.1", "127.9.0.2", "127.9.0.2"]
    );
    run.control().stop();
    while run.next_phase(PATIENCE).expect("the end in time") != Phase::Finished {}
}

#[test]
fn a_pipelined_loop_keeps_as_many_messages_under_way_and_verifies_each() {
    // It answers only when eight whole messages are there, so that fewer of them would time out.
    let address = server(|mut stream| {
        let mut eight = [0; 8 * 64];
        while stream.read_exact(&mut eight).is_ok() {
            // In pieces that end within messages.
            for piece in eight.chunks(100) {
                if stream.write_all(piece).is_err() {
                    return;
                }
            }
        }
    });
    let pace = Pace::ClosedLoop { warm_up: WARM_UP, duration: RECORDED, cool_down: Duration::ZERO };
    let (outcome, _) =
        run(Config { depth: 8, timeout: Duration::from_millis(1_500), ..config(address, 3, pace) });
    // Echoes come back in pieces, and each is followed by as many new messages at once.
    assert!(outcome.counts.messages_echoed >= 3 * 8, "{outcome:?}");
    assert_eq!(outcome.failures.by_kind.get(&FailureKind::WrongBytes), None, "{outcome:?}");
}

#[test]
fn a_pipelined_loop_ends_clean() {
    let pace = Pace::ClosedLoop { warm_up: WARM_UP, duration: RECORDED, cool_down: Duration::ZERO };
    let (outcome, _) = run(Config { depth: 16, ..config(server(echo), 4, pace) });
    assert!(outcome.is_clean(), "{outcome:?}");
    assert_eq!(outcome.counts.messages_sent, outcome.counts.messages_echoed);
    assert_eq!(outcome.latencies.count(), outcome.counts.messages_recorded);
}

#[test]
fn churn_opens_a_new_connection_for_every_message() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static ACCEPTED: AtomicU64 = AtomicU64::new(0);
    static ENDED: AtomicU64 = AtomicU64::new(0);
    let address = server(|mut stream| {
        ACCEPTED.fetch_add(1, Ordering::AcqRel);
        let mut message = [0; 64];
        // One message and then the end.
        if stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok() {
            ENDED
                .fetch_add(u64::from(matches!(stream.read(&mut message), Ok(0))), Ordering::AcqRel);
        }
    });
    let pace = Pace::Churn { warm_up: WARM_UP, duration: RECORDED, cool_down: Duration::ZERO };
    let (outcome, _) = run(config(address, 4, pace));
    assert!(outcome.is_clean(), "{outcome:?}");
    let echoed = outcome.counts.messages_echoed;
    assert!(echoed > 8, "{outcome:?}");
    assert_eq!(outcome.counts.attempted, 4, "a place counts once");
    // The last of each place may have been closed before its message.
    let accepted = ACCEPTED.load(Ordering::Acquire);
    assert!((echoed..=echoed + 4).contains(&accepted), "{accepted} for {echoed}");
}

#[test]
fn hot_connections_are_marked_and_recorded_apart_beside_a_rate() {
    // A message with the mark of the hot is echoed at once, all others after a time that is long even on
    // a busy machine.
    let address = server(|mut stream| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            match message[0] {
                b'H' => {}
                b'L' => std::thread::sleep(Duration::from_millis(200)),
                _ => return,
            }
            if stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let pace = Pace::FixedRate {
        warm_up: WARM_UP,
        duration: RECORDED,
        cool_down: Duration::ZERO,
        interval: Duration::from_millis(250),
    };
    let (outcome, _) = run(Config { hot: 1, ..config(address, 5, pace) });
    assert!(outcome.is_clean(), "{outcome:?}");
    let (light, hot) = (outcome.latencies.summary(), outcome.hot_latencies.summary());
    assert!(light.count > 0 && light.p50_us >= 200_000.0, "{light:?}");
    assert!(hot.count > light.count && hot.p50_us < 200_000.0, "{hot:?}");
    assert_eq!(outcome.counts.messages_recorded, light.count + hot.count);
}

#[test]
fn idle_connections_send_one_message_and_stay() {
    let pace = Pace::Idle { warm_up: WARM_UP, duration: RECORDED, cool_down: Duration::ZERO };
    let (outcome, phases) = run(config(server(echo), 5, pace));
    assert!(outcome.is_clean(), "{outcome:?}");
    assert_eq!((outcome.counts.messages_echoed, outcome.counts.peak_connected), (5, 5));
    assert!(phases.contains(&Phase::Recording), "{phases:?}");
}
