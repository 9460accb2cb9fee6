//! What timers and limits of time cost: to start, reset and stop one among many that run. Under
//! `valgrind --tool=callgrind` two runs of different `--steps` give the instructions of each.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use overlapped::{Port, Protocol, TcpSocket};

/// Timers and limits of time.
#[derive(Parser)]
#[command(name = "deadlines", version)]
struct Arguments {
    /// Timers that run meanwhile.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    timers: u64,

    /// How often each thing is done.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    steps: u64,

    /// Does only this: start-stop, reset, limit or none.
    #[arg(long, value_name = "WHAT")]
    only: Option<String>,
}

struct Nothing;

impl Protocol for Nothing {
    type Key = ();
    type Operation = u64;
    type Message = ();
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let port = Port::<Nothing>::builder().blocked_thread_monitor(false).build()?;
    let after = |number: u64| Duration::from_millis(60_000 + number % 600_000);
    let begun = Instant::now();
    let mut last = port.timer(after(0), 0)?;
    for number in 1..arguments.timers {
        last = port.timer(after(number), number)?;
    }
    let each = begun.elapsed().as_nanos() / u128::from(arguments.timers.max(1));
    println!("{} timers were started in {each} ns each", arguments.timers);

    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    let stream = port.associate(TcpSocket::try_from(listener.accept()?.0)?, ())?;
    let receive = stream.receive_pooled(0)?;

    let does = |what: &str| arguments.only.as_deref().is_none_or(|only| only == what);
    let measure = |what: &str, step: &mut dyn FnMut(u64) -> anyhow::Result<()>| {
        if does(what) {
            let begun = Instant::now();
            (0..arguments.steps).try_for_each(step)?;
            let each = begun.elapsed().as_nanos() / u128::from(arguments.steps.max(1));
            println!("{what}: {each} ns");
        }
        anyhow::Ok(())
    };
    measure("start-stop", &mut |number| {
        let timer = port.timer(after(number), number)?;
        port.stop_timer(timer).context("it has not run out")?;
        Ok(())
    })?;
    measure("reset", &mut |number| Ok(port.reset_timer(last, after(number))?))?;
    measure("limit", &mut |number| Ok(stream.set_limit(receive, Some(after(number)))?))?;
    drop(client);
    Ok(())
}
