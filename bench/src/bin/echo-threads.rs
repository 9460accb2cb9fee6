//! Echo server with a blocking thread for every connection, on the standard library alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use overlapped_bench::server::{self, BUFFER_SIZE, Cost, Framing, ServerOptions};

/// Echo server with a thread per connection; `--threads` is accepted and has no effect.
#[derive(Parser)]
#[command(name = "echo-threads", version)]
struct Arguments {
    #[command(flatten)]
    server: ServerOptions,
}

fn main() -> ExitCode {
    overlapped_bench::exit_code(run(&Arguments::parse().server))
}

fn run(options: &ServerOptions) -> anyhow::Result<()> {
    options.prepare_process()?;
    let listener = options.listen()?;
    server::announce(listener.local_addr()?)?;
    let cost = options.cost();
    loop {
        let (stream, _) = listener.accept().context("cannot accept a connection")?;
        std::thread::Builder::new()
            .spawn(move || echo(stream, cost).ok())
            .context("cannot start a thread for a connection")?;
    }
}

fn echo(mut stream: TcpStream, cost: Cost) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut framing = Framing::default();
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        cost.charge(&mut framing, &buffer[..count]);
        stream.write_all(&buffer[..count])?;
    }
}
