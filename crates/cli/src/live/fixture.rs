//! Views of a server that tests change as they need it.

use overlapped_observe::view::{
    BusyThread, Connections, Errors, FORMAT, LogLine, Phase, PortView, StallKind, StallLine,
    Traffic, Verdict,
};
use overlapped_observe::{Judge, View};

use super::history::History;

/// A server in its `second` of life: 1,000 messages of 64 bytes in each second, and nothing that is wrong.
pub fn view(second: u64) -> View {
    let messages = 1_000 * second;
    View {
        format: FORMAT.to_owned(),
        name: "echo by completion-port on 127.0.0.1:12345".to_owned(),
        at_ms: 1_769_860_800_000 + 1_000 * second,
        uptime_ms: 1_000 * second,
        phase: Phase::Serving,
        verdict: Verdict::default(),
        processes: 1,
        connections: Connections {
            open: 40,
            peak: 60,
            accepted: 100 + 2 * second,
            ..Connections::default()
        },
        traffic: Traffic { messages, bytes: 64 * messages },
        errors: Errors::default(),
        processor_seconds: second as f64 / 4.0,
        port: Some(PortView {
            devices: 41,
            queued: 0,
            waiting: 2,
            released: 1,
            paused: 0,
            concurrency: 2,
            most_threads: 64,
            packets: 2 * messages,
            queue_delay_ns: vec![(1_024, messages - messages / 10), (2_048, messages / 10)],
            ..PortView::default()
        }),
        stalls: Vec::new(),
        busy: Vec::new(),
        log: Vec::new(),
    }
}

/// A handler that was slept in so many times, 52 ms each.
pub fn stall(name: &str, kind: StallKind, asleep_in: Option<&str>, count: u64) -> StallLine {
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

/// Whom that handler holds now.
pub fn busy(name: &str, kind: StallKind, asleep_in: Option<&str>) -> BusyThread {
    BusyThread {
        thread: "worker-3".to_owned(),
        name: name.to_owned(),
        kind,
        asleep_in: asleep_in.map(str::to_owned),
        for_ms: 48,
    }
}

/// A line of the log.
pub fn line(number: u64, text: &str) -> LogLine {
    LogLine { number, at_ms: 1_769_860_800_000 + 1_000 * number, text: text.to_owned() }
}

/// The views of eleven seconds, each changed by `change`, which is told the second, and judged.
pub fn history(change: impl Fn(u64, &mut View)) -> History {
    let (mut history, mut judge) = (History::default(), Judge::default());
    for second in 10..=20 {
        let mut view = view(second);
        change(second, &mut view);
        judge.judge(&mut view);
        history.add(view);
    }
    history
}

/// A handler that writes to a disk and blocks three times a second: what the page on the live view shows.
pub fn blocking() -> History {
    history(|second, view| {
        let port = view.port.as_mut().expect("it has one");
        (port.queued, port.waiting, port.released, port.paused) = (3, 0, 2, 11);
        port.queue_delay_ns.push((67_108_864, 30 * second));
        view.stalls = vec![
            stall("store::append", StallKind::Blocks, Some("fsync"), 3 * second),
            stall("render", StallKind::Computes, None, 2),
        ];
        view.busy = vec![busy("store::append", StallKind::Blocks, Some("fsync"))];
        view.log = (1..=2 * second)
            .map(|number| line(number, &format!("connected 127.0.0.1:{}", 40_000 + number)))
            .collect();
    })
}
