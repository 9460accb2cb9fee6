//! Fixed rate over light connections, measured from the time each message was to be sent, beside
//! hot connections that send back to back.

use std::time::Duration;

use super::PacedOptions;
use super::connection::{Connection, HOT, LIGHT};
use super::outcome::{Outcome, Recorder};
use super::schedule::Schedule;
use super::session::{PATIENCE, Reading, Session};

/// Messages due this soon after a reading of the server are not recorded: the reading made the
/// first of them late.
const SETTLE_NS: u64 = 50_000_000;

/// What a run has recorded so far.
#[derive(Default)]
struct Records {
    light: Recorder,
    hot: Recorder,
    lag: Recorder,
    messages: u64,
    /// Messages intended before this are not recorded.
    from_ns: u64,
}

/// Runs the fixed rate.
pub fn run(options: &PacedOptions) -> anyhow::Result<Outcome> {
    let common = &options.common;
    let size = common.msg_size.get();
    let mut session = Session::new(size, 1)?;
    let light = options.light.get();
    session.open(light + options.hot, common, |number| {
        let kind = if (number as usize) < light { LIGHT } else { HOT };
        Connection::open(common.addr, None, kind, number, size)
    })?;

    let mut warm = Records { from_ns: u64::MAX, ..Records::default() };
    pace(&mut session, options, options.time.warm_up, &mut warm)?;
    let before = Reading::take(common)?;
    let mut records = Records { from_ns: session.now_ns() + SETTLE_NS, ..Records::default() };
    let seconds = options.time.seconds + SETTLE_NS as f64 / 1e9;
    let unanswered = pace(&mut session, options, seconds, &mut records)?;
    let after = Reading::take(common)?;

    let lag = records.lag.latency();
    Ok(Outcome {
        mode: "paced".into(),
        seconds: after.seconds_since(&before),
        messages: records.messages,
        latency: records.light.latency(),
        hot: records.hot.latency(),
        lag,
        lagged: lag.is_none_or(|lag| lag.p99_us > options.lag_bound_us),
        unanswered,
        generator_share: after.generator_share_since(&before),
        disturbance: after.disturbance_since(&before),
        server: after.spent_since(&before),
        ..Outcome::default()
    })
}

/// Sends on schedule for `seconds`, then waits for the echoes that are missing. Returns how many
/// stayed away.
fn pace(
    session: &mut Session,
    options: &PacedOptions,
    seconds: f64,
    records: &mut Records,
) -> anyhow::Result<u64> {
    let light = options.light.get();
    let begin = session.now_ns();
    let end = begin + (seconds * 1e9) as u64;
    for connection in &mut session.connections[light..] {
        connection.send(1, begin, &mut session.scratch)?;
    }
    let due = Schedule::new(options.rate).map(|due| begin + due);
    for (index, due) in due.take_while(|&due| due < end).enumerate() {
        // Events are looked at between any two messages, also when the next one is due already.
        loop {
            let wait = Duration::from_nanos(due.saturating_sub(session.now_ns()));
            receive(session, wait, end, records)?;
            if session.now_ns() >= due {
                break;
            }
        }
        let now = session.now_ns();
        if due >= records.from_ns {
            records.lag.record(now - due);
        }
        session.connections[index % light].send(1, due, &mut session.scratch)?;
    }
    let give_up = end + PATIENCE.as_nanos() as u64;
    loop {
        let missing: usize = session.connections.iter().map(Connection::in_flight).sum();
        if missing == 0 || session.now_ns() > give_up {
            return Ok(missing as u64);
        }
        receive(session, Duration::from_millis(20), end, records)?;
    }
}

/// Takes the echoes that are there within `wait`; hot connections go on sending until `end`.
fn receive(
    session: &mut Session,
    wait: Duration,
    end: u64,
    records: &mut Records,
) -> anyhow::Result<()> {
    session.serve(wait, |session, index| {
        let now = session.now_ns();
        let connection = &mut session.connections[index];
        let hot = connection.is_hot();
        let complete = connection.receive(&mut session.scratch, |intended_ns| {
            records.messages += 1;
            if intended_ns >= records.from_ns {
                let recorder = if hot { &mut records.hot } else { &mut records.light };
                recorder.record(now.saturating_sub(intended_ns));
            }
        })?;
        if hot && complete > 0 && now < end {
            connection.send(complete, now, &mut session.scratch)?;
        }
        Ok(())
    })
}
