//! The limits are kept: how many connections, and how long one may be silent or idle.

use crate::world::variants::*;
use crate::world::{Client, Obedient, PATIENCE, Service, message};
use crate::{on_every_model, on_models_with_a_thread_to_spare};
use overlapped_models::{Echo, Limits, Model};
use std::time::{Duration, Instant};

on_every_model!(
    a_client_over_the_limit_waits_in_the_backlog_until_one_leaves,
    the_limit_is_kept_under_a_rush_and_places_do_not_get_lost,
    a_client_that_sends_nothing_first_loses_its_connection,
    an_idle_connection_is_closed_and_a_busy_one_is_not,
    a_handler_that_takes_long_makes_nobody_idle_who_is_not,
    a_client_that_does_not_read_is_idle,
);

on_models_with_a_thread_to_spare!(a_connection_whose_handler_takes_long_is_not_idle);

const SHORT: Duration = Duration::from_secs(1);

fn limited(connections: usize) -> Limits {
    Limits { connections, ..Limits::default() }
}

fn a_client_over_the_limit_waits_in_the_backlog_until_one_leaves(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &limited(2));
    let (first, second) = (service.connect(), service.connect());
    first.echo(b"1");
    second.echo(b"2");
    let third = service.connect();
    third.send(b"3");
    // Whoever would accept the third has had every opportunity meanwhile.
    for _ in 0..200 {
        first.echo(b"1");
        second.echo(b"2");
    }
    assert!(third.has_nothing());
    let status = service.status();
    assert_eq!((status.accepted, status.connected), (2, 2), "{status:?}");
    drop(first);
    assert_eq!(third.receive(1), b"3");
    second.echo(b"2");
    let status = service.status();
    assert_eq!((status.accepted, status.peak_connected), (3, 2), "{status:?}");
}

fn the_limit_is_kept_under_a_rush_and_places_do_not_get_lost(model: &'static dyn Model) {
    let service = Service::start(model, Obedient::default(), &limited(3));
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let address = service.address;
            scope.spawn(move || {
                for number in 0..50 {
                    let client = Client::connect(address);
                    client.echo(b"hello");
                    // Each way to leave gives the place back.
                    match (thread + number) % 4 {
                        0 => client.reset(),
                        1 => client.send(b"panic"),
                        2 => client.send(b"close"),
                        _ => {}
                    }
                }
            });
        }
    });
    service.until("all are gone", |status| status.connected == 0);
    let status = service.status();
    assert!(status.peak_connected <= 3, "{status:?}");
    assert_eq!(status.accepted, 400);
    let three: Vec<Client> = (0..3).map(|_| service.connect()).collect();
    three.iter().for_each(|client| client.echo(b"all three places are there"));
}

/// X27: ten silent clients over ten posted accepts, and an eleventh that speaks.
fn a_client_that_sends_nothing_first_loses_its_connection(model: &'static dyn Model) {
    let limits = Limits { first_data: Some(SHORT), ..Limits::default() };
    let service = Service::start(model, Echo, &limits);
    let start = Instant::now();
    let silent: Vec<Client> = (0..10).map(|_| service.connect()).collect();
    let speaks = service.connect();
    speaks.echo(&message(10_000));
    for client in &silent {
        client.await_end();
    }
    assert!(start.elapsed() >= SHORT, "they had their time");
    speaks.echo(b"still here");
    service.until("they are counted", |status| status.errors.timed_out == 10);
    assert_eq!(service.status().connected, 1);
    // What comes first may be the end.
    let ends = service.connect();
    ends.shut_down_sending();
    assert!(ends.receive_all().is_empty());
    service.until("it is gone", |status| status.connected == 1);
    assert_eq!(service.status().errors.total(), 10);
}

#[test]
fn with_first_data_a_connection_counts_from_its_first_byte() {
    let limits = Limits { first_data: Some(PATIENCE), connections: 3, ..Limits::default() };
    let service = Service::start(&CompletionPort, Echo, &limits);
    let silent = service.connect();
    let speaks = service.connect();
    speaks.echo(b"hello");
    assert_eq!(service.status().accepted, 1);
    silent.echo(b"I too");
    assert_eq!(service.status().accepted, 2);
}

fn idle_limit() -> Limits {
    Limits { idle_timeout: Some(SHORT), ..Limits::default() }
}

fn an_idle_connection_is_closed_and_a_busy_one_is_not(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &idle_limit());
    let (idle, never_spoke, busy) = (service.connect(), service.connect(), service.connect());
    let start = Instant::now();
    idle.echo(b"hello");
    let mut ended = None;
    while ended.is_none() || service.status().connected > 1 {
        busy.echo(b"busy");
        if ended.is_none() && !idle.has_nothing() {
            ended = Some(start.elapsed());
        }
        assert!(start.elapsed() < PATIENCE, "{:?}", service.status());
    }
    assert!(ended >= Some(SHORT), "not before its time: {ended:?}");
    assert!(idle.receive_all().is_empty(), "gracefully");
    assert!(never_spoke.receive_all().is_empty(), "gracefully");
    let status = service.status();
    assert_eq!((status.errors.timed_out, status.errors.total()), (2, 2), "{status:?}");
}

fn a_connection_whose_handler_takes_long_is_not_idle(model: &'static dyn Model) {
    let handler = Obedient::default();
    let gate = handler.0.clone();
    let service = Service::start(model, handler, &idle_limit());
    let slow = service.connect();
    slow.send(b"gate");
    gate.await_standing(1);
    // Others idle away meanwhile, which shows that the limit has passed twice.
    for _ in 0..2 {
        assert!(service.connect().receive_all().is_empty());
    }
    gate.open();
    assert_eq!(slow.receive(4), b"gate");
    assert_eq!(service.status().errors.timed_out, 2);
}

/// Neither its own connection nor one that waits for the same thread.
fn a_handler_that_takes_long_makes_nobody_idle_who_is_not(model: &'static dyn Model) {
    let handler = Obedient::default();
    let gate = handler.0.clone();
    let service = Service::start(model, handler, &idle_limit());
    let (slow, other) = (service.connect(), service.connect());
    other.echo(b"hello");
    slow.send(b"gate");
    gate.await_standing(1);
    other.send(b"again");
    // Clients of another server idle away meanwhile, which shows that the limit has passed twice.
    let clock = Service::start(&Blocking, Echo, &idle_limit());
    for _ in 0..2 {
        assert!(clock.connect().receive_all().is_empty());
    }
    gate.open();
    assert_eq!(slow.receive(4), b"gate");
    assert_eq!(other.receive(5), b"again");
}

fn a_client_that_does_not_read_is_idle(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &idle_limit());
    let client = service.connect();
    // The server may give up before the client is stuck; either is an end of sending. A client that is
    // stuck need not be woken by that.
    client.0.set_write_timeout(Some(SHORT)).expect("a limit can be set");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let piece = message(65_536);
            let mut stream = &client.0;
            while std::io::Write::write_all(&mut stream, &piece).is_ok() {}
        });
        service.until("it was given up", |status| status.errors.timed_out == 1);
    });
    service.until("it is gone", |status| status.connected == 0);
}

/// R75, M48, M68, M97, M115: how many threads a model has for its connections.
#[test]
fn a_model_has_as_many_threads_as_its_way_to_wait_needs() {
    let threads_with = |model: &dyn Model, connections: usize| {
        let service = Service::start(model, Echo, &Limits::default());
        let clients: Vec<Client> = (0..connections).map(|_| service.connect()).collect();
        clients.iter().for_each(|client| client.echo(b"hello"));
        let threads = service.status().threads;
        threads.waiting + threads.released + threads.paused
    };
    // One more that accepts.
    let of_63 = |connections: usize| connections.div_ceil(63) + 1;
    for connections in [1, 63, 64, 126, 127] {
        assert_eq!(threads_with(&Blocking, connections), connections + 1);
        assert_eq!(threads_with(&Nonblocking, connections), 1);
        assert_eq!(threads_with(&Select, connections), 1);
        assert_eq!(threads_with(&SelectInSets, connections), connections.div_ceil(64) + 1);
        assert_eq!(threads_with(&AsyncSelect, connections), 1);
        assert_eq!(threads_with(&EventSelect, connections), of_63(connections));
        assert_eq!(threads_with(&OverlappedEvent, connections), of_63(connections));
        assert!(threads_with(&OverlappedRoutine, connections) <= 2);
    }
}

/// Threads that have nobody left to serve end, all but one.
#[test]
fn threads_without_connections_end() {
    for model in [&EventSelect as &dyn Model, &OverlappedEvent, &SelectInSets] {
        let service = Service::start(model, Echo, &Limits::default());
        let mut clients: Vec<Client> = (0..200).map(|_| service.connect()).collect();
        clients.iter().for_each(|client| client.echo(b"hello"));
        assert_eq!(service.status().threads.waiting, 5, "{}", model.name());
        clients.truncate(1);
        // The one that accepts, the one that serves, and one for the next client.
        service.until("the others have ended", |status| status.threads.waiting == 3);
        clients[0].echo(b"still here");
    }
}

/// As few threads as there can be, and nobody to notice when one blocks.
#[test]
fn one_worker_serves_everybody_and_stops() {
    let limits = Limits {
        concurrency: 1,
        threads: 1,
        blocked_thread_monitor: false,
        idle_timeout: Some(PATIENCE),
        ..Limits::default()
    };
    let service = Service::start(&CompletionPort, Echo, &limits);
    let clients: Vec<Client> = (0..64).map(|_| service.connect()).collect();
    for _ in 0..10 {
        clients.iter().for_each(|client| client.send(&message(2_000)));
        clients.iter().for_each(|client| assert!(client.receive(2_000) == message(2_000)));
    }
    let threads = service.status().threads;
    assert!(threads.waiting + threads.released + threads.paused <= 1, "{threads:?}");
    assert_eq!(service.stop(PATIENCE).left, 0);
}
