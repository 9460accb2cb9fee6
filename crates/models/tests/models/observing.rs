//! Whoever observes a server is told who comes, who leaves, and why.

use crate::on_every_model;
use crate::world::{Client, Obedient, Service, until};
use overlapped_models::{Departure, Limits, Model, Observer};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

on_every_model!(
    each_connection_is_told_with_its_client_and_how_it_ended,
    an_idle_connection_is_told_as_timed_out,
    what_a_stop_ends_by_force_is_told_too,
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Came(Option<SocketAddr>),
    Left(Option<SocketAddr>, Departure),
}

#[derive(Debug, Default, Clone)]
struct Notes(Arc<Mutex<Vec<Told>>>);

impl Observer for Notes {
    fn came(&self, client: Option<SocketAddr>) {
        self.0.lock().expect("no panic").push(Told::Came(client));
    }

    fn left(&self, client: Option<SocketAddr>, why: Departure) {
        self.0.lock().expect("no panic").push(Told::Left(client, why));
    }
}

impl Notes {
    fn limits(&self) -> Limits {
        Limits { observer: Some(Arc::new(self.clone())), ..Limits::default() }
    }

    /// What was told, when all of `expected` was, in any order, and nothing else.
    fn await_exactly(&self, expected: &[Told]) {
        until("all is told", || {
            let told = self.0.lock().expect("no panic").clone();
            let is_all = told.len() >= expected.len();
            if is_all { Ok(()) } else { Err(format!("{told:?}")) }
        });
        let told = self.0.lock().expect("no panic").clone();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for one in expected {
            assert!(told.contains(one), "{one:?} is not in {told:?}");
        }
        for (index, one) in told.iter().enumerate() {
            if let Told::Left(client, _) = one {
                let came = Told::Came(*client);
                assert!(told[..index].contains(&came), "it left before it came: {told:?}");
            }
        }
    }
}

fn near_end(client: &Client) -> Option<SocketAddr> {
    Some(client.0.local_addr().expect("it is connected"))
}

fn each_connection_is_told_with_its_client_and_how_it_ended(model: &'static dyn Model) {
    let notes = Notes::default();
    let service = Service::start(model, Obedient::default(), &notes.limits());
    let clients: Vec<_> = (0..5).map(|_| service.connect()).collect();
    let near: Vec<_> = clients.iter().map(near_end).collect();
    // Served, so that each is told before it goes.
    clients.iter().for_each(|client| client.echo(b"hello"));
    let [ends, resets, panics, closes, stays] = clients.try_into().ok().expect("five");
    drop(ends);
    resets.reset();
    panics.send(b"panic");
    closes.send(b"close");
    service.until("four have gone", |status| status.connected == 1);
    let stopped = service.stop(Duration::from_secs(60));
    assert_eq!(stopped.left, 0);
    let mut expected: Vec<_> = near.iter().map(|client| Told::Came(*client)).collect();
    let why = [Departure::End, Departure::Reset, Departure::Error, Departure::End, Departure::Stop];
    expected.extend(near.iter().zip(why).map(|(client, why)| Told::Left(*client, why)));
    notes.await_exactly(&expected);
    drop((panics, closes, stays));
}

fn an_idle_connection_is_told_as_timed_out(model: &'static dyn Model) {
    let notes = Notes::default();
    let limits = Limits { idle_timeout: Some(Duration::from_millis(200)), ..notes.limits() };
    let service = Service::start(model, Obedient::default(), &limits);
    let client = service.connect();
    client.await_end();
    let near = near_end(&client);
    notes.await_exactly(&[Told::Came(near), Told::Left(near, Departure::TimedOut)]);
}

fn what_a_stop_ends_by_force_is_told_too(model: &'static dyn Model) {
    let notes = Notes::default();
    let handler = Obedient::default();
    let service = Service::start(model, handler.clone(), &notes.limits());
    let client = service.connect();
    client.send(b"gate");
    handler.0.await_standing(1);
    let stopped = service.stop(Duration::ZERO);
    assert_eq!(stopped.left, 1);
    let near = near_end(&client);
    notes.await_exactly(&[Told::Came(near), Told::Left(near, Departure::Stop)]);
    handler.0.open();
}
