//! What timers and limits of time cost: to start, reset and stop one among many that run. Under
//! `valgrind --tool=callgrind` two runs of different `--steps` give the instructions of each.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use overlapped::{Packet, Port, Protocol, TcpSocket};

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

    /// Does only this: start-stop, reset, reset-scattered, limit, expire or none.
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
    let timers = (0..arguments.timers.max(1))
        .map(|number| port.timer(after(number), number))
        .collect::<Result<Vec<_>, _>>()?;
    let (last, many) = (timers[timers.len() - 1], timers.len() as u64);
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
    // Each of them in turn, far from the one before: nothing of it lies in a cache.
    measure("reset-scattered", &mut |number| {
        let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % many;
        Ok(port.reset_timer(timers[place as usize], after(number))?)
    })?;
    measure("limit", &mut |number| Ok(stream.set_limit(receive, Some(after(number)))?))?;
    if does("expire") {
        expire(&port)?;
    }
    drop(client);
    Ok(())
}

/// How late the packets of timers come that run out while all the others run.
fn expire(port: &Port<Nothing>) -> anyhow::Result<()> {
    const COUNT: u64 = 10_000;
    let begun = Instant::now() + Duration::from_millis(50);
    let at = |number: u64| begun + Duration::from_micros(number * 200);
    for number in 0..COUNT {
        port.timer_at(at(number), number)?;
    }
    let mut late_us = Vec::new();
    while late_us.len() < COUNT as usize {
        if let Packet::Timer { operation: number, .. } = port.take()? {
            late_us.push(at(number).elapsed().as_secs_f64() * 1e6);
        }
    }
    late_us.sort_by(f64::total_cmp);
    let of = |share: f64| late_us[((late_us.len() - 1) as f64 * share) as usize];
    let (half, most, last) = (of(0.5), of(0.99), of(1.0));
    println!("expire: late by {half:.0} us (p50), {most:.0} us (p99), {last:.0} us (the latest)");
    Ok(())
}
