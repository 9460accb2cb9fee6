//! The load generator as a program: one mode, one JSON document on stdout.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use overlapped_bench::load::Mode;

/// Load generator for echo servers: one thread; every byte of every echo is compared.
#[derive(Parser)]
#[command(name = "load", version)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse().mode))
}

fn run(mode: &Mode) -> anyhow::Result<()> {
    let outcome = mode.run()?;
    serde_json::to_writer_pretty(std::io::stdout().lock(), &outcome)
        .context("cannot write the outcome to stdout")?;
    println!();
    Ok(())
}
