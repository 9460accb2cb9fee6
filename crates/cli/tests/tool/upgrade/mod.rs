//! A listening socket that a parent hands over: who may have it, and that a new server takes the place of an
//! old one on it without a client that notices.

mod clients;
mod handing_over;

use std::net::SocketAddr;
use std::time::Duration;

use clients::{Clients, Kind};
use handing_over::{Parent, World};

use crate::process::Running;
use crate::system::send_signal;
use rustix::process::Signal;

/// The old server ends when its last client has gone: nothing goes by the time that it has.
const PATIENT: &[&str] = &["--drain-seconds", "250", "--grace", "250s", "--quiet", "--json"];

/// Replaces a server under load so many times. Each time each client has had `least` answers of the old one
/// at least, and in the end so many of the last one.
fn upgrade(options: &[&str], clients: &Clients, times: usize, least: u64) {
    let options = [options, PATIENT].concat();
    let parent = Parent::new();
    let mut server = parent.serve(&options);
    assert_eq!(server.address(), parent.address);
    let mut accepted = Vec::new();
    clients.go_to(parent.address, || {
        for _ in 0..times {
            clients.wait_for_more(least);
            let next = parent.serve(&options);
            next.address();
            accepted.push(replaced(server));
            server = next;
        }
        clients.wait_for_more(least);
        server
    });
    clients.assert_content();
    assert!(accepted.iter().all(|accepted| *accepted > 0), "{accepted:?}");
}

/// Ends a server whose place another one has; gives how many connections it had accepted.
fn replaced(server: Running) -> u64 {
    send_signal(server.id(), Signal::TERM);
    let ended = server.wait();
    assert_eq!((ended.code(), ended.errors.as_str()), (0, ""));
    let summary = ended.json();
    assert_eq!(summary["left"], 0, "{summary}");
    summary["accepted"].as_u64().expect("a number")
}

#[test]
fn a_file_server_is_replaced_without_a_refused_client_or_a_broken_response() {
    let world = World::new("upgrade-files");
    let files = ["--app", "files", &world.site()];
    let clients = Clients::new(&[Kind::Kept, Kind::Kept, Kind::Fresh, Kind::Large]);
    upgrade(&files, &clients, 2, 30);
}

#[test]
fn a_file_server_over_tls_is_replaced_without_a_refused_client_or_a_broken_response() {
    let world = World::new("upgrade-tls");
    let (certificate, key) = world.certificate();
    let site = world.site();
    let tls = ["--tls", "--certificate", &certificate, "--key", &key];
    let files = [&["--app", "files", &site], &tls[..]].concat();
    let clients = Clients::over_tls(&world, &[Kind::Kept, Kind::Kept, Kind::Fresh, Kind::Large]);
    upgrade(&files, &clients, 2, 20);
}

#[test]
fn an_echo_server_is_replaced_without_a_refused_client_or_a_lost_message() {
    let clients = Clients::new(&[Kind::Echo, Kind::Echo, Kind::EchoOnce]);
    upgrade(&[], &clients, 2, 60);
}

#[test]
fn servers_of_several_processes_are_replaced_as_well() {
    let world = World::new("upgrade-family");
    let files = ["--app", "files", &world.site(), "--processes", "2"];
    let clients = Clients::new(&[Kind::Kept, Kind::Kept, Kind::Fresh]);
    upgrade(&files, &clients, 2, 30);
}

/// By hand, of a release build: what it prints is in the page on operations.
#[test]
#[ignore = "it takes half a minute and two processors"]
fn ten_thousand_requests_in_a_second_go_on_through_upgrades() {
    const EACH: u32 = 25;
    let seconds = Duration::from_secs(10);
    let world = World::new("upgrade-fast");
    let site = world.site();
    // 10,256 in a second, of which one in twenty comes on a connection of its own.
    let load = |often: Kind, once: Kind| {
        let kinds: Vec<Kind> =
            (0..40).map(|number| if number < 38 { often } else { once }).collect();
        Clients::new(&kinds).paced(Duration::from_micros(3_900))
    };
    for (name, options, clients) in [
        ("files", &["--app", "files", &site][..], load(Kind::Kept, Kind::Fresh)),
        (
            "files, 2 processes",
            &["--app", "files", &site, "--processes", "2"],
            load(Kind::Kept, Kind::Fresh),
        ),
        ("echo", &[], load(Kind::Echo, Kind::EchoOnce)),
    ] {
        let begun = std::time::Instant::now();
        upgrade(options, &clients, EACH as usize, 2_500 / u64::from(EACH));
        let took = begun.elapsed();
        println!("{name}: {EACH} upgrades, {}", clients.said(took));
        assert!(took < 10 * seconds, "the load was never what it should be: {took:?}");
    }
}

/// The client of a kept connection, in the hands of a test.
fn connect(address: SocketAddr, tls: Option<&World>) -> clients::Connection {
    clients::Connection::open(address, tls.map(World::trust)).expect("the socket listens")
}

#[test]
fn an_idle_client_is_answered_once_more_and_told_to_go() {
    for tls in [false, true] {
        let world = World::new("upgrade-idle");
        let (certificate, key) = world.certificate();
        let site = world.site();
        let options = ["--tls", "--certificate", &certificate, "--key", &key];
        let options = if tls { &options[..] } else { &[] };
        let parent = Parent::new();
        let server = parent.serve(&[&["--app", "files", &site], options, PATIENT].concat());
        server.address();
        let mut idle = connect(parent.address, tls.then_some(&world));
        assert!(!idle.get("page").expect("an answer"), "nobody has said that it ends");
        send_signal(server.id(), Signal::TERM);
        // Each is answered, those that come before the server has heard of the end as well.
        while !idle.get("page").expect("an answer") {}
        idle.ends().expect("the end");
        assert_eq!(server.wait().json()["left"], 0);
    }
}

#[test]
fn who_comes_while_nobody_accepts_waits_for_the_next_server() {
    let parent = Parent::new();
    let first = parent.serve(PATIENT);
    first.address();
    let mut kept = connect(parent.address, None);
    kept.echo(b"before").expect("an echo");
    send_signal(first.id(), Signal::TERM);
    kept.echo(b"after").expect("an echo");
    drop(kept);
    assert_eq!(first.wait().code(), 0);
    let mut waits = connect(parent.address, None);
    waits.say(b"anybody?").expect("the system takes it");
    let second = parent.serve(PATIENT);
    second.address();
    waits.hear(b"anybody?").expect("an echo");
    drop(waits);
    assert_eq!(second.interrupt().json()["accepted"], 1);
}
