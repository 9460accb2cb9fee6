use super::*;
use crate::view::{Connections, Errors, FORMAT, LogLine, Traffic};

/// A server in its `second` of life: 1,000 messages in each second, and nothing that is wrong.
fn view(second: u64) -> View {
    let messages = 1_000 * second;
    View {
        format: FORMAT.to_owned(),
        name: "echo".to_owned(),
        at_ms: 1_769_860_800_000 + 1_000 * second,
        uptime_ms: 1_000 * second,
        phase: Phase::Serving,
        verdict: Verdict::default(),
        processes: 1,
        connections: Connections { open: 40, ..Connections::default() },
        traffic: Traffic { messages, bytes: 64 * messages },
        errors: Errors::default(),
        processor_seconds: 0.0,
        port: Some(PortView {
            waiting: 2,
            released: 1,
            concurrency: 2,
            most_threads: 64,
            queue_delay_ns: vec![(1_024, messages - messages / 10), (2_048, messages / 10)],
            ..PortView::default()
        }),
        stalls: Vec::new(),
        busy: Vec::new(),
        log: Vec::new(),
    }
}

/// A handler that held its thread so many times, 52 ms each.
fn stall(name: &str, kind: StallKind, asleep_in: Option<&str>, count: u64) -> StallLine {
    StallLine {
        name: name.to_owned(),
        kind,
        asleep_in: asleep_in.map(str::to_owned),
        count,
        longest_ms: 81.0,
        total_ms: 52.0 * count as f64,
        last_ms_ago: 100,
    }
}

/// What is said after these seconds, of views that were changed by `change`, which is told the second.
fn said_after(seconds: impl IntoIterator<Item = u64>, change: impl Fn(u64, &mut View)) -> Verdict {
    let mut judge = Judge::default();
    let verdicts = seconds.into_iter().map(|second| {
        let mut view = view(second);
        change(second, &mut view);
        judge.judge(&mut view);
        view.verdict
    });
    verdicts.last().expect("a second")
}

fn said(change: impl Fn(u64, &mut View)) -> Verdict {
    said_after(10..=20, change)
}

fn port(view: &mut View) -> &mut PortView {
    view.port.as_mut().expect("it has one")
}

#[track_caller]
fn assert_says(verdict: &Verdict, weight: Weight, text: &str) {
    assert_eq!((verdict.weight, verdict.text.as_str()), (weight, text));
}

#[test]
fn a_server_that_keeps_up_has_nothing_wrong() {
    let text = "nothing is wrong: 99 of 100 packets wait less than 2.0 us";
    assert_says(&said(|_, _| {}), Weight::Good, text);
}

#[test]
fn a_handler_that_blocks_is_named_with_where_it_sleeps_and_what_that_costs() {
    let text = "handler store::append blocks (asleep in fsync) for 52 ms, 30 times in the last 10 s: \
                11 of 13 threads are paused, 3 packets wait, 99 of 100 less than 67 ms";
    let blocking = |second: u64, view: &mut View| {
        view.stalls = vec![
            stall("store::append", StallKind::Blocks, Some("fsync"), 3 * second),
            stall("render", StallKind::Computes, None, 2),
        ];
        let port = port(view);
        (port.queued, port.waiting, port.released, port.paused) = (3, 0, 2, 11);
        port.queue_delay_ns.push((67_108_864, 30 * second));
    };
    assert_says(&said(blocking), Weight::Bad, text);

    // At this moment none waits. Those that waited are the reason why it is bad.
    let verdict = said(|second, view| {
        blocking(second, view);
        port(view).queued = 0;
    });
    let text = "handler store::append blocks (asleep in fsync) for 52 ms, 30 times in the last 10 s: \
                11 of 13 threads are paused, no packet waits now, and 99 of 100 waited less than 67 ms";
    assert_says(&verdict, Weight::Bad, text);

    // Nobody waits for it: a thread was let in each time, and that is what the port is for.
    let verdict = said(|second, view| {
        view.stalls = vec![stall("store::append", StallKind::Blocks, None, second / 20)];
        (port(view).waiting, port(view).paused) = (1, 1);
    });
    let text = "handler store::append blocks for 52 ms, once in the last 10 s: 1 of 3 threads is paused, no \
                packet waits";
    assert_says(&verdict, Weight::Note, text);
}

#[test]
fn a_handler_that_computes_is_told_apart() {
    let verdict = said(|second, view| {
        view.stalls = vec![
            stall("store::append", StallKind::Blocks, Some("fsync"), second),
            stall("render", StallKind::Computes, None, 2 * second),
        ];
        (port(view).queued, port(view).waiting, port(view).released) = (41, 0, 2);
    });
    let text = "handler render computes for 52 ms, 20 times in the last 10 s: all 2 allowed threads run, 41 \
                packets wait";
    assert_says(&verdict, Weight::Bad, text);
}

#[test]
fn a_stall_of_long_ago_is_not_told_of() {
    let verdict = said(|_, view| view.stalls = vec![stall("render", StallKind::Computes, None, 7)]);
    assert_eq!(verdict.weight, Weight::Good, "{verdict:?}");
}

#[test]
fn a_thread_that_has_not_come_back_is_told_of_before_it_has() {
    let verdict = said(|_, view| {
        view.busy = vec![BusyThread {
            thread: "worker-3".to_owned(),
            name: "store::append".to_owned(),
            kind: StallKind::Blocks,
            asleep_in: Some("flock".to_owned()),
            for_ms: 48,
        }];
        (port(view).queued, port(view).paused) = (1, 1);
    });
    let text = "handler store::append blocks (asleep in flock) on thread worker-3, for 48 ms by now: 1 of 4 \
                threads is paused, 1 packet waits";
    assert_says(&verdict, Weight::Bad, text);
}

#[test]
fn that_all_threads_are_blocked_comes_first() {
    let change = |second: u64, view: &mut View| {
        view.stalls = vec![stall("store::append", StallKind::Blocks, Some("fsync"), second)];
        port(view).exhausted = second;
        (port(view).queued, port(view).waiting, port(view).released, port(view).paused) =
            (900, 0, 0, 64);
    };
    let text = "all 64 threads are blocked by handler store::append (asleep in fsync), and 900 packets wait: \
                raise --threads, or limit what blocks";
    assert_says(&said(change), Weight::Bad, text);

    let text = "all 64 threads were blocked, 10 times in the last 10 s, while packets waited: raise --threads, \
                or limit what blocks";
    assert_says(&said(|second, view| port(view).exhausted = second), Weight::Bad, text);
}

#[test]
fn handlers_that_compute_too_little_each_to_be_a_stall_are_told_of_together() {
    let change = |second: u64, view: &mut View| {
        (port(view).queued, port(view).waiting, port(view).released) = (41, 0, 2);
        port(view).queue_delay_ns.push((8_000_000, 900 * second));
    };
    let text =
        "handlers compute: all 2 allowed threads run, 41 packets wait, 99 of 100 less than 8.0 ms";
    assert_says(&said(change), Weight::Bad, text);

    // Full for one look is what a server is that is used.
    let once = said(|second, view| {
        change(second, view);
        port(view).queued = u64::from(second == 20);
    });
    assert_eq!(once.weight, Weight::Good, "{once:?}");
}

#[test]
fn lost_clients_are_told_with_the_reason() {
    let deferred = said(|second, view| view.connections.accept_deferrals = second);
    let text = "no descriptor was free for new clients, 10 times in the last 10 s: they wait until others \
                leave; raise the limit of descriptors";
    assert_says(&deferred, Weight::Bad, text);

    let refused = said(|second, view| view.connections.refused = second / 20);
    let text =
        "1 connection was refused in the last 10 s, since their clients had as many as they may";
    assert_says(&refused, Weight::Note, text);

    let errors = said(|second, view| (view.errors.reset, view.errors.timed_out) = (second, 3));
    assert_says(
        &errors,
        Weight::Note,
        "10 connections were lost in the last 10 s: 10 reset by the client",
    );

    let panics = said(|second, view| port(view).panicked = second / 20);
    assert!(panics.text.starts_with("a handler panicked once in the last 10 s"), "{panics:?}");
}

#[test]
fn silence_is_told_apart_from_nobody() {
    let silent = said(|_, view| view.traffic.messages = 5);
    let text = "no client sends: 40 connections are open, and nothing came in the last 10 s";
    assert_says(&silent, Weight::Note, text);

    let nobody = said(|_, view| (view.traffic.messages, view.connections.open) = (5, 0));
    assert_says(&nobody, Weight::Note, "no client is connected");
}

#[test]
fn phases_and_first_looks_explain_themselves() {
    let paused = said(|_, view| view.phase = Phase::Paused);
    assert!(paused.text.starts_with("it is paused: new clients wait"), "{paused:?}");
    let ending = said(|_, view| view.phase = Phase::Draining);
    assert_says(
        &ending,
        Weight::Note,
        "it ends: nobody new is accepted, and 40 connections are left",
    );

    let first = said_after([20], |_, _| {});
    assert!(first.text.starts_with("this is the first look"), "{first:?}");
}

#[test]
fn several_who_look_and_who_looks_seldom_are_told_of_the_same_time() {
    let change = |second: u64, view: &mut View| {
        view.stalls = vec![stall("a", StallKind::Blocks, None, second)]
    };
    // As many looks in each second as a server gives.
    let mut judge = Judge::default();
    let mut last = None;
    for tenth in 100..=200 {
        let mut view = view(tenth / 10);
        view.uptime_ms = 100 * tenth;
        change(tenth / 10, &mut view);
        judge.judge(&mut view);
        last = Some(view.verdict);
    }
    let text = last.expect("a look").text;
    assert!(text.contains("10 times in the last 10 s"), "{text}");
    assert!(judge.views.len() <= 12, "{}", judge.views.len());

    let seldom = said_after([10, 40], change).text;
    assert!(seldom.contains("30 times in the last 30 s"), "{seldom}");
    let rare = said_after([10, 100], change).text;
    assert!(rare.starts_with("this is the first look"), "{rare}");
    let anew = said_after([100, 10], change).text;
    assert!(anew.starts_with("this is the first look"), "{anew}");
    let anew = said_after([100, 10, 12], change).text;
    assert!(anew.contains("2 times in the last 2 s"), "{anew}");
}

#[test]
fn a_view_keeps_its_log() {
    let mut judged = view(10);
    let line = LogLine { number: 1, at_ms: 0, text: "listening".to_owned() };
    judged.log = vec![line.clone()];
    Judge::default().judge(&mut judged);
    assert_eq!(judged.log, [line]);
}

#[test]
fn a_model_without_a_port_is_judged_by_what_it_tells() {
    let verdict = said(|second, view| {
        view.port = None;
        view.stalls = vec![stall("echo", StallKind::Unknown, None, second)];
    });
    let text = "handler echo holds its thread for 52 ms, 10 times in the last 10 s";
    assert_says(&verdict, Weight::Bad, text);
    assert_says(&said(|_, view| view.port = None), Weight::Good, "nothing is wrong");
}
