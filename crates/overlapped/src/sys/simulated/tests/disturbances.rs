use super::*;

const EMFILE: i32 = 24;
const EIO: i32 = 5;

#[test]
fn the_script_lets_calls_fail_by_number_and_in_order() {
    let network = Network::new(0);
    let faults = network.faults();
    let (client, server) = pair(&network);
    assert_eq!(faults.calls(Call::Connect), 1);
    send(&client, b"abc").unwrap();

    faults.fail(Call::Receive, 2, EIO);
    faults.fail_next(Call::Send, 1, EMFILE);
    faults.fail_next(Call::Send, 2, EIO);
    assert_eq!(faults.pending(), 4);
    let mut byte = [0];
    assert_eq!(server.receive(&mut byte).unwrap(), 1);
    assert_eq!(number(server.receive(&mut byte)), EIO);
    assert_eq!(server.receive(&mut byte).unwrap(), 1, "a call that failed has taken nothing");
    assert_eq!(byte, *b"b");
    assert_eq!([(); 3].map(|()| number(send(&client, b"x"))), [EMFILE, EIO, EIO]);
    assert_eq!(faults.pending(), 0);
    assert_eq!(send(&client, b"x").unwrap(), 1);
}

#[test]
fn each_kind_of_call_can_fail_and_a_peer_cannot() {
    let network = Network::new(0);
    let faults = network.faults();
    let inside = listener(&network, 4);
    for call in [Call::Receive, Call::Send, Call::Accept, Call::Connect, Call::Register] {
        faults.fail_next(call, 1, EMFILE);
    }
    let peer = network.connect(inside.local_addr().unwrap()).unwrap();
    peer.send(b"x").unwrap();
    assert_eq!(faults.pending(), 5, "the outside is not in the script");

    assert_eq!(number(inside.accept()), EMFILE);
    let (server, _) = inside.accept().unwrap();
    assert_eq!(number(network.register(&server, 1)), EMFILE);
    network.register(&server, 1).unwrap();
    assert_eq!(number(server.peek()), EMFILE);
    assert_eq!(number(send(&server, b"x")), EMFILE);
    let socket = SimulatedSocket::open(&network.shared, Family::V4);
    let to = inside.local_addr().unwrap();
    assert_eq!(number(socket.connect(to)), EMFILE);
    assert_eq!(number(socket.connect(to)), code::WOULD_BLOCK);
    socket.connected().unwrap();

    faults.fail_next(Call::Send, u64::MAX, EIO);
    faults.fail_next(Call::Send, 1, EIO);
    assert_eq!(faults.pending(), u64::MAX);
    faults.clear();
    assert_eq!(send(&server, b"x").unwrap(), 1);
}

#[test]
fn a_scripted_not_now_is_followed_by_an_edge() {
    let network = Network::new(0);
    let (client, server) = pair(&network);
    network.register(&server, 1).unwrap();
    send(&client, b"x").unwrap();
    events(&network);
    network.faults().fail_next(Call::Receive, 1, code::WOULD_BLOCK);
    assert_eq!(number(receive(&server)), code::WOULD_BLOCK);
    assert_eq!(events(&network), event(1, "rw"));
    assert_eq!(receive(&server).unwrap(), b"x");
}

/// What one thread sees that registers twenty sockets and sends and receives by its events.
fn trace(seed: u64) -> Vec<(u64, String, usize)> {
    let network = Network::new(seed);
    let pairs: Vec<_> = (0..20).map(|_| pair(&network)).collect();
    for ((client, server), token) in pairs.iter().zip(0..) {
        network.register(server, token).unwrap();
        while network.bytes_in_flight() < 50 * (token as usize + 1) {
            send(client, &[0; 50]).unwrap();
        }
    }
    let mut trace = Vec::new();
    loop {
        let mut found = Vec::new();
        network.wait(&mut found, 3, Some(Duration::ZERO));
        if found.is_empty() {
            return trace;
        }
        for event in found {
            let received = receive(&pairs[event.token as usize].1).map_or(0, |data| data.len());
            trace.push((event.token, letters(event), received));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    assert_eq!(trace(1), trace(1));
    assert_eq!(trace(u64::MAX), trace(u64::MAX));
    assert_ne!(trace(1), trace(2));
    let undisturbed: Vec<_> = (0..20).map(|token| (token, "rw".to_owned(), 50)).collect();
    assert_eq!(trace(0), undisturbed, "no seed: in order, whole, and nothing else");
}

/// What a transfer has met on its way.
#[derive(Debug, Default)]
struct Met {
    short_sends: usize,
    short_receives: usize,
    needless_events: usize,
}

/// Goes on with `step` until "not now", or until it transfers less than it is asked for; how often
/// it has transferred something, and whether the last time was short.
fn go_on(mut step: impl FnMut() -> io::Result<(usize, usize)>) -> (usize, bool) {
    let mut steps = 0;
    while let Ok((transferred, asked_for)) = step() {
        if asked_for == 0 {
            break;
        }
        steps += 1;
        if transferred < asked_for {
            return (steps, true);
        }
    }
    (steps, false)
}

/// Runs one transfer from `client` to `server` by edges alone.
fn transfer(seed: u64) -> Met {
    const LENGTH: usize = 100_000;
    let network = Network::new(seed);
    network.set_capacity(1_000);
    let (client, server) = pair(&network);
    network.register(&client, 1).unwrap();
    network.register(&server, 2).unwrap();
    let data: Vec<u8> = (0..LENGTH).map(|value| (value % 251) as u8).collect();
    let (mut sent, mut received) = (0, Vec::<u8>::new());
    let mut met = Met::default();
    while received.len() < LENGTH {
        let mut found = Vec::new();
        network.wait(&mut found, 4, Some(Duration::ZERO));
        let so_far = received.len();
        assert!(!found.is_empty(), "seed {seed}: an edge is missing after {so_far} bytes");
        for event in found {
            let (steps, is_short) = if event.token == 1 {
                go_on(|| {
                    let part = &data[sent..LENGTH.min(sent + 300)];
                    let length = send(&client, part)?;
                    sent += length;
                    Ok((length, part.len()))
                })
            } else {
                go_on(|| {
                    let mut buffer = [0; 200];
                    let length = server.receive(&mut buffer)?;
                    received.extend(&buffer[..length]);
                    Ok((length, buffer.len()))
                })
            };
            met.needless_events += usize::from(steps == 0);
            let is_send = event.token == 1;
            met.short_sends += usize::from(is_short && is_send);
            met.short_receives += usize::from(is_short && !is_send);
        }
    }
    assert_eq!(received, data);
    met
}

#[test]
fn short_transfers_lose_neither_bytes_nor_edges() {
    for seed in 0..200 {
        let met = transfer(seed);
        if seed == 0 {
            assert_eq!(met.short_receives, 0, "1,000 bytes at a time are five whole receives");
            // The data that the receiver's second event tells of was found after its first.
            assert_eq!(met.needless_events, 1);
        } else {
            assert!(met.short_sends > 0 && met.short_receives > 0, "seed {seed}: {met:?}");
            assert!(met.needless_events > 1, "seed {seed}: {met:?}");
        }
    }
}

#[test]
fn with_a_seed_some_connects_are_done_at_once_and_none_without() {
    let connects_at_once = |seed| {
        let network = Network::new(seed);
        let listener = listener(&network, 100);
        let to = listener.local_addr().unwrap();
        let sockets: Vec<_> =
            (0..100).map(|_| SimulatedSocket::open(&network.shared, Family::V4)).collect();
        sockets.iter().filter(|socket| socket.connect(to).is_ok()).count()
    };
    assert_eq!(connects_at_once(0), 0);
    assert!((1..100).contains(&connects_at_once(3)));
}
