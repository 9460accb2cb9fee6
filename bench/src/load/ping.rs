//! Closed loop: every connection sends its next message when an echo is back.

use std::time::Duration;

use anyhow::bail;

use super::PingOptions;
use super::connection::{Connection, LIGHT};
use super::outcome::{Outcome, Recorder};
use super::session::{PATIENCE, Reading, Session};

/// Runs the closed loop.
pub fn run(options: &PingOptions) -> anyhow::Result<Outcome> {
    let (common, size) = (&options.common, options.common.msg_size.get());
    let depth = options.depth.get();
    let mut session = Session::new(size, depth)?;
    session.open(options.connections.get(), common, |number| {
        Connection::open(common.addr, None, LIGHT, number, size)
    })?;
    let now = session.now_ns();
    for connection in &mut session.connections {
        connection.send(depth, now, &mut session.scratch)?;
    }

    exchange(&mut session, options.time.warm_up, 0, &mut Recorder::default())?;
    let before = Reading::take(common)?;
    let from_ns = session.now_ns();
    let mut latency = Recorder::default();
    let messages = exchange(&mut session, options.time.seconds, from_ns, &mut latency)?;
    let after = Reading::take(common)?;

    Ok(Outcome {
        mode: "ping".into(),
        seconds: after.seconds_since(&before),
        messages,
        latency: latency.latency(),
        generator_share: after.generator_share_since(&before),
        disturbance: after.disturbance_since(&before),
        server: after.spent_since(&before),
        ..Outcome::default()
    })
}

/// Answers echoes with new messages for `seconds`; records those sent at `from_ns` or later.
/// Returns all that came back.
fn exchange(
    session: &mut Session,
    seconds: f64,
    from_ns: u64,
    latency: &mut Recorder,
) -> anyhow::Result<u64> {
    let mut messages = 0;
    let end = session.now_ns() + (seconds * 1e9) as u64;
    let mut last_echo = session.now_ns();
    loop {
        let mut seen = 0;
        session.serve(Duration::from_millis(50), |session, index| {
            let now = session.now_ns();
            let connection = &mut session.connections[index];
            let complete = connection.receive(&mut session.scratch, |intended_ns| {
                if intended_ns >= from_ns {
                    latency.record(now - intended_ns);
                }
            })?;
            if complete > 0 {
                connection.send(complete, now, &mut session.scratch)?;
            }
            seen += complete;
            Ok(())
        })?;
        messages += seen as u64;
        let now = session.now_ns();
        if seen > 0 {
            last_echo = now;
        } else if now - last_echo > PATIENCE.as_nanos() as u64 {
            bail!("the server has not echoed anything for {} s", PATIENCE.as_secs());
        }
        if now >= end {
            return Ok(messages);
        }
    }
}
