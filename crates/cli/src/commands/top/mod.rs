//! `top`: looks at a running server by its live address. `poll` asks it, and is the source of the screen.

mod poll;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use crate::interrupt::{self, EndArguments};
use crate::live::history::History;
use crate::live::server::{self, ServerScreen};
use crate::live::{self, terminal};
use crate::{output, values};
use poll::{Address, Poll};

/// Columns of what --once prints.
const COLUMNS: u16 = 100;

/// Options of `top`.
#[derive(Args, Debug)]
pub struct TopArguments {
    /// The server's live address, which it was given as --metrics or --live-page. A port alone is one of
    /// 127.0.0.1.
    #[arg(value_parser = values::address_or_port)]
    address: SocketAddr,
    /// Time between two looks.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = values::positive_duration)]
    every: Duration,
    /// Print one screen as text, after two looks, and end.
    #[arg(long)]
    once: bool,
    /// Print what the server tells, one JSON document for each look: one with --once, or else until Ctrl-C.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    end: EndArguments,
}

/// Runs the command.
pub fn run(arguments: &TopArguments) -> anyhow::Result<()> {
    let draws = !arguments.once && !arguments.json;
    if draws {
        arguments.end.refuse_beside("top")?;
        terminal::check("top", "use --once or --json, or read http://ADDRESS/view")?;
    }
    let address = Address::new(arguments.address, arguments.every);
    // What is no live address is told before the screen is there.
    let first = address.ask()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    interrupt::on_first_or(arguments.end, interrupt::USUAL_DRAIN, move || {
        over.store(true, Ordering::Release)
    })?;
    let is_over = || is_over.load(Ordering::Acquire);
    if draws {
        let poll = Poll::start(address, first, arguments.every)?;
        return live::show(&mut ServerScreen::new(poll, Duration::ZERO), is_over);
    }
    if arguments.json {
        output::json_line(&first)?;
        while !arguments.once && !is_over() {
            wait(arguments.every, is_over);
            if !is_over() {
                output::json_line(&address.ask()?)?;
            }
        }
        return Ok(());
    }
    let mut history = History::default();
    history.add(first);
    wait(arguments.every, is_over);
    history.add(address.ask()?);
    output::text(&server::text(&history, COLUMNS))
}

/// Waits this long, or until the end.
fn wait(time: Duration, is_over: impl Fn() -> bool) {
    const STEP: Duration = Duration::from_millis(50);
    let mut left = time;
    while !left.is_zero() && !is_over() {
        let step = left.min(STEP);
        std::thread::sleep(step);
        left -= step;
    }
}
