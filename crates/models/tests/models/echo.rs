//! What comes back, from whom, in which order, and what is counted.

use crate::on_every_model;
use crate::world::{Client, Obedient, Service, may_have_descriptors, message};
use overlapped_models::{Echo, Limits, Model, ReceiveOnly, model, models};
use std::sync::{Mutex, PoisonError};

on_every_model!(
    messages_of_every_size_come_back_however_they_are_cut,
    one_client_is_served,
    sixty_four_clients_are_served,
    sixty_five_clients_are_served,
    a_thousand_clients_are_served,
    a_client_among_many_that_leave_is_served_on,
    clients_that_come_one_after_another_are_all_let_in,
    a_client_that_ends_its_direction_gets_its_echo_and_then_the_end,
    a_receiver_sends_nothing_and_ends_when_the_client_does,
    replies_of_all_kinds_on_one_connection,
    figures_add_up,
);

const SIZES: [usize; 5] = [1, 1_023, 1_024, 1_025, 100_000];

fn start(model: &dyn Model) -> Service {
    Service::start(model, Echo, &Limits { buffer_size: 1_024, ..Limits::default() })
}

fn messages_of_every_size_come_back_however_they_are_cut(model: &'static dyn Model) {
    let service = start(model);
    let client = service.connect();
    for size in SIZES {
        let message = message(size);
        for cut in [1_usize, 7, 1_024, 65_536] {
            let pieces = size.div_ceil(cut);
            // A hundred thousand sends of one byte show nothing that a thousand do not.
            if pieces > 2_000 {
                continue;
            }
            std::thread::scope(|scope| {
                scope.spawn(|| message.chunks(cut).for_each(|piece| client.send(piece)));
                assert!(client.receive(size) == message, "{size} bytes in pieces of {cut}");
            });
        }
    }
    assert!(client.has_nothing(), "nothing comes that was not sent");
}

fn serve_clients(model: &'static dyn Model, count: usize) {
    let service = start(model);
    let clients: Vec<Client> = (0..count).map(|_| service.connect()).collect();
    for (number, size) in [1, 1_025, 3_000].into_iter().enumerate() {
        // All are sent before the first is received.
        let own = |client: usize| {
            let mut own = message(size);
            own[0] = (client + number) as u8;
            own
        };
        for (client, stream) in clients.iter().enumerate() {
            stream.send(&own(client));
        }
        for (client, stream) in clients.iter().enumerate() {
            assert!(stream.receive(size) == own(client), "client {client} gets its own echo");
        }
    }
    let status = service.status();
    assert_eq!(status.accepted, count as u64);
    assert_eq!((status.connected, status.peak_connected), (count as u64, count as u64));
    drop(clients);
    service.until("everybody is gone", |status| status.connected == 0);
    assert_eq!(service.status().errors.total(), 0);
}

fn one_client_is_served(model: &'static dyn Model) {
    serve_clients(model, 1);
}

fn sixty_four_clients_are_served(model: &'static dyn Model) {
    serve_clients(model, 64);
}

/// One more than a set or a wait holds by itself (R6, M31, M91).
fn sixty_five_clients_are_served(model: &'static dyn Model) {
    serve_clients(model, 65);
}

fn a_thousand_clients_are_served(model: &'static dyn Model) {
    // One at a time, so that a process need not have the descriptors of all models.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // Both ends of each connection, and up to two events.
    if may_have_descriptors("a_thousand_clients_are_served", 4_000) {
        serve_clients(model, 1_000);
    }
}

/// E6, E8: whoever goes makes way for another, and takes nobody along.
fn a_client_among_many_that_leave_is_served_on(model: &'static dyn Model) {
    let service = start(model);
    let mut clients: Vec<(u64, Client)> = (0..70).map(|name| (name, service.connect())).collect();
    let mut gone = 0;
    // From the front, the back and the middle, gracefully and by a reset.
    while clients.len() > 1 {
        let (_, client) = clients.remove([0, clients.len() - 1, clients.len() / 2][gone % 3]);
        client.echo(b"a last word");
        match gone % 2 {
            0 => drop(client),
            _ => client.reset(),
        }
        gone += 1;
        if gone % 7 == 0 {
            service.until("they are gone", |status| status.connected == clients.len() as u64);
            clients.iter().for_each(|(name, client)| client.echo(&name.to_le_bytes()));
        }
    }
    let again: Vec<Client> = (0..70).map(|_| service.connect()).collect();
    again.iter().for_each(|client| client.echo(b"a place that was somebody else's"));
    clients[0].1.echo(b"and still here");
}

/// M57: who comes while the server is done with the one before is told of, too.
fn clients_that_come_one_after_another_are_all_let_in(model: &'static dyn Model) {
    let service = start(model);
    for round in 0..1_000 {
        let client = service.connect();
        client.echo(b"a last word");
        if round % 2 == 0 {
            client.reset();
        }
    }
    assert_eq!(service.status().accepted, 1_000);
}

fn a_client_that_ends_its_direction_gets_its_echo_and_then_the_end(model: &'static dyn Model) {
    let service = start(model);
    for size in SIZES {
        let client = service.connect();
        let message = message(size);
        let received = std::thread::scope(|scope| {
            scope.spawn(|| {
                client.send(&message);
                client.shut_down_sending();
            });
            client.receive_all()
        });
        assert!(received == message, "{size} bytes and the end");
    }
    service.until("all are gone", |status| status.connected == 0);
    assert_eq!(service.status().errors.total(), 0);
}

fn a_receiver_sends_nothing_and_ends_when_the_client_does(model: &'static dyn Model) {
    let service = Service::start(model, ReceiveOnly, &Limits::default());
    let client = service.connect();
    client.send(&message(100_000));
    client.shut_down_sending();
    assert!(client.receive_all().is_empty());
    assert_eq!(service.status().bytes, 100_000);
}

fn replies_of_all_kinds_on_one_connection(model: &'static dyn Model) {
    let service = Service::start(model, Obedient::default(), &Limits::default());
    let client = service.connect();
    client.echo(b"echo");
    client.send(b"silent");
    service.until("it was received", |status| status.bytes == 10);
    client.echo(b"and again");
    client.send(b"close");
    assert!(client.receive_all().is_empty(), "the end comes, gracefully, and nothing before it");
    service.until("it is gone", |status| status.connected == 0);
    assert_eq!(service.status().errors.total(), 0);
}

fn figures_add_up(model: &'static dyn Model) {
    let service = start(model);
    for _ in 0..3 {
        let client = service.connect();
        (0..5).for_each(|_| client.echo(&message(100)));
    }
    service.until("all are gone", |status| status.connected == 0);
    let status = service.status();
    assert_eq!((status.accepted, status.messages, status.bytes), (3, 15, 1_500));
    assert!((1..=3).contains(&status.peak_connected), "{status:?}");
    assert!(status.threads.waiting > 0, "{status:?}");
    assert!(!service.describe().is_empty());
}

#[test]
fn every_model_is_found_by_its_name_and_by_no_other() {
    for one in models() {
        assert_eq!(model(one.name()).expect("it is there").name(), one.name());
    }
    assert!(model("completion-port").is_some() && model("blocking").is_some());
    assert!(model("Blocking").is_none() && model("").is_none());
}
