//! A server stops in phases, and in time.

use crate::world::{Client, Gate, Obedient, PATIENCE, Service, message, until};
use crate::{on_every_model, on_models_with_a_thread_to_spare};
use overlapped_models::{Echo, Limits, Model, Stopped};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

on_every_model!(
    idle_connections_end_gracefully_and_at_once,
    what_has_come_is_answered_first,
    an_echo_under_way_is_finished,
    who_does_not_read_is_ended_by_force_at_the_deadline,
    a_handler_that_blocks_is_not_waited_for_after_the_deadline,
    busy_clients_get_whole_answers_until_their_end,
    silent_clients_of_a_first_data_limit_do_not_hold_it_up,
    a_server_that_is_dropped_ends_everything,
    a_server_without_clients_stops_at_once,
    clients_that_come_during_the_stop_are_ended_or_refused,
);

on_models_with_a_thread_to_spare!(
    who_has_nothing_to_get_does_not_wait_for_a_handler,
    at_the_deadline_the_rest_is_ended_by_force,
);

const SOON: Duration = Duration::from_millis(200);

fn in_background<T: Send>(
    service: Service,
    deadline: Duration,
    meanwhile: impl FnOnce() -> T,
) -> (Stopped, T) {
    std::thread::scope(|scope| {
        let stopping = scope.spawn(move || service.stop(deadline));
        let result = meanwhile();
        (stopping.join().expect("the stop does not panic"), result)
    })
}

/// Waits until nobody listens any more: the stop has begun.
fn await_stop(address: SocketAddr) {
    until("the end of the listener", || match TcpStream::connect(address) {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

fn idle_connections_end_gracefully_and_at_once(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &Limits::default());
    let clients: Vec<Client> = (0..100).map(|_| service.connect()).collect();
    clients[..50].iter().for_each(|client| client.echo(b"hello"));
    service.until("all are accepted", |status| status.accepted == 100);
    let start = Instant::now();
    let stopped = service.stop(PATIENCE);
    assert!(start.elapsed() < PATIENCE / 2, "it does not wait for the deadline");
    assert_eq!((stopped.left, stopped.status.errors.total()), (0, 0));
    let figures = (stopped.status.accepted, stopped.status.messages, stopped.status.connected);
    assert_eq!(figures, (100, 50, 0));
    for client in &clients {
        assert!(client.receive_all().is_empty(), "the end is a graceful one");
    }
}

fn what_has_come_is_answered_first(model: &'static dyn Model) {
    answer_what_has_come(model, |_idle, gate| gate.open());
}

fn who_has_nothing_to_get_does_not_wait_for_a_handler(model: &'static dyn Model) {
    answer_what_has_come(model, |idle, gate| {
        assert!(idle.receive_all().is_empty(), "who has nothing to get goes at once");
        gate.open();
    });
}

fn answer_what_has_come(model: &dyn Model, during_the_stop: impl FnOnce(&Client, &Gate)) {
    let handler = Obedient::default();
    let gate = handler.0.clone();
    let limits = Limits { buffer_size: 1_024, ..Limits::default() };
    let service = Service::start(model, handler, &limits);
    let address = service.address;
    let (client, idle) = (service.connect(), service.connect());
    // Both are there before the handler holds up whoever it can.
    service.until("both are there", |status| status.connected == 2);
    // The first piece holds the handler, and the others wait in the system.
    let mut all = message(30_000);
    all[..4].copy_from_slice(b"gate");
    client.send(&all);
    gate.await_standing(1);
    let (stopped, echo) = in_background(service, PATIENCE, || {
        await_stop(address);
        during_the_stop(&idle, &gate);
        client.receive_all()
    });
    assert!(echo == all, "{} of {} bytes came back", echo.len(), all.len());
    assert_eq!((stopped.left, stopped.status.errors.total()), (0, 0));
    assert!(idle.receive_all().is_empty());
}

fn an_echo_under_way_is_finished(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &Limits::default());
    let address = service.address;
    let client = service.connect();
    let sent = client.send_until_echo_is_stuck(&service, 1);
    let (stopped, received) = in_background(service, PATIENCE, || {
        await_stop(address);
        client.receive_pattern()
    });
    assert_eq!((received, stopped.left), (sent, 0));
    assert_eq!(stopped.status.bytes, sent as u64);
}

fn at_the_deadline_the_rest_is_ended_by_force(model: &'static dyn Model) {
    let handler = Obedient::default();
    let gate = handler.0.clone();
    let service = Service::start(model, handler, &Limits::default());
    let (in_handler, does_not_read, idle) =
        (service.connect(), service.connect(), service.connect());
    in_handler.send(b"gate");
    gate.await_standing(1);
    idle.echo(b"hello");
    // The system finds room for a little more even when nobody reads, so a lot must wait.
    does_not_read.send_until_echo_is_stuck(&service, 4);
    let start = Instant::now();
    let stopped = service.stop(SOON);
    let took = start.elapsed();
    assert!((SOON..PATIENCE).contains(&took), "{took:?}");
    assert_eq!((stopped.left, stopped.status.errors.aborted), (2, 2));
    assert_eq!(stopped.status.connected, 0);
    in_handler.await_end();
    does_not_read.await_end();
    assert!(idle.receive_all().is_empty(), "who was idle was not forced");
    gate.open();
}

fn who_does_not_read_is_ended_by_force_at_the_deadline(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &Limits::default());
    let (does_not_read, idle) = (service.connect(), service.connect());
    idle.echo(b"hello");
    // The system finds room for a little more even when nobody reads, so a lot must wait.
    does_not_read.send_until_echo_is_stuck(&service, 4);
    let stopped = service.stop(SOON);
    assert_eq!((stopped.left, stopped.status.errors.aborted), (1, 1));
    does_not_read.await_end();
    assert!(idle.receive_all().is_empty(), "who was idle was not forced");
}

fn a_handler_that_blocks_is_not_waited_for_after_the_deadline(model: &'static dyn Model) {
    let handler = Obedient::default();
    let gate = handler.0.clone();
    let service = Service::start(model, handler, &Limits::default());
    let in_handler = service.connect();
    in_handler.send(b"gate");
    gate.await_standing(1);
    let start = Instant::now();
    let stopped = service.stop(SOON);
    let took = start.elapsed();
    assert!((SOON..PATIENCE / 2).contains(&took), "{took:?}");
    assert_eq!((stopped.left, stopped.status.errors.aborted), (1, 1));
    in_handler.await_end();
    gate.open();
}

fn busy_clients_get_whole_answers_until_their_end(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &Limits::default());
    let address = service.address;
    let echoes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let (client, echoes) = (service.connect(), &echoes);
            scope.spawn(move || {
                let message = message(500);
                loop {
                    // The server may close between two messages and reset the next one.
                    if std::io::Write::write_all(&mut &client.0, &message).is_err() {
                        return;
                    }
                    let mut echo = vec![0; message.len()];
                    if std::io::Read::read_exact(&mut &client.0, &mut echo).is_err() {
                        return;
                    }
                    assert!(echo == message, "an echo is whole");
                    echoes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        service.until("all are at work", |status| status.messages > 1_000);
        let (stopped, ()) = in_background(service, PATIENCE, || await_stop(address));
        assert_eq!(stopped.left, 0);
        assert!(stopped.status.messages >= echoes.load(Ordering::Relaxed));
    });
}

fn silent_clients_of_a_first_data_limit_do_not_hold_it_up(model: &'static dyn Model) {
    let limits = Limits { first_data: Some(2 * PATIENCE), ..Limits::default() };
    let service = Service::start(model, Echo, &limits);
    let silent: Vec<Client> = (0..5).map(|_| service.connect()).collect();
    service.connect().echo(b"hello");
    let start = Instant::now();
    let stopped = service.stop(PATIENCE);
    assert!(start.elapsed() < PATIENCE / 2);
    assert_eq!((stopped.left, stopped.status.errors.total()), (0, 0));
    silent.iter().for_each(Client::await_end);
}

fn a_server_that_is_dropped_ends_everything(model: &'static dyn Model) {
    let service = Service::start(model, Echo, &Limits::default());
    let address = service.address;
    let client = service.connect();
    client.echo(b"hello");
    drop(service);
    await_stop(address);
    client.await_end();
}

fn a_server_without_clients_stops_at_once(model: &'static dyn Model) {
    for _ in 0..20 {
        let service = Service::start(model, Echo, &Limits::default());
        let start = Instant::now();
        assert_eq!(service.stop(PATIENCE).left, 0);
        assert!(start.elapsed() < PATIENCE / 2);
    }
}

fn clients_that_come_during_the_stop_are_ended_or_refused(model: &'static dyn Model) {
    for first_data in [None, Some(PATIENCE)] {
        for _ in 0..10 {
            let limits = Limits { first_data, ..Limits::default() };
            let service = Service::start(model, Echo, &limits);
            let address = service.address;
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(move || {
                        // One that is refused ends the rush; one that was let in gets an end.
                        while let Ok(stream) = TcpStream::connect(address) {
                            stream.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
                            let client = Client(stream);
                            let _ = std::io::Write::write_all(&mut &client.0, b"hello");
                            let _ = client.0.shutdown(std::net::Shutdown::Write);
                            client.await_end();
                        }
                    });
                }
                service.until("the rush has begun", |status| status.accepted >= 8);
                let start = Instant::now();
                let stopped = service.stop(PATIENCE);
                assert!(start.elapsed() < PATIENCE / 2);
                assert_eq!((stopped.left, stopped.status.connected), (0, 0));
            });
        }
    }
}
