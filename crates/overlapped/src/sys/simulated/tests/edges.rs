use super::*;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// A thread that waits in vain comes back after this, and the test fails.
const PATIENCE: Duration = Duration::from_secs(300);

#[test]
fn a_registered_socket_yields_each_change_once() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    network.register(&server, 7).unwrap();
    assert_eq!(events(&network), event(7, "w"), "what it may do at registration");
    assert_eq!(events(&network), [], "an edge is taken once");

    send(&client, b"one").unwrap();
    send(&client, b"two").unwrap();
    assert_eq!(events(&network), event(7, "r"), "what was not taken is merged");
    send(&client, b"three").unwrap();
    assert_eq!(events(&network), event(7, "r"), "new data is an edge, read or not");

    client.end_sending().unwrap();
    assert_eq!(events(&network), event(7, "re"));
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(events(&network), event(7, "rwe"));
}

#[test]
fn a_ready_socket_yields_what_it_may_do_when_it_is_registered() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    send(&client, b"early").unwrap();
    drop(client);
    network.register(&server, 1).unwrap();
    assert_eq!(events(&network), event(1, "rwe"));

    let listener = listener(&network, 4);
    network.register(&listener, 2).unwrap();
    assert_eq!(events(&network), []);
    let (_client, _) = connect(&network, listener.local_addr().unwrap());
    assert_eq!(events(&network), event(2, "r"));
    network.deregister(&listener);
    network.register(&listener, 3).unwrap();
    assert_eq!(events(&network), event(3, "r"));
}

#[test]
fn after_deregister_nothing_comes_and_registering_twice_fails() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    network.register(&server, 1).unwrap();
    assert_eq!(number(network.register(&server, 2)), code::EXISTS);
    network.deregister(&server);
    send(&client, b"x").unwrap();
    assert_eq!(events(&network), [], "also not the edge that was queued before");

    let other = Network::new(0);
    let error = other.register(&server, 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn each_port_on_a_network_has_its_own_events() {
    let first = Network::new(0);
    let second = first.clone();
    let (client, server) = pair(&first);
    first.register(&client, 1).unwrap();
    second.register(&server, 1).unwrap();
    events(&first);
    events(&second);
    send(&client, b"x").unwrap();
    second.kick();
    assert_eq!(events(&first), []);
    assert_eq!(events(&second), event(1, "r"));

    drop(second);
    first.register(&server, 2).unwrap();
    assert_eq!(events(&first), event(2, "rw"), "a port that is gone holds no socket back");
}

#[test]
fn a_batch_takes_no_more_than_it_may() {
    let network = Network::new(0);
    let pairs: Vec<_> = (0..5).map(|_| pair(&network)).collect();
    for ((client, _), token) in pairs.iter().zip(0..) {
        network.register(client, token).unwrap();
    }
    let mut taken = Vec::new();
    for expected in [2, 4, 5, 5] {
        network.wait(&mut taken, 2, Some(Duration::ZERO));
        assert_eq!(taken.len(), expected);
    }
    assert_eq!(taken.iter().map(|event| event.token).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_kick_is_remembered_for_the_next_wait() {
    let network = Network::new(0);
    network.kick();
    network.kick();
    let mut events = Vec::new();
    network.wait(&mut events, 1, None);
    assert_eq!(events, []);
    network.kick();
    network.wait(&mut events, 1, None);
    assert_eq!(events, []);
}

#[test]
fn a_kick_is_for_who_stands_in_the_wait_not_for_who_comes_by() {
    let network = &Network::new(0);
    let standing = || {
        let state = network.shared.state.lock();
        state.outlets[&network.outlet].kicks.standing()
    };
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            for _ in 0..300 {
                network.wait(&mut Vec::new(), 1, Some(PATIENCE * 2));
                tell.send(()).unwrap();
            }
        });
        for round in 0..300 {
            while standing() == 0 {
                thread::yield_now();
            }
            network.kick();
            // One looks, the other would wait; neither may take the kick.
            let waits = if round % 2 == 0 { Duration::ZERO } else { Duration::from_nanos(1) };
            network.wait(&mut Vec::new(), 1, Some(waits));
            assert_eq!(told.recv_timeout(PATIENCE), Ok(()), "round {round}");
        }
    });
}

#[test]
fn a_kick_with_nobody_there_is_left_by_who_only_looks() {
    let network = Network::new(0);
    network.kick();
    network.wait(&mut Vec::new(), 1, Some(Duration::ZERO));
    network.wait(&mut Vec::new(), 1, None);
    let long = Duration::from_millis(20);
    let start = Instant::now();
    network.wait(&mut Vec::new(), 1, Some(long));
    assert!(start.elapsed() >= long, "it was taken once");
}

#[test]
fn the_alarm_rings_once_and_not_early() {
    let network = Network::new(0);
    let at = Instant::now() + Duration::from_millis(20);
    network.arm(Some(at));
    let mut events = Vec::new();
    network.wait(&mut events, 4, None);
    assert!(Instant::now() >= at);
    let alarm = Event { token: Event::ALARM, readable: true, writable: false, ended: false };
    assert_eq!(events, [alarm]);

    events.clear();
    network.wait(&mut events, 4, Some(Duration::ZERO));
    assert_eq!(events, []);
    network.arm(Some(at));
    network.arm(None);
    network.wait(&mut events, 4, Some(Duration::ZERO));
    assert_eq!(events, [], "an alarm that was stopped does not ring");
}

#[test]
fn a_look_is_due_once_and_not_early() {
    let network = Network::new(0);
    let mut events = Vec::new();
    let start = Instant::now();
    network.look_after(Duration::from_secs(3_600));
    network.look_after(Duration::from_millis(20));
    assert!(!network.wait(&mut events, 1, Some(Duration::ZERO)));
    assert!(network.wait(&mut events, 1, None));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(!network.wait(&mut events, 1, Some(Duration::ZERO)));

    network.look_after(Duration::ZERO);
    network.arm(Some(start));
    assert!(network.wait(&mut events, 1, None), "beside the alarm");
    assert_eq!(events.len(), 1);
}

#[test]
fn a_waiting_thread_comes_back_for_an_edge_an_earlier_alarm_a_look_and_a_kick() {
    let network = &Network::new(0);
    let (client, server) = pair(network);
    network.arm(Some(Instant::now() + Duration::from_secs(3_600)));
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            for _ in 0..4 {
                let mut events = Vec::new();
                let look = network.wait(&mut events, 1, Some(PATIENCE * 2));
                tell.send((look, events.first().map(|event| event.token))).unwrap();
            }
        });
        network.register(&server, 5).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE), Ok((false, Some(5))));
        network.arm(Some(Instant::now()));
        assert_eq!(told.recv_timeout(PATIENCE), Ok((false, Some(Event::ALARM))));
        network.look_after(Duration::ZERO);
        assert_eq!(told.recv_timeout(PATIENCE), Ok((true, None)));
        network.kick();
        assert_eq!(told.recv_timeout(PATIENCE), Ok((false, None)));
    });
    drop(client);
}

#[test]
fn an_event_is_given_to_one_of_several_waiting_threads_and_none_is_lost() {
    const THREADS: usize = 4;
    const ROUNDS: u64 = 200;
    let network = &Network::new(0);
    let (client, server) = pair(network);
    network.register(&server, 1).unwrap();
    events(network);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..THREADS {
            let tell = tell.clone();
            scope.spawn(move || {
                loop {
                    let mut events = Vec::new();
                    network.wait(&mut events, 1, Some(PATIENCE * 2));
                    tell.send(events.len()).unwrap();
                    if events.is_empty() {
                        return;
                    }
                }
            });
        }
        for _ in 0..ROUNDS {
            send(&client, b"x").unwrap();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
        }
        // Every thread ends by one kick; an event that came twice would show here.
        for _ in 0..THREADS {
            network.kick();
            assert_eq!(told.recv_timeout(PATIENCE), Ok(0));
        }
    });
}
