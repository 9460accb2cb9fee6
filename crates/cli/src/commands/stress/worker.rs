//! One process of load. Its work comes as the first line of standard input; `begin` and `stop`
//! follow; what it says is one line of JSON each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use overlapped_load::engine::{Config, Phase, Run};

use super::team::{Order, Progress, Report};
use crate::{interrupt, output, platform};

/// How often progress is said.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);

/// Runs the worker.
pub fn run() -> anyhow::Result<()> {
    platform::end_with_parent();
    overlapped_load::limits::raise_descriptors()?;
    let mut work = String::new();
    std::io::stdin().read_line(&mut work).context("no work was given")?;
    let config: Config = serde_json::from_str(&work).context("the work was not understood")?;
    let run = Run::start(config).context("cannot start the load")?;

    let control = run.control();
    interrupt::on_first(interrupt::USUAL_DRAIN, move || control.stop())?;
    let control = run.control();
    let is_watched = Arc::new(AtomicBool::new(false));
    let watched = Arc::clone(&is_watched);
    std::thread::Builder::new().name("orders".to_owned()).spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match serde_json::from_str(&line) {
                Ok(Order::Watch) => watched.store(true, Ordering::Relaxed),
                Ok(Order::Begin) => control.begin(),
                Ok(Order::Close) => control.close(),
                Ok(Order::Stop) | Err(_) => control.stop(),
            }
        }
        // The parent is gone.
        control.stop();
    })?;

    loop {
        let phase = run.next_phase(PROGRESS_PERIOD);
        let progress = run.progress();
        output::json_line(&Report::Progress(Progress {
            connected: progress.connected(),
            failed: progress.failed(),
            messages_echoed: progress.messages_echoed(),
            open: false,
        }))?;
        if is_watched.load(Ordering::Relaxed) {
            output::json_line(&Report::Latencies(Box::new(run.recent_latencies())))?;
        }
        match phase {
            Some(Phase::Open) => output::json_line(&Report::Open)?,
            Some(Phase::Recording) => output::json_line(&Report::Recording)?,
            Some(Phase::CoolDown) => output::json_line(&Report::CoolDown)?,
            Some(Phase::Closing) => output::json_line(&Report::Closing)?,
            Some(Phase::Finished) => break,
            Some(Phase::Connecting | Phase::WarmUp) | None => {}
        }
    }
    output::json_line(&Report::Outcome(Box::new(run.finish())))
}
